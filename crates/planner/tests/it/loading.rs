//! Plans in the database: all of it or nothing, and no task twice.

use agent_turbo_orchestrator::{Error as OrchestratorError, NewTask, TaskStatus};
use agent_turbo_planner::{Error, Format, Plan};
use serde_json::json;

use crate::support::Fixture;

const TASKS: &str = "SELECT count(*) FROM agent_tasks";

fn plan(text: &str) -> Plan {
    Plan::parse(text, Format::Yaml).unwrap()
}

const SHIP: &str = "
title: ship it
goal: It is shipped.
tasks:
- {key: ship, description: Ship, after: [test, {task: build, on_failure: fail}], priority: 9, metadata: {ticket: 1}}
- {key: test, description: Test, after: [build], role: tester}
- {key: build, description: Build, input: {with: [cargo]}}
";

#[tokio::test]
async fn a_plan_becomes_tasks_that_know_each_other_and_where_they_come_from() {
    let fixture = Fixture::new().await;
    let session = fixture.planning().await;
    let loaded = fixture.planner.load_plan(&session, &plan(SHIP)).await.unwrap();
    let keys: Vec<&str> = loaded.tasks.iter().map(|task| task.key.as_str()).collect();
    assert_eq!((keys, loaded.created, loaded.known), (vec!["build", "test", "ship"], 3, 0));
    assert_eq!((loaded.plan.as_deref(), loaded.project.as_str()), (Some("ship it"), "default"));
    let [build, test, ship] = [0, 1, 2].map(|index| &loaded.tasks[index].task_id);
    let stored = fixture.orchestrator().get_task(ship).await.unwrap().unwrap();
    let mut before = stored.depends_on_tasks.clone();
    before.sort();
    let mut expected = vec![build.clone(), test.clone()];
    expected.sort();
    assert_eq!((before, stored.unmet_dependencies), (expected, 2));
    assert_eq!(stored.session_id, Some(session.clone()));
    assert_eq!(stored.idempotency_key.as_deref(), Some("plan:ship it:ship"));
    assert_eq!(
        stored.metadata,
        json!({ "ticket": 1, "delegated_by": session, "plan": { "plan": "ship it", "goal": "It is shipped.", "key": "ship" } })
    );
    let first = fixture.orchestrator().get_task(build).await.unwrap().unwrap();
    assert!(first.is_ready && first.input_data == Some(json!({ "with": ["cargo"] })));
}

#[tokio::test]
async fn a_plan_with_a_name_makes_nothing_twice() {
    let fixture = Fixture::new().await;
    let session = fixture.planning().await;
    let first = fixture.planner.load_plan(&session, &plan(SHIP)).await.unwrap();
    let again = fixture.planner.load_plan(&fixture.planning().await, &plan(SHIP)).await.unwrap();
    assert_eq!((again.created, again.known), (0, 3));
    assert_eq!(again.tasks, first.tasks);
    // What was added since is made, after what is there.
    let longer = format!("{SHIP}- {{key: party, description: Celebrate, after: [ship]}}\n");
    let longer = fixture.planner.load_plan(&session, &plan(&longer)).await.unwrap();
    assert_eq!((longer.created, longer.known, fixture.count(TASKS).await), (1, 3, 4));
    // Without a name there is nothing to know it by.
    let nameless = plan("tasks: [{key: a, description: x}]");
    for expected in [5, 6] {
        fixture.planner.load_plan(&session, &nameless).await.unwrap();
        assert_eq!(fixture.count(TASKS).await, expected);
    }
}

#[tokio::test]
async fn a_plan_that_many_load_at_once_is_made_once() {
    let fixture = Fixture::new().await;
    let session = fixture.planning().await;
    let plan = plan(SHIP);
    let load = || fixture.planner.load_plan(&session, &plan);
    let (a, b, c, d) = tokio::join!(load(), load(), load(), load());
    let loaded = [a.unwrap(), b.unwrap(), c.unwrap(), d.unwrap()];
    assert_eq!(loaded.iter().map(|loaded| loaded.created).sum::<usize>(), 3);
    assert!(loaded.iter().all(|other| other.tasks == loaded[0].tasks));
    assert_eq!(fixture.count(TASKS).await, 3);
}

