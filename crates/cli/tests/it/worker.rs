//! Workers, as the built program: what they print, how signals end them, and what a killed one leaves.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::process::Child;
use tokio::time::timeout;

use crate::support::{Fixture, Ran, SOON, until};
use crate::tasks::{create, text};

/// Begins, tells so in the file `begun`, and goes on when somebody writes to the FIFO `go`; a second time it is done at
/// once.
const ONCE: &str = "[ -e begun ] && exit 0; echo $$ > begun; read line < go";

fn fifo(fixture: &Fixture) {
    let made = std::process::Command::new("mkfifo").arg(fixture.dir.path().join("go")).status().unwrap();
    assert!(made.success());
}

async fn begun(fixture: &Fixture) -> String {
    let file = fixture.dir.path().join("begun");
    let read = || std::fs::read_to_string(&file).unwrap_or_default();
    until("the command has begun", async || read().ends_with('\n')).await;
    read().trim().to_owned()
}

async fn go(fixture: &Fixture) {
    let file = fixture.dir.path().join("go");
    timeout(SOON, tokio::fs::write(file, "go\n")).await.unwrap().unwrap();
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

async fn ended(child: Child) -> Ran {
    Ran::from(timeout(SOON, child.wait_with_output()).await.expect("the worker ends").unwrap())
}

async fn task(fixture: &Fixture, id: &str) -> Value {
    fixture.json(&["task", "show", id]).await
}

#[tokio::test]
async fn a_worker_does_what_there_is_to_do_and_says_so() {
    let fixture = Fixture::new().await;
    let good = create(&fixture, &["do well", "--priority", "9"]).await;
    let bad = create(&fixture, &["do badly"]).await;
    let worker = ["worker", "--role", "executor", "--exit-when-empty", "--verify", "echo checked", "--"];
    let script = "echo noise >&2; [ \"$1\" = 'do well' ] || exit 65; echo '{\"lines\": 3}'";
    let command = ["sh", "-c", script, "sh", "{description}"];
    let ran = fixture.run(&[&worker[..], &command].concat()).await;
    let lines: Vec<&str> = ran.done().lines().collect();
    assert!(lines[0].starts_with("Session worker_executor_"), "{lines:?}");
    assert!(
        lines[1].starts_with(&format!("🔧 Claimed {good} do well attempt 1 of 3, session worker_")),
        "{lines:?}"
    );
    assert!(lines[2].starts_with(&format!("✅ Completed {good} ")), "{lines:?}");
    assert!(lines[3].starts_with(&format!("🔧 Claimed {bad} do badly ")), "{lines:?}");
    let failed = format!("⚠️  Failed for good: {bad} it ended with exit code 65: noise ");
    assert!(lines[4].starts_with(&failed), "{lines:?}");
    assert_eq!(lines[5..], ["Tasks: 1 completed, 1 failed"]);
    let output = &task(&fixture, &good).await["output_data"];
    assert_eq!((&output["result"]["lines"], &output["evidence"]["output"]), (&3.into(), &"checked".into()));
}

#[tokio::test]
async fn programs_get_a_line_of_json_for_each_task() {
    let fixture = Fixture::new().await;
    let id = create(&fixture, &["tell of it"]).await;
    // The command shows a sign of life by itself, with the program that its worker is.
    let script = "\"$AGENT_TURBO_PROGRAM\" task heartbeat $AGENT_TURBO_TASK --token $AGENT_TURBO_LEASE --progress 40 --json";
    let worker = ["worker", "--role", "executor", "--max-tasks", "1", "--json", "--", "sh", "-c", script];
    let ran = fixture.run(&worker).await;
    let lines: Vec<Value> = ran.done().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1, "{ran:?}");
    assert_eq!(
        (text(&lines[0], "task_id"), text(&lines[0], "outcome")),
        (id.clone(), "completed".to_owned())
    );
    let result = &task(&fixture, &id).await["output_data"]["result"];
    assert_eq!(
        (&result["task"], crate::support::members(result)),
        (&"alive".into(), vec!["expires_at", "task"])
    );
}

