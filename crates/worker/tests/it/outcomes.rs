use agent_turbo_orchestrator::{NewTask, SessionStatus, TaskStatus};
use agent_turbo_worker::{Error, Outcome};
use serde_json::json;

use crate::support::Fixture;

#[tokio::test]
async fn a_command_gets_its_task_and_its_output_is_the_tasks() {
    let fixture = Fixture::new().await;
    let id = fixture
        .create_as(NewTask {
            required_context: Some(json!(["ADR 7"])),
            input: Some(json!({ "file": "a.rs" })),
            ..NewTask::new("Write the {task_id} parser")
        })
        .await;
    let script = r#"
        cat > "$DIR/stdin"; cat "$AGENT_TURBO_TASK_FILE" > "$DIR/file"; cat "$4" > "$DIR/argument"
        printf '%s' "$1" > "$DIR/prompt"; printf '%s' "$2" > "$DIR/description"; printf '%s' "$3" > "$DIR/id"
        echo "$AGENT_TURBO_SESSION $AGENT_TURBO_TASK $AGENT_TURBO_LEASE $AGENT_TURBO_PROJECT" > "$DIR/env"
        echo working >&2
        echo '{"lines": 120}'"#;
    let options = fixture.command(&[
        "sh",
        "-c",
        script,
        "sh",
        "{prompt}",
        "{description}",
        "id={task_id}",
        "{task_file}",
    ]);
    let (report, task) = fixture.work_on(&id, options).await;
    assert_eq!((report.outcome, report.exit_code, report.error), (Outcome::Completed, Some(0), None));
    assert_eq!((report.attempt, report.status), (1, Some(TaskStatus::Completed)));
    assert_eq!((task.status, task.finished_by.as_ref()), (TaskStatus::Completed, Some(&report.session_id)));

    let output = task.output_data.unwrap();
    assert_eq!((&output["result"], &output["exit_code"]), (&json!({ "lines": 120 }), &json!(0)));
    assert_eq!(output["stderr"], json!({ "bytes": 8, "left_out": 0, "end": "working" }));
    assert_eq!(output["stdout"], json!({ "bytes": 15, "left_out": 0 }));

    let read = |name: &str| std::fs::read_to_string(fixture.path(name)).unwrap();
    for name in ["stdin", "file", "argument"] {
        let document: serde_json::Value = serde_json::from_str(&read(name)).unwrap();
        assert_eq!(document["task"]["task_id"], json!(id), "{name}");
        assert_eq!(document["session_id"], json!(report.session_id), "{name}");
    }
    assert_eq!(
        (read("description"), read("id")),
        ("Write the {task_id} parser".to_owned(), format!("id={id}"))
    );
    let prompt = read("prompt");
    for part in [
        &format!("===== BEGIN TASK {id} =====\nWrite the {{task_id}} parser\n===== END TASK {id} ====="),
        "\"ADR 7\"",
        "\"file\": \"a.rs\"",
        "attempt 1 of 3",
        report.session_id.as_str(),
    ] {
        assert!(prompt.contains(part), "{part}: {prompt}");
    }
    let env = read("env");
    let env: Vec<&str> = env.split_whitespace().collect();
    assert_eq!((env[0], env[1], env[3]), (report.session_id.as_str(), id.as_str(), "default"));
    assert_eq!(env[2].len(), 36);
}

#[tokio::test]
async fn each_task_has_a_session_of_its_own_and_none_is_left_open() {
    let fixture = Fixture::new().await;
    for number in 0..3 {
        fixture.create(&format!("number {number}")).await;
    }
    let reports = fixture.work(fixture.script("true")).await;
    let mut sessions: Vec<_> = reports.iter().map(|report| report.session_id.clone()).collect();
    sessions.sort_unstable();
    sessions.dedup();
    assert_eq!(sessions.len(), 3, "{reports:?}");
    for session in &sessions {
        let session = fixture.orchestrator.get_session(session).await.unwrap().unwrap();
        assert_eq!((session.status, session.agent_platform.as_str()), (SessionStatus::Completed, "worker"));
        let parent =
            fixture.orchestrator.get_session(&session.parent_session_id.unwrap()).await.unwrap().unwrap();
        assert!(parent.metadata["worker"]["command"] == "sh" && parent.status == SessionStatus::Completed);
    }
    assert_eq!(fixture.open_sessions().await, 0);
    // The worker's, one for each task, and the one that was a task ahead.
    assert_eq!(fixture.count("SELECT count(*) FROM agent_sessions").await, 5);
}

#[tokio::test]
async fn a_failure_is_tried_again_until_no_attempt_is_left() {
    let fixture = Fixture::new().await;
    let id = fixture.create_as(NewTask { max_attempts: Some(2), ..NewTask::new("fails") }).await;
    let script = "echo all is lost >&2; exit 75";
    let (report, task) = fixture.work_on(&id, fixture.script(script)).await;
    assert_eq!((report.outcome, report.exit_code), (Outcome::Retried, Some(75)));
    assert_eq!(report.error.as_deref(), Some("it ended with exit code 75: all is lost"));
    assert_eq!((task.status, task.error_message), (TaskStatus::Pending, report.error));
    let session = fixture.orchestrator.get_session(&report.session_id).await.unwrap().unwrap();
    assert_eq!(session.status, SessionStatus::Failed);
    // The pause is over.
    let client = fixture.database.client().await.unwrap();
    client.execute("UPDATE agent_tasks SET run_after = now() - interval '1 second'", &[]).await.unwrap();
    let (report, task) = fixture.work_on(&id, fixture.script(script)).await;
    assert_eq!((report.outcome, report.attempt, task.status), (Outcome::Failed, 2, TaskStatus::Failed));
}

