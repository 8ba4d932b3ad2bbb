//! A task from a planner's hands to an approved result.

use agent_turbo_orchestrator::{
    ActionFilter, Error as OrchestratorError, NewTask, SessionId, TaskStatus, Verdict,
};
use agent_turbo_planner::{Error, PLANNER_ROLE, ToAudit, format_landing_context};
use serde_json::{Value, json};

use crate::support::Fixture;

/// The ids of what a session may audit.
async fn to_audit(fixture: &Fixture, auditor: &SessionId, whose: ToAudit) -> Vec<String> {
    let page = fixture.planner.tasks_to_audit(auditor, whose, 100, None).await.unwrap();
    page.tasks.iter().map(|task| task.task_id.to_string()).collect()
}

#[tokio::test]
async fn a_task_is_delegated_done_revised_redone_and_approved() {
    let fixture = Fixture::new().await;
    let (planner, orchestrator) = (&fixture.planner, fixture.orchestrator());
    let started = planner.start_planning_session("gemini", "default", None).await.unwrap();
    let session = &started.session.session_id;
    assert_eq!(started.session.agent_role, PLANNER_ROLE);
    assert!(session.as_str().starts_with("gemini_planner_"));
    assert!(format_landing_context(&started.context, 1000).text.contains("role planner, platform gemini"));

    let new =
        NewTask { metadata: Some(json!({ "ticket": 7 })), ..NewTask::new("Write it").for_role("executor") };
    let task = planner.create_delegated_task(session, new).await.unwrap().task;
    assert_eq!(task.metadata, json!({ "ticket": 7, "delegated_by": session }));
    assert_eq!(task.session_id.as_ref(), Some(session));
    let id = &task.task_id;

    let executor = fixture.started("executor").await.session.session_id;
    let validator = fixture.started("validator").await.session.session_id;
    let early = planner.audit_task_results(id, Verdict::Approved, None, &validator).await.unwrap_err();
    assert!(matches!(early, Error::Orchestrator(OrchestratorError::TaskState { .. })), "{early:?}");
    assert_eq!(fixture.work(&executor, json!({ "draft": 1 })).await.task_id, *id);
    assert_eq!(to_audit(&fixture, &validator, ToAudit::Everybodys).await, [id.as_str()]);
    assert_eq!(to_audit(&fixture, &validator, ToAudit::Own).await, [""; 0]);
    assert_eq!(to_audit(&fixture, session, ToAudit::Own).await, [id.as_str()]);
    assert_eq!(to_audit(&fixture, &executor, ToAudit::Everybodys).await, [""; 0]);

    let own = planner.audit_task_results(id, Verdict::Approved, None, &executor).await.unwrap_err();
    assert!(matches!(own, Error::Orchestrator(OrchestratorError::OwnWork)), "{own:?}");
    assert!(own.hint().unwrap().contains("another session"));
    let silent = planner.audit_task_results(id, Verdict::NeedsRevision, None, &validator).await.unwrap_err();
    assert!(matches!(silent, Error::Orchestrator(OrchestratorError::BadInput { .. })), "{silent:?}");

    let notes = "shorter, please";
    let revised =
        planner.audit_task_results(id, Verdict::NeedsRevision, Some(notes), &validator).await.unwrap();
    assert_eq!((revised.status, revised.round, revised.attempts), (TaskStatus::Pending, 2, 1));
    assert!(revised.is_ready && revised.review_notes.as_deref() == Some(notes));
    assert_eq!(revised.output_data, Some(json!({ "draft": 1 })));

    // Whoever takes it next reads what is to be done differently.
    let claimed = fixture.claim(&executor).await;
    assert_eq!((claimed.task.review_notes.as_deref(), claimed.task.attempts), (Some(notes), 2));
    orchestrator.complete_task(id, claimed.lease.token, Some(json!({ "draft": 2 }))).await.unwrap();
    let approved = planner.audit_task_results(id, Verdict::Approved, Some("good"), &validator).await.unwrap();
    assert_eq!((approved.status, approved.review), (TaskStatus::Completed, Some(Verdict::Approved)));
    assert_eq!((approved.output_data, approved.attempts), (Some(json!({ "draft": 2 })), 2));
    assert_eq!(approved.reviewed_by.as_ref(), Some(&validator));
    assert_eq!(to_audit(&fixture, &validator, ToAudit::Everybodys).await, [""; 0]);

    // The audit trail kept what the first round brought, and who did what.
    let mut actions = Vec::new();
    let filter = ActionFilter { task: Some(id.clone()), ..ActionFilter::default() };
    orchestrator
        .export_actions(&filter, |line| {
            actions.push(serde_json::from_str::<Value>(line)?);
            Ok(())
        })
        .await
        .unwrap();
    let types: Vec<&str> = actions.iter().map(|action| action["action_type"].as_str().unwrap()).collect();
    assert_eq!(
        types,
        [
            "task_created",
            "task_claimed",
            "task_completed",
            "task_reopened",
            "task_claimed",
            "task_completed",
            "task_approved"
        ]
    );
    assert_eq!(actions[3]["output_data"]["result"], json!({ "draft": 1 }));
    let by = |index: usize| actions[index]["session_id"].as_str().unwrap();
    assert_eq!((by(0), by(1), by(3)), (session.as_str(), executor.as_str(), validator.as_str()));
}

#[tokio::test]
async fn a_rejected_result_stays_as_it_is() {
    let fixture = Fixture::new().await;
    let session = fixture.planning().await;
    let executor = fixture.started("executor").await.session.session_id;
    fixture.planner.create_delegated_task(&session, NewTask::new("x")).await.unwrap();
    let done = fixture.work(&executor, json!("all wrong")).await;
    let rejected = fixture
        .planner
        .audit_task_results(&done.task_id, Verdict::Rejected, Some("no"), &session)
        .await
        .unwrap();
    assert_eq!((rejected.status, rejected.output_data), (TaskStatus::Completed, Some(json!("all wrong"))));
    assert_eq!((rejected.review, rejected.attempts), (Some(Verdict::Rejected), 1));
    // Who did it may say himself that it is not good, but not that it is.
    let by_himself =
        |verdict| fixture.planner.audit_task_results(&done.task_id, verdict, Some("well"), &executor);
    assert!(by_himself(Verdict::Approved).await.is_err());
    by_himself(Verdict::Rejected).await.unwrap();
}

#[tokio::test]
async fn nobody_audits_after_his_session_has_ended() {
    let fixture = Fixture::new().await;
    let session = fixture.planning().await;
    let executor = fixture.started("executor").await.session.session_id;
    fixture.planner.create_delegated_task(&session, NewTask::new("x")).await.unwrap();
    let done = fixture.work(&executor, json!(1)).await;
    fixture.orchestrator().complete_session(&session).await.unwrap();
    let error = fixture
        .planner
        .audit_task_results(&done.task_id, Verdict::Approved, None, &session)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Orchestrator(OrchestratorError::SessionEnded { .. })), "{error:?}");
    let nobody = "claude_planner_00000000".parse().unwrap();
    let error = fixture.planner.tasks_to_audit(&nobody, ToAudit::Everybodys, 10, None).await.unwrap_err();
    assert!(matches!(error, Error::Orchestrator(OrchestratorError::UnknownSession(_))), "{error:?}");
}
