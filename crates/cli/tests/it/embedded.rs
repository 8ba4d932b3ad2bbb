//! The embedded default: nothing is configured, and everything is there.

use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Program, Ran, THREE, folder, until};

/// A home in which the program runs its own servers; they are stopped with the test.
pub(crate) struct Embedded {
    pub(crate) dir: TempDir,
}

impl Embedded {
    pub(crate) async fn new() -> Self {
        // The tests' own server and model have fetched the packages; nothing is downloaded twice.
        agent_turbo_test_support::TestDatabase::empty().await.unwrap();
        agent_turbo_test_support::model_dir().await.unwrap();
        Self { dir: folder() }
    }

    pub(crate) fn program(&self) -> Program {
        let wheels = agent_turbo_test_support::home().path().join("wheels");
        Program::new(self.dir.path()).env("AGENT_TURBO_WHEEL_DIR", wheels)
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        self.program().run(arguments).await
    }

    async fn status(&self) -> Value {
        self.run(&["status", "--json"]).await.json()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        let stopped = Command::new(env!("CARGO_BIN_EXE_agent-turbo"))
            .arg("down")
            .env("AGENT_TURBO_HOME", self.dir.path().join("home"))
            .output();
        // A test that has failed already must say why, and not be aborted by a second panic.
        if !std::thread::panicking() {
            assert!(stopped.unwrap().status.success(), "what the test started could not be stopped");
        }
    }
}

fn pids(status: &Value) -> (Pid, Pid) {
    let pid = |value: &Value| Pid::from_raw(i32::try_from(value.as_i64().unwrap()).unwrap()).unwrap();
    assert_eq!(status["embedders"].as_array().unwrap().len(), 1, "{status}");
    assert_eq!(status["embedders"][0]["healthy"], true, "{status}");
    (pid(&status["postgres"]["pid"]), pid(&status["embedders"][0]["pid"]))
}

fn is_running(pid: Pid) -> bool {
    let stat =
        std::fs::read_to_string(Path::new("/proc").join(pid.as_raw_nonzero().to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

#[tokio::test]
async fn with_nothing_configured_everything_starts_survives_and_stops() {
    let machine = Embedded::new().await;
    let before = machine.run(&["status"]).await;
    assert!(before.done().contains("not set up") && before.stdout.contains("is stopped"), "{before:?}");

    // Two at once: one starts, the other one waits and uses the same.
    let (one, two) = tokio::join!(machine.run(&["up"]), machine.run(&["up"]));
    let status = machine.status().await;
    let (postgres, embedder) = pids(&status);
    let home = machine.dir.path().join("home");
    let place =
        format!("127.0.0.1:{}, pid {postgres}, data in {}", status["postgres"]["port"], home.display());
    let url = status["embedders"][0]["url"].as_str().unwrap();
    for ran in [one, two] {
        assert_eq!(ran.code, Some(0), "{ran:?}");
        for part in ["with pgvector", &place, "all-MiniLM-L6-v2 (384 dimensions)", url, "0 entries"] {
            assert!(ran.stdout.contains(part), "{part}: {ran:?}");
        }
    }

    for text in THREE {
        assert!(machine.run(&["add", text]).await.done().starts_with("✅ Added"));
    }
    let asked = machine.run(&["query", "database", "--limit", "2"]).await;
    assert!(asked.done().lines().next().unwrap().ends_with(THREE[0]), "{asked:?}");
    assert_eq!(pids(&machine.status().await), (postgres, embedder), "all use what runs");

    for arguments in [&["url"][..], &["url", "--tcp"]] {
        let url = machine.run(arguments).await;
        let (client, connection) =
            tokio_postgres::connect(url.done().trim(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let rows = client.query_one("SELECT count(*) FROM agent_knowledge", &[]).await.unwrap();
        assert_eq!(rows.get::<_, i64>(0), 3);
    }
    let doctor = machine.run(&["doctor"]).await;
    assert!(doctor.done().lines().all(|line| line.starts_with('✔')), "{doctor:?}");
    let answers = format!("the embedded PostgreSQL answers at 127.0.0.1:{}", status["postgres"]["port"]);
    assert!(doctor.stdout.contains(&answers), "{doctor:?}");

    // A crash of both is mended by whoever asks next.
    for pid in [postgres, embedder] {
        kill_process(pid, Signal::KILL).unwrap();
        until("the process is gone", async || !is_running(pid)).await;
    }
    let asked = machine.run(&["query", "where are rows kept?", "--limit", "1", "--json"]).await;
    assert_eq!(asked.code, Some(0), "{asked:?}");
    let answer: Value = serde_json::from_str(&asked.stdout).unwrap();
    assert_eq!((&answer["mode"], &answer["results"][0]["content"]), (&json!("hybrid"), &json!(THREE[0])));
    let (postgres, embedder) = pids(&machine.status().await);

    let down = machine.run(&["down"]).await;
    for pid in [postgres, embedder] {
        assert!(down.done().contains(&format!("(pid {pid})")), "{down:?}");
        // It has let go of everything, but the kernel may still be putting it away.
        until("the process is gone", async || !is_running(pid)).await;
    }
    let status = machine.status().await;
    assert_eq!((&status["postgres"], &status["embedders"]), (&Value::Null, &json!([])));
    assert!(status["data_bytes"].as_u64().unwrap() > 0, "data stays");
    let again = machine.run(&["down"]).await;
    assert_eq!(again.done(), "The embedded PostgreSQL was not running\n");
    let listed = machine.run(&["list", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed["entries"].as_array().unwrap().len(), 3);
}