#[tokio::test]
async fn some_exit_codes_are_final() {
    let fixture = Fixture::new().await;
    for code in [64, 65] {
        let id = fixture.create("makes no sense").await;
        let (report, task) = fixture.work_on(&id, fixture.script(&format!("exit {code}"))).await;
        assert_eq!((report.outcome, task.status), (Outcome::Failed, TaskStatus::Failed), "{code}");
    }
    let id = fixture.create("makes no sense").await;
    let mut options = fixture.script("exit 3");
    options.final_exit = vec![3];
    let (report, _) = fixture.work_on(&id, options).await;
    assert_eq!(report.outcome, Outcome::Failed);
}

#[tokio::test]
async fn a_crash_is_tried_again() {
    let fixture = Fixture::new().await;
    let id = fixture.create("crashes").await;
    let (report, task) = fixture.work_on(&id, fixture.script("kill -SEGV $$")).await;
    assert_eq!((report.outcome, report.exit_code), (Outcome::Retried, None));
    assert_eq!(task.error_message.as_deref(), Some("it was killed by signal 11"));
}

#[tokio::test]
async fn any_bytes_may_be_printed() {
    let fixture = Fixture::new().await;
    let id = fixture.create("prints binary data").await;
    let script = r"printf '\000\001\377\376\033[31m\n'; head -c 100000 /dev/urandom >&2";
    let (report, task) = fixture.work_on(&id, fixture.script(script)).await;
    assert_eq!(report.outcome, Outcome::Completed, "{report:?}");
    let output = task.output_data.unwrap();
    assert_eq!(output["result"], json!("\u{fffd}\u{1}\u{fffd}\u{fffd}\u{1b}[31m"));
    assert_eq!(output["stderr"]["bytes"], 100_000);
    // And in a reason.
    let id = fixture.create("fails with binary data").await;
    let (report, task) =
        fixture.work_on(&id, fixture.script("head -c 100000 /dev/urandom >&2; exit 1")).await;
    assert_eq!((report.outcome, task.status), (Outcome::Retried, TaskStatus::Pending));
}

#[tokio::test]
async fn secrets_do_not_reach_the_database() {
    let fixture = Fixture::new().await;
    let id = fixture.create("knows a secret").await;
    let secret = format!("ghp_{}", "a1B2".repeat(9));
    let script = format!("echo {secret}; echo done > $DIR/said; read line < $DIR/go; exit 1");
    fifo(&fixture.path("go"));
    let working = fixture.start(fixture.script(&script));
    crate::support::until("progress is told", async || fixture.task(&id).await.current_step.is_some()).await;
    assert_eq!(fixture.task(&id).await.current_step.as_deref(), Some("[redacted: github-token]"));
    tokio::fs::write(fixture.path("go"), "\n").await.unwrap();
    working.done().await;
    let task = fixture.task(&id).await;
    assert!(task.error_message.as_ref().unwrap().contains("[redacted: github-token]"), "{task:?}");
    let dump = "SELECT count(*) FROM agent_actions a, agent_sessions s, agent_tasks t
                WHERE row_to_json(a)::text || row_to_json(s)::text || row_to_json(t)::text LIKE '%ghp\\_%'";
    assert_eq!(fixture.count(dump).await, 0);
}

#[tokio::test]
async fn without_its_command_a_worker_ends_and_harms_no_task() {
    let fixture = Fixture::new().await;
    let id = fixture.create("cannot be done here").await;
    std::fs::write(fixture.path("plain"), "no program").unwrap();
    for command in ["/no/such/program", fixture.path("plain").to_str().unwrap()] {
        let (outcome, reports) = fixture.start(fixture.command(&[command, "argument"])).ended().await;
        let error = outcome.unwrap_err();
        assert!(matches!(&error, Error::Command { command: named, .. } if named == command), "{error:?}");
        assert_eq!((reports.len(), reports[0].outcome), (1, Outcome::Released));
        let task = fixture.task(&id).await;
        assert_eq!((task.status, task.attempts, task.is_ready), (TaskStatus::Pending, 0, true));
        assert_eq!(fixture.open_sessions().await, 0);
    }
}

#[tokio::test]
async fn arguments_that_are_too_long_are_the_tasks_fault() {
    let fixture = Fixture::new().await;
    let id = fixture.create(&"x".repeat(100_000)).await;
    // The prompt fits; twice the description in one argument does not.
    let command = ["sh", "-c", "true", "{prompt}", "{description}{description}"];
    let (report, task) = fixture.work_on(&id, fixture.command(&command)).await;
    assert_eq!((report.outcome, task.status), (Outcome::Failed, TaskStatus::Failed));
    assert!(report.error.unwrap().contains("too long"));
    let id = fixture.create(&"x".repeat(100_000)).await;
    let (report, _) = fixture.work_on(&id, fixture.command(&["sh", "-c", "true", "{prompt}"])).await;
    assert_eq!(report.outcome, Outcome::Completed);
}

#[tokio::test]
async fn a_worker_that_can_do_nothing_is_refused() {
    let fixture = Fixture::new().await;
    let mut none_at_once = fixture.script("true");
    none_at_once.concurrency = 0;
    for options in [fixture.command(&[]), fixture.command(&[""]), none_at_once] {
        let (outcome, _) = fixture.start(options).ended().await;
        assert!(matches!(outcome, Err(Error::BadInput { .. })), "{outcome:?}");
    }
    assert_eq!(fixture.count("SELECT count(*) FROM agent_sessions").await, 0);
}

/// A file that a command waits at.
pub(crate) fn fifo(path: &std::path::Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}
