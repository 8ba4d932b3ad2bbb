use std::time::Duration;

use agent_turbo_orchestrator::{NewTask, TaskStatus};
use agent_turbo_worker::Outcome;

use crate::outcomes::fifo;
use crate::support::{Fixture, is_status, lives, until, written};

/// Tells that it has begun, and waits for ever.
const FOREVER: &str = r#"sleep 1000 & echo "$!" > "$DIR/begun"; wait"#;

#[tokio::test]
async fn a_cancelled_task_is_killed_with_all_that_it_started() {
    let fixture = Fixture::new().await;
    let id = fixture.create("is cancelled").await;
    let working = fixture.start(fixture.script(FOREVER));
    let grandchild = written(&fixture.path("begun")).await;
    assert!(lives(&grandchild));
    fixture.orchestrator.cancel_task(&id, Some("not wanted"), None).await.unwrap();
    let (summary, reports) = working.done().await;
    assert_eq!((summary.cancelled, reports[0].outcome), (1, Outcome::Cancelled));
    assert_eq!(reports[0].error.as_deref(), Some("not wanted"));
    until("the grandchild is gone", async || !lives(&grandchild)).await;
    assert!(is_status(&fixture, &id, TaskStatus::Cancelled).await);
    assert_eq!(fixture.open_sessions().await, 0);
}

#[tokio::test]
async fn draining_finishes_what_was_begun_and_begins_nothing() {
    let fixture = Fixture::new().await;
    let first = fixture.create("is begun").await;
    fifo(&fixture.path("go"));
    let mut options = fixture.script(r#"echo > "$DIR/begun"; read line < "$DIR/go""#);
    options.exit_when_empty = false;
    let working = fixture.start(options);
    written(&fixture.path("begun")).await;
    let second = fixture.create("comes too late").await;
    working.control.drain();
    tokio::fs::write(fixture.path("go"), "go\n").await.unwrap();
    let (summary, _) = working.done().await;
    assert_eq!(summary.completed, 1);
    assert!(is_status(&fixture, &first, TaskStatus::Completed).await);
    assert!(is_status(&fixture, &second, TaskStatus::Pending).await);
    assert_eq!(fixture.open_sessions().await, 0);
}

#[tokio::test]
async fn who_waits_in_vain_can_be_drained() {
    let fixture = Fixture::new().await;
    let mut options = fixture.script("true");
    options.exit_when_empty = false;
    let working = fixture.start(options);
    until("it waits", async || fixture.open_sessions().await == 2).await;
    working.control.drain();
    let (summary, _) = working.done().await;
    assert_eq!(summary.completed, 0);
    assert_eq!(fixture.open_sessions().await, 0);
}

#[tokio::test]
async fn stopping_gives_back_what_was_begun() {
    let fixture = Fixture::new().await;
    let id = fixture.create("is broken off").await;
    let working = fixture.start(fixture.script(FOREVER));
    let grandchild = written(&fixture.path("begun")).await;
    working.control.drain();
    working.control.stop();
    let (summary, _) = working.done().await;
    assert_eq!(summary.released, 1);
    until("the grandchild is gone", async || !lives(&grandchild)).await;
    let task = fixture.task(&id).await;
    assert_eq!((task.status, task.attempts, task.is_ready), (TaskStatus::Pending, 0, true));
    assert_eq!(task.status_reason.as_deref(), Some("its worker was told to stop"));
}

#[tokio::test]
async fn two_tasks_are_done_at_the_same_time() {
    let fixture = Fixture::new().await;
    for name in ["a", "b"] {
        fixture.create(name).await;
        fifo(&fixture.path(name));
    }
    // Each waits until the other has come: a FIFO opens when both sides do.
    let script = r#"case "$1" in
        a) echo hello > "$DIR/a"; read line < "$DIR/b" ;;
        b) read line < "$DIR/a"; echo hello > "$DIR/b" ;;
    esac"#;
    let mut options = fixture.command(&["sh", "-c", script, "sh", "{description}"]);
    options.concurrency = 2;
    options.timeout = Some(Duration::from_secs(50));
    let (summary, _) = fixture.start(options).done().await;
    assert_eq!((summary.completed, summary.retried), (2, 0));
}

#[tokio::test]
async fn what_becomes_ready_by_a_task_is_done_as_well() {
    let fixture = Fixture::new().await;
    let first = fixture.create("first").await;
    let second = agent_turbo_orchestrator::Dependency {
        task_id: first,
        on_failure: agent_turbo_orchestrator::OnFailure::Block,
    };
    let second = fixture.create_as(NewTask { depends_on: vec![second], ..NewTask::new("second") }).await;
    let mut options = fixture.script("true");
    options.concurrency = 2;
    let (summary, _) = fixture.start(options).done().await;
    assert_eq!(summary.completed, 2);
    assert!(is_status(&fixture, &second, TaskStatus::Completed).await);
}
