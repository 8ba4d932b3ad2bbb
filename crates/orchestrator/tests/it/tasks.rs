//! The life of a task: made, done, failed, blocked, cancelled, retried, audited.

use std::time::Duration;

use agent_turbo_orchestrator::{
    Dependency, Error, Failure, GraphTask, NewTask, OnFailure, Orchestrator, Priority, Reason, SessionId,
    TaskFilter, TaskStatus, Verdict,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::support::{LEASE, claim, create, of_role, orchestrator, task, trail};

async fn complete_next(orchestrator: &Orchestrator) {
    let claimed = claim(orchestrator).await;
    orchestrator.complete_task(&claimed.task.task_id, claimed.lease.token, None).await.unwrap();
}

#[tokio::test]
async fn a_task_is_made_claimed_and_completed_and_its_trail_says_so() {
    let (database, orchestrator) = orchestrator().await;
    let made = create(
        &orchestrator,
        NewTask {
            task_type: Some("build".to_owned()),
            priority: Priority::HIGHEST,
            input: Some(json!({ "file": "a.rs" })),
            required_context: Some(json!(["docs"])),
            ..NewTask::new("build it").for_role("executor")
        },
    )
    .await;
    assert!(
        made.is_ready && made.status == TaskStatus::Pending && made.task_id.as_str().starts_with("task_")
    );
    let claimed = claim(&orchestrator).await;
    assert_eq!(claimed.task.task_id, made.task_id);
    assert_eq!((claimed.task.status, claimed.task.attempts), (TaskStatus::InProgress, 1));
    assert_eq!(claimed.task.input_data, Some(json!({ "file": "a.rs" })));
    let done = orchestrator
        .complete_task(&made.task_id, claimed.lease.token, Some(json!({ "ok": true })))
        .await
        .unwrap();
    assert_eq!((done.status, done.progress_percentage), (TaskStatus::Completed, 100));
    assert_eq!(done.output_data, Some(json!({ "ok": true })));
    assert!(done.completed_at.is_some() && done.lease_session_id.is_none());
    let client = database.client().await.unwrap();
    assert_eq!(trail(&client, &made.task_id).await, ["task_created", "task_claimed", "task_completed"]);
}

#[tokio::test]
async fn secrets_in_results_and_errors_are_not_stored() {
    let (_database, orchestrator) = orchestrator().await;
    let token = format!("ghp_{}", "a1".repeat(18));
    create(&orchestrator, NewTask::new("leak")).await;
    let claimed = claim(&orchestrator).await;
    let output = Some(json!({ "log": format!("used {token}") }));
    let done = orchestrator.complete_task(&claimed.task.task_id, claimed.lease.token, output).await.unwrap();
    assert!(!done.output_data.unwrap().to_string().contains(&token));
    create(&orchestrator, NewTask::new("leak again")).await;
    let claimed = claim(&orchestrator).await;
    let error = format!("refused {token}");
    let failed = orchestrator
        .fail_task(&claimed.task.task_id, claimed.lease.token, &error, Failure::Final)
        .await
        .unwrap();
    assert!(!failed.error_message.unwrap().contains(&token));
}

#[tokio::test]
async fn an_idempotency_key_finds_the_task_that_is_there_also_when_twenty_come_at_once() {
    let (_database, orchestrator) = orchestrator().await;
    let new = NewTask { idempotency_key: Some("once".to_owned()), ..NewTask::new("only once") };
    let all = futures_util::future::join_all((0..20).map(|_| orchestrator.create_task(new.clone()))).await;
    let all: Vec<_> = all.into_iter().map(Result::unwrap).collect();
    assert_eq!(all.iter().filter(|created| created.created).count(), 1);
    assert!(all.iter().all(|created| created.task.task_id == all[0].task.task_id));
    let elsewhere = NewTask { project: Some("other".to_owned()), ..new };
    assert!(orchestrator.create_task(elsewhere).await.unwrap().created, "keys are a project's own");
}

#[tokio::test]
async fn what_cannot_be_a_task_is_refused_and_nothing_is_written() {
    let (_database, orchestrator) = orchestrator().await;
    let now = Timestamp::now();
    let long_ago = now - SignedDuration::from_hours(1);
    let bad = [
        NewTask::new(" "),
        NewTask::new("nul\0"),
        NewTask::new("x".repeat(200_000)),
        NewTask { role: Some(String::new()), ..NewTask::new("role") },
        NewTask { project: Some("a\nb".to_owned()), ..NewTask::new("project") },
        NewTask { max_attempts: Some(0), ..NewTask::new("attempts") },
        NewTask { metadata: Some(json!([1])), ..NewTask::new("metadata") },
        NewTask { input: Some(json!("\u{0}")), ..NewTask::new("input") },
        NewTask { run_after: Some(now), deadline: Some(long_ago), ..NewTask::new("times") },
    ];
    for new in bad {
        let what = new.description.chars().take(10).collect::<String>();
        let error = orchestrator.create_task(new).await.unwrap_err();
        assert!(matches!(error, Error::BadInput { .. }), "{what}: {error}");
    }
    let nobody: SessionId = "nobody_nothing_00000000".parse().unwrap();
    let error = orchestrator
        .create_task(NewTask { session_id: Some(nobody), ..NewTask::new("whose?") })
        .await
        .unwrap_err();
    assert!(matches!(error, Error::UnknownSession(_)), "{error}");
    assert!("11".parse::<Priority>().is_err() && "0".parse::<Priority>().is_err());
    assert!(orchestrator.list_tasks(&TaskFilter::default(), 10, None).await.unwrap().tasks.is_empty());
}

#[tokio::test]
async fn a_task_waits_until_the_last_of_its_prerequisites_is_completed() {
    let (_database, orchestrator) = orchestrator().await;
    let first = create(&orchestrator, task("first", &[])).await;
    let second = create(&orchestrator, task("second", &[])).await;
    let last = create(&orchestrator, task("last", &[&first, &second])).await;
    assert!(!last.is_ready);
    assert_eq!(last.unmet_dependencies, 2);
    complete_next(&orchestrator).await;
    let waiting = orchestrator.get_task(&last.task_id).await.unwrap().unwrap();
    assert_eq!((waiting.unmet_dependencies, waiting.is_ready), (1, false));
    complete_next(&orchestrator).await;
    assert_eq!(claim(&orchestrator).await.task.task_id, last.task_id);
    let late = create(&orchestrator, task("after what is done", &[&first])).await;
    assert!(late.is_ready, "a prerequisite that is done already is no obstacle");
}

#[tokio::test]
async fn unknown_prerequisites_are_named_and_nothing_is_made() {
    let (_database, orchestrator) = orchestrator().await;
    let depends_on = ["task_nowhere", "task_neither"]
        .map(|id| Dependency { task_id: id.parse().unwrap(), on_failure: OnFailure::Block })
        .to_vec();
    let error = orchestrator.create_task(NewTask { depends_on, ..NewTask::new("lost") }).await.unwrap_err();
    let Error::UnknownDependencies(names) = &error else { panic!("{error}") };
    assert_eq!(names, "task_neither, task_nowhere");
    assert!(orchestrator.list_tasks(&TaskFilter::default(), 10, None).await.unwrap().tasks.is_empty());
}

fn node(key: &str, after: &[(&str, OnFailure)]) -> GraphTask {
    let after = after.iter().map(|(key, policy)| ((*key).to_owned(), *policy)).collect();
    GraphTask { key: key.to_owned(), after, task: NewTask::new(key) }
}

#[tokio::test]
async fn a_graph_is_made_whole_in_any_order_of_its_tasks() {
    let (_database, orchestrator) = orchestrator().await;
    let block = OnFailure::Block;
    let graph = vec![
        node("roof", &[("walls", block)]),
        node("walls", &[("floor", block), ("bricks", OnFailure::Fail)]),
        node("floor", &[]),
        node("bricks", &[]),
    ];
    let made = orchestrator.create_graph(graph).await.unwrap();
    assert_eq!((made.created, made.tasks.len()), (4, 4));
    let mut order = Vec::new();
    while let Some(claimed) = orchestrator.claim_task(&of_role("builder"), LEASE).await.unwrap() {
        order.push(claimed.task.task_description.clone());
        orchestrator.complete_task(&claimed.task.task_id, claimed.lease.token, None).await.unwrap();
    }
    assert_eq!(order, ["floor", "bricks", "walls", "roof"]);
}

#[tokio::test]
async fn a_graph_with_a_cycle_or_an_unknown_key_is_refused_whole_and_names_it() {
    let (_database, orchestrator) = orchestrator().await;
    let block = OnFailure::Block;
    let cycle = vec![
        node("start", &[]),
        node("a", &[("start", block), ("c", block)]),
        node("b", &[("a", block)]),
        node("c", &[("b", block)]),
    ];
    let error = orchestrator.create_graph(cycle).await.unwrap_err();
    let Error::DependencyCycle(path) = &error else { panic!("{error}") };
    assert_eq!(path, "a → c → b → a");
    let error = orchestrator.create_graph(vec![node("a", &[("a", block)])]).await.unwrap_err();
    assert!(matches!(&error, Error::DependencyCycle(path) if path == "a → a"), "{error}");
    let error = orchestrator.create_graph(vec![node("a", &[("x", block), ("y", block)])]).await.unwrap_err();
    assert!(matches!(&error, Error::UnknownDependencies(names) if names == "x, y"), "{error}");
    let twice = vec![node("a", &[]), node("a", &[])];
    assert!(matches!(orchestrator.create_graph(twice).await.unwrap_err(), Error::BadInput { .. }));
    assert!(orchestrator.list_tasks(&TaskFilter::default(), 10, None).await.unwrap().tasks.is_empty());
}

#[tokio::test]
async fn a_graph_with_keys_that_are_known_makes_only_what_is_missing() {
    let (_database, orchestrator) = orchestrator().await;
    let keyed = |key: &str, after: &[(&str, OnFailure)]| {
        let mut node = node(key, after);
        node.task.idempotency_key = Some(format!("plan:{key}"));
        node
    };
    let block = OnFailure::Block;
    let first = orchestrator.create_graph(vec![keyed("a", &[])]).await.unwrap();
    let graph = || vec![keyed("a", &[]), keyed("b", &[("a", block)])];
    let second = orchestrator.create_graph(graph()).await.unwrap();
    assert_eq!((second.created, &second.tasks["a"]), (1, &first.tasks["a"]));
    let third = orchestrator.create_graph(graph()).await.unwrap();
    assert_eq!((third.created, third.tasks), (0, second.tasks.clone()));
    let dependent = orchestrator.get_task(&second.tasks["b"]).await.unwrap().unwrap();
    assert_eq!(dependent.depends_on_tasks, [first.tasks["a"].clone()]);
}

#[tokio::test]
async fn a_failed_prerequisite_takes_those_with_it_that_asked_for_it_and_holds_up_the_others() {
    let (_database, orchestrator) = orchestrator().await;
    let made = orchestrator
        .create_graph(vec![
            node("base", &[]),
            node("patient", &[("base", OnFailure::Block)]),
            node("bound", &[("base", OnFailure::Fail)]),
            node("bound too", &[("bound", OnFailure::Fail)]),
        ])
        .await
        .unwrap();
    let claimed = claim(&orchestrator).await;
    orchestrator.fail_task(&claimed.task.task_id, claimed.lease.token, "no", Failure::Final).await.unwrap();
    for key in ["bound", "bound too"] {
        let task = orchestrator.get_task(&made.tasks[key]).await.unwrap().unwrap();
        assert_eq!(task.status, TaskStatus::Failed, "{key}");
        assert!(task.error_message.unwrap().contains("prerequisite"), "{key}");
    }
    let why = orchestrator.why(&made.tasks["patient"]).await.unwrap();
    let Reason::WaitsForTasks { tasks, count } = &why.reason else { panic!("{why:?}") };
    assert_eq!((tasks[0].status, *count), (TaskStatus::Failed, 1));
    assert!(why.explain().contains("retry"), "{}", why.explain());
    // A task that is bound to what has failed already fails at once.
    let depends_on = vec![Dependency { task_id: made.tasks["base"].clone(), on_failure: OnFailure::Fail }];
    let late = create(&orchestrator, NewTask { depends_on, ..NewTask::new("late") }).await;
    let late = orchestrator.get_task(&late.task_id).await.unwrap().unwrap();
    assert_eq!(late.status, TaskStatus::Failed);
    // Retried and done, it lets the patient one go.
    orchestrator.retry_task(&made.tasks["base"], None, None).await.unwrap();
    complete_next(&orchestrator).await;
    assert_eq!(claim(&orchestrator).await.task.task_id, made.tasks["patient"]);
}

#[tokio::test]
async fn a_retryable_failure_is_tried_again_after_a_pause_until_no_attempt_is_left() {
    let (database, orchestrator) = orchestrator().await;
    let made = create(&orchestrator, NewTask { max_attempts: Some(2), ..NewTask::new("flaky") }).await;
    let first = claim(&orchestrator).await;
    let failure = Failure::Retryable { after: None };
    let failed = orchestrator.fail_task(&made.task_id, first.lease.token, "timeout", failure).await.unwrap();
    assert_eq!(failed.status, TaskStatus::Pending);
    assert_eq!(failed.error_message.as_deref(), Some("timeout"));
    assert!(failed.run_after.unwrap() > Timestamp::now());
    assert!(orchestrator.claim_task(&of_role("executor"), LEASE).await.unwrap().is_none());
    assert!(matches!(orchestrator.why(&made.task_id).await.unwrap().reason, Reason::WaitsForTime { .. }));
    let waited = orchestrator
        .wait_for_task(&of_role("executor"), LEASE, Duration::from_secs(30))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(waited.task.attempts, 2);
    let failed = orchestrator.fail_task(&made.task_id, waited.lease.token, "timeout", failure).await.unwrap();
    assert_eq!(failed.status, TaskStatus::Failed);
    assert!(matches!(
        orchestrator.why(&made.task_id).await.unwrap().reason,
        Reason::Finished { status: TaskStatus::Failed, .. }
    ));
    let again = orchestrator.retry_task(&made.task_id, Some("it is back"), None).await.unwrap();
    assert_eq!((again.status, again.round, again.attempts), (TaskStatus::Pending, 2, 2));
    complete_next(&orchestrator).await;
    let client = database.client().await.unwrap();
    assert_eq!(
        trail(&client, &made.task_id).await,
        [
            "task_created",
            "task_claimed",
            "task_requeued",
            "task_claimed",
            "task_failed",
            "task_reopened",
            "task_claimed",
            "task_completed"
        ]
    );
}

#[tokio::test]
async fn released_blocked_and_unblocked_tasks_lose_no_attempt() {
    let (_database, orchestrator) = orchestrator().await;
    let made = create(&orchestrator, NewTask::new("move around")).await;
    let claimed = claim(&orchestrator).await;
    let released =
        orchestrator.release_task(&made.task_id, claimed.lease.token, Some("not mine")).await.unwrap();
    assert_eq!((released.attempts, released.is_ready), (0, true));
    assert_eq!(released.status_reason.as_deref(), Some("not mine"));
    let claimed = claim(&orchestrator).await;
    let error = orchestrator.block_task(&made.task_id, None, "no key", None).await.unwrap_err();
    assert!(matches!(error, Error::TaskState { status: TaskStatus::InProgress, .. }), "{error}");
    let token = Some(claimed.lease.token);
    let blocked = orchestrator.block_task(&made.task_id, token, "no key", None).await.unwrap();
    assert_eq!((blocked.status, blocked.attempts), (TaskStatus::Blocked, 0));
    assert!(orchestrator.claim_task(&of_role("executor"), LEASE).await.unwrap().is_none());
    let why = orchestrator.why(&made.task_id).await.unwrap();
    assert_eq!(why.reason, Reason::Blocked { because: Some("no key".to_owned()) });
    assert!(orchestrator.unblock_task(&made.task_id, None).await.unwrap().is_ready);
    complete_next(&orchestrator).await;
    let error = orchestrator.unblock_task(&made.task_id, None).await.unwrap_err();
    assert!(matches!(error, Error::TaskState { status: TaskStatus::Completed, .. }), "{error}");
}

#[tokio::test]
async fn a_cancelled_task_is_cancelled_once_and_a_finished_one_never() {
    let (_database, orchestrator) = orchestrator().await;
    let made = create(&orchestrator, NewTask::new("unwanted")).await;
    let cancelled = orchestrator.cancel_task(&made.task_id, Some("changed plans"), None).await.unwrap();
    assert!(!cancelled.was_running && cancelled.task.status == TaskStatus::Cancelled);
    let again = orchestrator.cancel_task(&made.task_id, None, None).await.unwrap();
    assert_eq!(again.task.status_reason.as_deref(), Some("changed plans"));
    assert!(orchestrator.claim_task(&of_role("executor"), LEASE).await.unwrap().is_none());
    let done = create(&orchestrator, NewTask::new("done")).await;
    complete_next(&orchestrator).await;
    let error = orchestrator.cancel_task(&done.task_id, None, None).await.unwrap_err();
    assert!(matches!(error, Error::TaskState { status: TaskStatus::Completed, .. }), "{error}");
    let nowhere = "task_nowhere".parse().unwrap();
    assert!(matches!(orchestrator.cancel_task(&nowhere, None, None).await, Err(Error::UnknownTask(_))));
}

#[tokio::test]
async fn what_misses_its_deadline_fails_and_what_may_not_begin_yet_waits() {
    let (database, orchestrator) = orchestrator().await;
    let soon = Timestamp::now() + SignedDuration::from_hours(1);
    let early = create(&orchestrator, NewTask { run_after: Some(soon), ..NewTask::new("later") }).await;
    let late = create(&orchestrator, NewTask { deadline: Some(soon), ..NewTask::new("in time") }).await;
    let client = database.client().await.unwrap();
    let move_time = "UPDATE agent_tasks SET run_after = run_after - interval '2 hours',
                         deadline = deadline - interval '2 hours'";
    assert_eq!(claim(&orchestrator).await.task.task_id, late.task_id);
    client.execute(move_time, &[]).await.unwrap();
    client
        .execute("UPDATE agent_tasks SET lease_expires_at = now() WHERE status = 'in_progress'", &[])
        .await
        .unwrap();
    // Looking for work draws the conclusions first.
    assert_eq!(claim(&orchestrator).await.task.task_id, early.task_id);
    let late = orchestrator.get_task(&late.task_id).await.unwrap().unwrap();
    assert_eq!(late.status, TaskStatus::Failed);
    assert_eq!(late.error_message.as_deref(), Some("its deadline has passed"));
}

#[tokio::test]
async fn an_audit_leaves_the_result_alone_and_nobody_approves_his_own_work() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    for role in ["executor", "validator"] {
        client
            .execute(
                "INSERT INTO agent_sessions (session_id, agent_platform, agent_role, landing_context, status)
                 VALUES ($1, 'claude', $2, '{}', 'active')",
                &[&format!("claude_{role}_00000001"), &role],
            )
            .await
            .unwrap();
    }
    let executor: SessionId = "claude_executor_00000001".parse().unwrap();
    let validator: SessionId = "claude_validator_00000001".parse().unwrap();
    let made = create(&orchestrator, NewTask::new("write it")).await;
    let claimant = orchestrator.claimant(&executor).await.unwrap();
    let round = async |output: i32| {
        let claimed = orchestrator.claim_task(&claimant, LEASE).await.unwrap().unwrap();
        let output = Some(json!({ "version": output }));
        orchestrator.complete_task(&made.task_id, claimed.lease.token, output).await.unwrap()
    };
    let done = round(1).await;
    assert_eq!(done.finished_by.as_ref(), Some(&executor));
    let own = orchestrator.review_task(&made.task_id, Verdict::Approved, None, &executor).await;
    assert!(matches!(own, Err(Error::OwnWork)), "{own:?}");
    let revised = orchestrator
        .review_task(&made.task_id, Verdict::NeedsRevision, Some("shorter"), &validator)
        .await
        .unwrap();
    assert_eq!((revised.status, revised.round, revised.attempts), (TaskStatus::Pending, 2, 1));
    assert_eq!(revised.review_notes.as_deref(), Some("shorter"));
    let repeated =
        orchestrator.review_task(&made.task_id, Verdict::NeedsRevision, Some("shorter"), &validator).await;
    assert_eq!(repeated.unwrap().round, 2, "a repetition starts no further round");
    let done = round(2).await;
    assert_eq!((done.review, done.attempts), (None, 2));
    let approved =
        orchestrator.review_task(&made.task_id, Verdict::Approved, Some("good"), &validator).await.unwrap();
    assert_eq!(approved.output_data, Some(json!({ "version": 2 })));
    assert_eq!((approved.status, approved.review), (TaskStatus::Completed, Some(Verdict::Approved)));
    assert_eq!(
        trail(&client, &made.task_id).await,
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
    let kept = client
        .query_one(
            "SELECT output_data -> 'result' ->> 'version', session_id FROM agent_actions
             WHERE action_type = 'task_reopened'",
            &[],
        )
        .await
        .unwrap();
    assert_eq!((kept.get(0), kept.get(1)), ("1", validator.as_str()), "the first result is in the trail");
}

#[tokio::test]
async fn tasks_are_listed_newest_first_filtered_and_in_pages() {
    let (_database, orchestrator) = orchestrator().await;
    for index in 0..25 {
        let role = if index % 2 == 0 { "executor" } else { "validator" };
        create(&orchestrator, NewTask::new(format!("task {index}")).for_role(role)).await;
    }
    let filter = TaskFilter { role: Some("executor".to_owned()), ..TaskFilter::default() };
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = orchestrator.list_tasks(&filter, 5, before).await.unwrap();
        seen.extend(page.tasks.into_iter().map(|task| task.task_description));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let expected: Vec<_> = (0..25).rev().filter(|n| n % 2 == 0).map(|n| format!("task {n}")).collect();
    assert_eq!(seen, expected);
    claim(&orchestrator).await;
    let list = async |filter| orchestrator.list_tasks(&filter, 100, None).await.unwrap().tasks.len();
    assert_eq!(list(TaskFilter { ready: true, ..TaskFilter::default() }).await, 24);
    let running = TaskFilter { status: Some(TaskStatus::InProgress), ..TaskFilter::default() };
    assert_eq!(list(running).await, 1);
    assert_eq!(list(TaskFilter { project: Some("none".to_owned()), ..TaskFilter::default() }).await, 0);
    assert!(orchestrator.list_tasks(&filter, 0, None).await.is_err());
}

#[tokio::test]
async fn why_tells_who_is_ahead_and_whether_anybody_is_there_to_do_it() {
    let (database, orchestrator) = orchestrator().await;
    let first = create(&orchestrator, NewTask::new("first").for_role("executor")).await;
    let second = create(&orchestrator, NewTask::new("second").for_role("executor")).await;
    let why =
        async |task: &agent_turbo_orchestrator::Task| orchestrator.why(&task.task_id).await.unwrap().reason;
    assert_eq!(why(&first).await, Reason::NobodyToDoIt);
    let client = database.client().await.unwrap();
    client
        .execute(
            "INSERT INTO agent_sessions (session_id, agent_platform, agent_role)
             VALUES ('claude_executor_1', 'claude', 'executor')",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(why(&first).await, Reason::Next);
    assert_eq!(why(&second).await, Reason::InLine { ahead: 1 });
    let claimed = claim(&orchestrator).await;
    assert_eq!(why(&first).await, Reason::Running { held_by: None, until: Some(claimed.lease.expires_at) });
    assert_eq!(why(&second).await, Reason::Next);
    let nowhere = "task_nowhere".parse().unwrap();
    assert!(matches!(orchestrator.why(&nowhere).await, Err(Error::UnknownTask(_))));
}