#[tokio::test]
async fn a_command_that_is_not_there_fails_the_worker_and_no_task() {
    let fixture = Fixture::new().await;
    let id = create(&fixture, &["cannot be done"]).await;
    let worker = ["worker", "--role", "executor", "--json", "--", "/no/such/program", "{prompt}"];
    let ran = fixture.run(&worker).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.stderr.starts_with("TASK FAILED: failed to run \"/no/such/program\": No such file"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("  → no task was harmed"), "{ran:?}");
    let task = task(&fixture, &id).await;
    assert_eq!((&task["status"], &task["attempts"]), (&"pending".into(), &0.into()));
    for (arguments, what) in [
        (&["worker", "--role", "executor"][..], "the command"),
        (&["worker", "--role", "executor", "--preset", "emacs"], "claude-code, codex, gemini"),
        (&["worker", "--role", "executor", "--dir", "/no/such", "--", "true"], "/no/such"),
        (&["worker", "--role", "executor", "--lease", "2d", "--", "true"], "the lease"),
    ] {
        fixture.run(arguments).await.failed(2, &[what]);
    }
}

#[tokio::test]
async fn a_signal_drains_and_a_second_one_stops() {
    for stops in [false, true] {
        let fixture = Fixture::new().await;
        let id = create(&fixture, &["is begun"]).await;
        fifo(&fixture);
        let worker = ["worker", "--role", "executor", "--kill-after", "1s", "--", "sh", "-c", ONCE];
        let mut child = fixture.program().spawn(&worker);
        let pid = begun(&fixture).await;
        signal(&child, Signal::TERM);
        // It has heard the first one when it says so.
        let mut stderr = child.stderr.take().unwrap();
        let mut said = vec![0; "Finishing what was begun; once more stops it.\n".len()];
        timeout(SOON, stderr.read_exact(&mut said)).await.unwrap().unwrap();
        let late = create(&fixture, &["comes too late"]).await;
        if stops {
            signal(&child, Signal::INT);
        } else {
            go(&fixture).await;
        }
        let ran = ended(child).await;
        let status = text(&task(&fixture, &id).await, "status");
        assert_eq!(
            (ran.code, status.as_str()),
            if stops { (Some(1), "pending") } else { (Some(0), "completed") }
        );
        assert_eq!(text(&task(&fixture, &late).await, "status"), "pending");
        assert!(!std::path::Path::new("/proc").join(pid).exists(), "{ran:?}");
        let sessions = fixture.json(&["session", "list"]).await;
        let open =
            sessions["sessions"].as_array().unwrap().iter().filter(|one| one["status"] == "active").count();
        assert_eq!(open, 0, "{sessions}");
    }
}

#[tokio::test]
async fn a_killed_workers_task_comes_back_when_its_lease_is_over() {
    let fixture = Fixture::new().await;
    let id = create(&fixture, &["outlives its worker"]).await;
    fifo(&fixture);
    let arguments =
        ["worker", "--role", "executor", "--lease", "2s", "--max-tasks", "1", "--", "sh", "-c", ONCE];
    let mut child = fixture.program().spawn(&arguments);
    begun(&fixture).await;
    signal(&child, Signal::KILL);
    timeout(SOON, child.wait()).await.unwrap().unwrap();
    let held = task(&fixture, &id).await;
    assert_eq!((&held["status"], &held["attempts"]), (&"in_progress".into(), &1.into()));
    // The next one waits for it.
    fixture.run(&arguments).await.done();
    let done = task(&fixture, &id).await;
    assert_eq!((&done["status"], &done["attempts"]), (&"completed".into(), &2.into()));
    assert_ne!(done["finished_by"], held["lease_session_id"]);
    // The command of the first one is left, and waits.
    go(&fixture).await;
}
