//! Four agents at work, as a newcomer sees them.

use serde_json::json;

use crate::support::{Fixture, members};

#[tokio::test]
async fn the_demo_happens_as_it_should_and_leaves_only_the_record_of_it() {
    let fixture = Fixture::new().await;
    let demo = fixture.json(&["demo", "--fast"]).await;
    let expected =
        ["audit", "events", "problems", "project", "seconds", "sessions_ended", "summary", "tasks_removed"];
    assert_eq!((members(&demo), &demo["problems"]), (expected.to_vec(), &json!([])));
    assert_eq!((&demo["sessions_ended"], &demo["tasks_removed"]), (&json!(4), &json!(6)));
    assert_eq!(
        demo["summary"]["reviews"],
        json!({ "approved": 6, "rejected": 0, "revisions": 1, "to_audit": 0 })
    );
    assert_eq!(demo["audit"]["intact"], true);
    let events = demo["events"].as_array().unwrap();
    assert_eq!(
        members(&events[0]),
        ["key", "note", "platform", "role", "seconds", "session_id", "task_id", "what"]
    );
    let told = |what: &str| events.iter().filter(|event| event["what"] == what).count();
    let counts =
        ["starts", "claims", "works on", "fails", "completes", "is refused", "sends back", "approves"]
            .map(told);
    assert_eq!(counts, [4, 8, 16, 1, 7, 1, 1, 6]);

    let project = demo["project"].as_str().unwrap();
    let client = fixture.database.client().await.unwrap();
    let count = async |sql: &str| -> i64 { client.query_one(sql, &[&project]).await.unwrap().get(0) };
    assert_eq!(count("SELECT count(*) FROM agent_tasks WHERE project = $1").await, 0);
    assert_eq!(
        count("SELECT count(*) FROM agent_sessions WHERE project = $1 AND status = 'completed'").await,
        4
    );
    let actions = demo["audit"]["actions"].as_i64().unwrap();
    assert_eq!(count("SELECT count(*) FROM agent_actions WHERE project = $1").await, actions);
    let planner = events[0]["session_id"].as_str().unwrap();
    assert!(fixture.run(&["audit", "verify", planner]).await.done().starts_with("✅ "));
}

#[tokio::test]
async fn the_demo_is_plain_lines_where_there_is_no_terminal() {
    let fixture = Fixture::new().await;
    let demo = fixture.run(&["demo", "--fast"]).await;
    for part in [
        "Four agents in the project demo-",
        "planner on claude    delegates a plan  6 tasks",
        "executor on codex",
        "executor on gemini",
        "validator on cursor  approves release",
        "sends back cli  say please",
        "fails test  one language was not there; it is tried again",
        "is refused design  nobody approves his own work",
        "6 approved, 0 rejected, sent back 1 time, 0 to audit",
        "✅ The audit trail is intact: ",
        "4 sessions ended, 6 tasks removed",
        "agent-turbo plan start",
    ] {
        assert!(demo.done().contains(part), "{part}: {}", demo.stdout);
    }
    assert!(!demo.stdout.contains('\x1b'));
}
