use std::time::Duration;

use agent_turbo_db::{Config, Database, migrate};
use agent_turbo_orchestrator::{Claimant, NewTask, Orchestrator, TaskStatus};
use agent_turbo_test_support::PrivateCluster;
use agent_turbo_worker::{Control, Event, Options, Outcome, work};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::outcomes::fifo;
use crate::support::{Fixture, SOON, lives, until, written};

#[tokio::test]
async fn heartbeats_keep_a_task_for_as_long_as_its_command_lives() {
    let fixture = Fixture::new().await;
    let id = fixture.create("takes longer than its lease").await;
    fifo(&fixture.path("go"));
    let mut options = fixture.script(r#"echo step one; read line < "$DIR/go""#);
    options.lease = Duration::from_secs(2);
    let working = fixture.start(options);
    let client = fixture.database.client().await.unwrap();
    // Twice as long as the lease after the claim, by the database's clock.
    let later = "SELECT coalesce(started_at < now() - interval '4 seconds', false) FROM agent_tasks";
    until("the first lease is long over", async || client.query_one(later, &[]).await.unwrap().get(0)).await;
    let task = fixture.task(&id).await;
    assert_eq!((task.status, task.attempts), (TaskStatus::InProgress, 1));
    assert_eq!(task.current_step.as_deref(), Some("step one"));
    tokio::fs::write(fixture.path("go"), "go\n").await.unwrap();
    assert_eq!(working.done().await.0.completed, 1);
}

#[tokio::test]
async fn a_lost_lease_ends_the_command_and_nothing_is_reported() {
    let fixture = Fixture::new().await;
    let id = fixture.create("is taken away").await;
    let mut options = fixture.script(r#"sleep 1000 & echo "$!" > "$DIR/begun"; wait"#);
    options.max_tasks = Some(1);
    let working = fixture.start(options);
    let grandchild = written(&fixture.path("begun")).await;
    // The reaper was here: its lease ended, and somebody else has the task by now.
    let client = fixture.database.client().await.unwrap();
    let update = "UPDATE agent_tasks SET lease_expires_at = now() - interval '1 second'";
    client.execute(update, &[]).await.unwrap();
    let claimant = Claimant {
        session_id: None,
        project: "default".to_owned(),
        role: "executor".to_owned(),
        platform: None,
    };
    // Unless a heartbeat came in between, which extends the lease.
    let mut taken = None;
    until("somebody else has it", async || {
        client.execute(update, &[]).await.unwrap();
        fixture.orchestrator.look_after_tasks().await.unwrap();
        client
            .execute("UPDATE agent_tasks SET run_after = NULL WHERE status = 'pending'", &[])
            .await
            .unwrap();
        taken = fixture.orchestrator.claim_task(&claimant, Duration::from_mins(5)).await.unwrap();
        taken.is_some()
    })
    .await;
    let (summary, reports) = working.done().await;
    assert_eq!((summary.lost, reports[0].outcome), (1, Outcome::Lost), "{reports:?}");
    until("the grandchild is gone", async || !lives(&grandchild)).await;
    let task = fixture.task(&id).await;
    assert_eq!((task.status, task.attempts), (TaskStatus::InProgress, 2));
    let lease = taken.unwrap().lease;
    fixture.orchestrator.complete_task(&id, lease.token, None).await.unwrap();
}

#[tokio::test]
async fn a_command_may_settle_its_task_itself() {
    let fixture = Fixture::new().await;
    let id = fixture.create("is settled by its command").await;
    fifo(&fixture.path("go"));
    let script = r#"echo "$AGENT_TURBO_LEASE" > "$DIR/token"; read line < "$DIR/go"; exit 1"#;
    let working = fixture.start(fixture.script(script));
    let token = written(&fixture.path("token")).await.parse().unwrap();
    let output = serde_json::json!({ "by": "itself" });
    fixture.orchestrator.complete_task(&id, token, Some(output.clone())).await.unwrap();
    tokio::fs::write(fixture.path("go"), "go\n").await.unwrap();
    let (summary, reports) = working.done().await;
    assert_eq!(summary.completed, 1, "{reports:?}");
    assert_eq!(fixture.task(&id).await.output_data, Some(output));
}

#[tokio::test]
async fn a_server_that_is_killed_costs_neither_the_task_nor_the_worker() {
    let cluster = PrivateCluster::start().await.unwrap();
    let config = Config::new(cluster.url().await.unwrap());
    migrate(&config).await.unwrap();
    let orchestrator = Orchestrator::new(Database::connect(config).await.unwrap());
    let dir = TempDir::new().unwrap();
    fifo(&dir.path().join("go"));
    let create =
        async |description: &str| orchestrator.create_task(NewTask::new(description)).await.unwrap().task;
    let during = create("outlives the server").await;
    let script = r#"echo > "$DIR/begun"; read line < "$DIR/go""#;
    let options = Options {
        heartbeat: Duration::from_millis(50),
        env: vec![("DIR".into(), dir.path().into())],
        max_tasks: Some(2),
        ..Options::new("executor", ["sh", "-c", script].map(str::to_owned).to_vec())
    };
    let (sender, mut troubles) = tokio::sync::mpsc::unbounded_channel();
    let (control, worked) = (Control::default(), orchestrator.clone());
    let working = tokio::spawn(async move {
        work(&worked, options, &control, move |event| {
            if let Event::Trouble { what } = event {
                let _ = sender.send(what);
            }
        })
        .await
    });
    written(&dir.path().join("begun")).await;
    cluster.kill().await.unwrap();
    let trouble = timeout(SOON, troubles.recv()).await.unwrap().unwrap();
    assert!(trouble.starts_with(&format!("show a sign of life for {}: ", during.task_id)), "{trouble}");
    // Done while nobody can be told.
    tokio::fs::write(dir.path().join("go"), "go\n").await.unwrap();
    cluster.postgres().await.unwrap();
    let after = create("comes afterwards").await;
    tokio::fs::write(dir.path().join("go"), "go\n").await.unwrap();
    let summary = timeout(SOON, working).await.unwrap().unwrap().unwrap();
    assert_eq!((summary.completed, summary.lost), (2, 0));
    for task in [during, after] {
        let task = orchestrator.get_task(&task.task_id).await.unwrap().unwrap();
        assert_eq!((task.status, task.attempts), (TaskStatus::Completed, 1));
    }
}
