use agent_turbo_orchestrator::TaskStatus;
use agent_turbo_worker::Outcome;
use serde_json::Value;

use crate::support::Fixture;

/// The verifications that a task's trail holds: whether they passed, and what they printed.
async fn noted(fixture: &Fixture) -> Vec<(bool, Value)> {
    let client = fixture.database.client().await.unwrap();
    let sql =
        "SELECT a.success, a.output_data::text FROM agent_actions a JOIN agent_sessions s USING (session_id)
               WHERE a.action_type = 'verification' AND a.task_id IS NOT NULL ORDER BY a.id";
    let rows = client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), serde_json::from_str(row.get(1)).unwrap())).collect()
}

#[tokio::test]
async fn what_is_verified_counts_as_done_and_the_evidence_is_kept() {
    let fixture = Fixture::new().await;
    let id = fixture.create("is verified").await;
    let mut options = fixture.script("echo 42");
    options.verify =
        Some(r#"grep -c 42 "$AGENT_TURBO_OUTPUT_FILE"; test -n "$AGENT_TURBO_LEASE""#.to_owned());
    let verify = options.verify.clone().unwrap();
    let (report, task) = fixture.work_on(&id, options).await;
    assert_eq!((report.outcome, task.status), (Outcome::Completed, TaskStatus::Completed));
    let output = task.output_data.unwrap();
    let evidence = &output["evidence"];
    assert_eq!(output["result"], 42);
    assert_eq!(
        (&evidence["command"], &evidence["exit_code"], &evidence["output"]),
        (&Value::from(verify), &Value::from(0), &Value::from("1"))
    );
    let noted = noted(&fixture).await;
    assert_eq!((noted.len(), noted[0].0, &noted[0].1), (1, true, evidence));
}

#[tokio::test]
async fn what_is_refuted_is_tried_again() {
    let fixture = Fixture::new().await;
    let id = fixture.create("is refuted").await;
    let mut options = fixture.script("echo 41");
    options.verify = Some("echo 2 tests failed; exit 9".to_owned());
    let (report, task) = fixture.work_on(&id, options).await;
    assert_eq!((report.outcome, task.status), (Outcome::Retried, TaskStatus::Pending));
    let why = "its verification `echo 2 tests failed; exit 9` ended with exit code 9: 2 tests failed";
    assert_eq!(task.error_message.as_deref(), Some(why));
    assert_eq!(task.output_data, None);
    let noted = noted(&fixture).await;
    assert_eq!((noted.len(), noted[0].0), (1, false));
}

#[tokio::test]
async fn a_failed_command_is_not_verified() {
    let fixture = Fixture::new().await;
    let id = fixture.create("fails").await;
    let mut options = fixture.script("exit 1");
    options.verify = Some("echo > $DIR/verified".to_owned());
    let (report, _) = fixture.work_on(&id, options).await;
    assert_eq!(report.outcome, Outcome::Retried);
    assert!(!fixture.path("verified").exists());
}
