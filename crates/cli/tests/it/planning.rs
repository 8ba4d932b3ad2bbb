//! A planner's work by commands alone.

use serde_json::{Value, json};

use crate::support::{Fixture, members};

const PLAN: &str = "\
title: Greet the world
goal: Everybody is greeted.
tasks:
  - {key: release, description: Release it, after: [{task: build, on_failure: fail}], role: executor}
  - {key: build, description: Print the greeting, after: [design], role: executor}
  - {key: design, description: Agree on the greeting, role: executor, priority: 8}
";

/// A session's id.
async fn started(fixture: &Fixture, arguments: &[&str]) -> String {
    let started = fixture.json(arguments).await;
    started["session"]["session_id"].as_str().unwrap().to_owned()
}

/// Claims the best task of a session and completes it; its id.
async fn done(fixture: &Fixture, session: &str, output: &str) -> String {
    let claimed = fixture.json(&["task", "claim", "--session", session]).await;
    let id = claimed["task"]["task_id"].as_str().unwrap().to_owned();
    let token = claimed["lease"]["token"].as_str().unwrap();
    fixture.run(&["task", "complete", &id, "--token", token, "--output", output]).await.done();
    id
}

#[tokio::test]
async fn a_planner_plans_delegates_audits_and_sums_up() {
    let fixture = Fixture::new().await;
    let plan = fixture.json(&["plan", "start", "--platform", "claude", "--budget", "100"]).await;
    assert_eq!(
        (members(&plan), &plan["session"]["agent_role"]),
        (vec!["prompt", "session"], &json!("planner"))
    );
    assert_eq!(members(&plan["prompt"]), ["left_out", "text", "tokens"]);
    assert!(plan["prompt"]["tokens"].as_u64().unwrap() <= 100);
    let planner = plan["session"]["session_id"].as_str().unwrap();

    let delegated = fixture
        .json(&[
            "plan",
            "delegate",
            "Write it",
            "--role",
            "executor",
            "--priority",
            "9",
            "--session",
            planner,
        ])
        .await;
    let task = delegated["task_id"].as_str().unwrap();
    assert_eq!(delegated["metadata"], json!({ "delegated_by": planner }));
    assert_eq!((&delegated["session_id"], &delegated["created"]), (&json!(planner), &json!(true)));
    let after = fixture.run(&["plan", "delegate", "Test it", "--after", task, "--session", planner]).await;
    assert!(after.done().starts_with("✅ Created task: task_"), "{after:?}");

    let executor = started(&fixture, &["session", "start", "--role", "executor", "--parent", planner]).await;
    let validator =
        started(&fixture, &["session", "start", "--role", "validator", "--parent", planner]).await;
    assert_eq!(
        fixture.run(&["plan", "audit", "--session", &validator]).await.done(),
        "There is nothing to audit.\n"
    );
    assert_eq!(done(&fixture, &executor, "{\"draft\": 1}").await, task);
    let list = fixture.run(&["plan", "audit", "--session", &validator]).await;
    for part in [task, &executor, "Write it"] {
        assert!(list.done().contains(part), "{part}: {list:?}");
    }
    let mine = fixture.json(&["plan", "audit", "--session", &validator, "--delegated"]).await;
    assert_eq!((members(&mine), &mine["tasks"]), (vec!["next", "tasks"], &json!([])));

    let audit = async |session: &str, arguments: &[&str]| {
        fixture.run(&[&["plan", "audit", task, "--session", session], arguments].concat()).await
    };
    audit(&executor, &["approve"]).await.failed(1, &["approve a result", "another session"]);
    audit(&validator, &["revise"]).await.failed(2, &["the notes"]);
    let back = audit(&validator, &["revise", "--notes", "shorter"]).await;
    assert_eq!(back.done(), format!("🔁 Back in the queue: {task}, begun 1 times so far\n"));
    audit(&validator, &["approve"]).await.failed(1, &["audited", "pending"]);
    assert_eq!(done(&fixture, &executor, "{\"draft\": 2}").await, task);
    assert_eq!(audit(&validator, &["approve"]).await.done(), format!("✅ Approved: {task}\n"));
    let stored = fixture.json(&["task", "show", task]).await;
    assert_eq!((&stored["output_data"], &stored["attempts"]), (&json!({ "draft": 2 }), &json!(2)));

    let summary = fixture.json(&["plan", "summary", planner]).await;
    assert_eq!((&summary["sessions"], &summary["tasks"]["count"]), (&json!(3), &json!(2)));
    assert_eq!(summary["by_status"], json!({ "pending": 1, "completed": 1 }));
    assert_eq!(summary["reviews"], json!({ "approved": 1, "rejected": 0, "revisions": 1, "to_audit": 0 }));
    let summary = fixture.run(&["plan", "summary", planner]).await;
    for part in [
        "1 approved",
        "sent back 1 time,",
        "1 pending, 1 completed, begun 2 times",
        "executor  1 of 1 completed  took",
    ] {
        assert!(summary.done().contains(part), "{part}: {summary:?}");
    }
    let summary = fixture.program().env("AGENT_TURBO_SESSION", planner).run(&["plan", "summary"]).await;
    assert!(summary.done().starts_with(planner), "{summary:?}");
}

