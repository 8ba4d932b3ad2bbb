//! Leases are fenced: what a holder of old sends changes nothing.

use std::time::Duration;

use agent_turbo_orchestrator::{
    Completion, Error, Failure, Heartbeat, NewTask, Progress, SessionId, TaskStatus,
};
use serde_json::json;

use crate::support::{LEASE, claim, create, expire, of_role, orchestrator, trail};

#[tokio::test]
async fn a_completion_that_is_repeated_is_answered_as_the_first_time() {
    let (database, orchestrator) = orchestrator().await;
    let made = create(&orchestrator, NewTask::new("once")).await;
    let claimed = claim(&orchestrator).await;
    let token = claimed.lease.token;
    let first = orchestrator.complete_task(&made.task_id, token, Some(json!(1))).await.unwrap();
    let second = orchestrator.complete_task(&made.task_id, token, Some(json!(1))).await.unwrap();
    assert_eq!(first, second);
    let other = orchestrator.complete_task(&made.task_id, token, Some(json!(2))).await.unwrap();
    assert_eq!(other.output_data, Some(json!(1)), "the first answer stands");
    let client = database.client().await.unwrap();
    assert_eq!(trail(&client, &made.task_id).await, ["task_created", "task_claimed", "task_completed"]);
    let failed = orchestrator.fail_task(&made.task_id, token, "no", Failure::Final).await;
    assert!(matches!(failed, Err(Error::LostLease { .. })), "done is done: {failed:?}");
}

#[tokio::test]
async fn a_failure_a_release_and_a_block_can_be_repeated_too() {
    let (_database, orchestrator) = orchestrator().await;
    let made = create(&orchestrator, NewTask::new("again")).await;
    let claimed = claim(&orchestrator).await;
    for _ in 0..2 {
        let released = orchestrator.release_task(&made.task_id, claimed.lease.token, None).await.unwrap();
        assert_eq!((released.status, released.attempts), (TaskStatus::Pending, 0));
    }
    let claimed = claim(&orchestrator).await;
    for _ in 0..2 {
        let token = Some(claimed.lease.token);
        let blocked = orchestrator.block_task(&made.task_id, token, "wait", None).await.unwrap();
        assert_eq!(blocked.status, TaskStatus::Blocked);
    }
    orchestrator.unblock_task(&made.task_id, None).await.unwrap();
    let claimed = claim(&orchestrator).await;
    for _ in 0..2 {
        let failed =
            orchestrator.fail_task(&made.task_id, claimed.lease.token, "no", Failure::Final).await.unwrap();
        assert_eq!((failed.status, failed.attempts), (TaskStatus::Failed, 1));
    }
}

#[tokio::test]
async fn the_slow_worker_whose_task_the_reaper_gave_to_another_changes_nothing_and_is_told() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    let made = create(&orchestrator, NewTask::new("slow")).await;
    let slow = claim(&orchestrator).await;
    expire(&client, &made.task_id).await;
    let reaped = orchestrator.look_after_tasks().await.unwrap();
    assert_eq!((reaped.requeued, reaped.failed), (1, 0));
    let late = orchestrator.complete_task(&made.task_id, slow.lease.token, Some(json!("late"))).await;
    assert!(matches!(&late, Err(Error::LostLease { now, .. }) if now == "pending"), "{late:?}");
    client.execute("UPDATE agent_tasks SET run_after = now() - interval '1 s'", &[]).await.unwrap();
    let quick = claim(&orchestrator).await;
    assert_ne!(quick.lease.token, slow.lease.token);
    let token = slow.lease.token;
    let heartbeat = orchestrator.heartbeat_task(&made.task_id, token, LEASE, Progress::default()).await;
    assert!(matches!(heartbeat, Err(Error::LostLease { .. })), "{heartbeat:?}");
    assert!(orchestrator.fail_task(&made.task_id, token, "late", Failure::Final).await.is_err());
    assert!(orchestrator.release_task(&made.task_id, token, None).await.is_err());
    assert!(orchestrator.block_task(&made.task_id, Some(token), "late", None).await.is_err());
    assert!(orchestrator.complete_task(&made.task_id, token, Some(json!("late"))).await.is_err());
    let done =
        orchestrator.complete_task(&made.task_id, quick.lease.token, Some(json!("quick"))).await.unwrap();
    assert_eq!(done.output_data, Some(json!("quick")));
    let late = orchestrator.complete_task(&made.task_id, token, Some(json!("late"))).await;
    assert!(matches!(late, Err(Error::LostLease { .. })), "{late:?}");
    let stored = orchestrator.get_task(&made.task_id).await.unwrap().unwrap();
    assert_eq!(stored.output_data, Some(json!("quick")));
    assert_eq!(
        trail(&client, &made.task_id).await,
        ["task_created", "task_claimed", "task_requeued", "task_claimed", "task_completed"]
    );
}

#[tokio::test]
async fn an_expired_lease_that_nobody_took_yet_still_completes() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    let made = create(&orchestrator, NewTask::new("just in time")).await;
    let claimed = claim(&orchestrator).await;
    expire(&client, &made.task_id).await;
    let done = orchestrator.complete_task(&made.task_id, claimed.lease.token, None).await.unwrap();
    assert_eq!(done.status, TaskStatus::Completed);
}

