//! A disk that fills under a running database: a small tmpfs holds the home, with the server's data and its log of
//! changes, and the caches of the program.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use agent_turbo_db::{self as db, ConnectionUrl, Database};
use agent_turbo_embed as embed;
use agent_turbo_knowledge::{self as knowledge, NewEntry, Options, Store};
use agent_turbo_orchestrator::{
    self as orchestrator, NewAction, NewSession, NewTask, Orchestrator, SessionId,
};
use agent_turbo_stack::{self as stack, Home, PostgresOptions};
use agent_turbo_test_support::{TestDatabase, embedder, home, model_dir};
use rustix::mount::{MountFlags, mount};
use serde_json::json;
use tokio::process::Command;

use crate::support::{Program, Ran, folder, until};

/// Names the disk to the test inside the namespace.
const DISK: &str = "AGENT_TURBO_TEST_DISK";
const NAME: &str = "disk::a_disk_that_fills_is_told_clearly_and_nothing_acknowledged_is_lost";
/// Enough for the server's programs and an empty database.
const SIZE: &std::ffi::CStr = c"size=400m,mode=0755";
/// The space that is left in half-full pages is used up long before.
const MAX_WRITES: usize = 2000;

#[tokio::test]
async fn a_disk_that_fills_is_told_clearly_and_nothing_acknowledged_is_lost() {
    match std::env::var_os(DISK) {
        Some(disk) => on_a_small_disk(Path::new(&disk)).await,
        None => in_a_namespace().await,
    }
}

/// Runs this test once more where it may mount: root by itself, everybody else as far as the system lets users have
/// namespaces. The disk goes with the last process in there.
async fn in_a_namespace() {
    // What the test needs is fetched outside.
    TestDatabase::empty().await.unwrap();
    model_dir().await.unwrap();
    let dir = folder();
    let mut unshare = Command::new("unshare");
    unshare.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-current-user", "--keep-caps"]);
    }
    let ran = unshare
        .arg(std::env::current_exe().unwrap())
        .args([NAME, "--exact", "--nocapture"])
        .env(DISK, dir.path())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(said.contains("running 1 test"), "a small disk needs a mount namespace: {said}");
    assert!(ran.status.success() && said.contains("1 passed"), "on the small disk: {said}");
}

/// The program and the layers below it, on the home that is on the disk.
struct Machine {
    disk: PathBuf,
    home: Home,
    embed_url: String,
}

/// What a long-lived process holds.
struct Layers {
    store: Store,
    orchestrator: Orchestrator,
    session: SessionId,
}

/// What was acknowledged.
#[derive(Default)]
struct Acknowledged {
    entries: Vec<String>,
    actions: Vec<String>,
    tasks: Vec<String>,
}

impl Machine {
    async fn on(disk: &Path) -> Self {
        mount("tmpfs", disk, "tmpfs", MountFlags::empty(), Some(SIZE)).expect("a small disk can be mounted");
        Self {
            disk: disk.to_owned(),
            home: Home::at(disk.join("home")).with_wheels(home().path().join("wheels")),
            embed_url: embedder().await.unwrap(),
        }
    }

    fn program(&self) -> Program {
        Program::new(&self.disk)
            .env("AGENT_TURBO_WHEEL_DIR", home().path().join("wheels"))
            .env("AGENT_TURBO_EMBED_URL", &self.embed_url)
    }

    async fn run(&self, arguments: &[&str]) -> Ran {
        self.program().run(arguments).await
    }

    async fn url(&self) -> String {
        let postgres = stack::ensure_postgres(&self.home, &PostgresOptions::default(), &stack::quiet).await;
        postgres.unwrap().url().expose()
    }

    async fn layers(&self) -> Layers {
        let config = db::Config {
            session_settings: knowledge::session_settings(),
            ..db::Config::new(ConnectionUrl::new(self.url().await))
        };
        let database = Database::connect(config).await.unwrap();
        let client = embed::Client::new(embed::Config::new(&self.embed_url)).unwrap();
        let orchestrator = Orchestrator::new(database.clone());
        let session =
            orchestrator.initialize_agent_session(NewSession::new("codex", "worker")).await.unwrap();
        Layers {
            store: Store::open(database, client, Options::default()).await.unwrap(),
            orchestrator,
            session: session.session.session_id,
        }
    }

