//! `import sqlite` and `import verify`, also when they are killed.

use std::sync::atomic::{AtomicI64, Ordering};

use agent_turbo_test_support::{Behaviour, Misbehaving};
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Fixture, Ran, SOON, until};

const ENTRIES: &str =
    "CREATE TABLE entries (id INTEGER PRIMARY KEY, ts REAL, text TEXT, tags JSON, metadata JSON);";

fn source(fixture: &Fixture, name: &str, sql: &str) -> Connection {
    let connection = Connection::open(fixture.dir.path().join(name)).unwrap();
    connection.execute_batch(sql).unwrap();
    connection
}

fn fill(connection: &Connection, rows: u32) {
    let sql = format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {rows})
         INSERT INTO entries (ts, text, tags) SELECT 1760000000 + n, 'Note ' || n || ' on retries', '[\"bulk\"]' FROM n"
    );
    connection.execute_batch(&sql).unwrap();
}

/// Runs it until no killed one is still seen as under way by the server.
async fn import(fixture: &Fixture, arguments: &[&str]) -> Ran {
    loop {
        let ran = fixture.run(&[&["import", "sqlite", "old.db"], arguments].concat()).await;
        if !ran.stderr.contains("another one is under way") {
            return ran;
        }
    }
}

#[tokio::test]
async fn a_store_is_imported_found_and_verified() {
    let fixture = Fixture::new().await;
    fill(&source(&fixture, "old.db", ENTRIES), 70);
    let dry = fixture.run(&["import", "sqlite", "old.db", "--dry-run"]).await;
    assert!(dry.done().starts_with("Nothing was written.") && dry.stdout.contains("70  imported"), "{dry:?}");
    assert_eq!(fixture.rows().await, 0);
    let ran = fixture.run(&["import", "sqlite", "old.db"]).await;
    assert!(ran.done().starts_with("✅ Imported 70 entries"), "{ran:?}");
    assert!(ran.stdout.contains("✓ imported: 70 rows, 70 texts, hashes the same"), "{ran:?}");
    assert_eq!(fixture.rows().await, 70);
    let again = fixture.json(&["import", "sqlite", "old.db"]).await;
    assert_eq!((&again["counts"]["resumed"], &again["counts"]["imported"]), (&70.into(), &0.into()));
    assert_eq!(again["verification"]["classes"][0]["matches"], true);
    let verified = fixture.run(&["import", "verify", "old.db"]).await;
    assert!(verified.done().starts_with("✅ Both sides match: 70 rows"), "{verified:?}");
    let found = fixture.run(&["query", "retries", "--limit", "1"]).await;
    assert!(found.done().contains("#bulk"), "{found:?}");
}

#[tokio::test]
async fn an_unknown_table_is_shown_with_the_command_that_imports_it() {
    let fixture = Fixture::new().await;
    source(
        &fixture,
        "old.db",
        "CREATE TABLE \"my notes\" (\"the id\" INTEGER PRIMARY KEY, body TEXT, created TEXT);
         INSERT INTO \"my notes\" VALUES (1, 'Take locks in one order', '2026-01-31T12:00:00Z')",
    );
    let ran = fixture.run(&["import", "sqlite", "old.db"]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stdout.contains("Content is body") && ran.stderr.contains("proposals"), "{ran:?}");
    assert_eq!(fixture.rows().await, 0);
    let ran = fixture.run(&["import", "sqlite", "old.db", "--json"]).await;
    let shown: Value = serde_json::from_str(&ran.stdout).unwrap();
    let command = shown["proposals"][0]["command"].as_str().unwrap();
    assert_eq!(
        command,
        "agent-turbo import sqlite old.db --table 'my notes' --map content=body,created_at=created"
    );
    let ran = fixture
        .run(&[
            "import",
            "sqlite",
            "old.db",
            "--table",
            "my notes",
            "--map",
            "content=body,created_at=created",
        ])
        .await;
    assert!(ran.done().starts_with("✅ Imported 1 entries"), "{ran:?}");
}

#[tokio::test]
async fn rejected_rows_are_told_by_the_exit_code_and_a_file() {
    let fixture = Fixture::new().await;
    let connection = source(&fixture, "old.db", ENTRIES);
    fill(&connection, 3);
    connection.execute_batch("INSERT INTO entries (text) VALUES (NULL), (x'80')").unwrap();
    let ran = fixture.run(&["import", "sqlite", "old.db"]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(6), ""), "{ran:?}");
    assert!(ran.stdout.contains("2  rejected") && ran.stdout.contains("old.db.rejects.jsonl"), "{ran:?}");
    let rejects = std::fs::read_to_string(fixture.dir.path().join("old.db.rejects.jsonl")).unwrap();
    assert!(rejects.contains("is NULL") && rejects.contains("BLOB of 1 bytes"), "{rejects}");
    assert_eq!(fixture.rows().await, 3);
}

#[tokio::test]
async fn what_cannot_be_imported_at_all_is_bad_input() {
    let fixture = Fixture::new().await;
    std::fs::write(fixture.dir.path().join("old.db"), "not a database").unwrap();
    fixture.run(&["import", "sqlite", "old.db"]).await.failed(2, &["not an SQLite database"]);
    fixture.run(&["import", "sqlite", "nothing.db"]).await.failed(2, &["nothing.db"]);
    fixture.run(&["import", "verify", "nothing.db"]).await.failed(2, &["nothing.db"]);
    let zone = ["import", "sqlite", "old.db", "--time-zone", "Nowhere/Town"];
    fixture.run(&zone).await.failed(2, &["Nowhere/Town"]);
    for map in ["body", "content=", "text=body"] {
        let ran = fixture.run(&["import", "sqlite", "old.db", "--table", "t", "--map", map]).await;
        assert_eq!(ran.code, Some(2), "{ran:?}");
    }
    assert_eq!(fixture.run(&["import", "sqlite", "old.db", "--map", "content=a"]).await.code, Some(2));
}