#[tokio::test]
async fn heartbeats_keep_the_lease_show_progress_and_reach_the_session() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    client
        .batch_execute(
            "INSERT INTO agent_sessions (session_id, agent_platform, agent_role, last_active)
             VALUES ('claude_executor_1', 'claude', 'executor', now() - interval '1 hour')",
        )
        .await
        .unwrap();
    let session: SessionId = "claude_executor_1".parse().unwrap();
    let made = create(&orchestrator, NewTask::new("long")).await;
    let claimant = orchestrator.claimant(&session).await.unwrap();
    let claimed = orchestrator.claim_task(&claimant, Duration::from_secs(5)).await.unwrap().unwrap();
    let progress = Progress { percentage: Some(40), current_step: Some("testing".to_owned()) };
    let heartbeat =
        orchestrator.heartbeat_task(&made.task_id, claimed.lease.token, LEASE, progress).await.unwrap();
    let Heartbeat::Alive { expires_at } = heartbeat else { panic!("{heartbeat:?}") };
    assert!(expires_at > claimed.lease.expires_at);
    let stored = orchestrator.get_task(&made.task_id).await.unwrap().unwrap();
    assert_eq!((stored.progress_percentage, stored.current_step.as_deref()), (40, Some("testing")));
    let active = client
        .query_one("SELECT last_active > now() - interval '1 minute' FROM agent_sessions", &[])
        .await
        .unwrap();
    assert!(active.get::<_, bool>(0));
    let bad = Progress { percentage: Some(101), current_step: None };
    assert!(orchestrator.heartbeat_task(&made.task_id, claimed.lease.token, LEASE, bad).await.is_err());
}

#[tokio::test]
async fn the_worker_of_a_cancelled_task_learns_it_at_his_next_heartbeat() {
    let (_database, orchestrator) = orchestrator().await;
    let made = create(&orchestrator, NewTask::new("unwanted")).await;
    let claimed = claim(&orchestrator).await;
    let cancelled = orchestrator.cancel_task(&made.task_id, Some("enough"), None).await.unwrap();
    assert!(cancelled.was_running);
    let token = claimed.lease.token;
    let heartbeat =
        orchestrator.heartbeat_task(&made.task_id, token, LEASE, Progress::default()).await.unwrap();
    assert_eq!(heartbeat, Heartbeat::Cancelled { reason: Some("enough".to_owned()) });
    let late = orchestrator.complete_task(&made.task_id, token, None).await;
    assert!(matches!(late, Err(Error::LostLease { .. })), "{late:?}");
}

#[tokio::test]
async fn a_worker_that_dies_in_every_attempt_fails_the_task_with_its_history() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    let made = create(&orchestrator, NewTask { max_attempts: Some(2), ..NewTask::new("deadly") }).await;
    for _ in 0..2 {
        claim(&orchestrator).await;
        expire(&client, &made.task_id).await;
        orchestrator.look_after_tasks().await.unwrap();
        client.execute("UPDATE agent_tasks SET run_after = NULL", &[]).await.unwrap();
    }
    let stored = orchestrator.get_task(&made.task_id).await.unwrap().unwrap();
    assert_eq!((stored.status, stored.attempts), (TaskStatus::Failed, 2));
    assert!(stored.error_message.unwrap().contains("no sign of life"));
    assert_eq!(
        trail(&client, &made.task_id).await,
        ["task_created", "task_claimed", "task_requeued", "task_claimed", "task_failed"]
    );
}

#[tokio::test]
async fn an_ended_or_unknown_session_claims_nothing() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    client
        .batch_execute(
            "INSERT INTO agent_sessions (session_id, agent_platform, agent_role, status)
             VALUES ('claude_executor_1', 'claude', 'executor', 'completed')",
        )
        .await
        .unwrap();
    create(&orchestrator, NewTask::new("whose?")).await;
    let ended = orchestrator.claimant(&"claude_executor_1".parse().unwrap()).await.unwrap();
    let refused = orchestrator.claim_task(&ended, LEASE).await;
    assert!(matches!(refused, Err(Error::SessionEnded { .. })), "{refused:?}");
    let mut unknown = of_role("executor");
    unknown.session_id = Some("nobody_executor_1".parse().unwrap());
    let refused = orchestrator.claim_task(&unknown, LEASE).await;
    assert!(matches!(refused, Err(Error::UnknownSession(_))), "{refused:?}");
    assert!(orchestrator.claim_task(&of_role("executor"), Duration::ZERO).await.is_err());
    assert!(orchestrator.claim_task(&of_role("executor"), LEASE).await.unwrap().is_some());
}

#[tokio::test]
async fn a_batch_of_completions_has_an_outcome_for_each() {
    let (_database, orchestrator) = orchestrator().await;
    for index in 0..5 {
        create(&orchestrator, NewTask::new(index.to_string())).await;
    }
    let claimed = orchestrator.claim_tasks(&of_role("executor"), 5, LEASE).await.unwrap();
    orchestrator.cancel_task(&claimed[2].task.task_id, None, None).await.unwrap();
    let completions: Vec<Completion> = claimed
        .iter()
        .map(|claimed| Completion {
            task_id: claimed.task.task_id.clone(),
            token: claimed.lease.token,
            output: Some(json!({ "of": claimed.task.task_description })),
        })
        .collect();
    for _ in 0..2 {
        let outcomes = orchestrator.complete_tasks(completions.clone()).await.unwrap();
        for (index, outcome) in outcomes.iter().enumerate() {
            match outcome {
                Ok(task) => assert_eq!(task.output_data, Some(json!({ "of": index.to_string() }))),
                Err(error) => assert!(index == 2 && matches!(error, Error::LostLease { .. }), "{error}"),
            }
        }
        assert!(outcomes[2].is_err());
    }
}