#[tokio::test]
async fn a_plan_is_checked_loaded_and_not_loaded_twice() {
    let fixture = Fixture::new().await;
    let file = fixture.dir.path().join("plan.yaml");
    std::fs::write(&file, PLAN).unwrap();
    let file = file.to_str().unwrap();
    let check = fixture.run(&["plan", "load", file, "--check"]).await;
    let expected = "\
✅ The plan is in order: 3 tasks
   design   executor  Agree on the greeting  at once
   build    executor  Print the greeting     after design
   release  executor  Release it             after build
";
    assert_eq!(check.done(), expected);
    let check = fixture.json(&["plan", "load", file, "--check"]).await;
    assert_eq!(check["tasks"][2]["after"], json!(["build"]));
    assert_eq!(fixture.run(&["task", "list"]).await.done(), "There are no such tasks.\n");

    fixture.run(&["plan", "load", file]).await.failed(2, &["the session", "--session"]);
    let planner = started(&fixture, &["plan", "start"]).await;
    let loaded = fixture.json(&["plan", "load", file, "--session", &planner]).await;
    assert_eq!(
        (&loaded["created"], &loaded["known"], &loaded["plan"]),
        (&json!(3), &json!(0), &json!("Greet the world"))
    );
    let keys: Vec<&Value> = loaded["tasks"].as_array().unwrap().iter().map(|task| &task["key"]).collect();
    assert_eq!(keys, ["design", "build", "release"]);
    let again = fixture.program().stdin(PLAN).run(&["plan", "load", "-", "--session", &planner]).await;
    assert!(again.done().starts_with("✅ Created 0 tasks; 3 were there\n   task_"), "{again:?}");
    assert_eq!(fixture.json(&["task", "list"]).await["tasks"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn plans_that_cannot_be_used_say_where_and_why() {
    let fixture = Fixture::new().await;
    let help = fixture.run(&["plan", "load", "--help"]).await;
    assert!(help.done().contains("  tasks:\n    - key: design\n"), "{help:?}");
    let planner = started(&fixture, &["plan", "start"]).await;
    for (plan, code, words) in [
        (
            "tasks:\n- key: a\n  prio: 1\n",
            2,
            &["accept the plan: tasks[0].prio: ", "line 3", "plan load --help"][..],
        ),
        ("{\"tasks\": [{}]}", 2, &["tasks[0]: missing field `key` at line 1"]),
        ("", 2, &["the plan: it is empty"]),
        (
            "tasks: [{key: a, description: x, after: [b]}, {key: b, description: x, after: [a]}]",
            2,
            &["a → b → a"],
        ),
        (
            "tasks: [{key: abc, description: x}, {key: b, description: x, after: [abd]}]",
            3,
            &["\"b\" is after \"abd\"", "look like it: abc"],
        ),
    ] {
        for arguments in [&["--session", &planner][..], &["--check"]] {
            let ran = fixture.program().stdin(plan).run(&[&["plan", "load", "-"], arguments].concat()).await;
            ran.failed(code, words);
        }
    }
    fixture
        .run(&["plan", "load", "/nowhere/plan.yaml", "--check"])
        .await
        .failed(2, &["\"/nowhere/plan.yaml\" cannot be read"]);
    fixture.run(&["plan", "summary", "nobody"]).await.failed(3, &["find the session nobody"]);
    fixture.run(&["session", "end", &planner]).await.done();
    let late = fixture.run(&["plan", "delegate", "x", "--session", &planner]).await;
    late.failed(1, &["which is completed", "--resume"]);
    assert_eq!(fixture.run(&["task", "list"]).await.done(), "There are no such tasks.\n");
}
