use std::time::Duration;

use agent_turbo_orchestrator::TaskStatus;
use agent_turbo_worker::Outcome;
use tokio::time::Instant;

use crate::support::{Fixture, lives, until, written};

/// Starts a child and a grandchild that ignore SIGTERM, tells their numbers, and waits.
const STUBBORN: &str = r#"
    trap '' TERM
    sh -c 'trap "" TERM; sleep 1000 & echo "$$ $!" > "$DIR/pids"; while :; do wait; done' &
    while :; do wait; done"#;

async fn are_gone(pids: &str) {
    let pids: Vec<&str> = pids.split_whitespace().collect();
    assert_eq!(pids.len(), 2, "{pids:?}");
    // Killed in the same moment; the kernel may take one more to clear up.
    until("all processes are gone", async || !pids.iter().any(|pid| lives(pid))).await;
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_with_all_that_it_started() {
    let fixture = Fixture::new().await;
    let id = fixture.create("hangs").await;
    let mut options = fixture.script(STUBBORN);
    // Long enough for a shell to start on a busy machine; what is checked comes after it.
    options.timeout = Some(Duration::from_secs(2));
    options.kill_after = Duration::from_millis(200);
    let (report, task) = fixture.work_on(&id, options).await;
    assert_eq!(
        (report.outcome, report.exit_code, task.status),
        (Outcome::Retried, None, TaskStatus::Pending)
    );
    assert_eq!(report.error.as_deref(), Some("it was not done after 2s, and was killed"));
    are_gone(&written(&fixture.path("pids")).await).await;
}

#[tokio::test]
async fn a_command_that_says_nothing_is_stalled() {
    let fixture = Fixture::new().await;
    let id = fixture.create("stalls").await;
    // One that goes on printing is not.
    let mut options = fixture.script("for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.2; done");
    options.stall_after = Some(Duration::from_millis(1500));
    let (report, _) = fixture.work_on(&id, options).await;
    assert_eq!(report.outcome, Outcome::Completed, "{report:?}");

    let id = fixture.create("stalls").await;
    let mut options = fixture.script("echo begun; sleep 1000");
    options.stall_after = Some(Duration::from_millis(300));
    let (report, _) = fixture.work_on(&id, options).await;
    assert_eq!(report.outcome, Outcome::Retried);
    assert_eq!(report.error.as_deref(), Some("it said nothing for 300ms, and was killed: begun"));
}

#[tokio::test]
async fn a_flood_of_output_is_drained_and_not_kept() {
    let fixture = Fixture::new().await;
    let id = fixture.create("floods").await;
    let script = "yes 'a line of output' | head -c 100000000; head -c 50000000 /dev/zero >&2; echo; echo '{\"last\": true}'";
    let before = memory();
    let began = Instant::now();
    let (report, task) = fixture.work_on(&id, fixture.script(script)).await;
    assert_eq!(report.outcome, Outcome::Completed, "{report:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let output = task.output_data.unwrap();
    assert!(output["result"] == serde_json::json!({ "last": true }), "the last line is not the result");
    assert_eq!(output["stdout"]["bytes"], 100_000_016);
    assert_eq!(output["stdout"]["left_out"], 100_000_016 - (1 << 20));
    assert_eq!(output["stderr"]["bytes"], 50_000_000);
    // Peaks of other tests of this process included.
    let grown = memory().saturating_sub(before);
    assert!(grown < 64 << 20, "grew by {grown} bytes");
}

/// The most memory that this process ever held, in bytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn a_text_that_is_too_long_loses_its_middle() {
    let fixture = Fixture::new().await;
    let id = fixture.create("prints much").await;
    let mut options = fixture.script("echo begin; yes | head -c 10000; echo end");
    options.capture_bytes = 1000;
    let (_, task) = fixture.work_on(&id, options).await;
    let result = task.output_data.unwrap()["result"].as_str().unwrap().to_owned();
    assert!(result.starts_with("begin\ny\n") && result.ends_with("y\nend"), "{result}");
    assert!(result.contains("\n[9010 bytes are left out here]\n"), "{result}");
}

#[tokio::test]
async fn what_a_command_leaves_running_is_ended_with_it() {
    let fixture = Fixture::new().await;
    let id = fixture.create("leaves something behind").await;
    let script = r#"sleep 1000 & echo "$$ $!" > "$DIR/pids"; echo '"done"'"#;
    let (report, task) = fixture.work_on(&id, fixture.script(script)).await;
    assert_eq!(report.outcome, Outcome::Completed);
    assert_eq!(task.output_data.unwrap()["result"], "done");
    are_gone(&written(&fixture.path("pids")).await).await;
}

#[tokio::test]
async fn who_does_not_read_its_task_is_not_waited_for() {
    let fixture = Fixture::new().await;
    let id = fixture
        .create_as(agent_turbo_orchestrator::NewTask {
            input: Some(serde_json::json!("x".repeat(500_000))),
            ..agent_turbo_orchestrator::NewTask::new("is not read")
        })
        .await;
    let (report, _) = fixture.work_on(&id, fixture.script("exec sleep 0")).await;
    assert_eq!(report.outcome, Outcome::Completed);
}

#[tokio::test]
async fn tasks_and_tokens_are_bounded() {
    let fixture = Fixture::new().await;
    for number in 0..4 {
        fixture.create(&format!("number {number}")).await;
    }
    let mut options = fixture.script("true");
    options.max_tasks = Some(1);
    assert_eq!(fixture.work(options).await.len(), 1);
    let mut options = fixture.script(r#"echo '{"usage": {"input_tokens": 60, "output_tokens": 10}}'"#);
    options.budget_tokens = Some(100);
    let (summary, reports) = fixture.start(options).done().await;
    assert_eq!((reports.len(), summary.completed, summary.tokens), (2, 2, 140));
    let session = fixture.orchestrator.get_session(&reports[0].session_id).await.unwrap().unwrap();
    assert_eq!((session.tokens_used, session.api_calls), (70, 1));
}