#[tokio::test]
async fn a_plan_may_go_on_from_tasks_that_exist_and_from_no_others() {
    let fixture = Fixture::new().await;
    let session = fixture.planning().await;
    let before =
        fixture.planner.create_delegated_task(&session, NewTask::new("Before")).await.unwrap().task.task_id;
    let text = format!("tasks:\n- {{key: a, description: x, after: [{before}]}}\n");
    let loaded = fixture.planner.load_plan(&session, &plan(&text)).await.unwrap();
    let stored = fixture.orchestrator().get_task(&loaded.tasks[0].task_id).await.unwrap().unwrap();
    assert_eq!(stored.depends_on_tasks, [before]);
    let wrong =
        plan("tasks:\n- {key: build, description: x}\n- {key: test, description: x, after: [biuld]}\n");
    assert_eq!(wrong.check().unwrap(), ["build", "test"]);
    let similar =
        plan("tasks:\n- {key: build, description: x}\n- {key: test, description: x, after: [bulid]}\n");
    for (plan, hint) in [(wrong, "task list"), (similar, "keys that look like it: build")] {
        for error in [
            fixture.planner.load_plan(&session, &plan).await.unwrap_err(),
            fixture.planner.check_plan(&plan).await.unwrap_err(),
        ] {
            assert!(matches!(&error, Error::UnknownReference { task, .. } if task == "test"), "{error:?}");
            assert!(error.hint().unwrap().contains(hint), "{error:?}");
        }
    }
    assert_eq!(fixture.count(TASKS).await, 2);
}

#[tokio::test]
async fn checking_a_plan_writes_nothing() {
    let fixture = Fixture::new().await;
    let graph = fixture.planner.check_plan(&plan(SHIP)).await.unwrap();
    assert_eq!(graph.iter().map(|node| node.key.as_str()).collect::<Vec<_>>(), ["build", "test", "ship"]);
    assert_eq!(
        fixture
            .count("SELECT (SELECT count(*) FROM agent_tasks) + (SELECT count(*) FROM agent_actions)")
            .await,
        0
    );
}

#[tokio::test]
async fn who_is_not_at_work_delegates_nothing() {
    let fixture = Fixture::new().await;
    let session = fixture.planning().await;
    fixture.orchestrator().complete_session(&session).await.unwrap();
    let nobody = "claude_planner_00000000".parse().unwrap();
    for (session, ended) in [(&session, true), (&nobody, false)] {
        for error in [
            fixture.planner.load_plan(session, &plan(SHIP)).await.unwrap_err(),
            fixture.planner.create_delegated_task(session, NewTask::new("x")).await.unwrap_err(),
        ] {
            let expected = match &error {
                Error::Orchestrator(OrchestratorError::SessionEnded { .. }) => ended,
                Error::Orchestrator(OrchestratorError::UnknownSession(_)) => !ended,
                _ => false,
            };
            assert!(expected && error.hint().is_some(), "{error:?}");
        }
    }
    assert_eq!(fixture.count(TASKS).await, 0);
}

#[tokio::test]
async fn a_plan_of_ten_thousand_tasks_is_loaded() {
    let fixture = Fixture::new().await;
    let session = fixture.planning().await;
    let tasks = (0..10_000).map(|number| {
        let after = if number < 10 { String::new() } else { format!(", after: [t{}]", number - 10) };
        format!("- {{key: t{number}, description: do {number}{after}}}\n")
    });
    let text = format!("id: long\ntasks:\n{}", tasks.collect::<String>());
    let loaded = fixture.planner.load_plan(&session, &plan(&text)).await.unwrap();
    assert_eq!((loaded.created, loaded.tasks.len()), (10_000, 10_000));
    assert_eq!(fixture.count("SELECT count(*) FROM agent_tasks WHERE is_ready").await, 10);
    let first = fixture.orchestrator().get_task(&loaded.tasks[0].task_id).await.unwrap().unwrap();
    assert_eq!((first.status, first.metadata["plan"]["key"].as_str()), (TaskStatus::Pending, Some("t0")));
}