    fn ballast(&self) -> PathBuf {
        self.disk.join("ballast")
    }

    /// Takes what is left of the disk, to the last block.
    fn fill(&self) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.ballast()).unwrap();
        for block in [1 << 20, 4096, 1] {
            let zeros = vec![0; block];
            let error = std::iter::repeat_with(|| file.write_all(&zeros)).find_map(Result::err).unwrap();
            assert_eq!(error.kind(), ErrorKind::StorageFull);
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let home = self.home.clone();
        let stopped = std::thread::spawn(move || {
            tokio::runtime::Runtime::new().unwrap().block_on(async { stack::down(&home).await.map(drop) })
        })
        .join();
        if !std::thread::panicking() {
            stopped.unwrap().unwrap();
        }
    }
}

/// So much, and so little alike, that it needs new pages.
fn much(number: usize) -> String {
    let words: Vec<String> = (0..3000_u64)
        .map(|word| format!("{:x}", (word ^ number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect();
    format!("number {number}: {}", words.join(" "))
}

impl Layers {
    async fn add(&self, number: usize) -> knowledge::Result<String> {
        Ok(self.store.add(NewEntry::new(much(number))).await?.content_hash.to_string())
    }

    async fn log(&self, number: usize) -> orchestrator::Result<String> {
        let action = NewAction {
            output: Some(json!({ "said": much(number) })),
            ..NewAction::new(Some(self.session.clone()), "built")
        };
        Ok(self.orchestrator.log_agent_action(action).await?.to_string())
    }

    async fn create(&self, number: usize) -> orchestrator::Result<String> {
        let task = NewTask {
            input: Some(json!({ "read": much(number) })),
            ..NewTask::new(format!("task {number}"))
        };
        Ok(self.orchestrator.create_task(task).await?.task.task_id.to_string())
    }

    /// A little of everything.
    async fn work(&self, done: &mut Acknowledged, number: usize) {
        done.entries.push(self.add(number).await.unwrap());
        done.actions.push(self.log(number).await.unwrap());
        done.tasks.push(self.create(number).await.unwrap());
    }

    /// All of it is there, and the chains hold.
    async fn check(&self, done: &Acknowledged) {
        let database = self.orchestrator.database();
        for (table, column, ids) in [
            ("agent_knowledge", "content_hash", &done.entries),
            ("agent_actions", "action_id", &done.actions),
            ("agent_tasks", "task_id", &done.tasks),
        ] {
            let sql = format!("SELECT count(*) AS count FROM {table} WHERE {column} = ANY ($1)");
            let row = database.query_opt("acknowledged", &sql, &[ids]).await.unwrap().unwrap();
            assert_eq!(row.get::<_, i64>("count"), ids.len() as i64, "{table}");
        }
        let report = self.orchestrator.verify_chain(None).await.unwrap();
        assert!(report.is_intact() && report.actions >= done.actions.len() as u64, "{report:?}");
    }
}

/// Writes until the disk has no more room; what was acknowledged, and the error.
async fn until_full<E>(mut write: impl AsyncFnMut(usize) -> Result<String, E>) -> (Vec<String>, E) {
    let mut acknowledged = Vec::new();
    loop {
        match write(1000 + acknowledged.len()).await {
            Ok(id) => acknowledged.push(id),
            Err(error) => return (acknowledged, error),
        }
        assert!(acknowledged.len() < MAX_WRITES, "{MAX_WRITES} writes found room on a full disk");
    }
}

fn tells_of_the_disk(error: impl Into<anyhow::Error>, hint: Option<String>) {
    let text = format!("{:#}", error.into());
    assert!(text.contains("the disk of the database server is full"), "{text}");
    assert!(text.contains("No space left on device"), "{text}");
    assert!(hint.is_some_and(|hint| hint.starts_with("free some space on the disk")), "{text}");
}

async fn on_a_small_disk(disk: &Path) {
    let machine = Machine::on(disk).await;
    let up = machine.run(&["up"]).await;
    assert_eq!(up.code, Some(0), "{up:?}");
    let layers = machine.layers().await;
    let mut done = Acknowledged::default();
    layers.work(&mut done, 1).await;
    layers.work(&mut done, 2).await;

    quieten(&machine).await;
    machine.fill();
    let (entries, error) = until_full(async |number| layers.add(number).await).await;
    let hint = error.hint();
    tells_of_the_disk(error, hint);
    let (actions, error) = until_full(async |number| layers.log(number).await).await;
    let hint = error.hint();
    tells_of_the_disk(error, hint);
    let (tasks, error) = until_full(async |number| layers.create(number).await).await;
    let hint = error.hint();
    tells_of_the_disk(error, hint);
    done.entries.extend(entries);
    done.actions.extend(actions);
    done.tasks.extend(tasks);
    layers.check(&done).await;

    // The program says the same, and still answers, though neither caches nor logs can be written.
    let refused = machine.program().stdin(much(5000)).run(&["add", "-"]).await;
    refused.failed(4, &["the disk of the database server is full", "→ free some space on the disk"]);
    let asked = machine.run(&["query", "a question that no cache knows", "--json"]).await.json();
    assert_eq!((&asked["degraded"], &asked["mode"]), (&json!(null), &json!("hybrid")), "{asked}");
    assert!(!asked["results"].as_array().unwrap().is_empty(), "{asked}");
    let status = machine.run(&["status", "--json"]).await.json();
    assert!(status["postgres"]["pid"].is_u64(), "{status}");

    no_room_for_changes(&machine).await;
    // The server is gone, and cannot come back before there is room.
    let refused = machine.run(&["add", "something small"]).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(4), ""), "{refused:?}");
    for said in ["TASK FAILED: failed to start PostgreSQL", "No space left on device", "→ Free some space"]
    {
        assert!(refused.stderr.contains(said), "{refused:?}");
    }
    let error = layers.store.add(NewEntry::new("something small")).await.unwrap_err();
    assert!(
        matches!(&error, knowledge::Error::Database(error) if error.is_unavailable()),
        "{:#}",
        anyhow::Error::new(error)
    );

    machine.free();
    let up = machine.run(&["up"]).await;
    assert_eq!(up.code, Some(0), "{up:?}");
    // The process that lived through it goes on, with everything that it was promised.
    layers.check(&done).await;
    layers.work(&mut done, 7000).await;
    layers.check(&done).await;
    let verified = machine.run(&["audit", "verify", "--json"]).await.json();
    assert_eq!(verified["flawed"], json!(0), "{verified}");
}

/// Nothing but the test writes from here on, and new connections find what they would otherwise have to write.
async fn quieten(machine: &Machine) {
    let (client, connection) =
        tokio_postgres::connect(&machine.url().await, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute("ALTER SYSTEM SET autovacuum = off").await.unwrap();
    drop(client);
    let _ = connection.await.unwrap();
    // Without a vacuum under way.
    stack::down(&machine.home).await.unwrap();
    assert_eq!(machine.run(&["list"]).await.code, Some(0));
}

/// Uses up the log of changes, without which the server stops; again, if it found room enough to come back once more.
async fn no_room_for_changes(machine: &Machine) {
    let options = PostgresOptions::default();
    let postgres = stack::ensure_postgres(&machine.home, &options, &stack::quiet).await.unwrap();
    let process = PathBuf::from(format!("/proc/{}/cwd", postgres.pid()));
    until("the server has given up", async || {
        write_changes(&postgres.url().expose()).await;
        process.read_link().is_err()
    })
    .await;
}

/// Writes until the server breaks off, if it can be reached at all.
async fn write_changes(url: &str) {
    let Ok((client, connection)) = tokio_postgres::connect(url, tokio_postgres::NoTls).await else { return };
    let connection = tokio::spawn(connection);
    for _ in 0..200 {
        // Begins another file, and writes something into it.
        let switched =
            client.batch_execute("SELECT pg_switch_wal(); SELECT pg_logical_emit_message(false, '', '')");
        if switched.await.is_err() && client.is_closed() {
            break;
        }
    }
    drop(client);
    let _ = connection.await.unwrap();
}