#[tokio::test]
async fn a_verification_that_finds_something_fails_and_names_it() {
    let fixture = Fixture::new().await;
    fill(&source(&fixture, "old.db", ENTRIES), 5);
    fixture.run(&["import", "sqlite", "old.db"]).await.done();
    let client = fixture.database.client().await.unwrap();
    client.execute("DELETE FROM agent_knowledge WHERE content = 'Note 4 on retries'", &[]).await.unwrap();
    let ran = fixture.run(&["import", "verify", "old.db"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.starts_with("TASK FAILED: failed to verify") && ran.stderr.contains("→"), "{ran:?}");
    assert!(
        ran.stdout.contains("entries 4: its text") && ran.stdout.contains("✘ missing: 1 rows"),
        "{ran:?}"
    );
    let ran = fixture.run(&["import", "verify", "old.db", "--json"]).await;
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &found["problems"][0]["row"]), (Some(1), &4.into()));
}

#[tokio::test]
async fn a_killed_import_is_gone_on_with_from_wherever_it_was() {
    let fixture = Fixture::new().await;
    let connection = source(&fixture, "old.db", ENTRIES);
    fill(&connection, 900);
    connection.execute_batch("INSERT INTO entries (text) SELECT text FROM entries WHERE id <= 20").unwrap();
    let client = fixture.database.client().await.unwrap();
    let (rows, killed) = (AtomicI64::new(0), AtomicI64::new(0));
    let count = async || {
        client.query_one("SELECT count(*) FROM agent_knowledge", &[]).await.unwrap().get::<_, i64>(0)
    };
    // As soon as it is connected, in its first statement, and after every few batches.
    for more in [0, 0, 1, 65, 1, 200, 129] {
        let mut child = fixture.program().spawn(&["import", "sqlite", "old.db"]);
        let goal = rows.load(Ordering::Relaxed) + more;
        let connected = "SELECT count(*) FROM pg_stat_activity
                         WHERE datname = current_database() AND application_name = 'agent-turbo'";
        until("it has come so far, or was faster", async || {
            let here: i64 = client.query_one(connected, &[]).await.unwrap().get(0);
            child.try_wait().unwrap().is_some() || (here > 0 && count().await >= goal)
        })
        .await;
        if child.try_wait().unwrap().is_none() {
            killed.fetch_add(1, Ordering::Relaxed);
        }
        let _ = child.start_kill();
        tokio::time::timeout(SOON, child.wait()).await.unwrap().unwrap();
        until("its connections are gone", async || {
            client.query_one(connected, &[]).await.unwrap().get::<_, i64>(0) == 0
        })
        .await;
        rows.store(count().await, Ordering::Relaxed);
    }
    assert!(killed.into_inner() > 2, "hardly one of them was killed in time");
    let before = rows.into_inner();
    let ran = import(&fixture, &["--json"]).await;
    let report = ran.json();
    let counts = &report["counts"];
    assert_eq!((counts["resumed"].as_i64(), counts["imported"].as_i64()), (Some(before), Some(900 - before)));
    assert_eq!((&counts["duplicate_in_source"], &counts["read"]), (&20.into(), &920.into()));
    assert_eq!(report["verification"]["flaws"], 0);
    assert_eq!(fixture.rows().await, 900);
}

#[tokio::test]
async fn a_request_to_terminate_stops_it_after_the_batch_under_way() {
    let fixture = Fixture::new().await;
    fill(&source(&fixture, "old.db", ENTRIES), 1000);
    let child = fixture.program().spawn(&["import", "sqlite", "old.db"]);
    until("something is imported", async || fixture.rows().await > 0).await;
    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let ran = Ran::from(tokio::time::timeout(SOON, child.wait_with_output()).await.unwrap().unwrap());
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.stdout.starts_with("Stopped after") && ran.stderr.contains("run the same command again"),
        "{ran:?}"
    );
    let rows = fixture.rows().await;
    assert!(rows < 1000);
    let counts = import(&fixture, &["--json"]).await.json()["counts"].clone();
    assert_eq!((counts["resumed"].as_i64(), counts["imported"].as_i64()), (Some(rows), Some(1000 - rows)));
}

#[tokio::test]
async fn a_second_import_is_refused_while_one_is_under_way() {
    let fixture = Fixture::new().await;
    fill(&source(&fixture, "old.db", ENTRIES), 3);
    let silent = Misbehaving::start(Behaviour::Silent).await.unwrap();
    let program = fixture.program().env("AGENT_TURBO_EMBED_URL", silent.url());
    let mut first = program.spawn(&["import", "sqlite", "old.db"]);
    until("the first one waits for its vectors", async || silent.requests() > 0).await;
    fixture.run(&["import", "sqlite", "old.db"]).await.failed(1, &["another one is under way", "→"]);
    // Verifying and looking are no second import.
    fixture.run(&["import", "sqlite", "old.db", "--dry-run"]).await.done();
    first.start_kill().unwrap();
    first.wait().await.unwrap();
    assert!(import(&fixture, &[]).await.done().starts_with("✅ Imported 3 entries"));
}
