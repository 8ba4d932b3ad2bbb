//! The record of what was done: written by commands, shown, checked, handed on and shortened.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::sessions::start;
use crate::support::{Fixture, Ran, SOON, members};
use crate::tasks::{create, text};

const ACTION: [&str; 16] = [
    "action_description",
    "action_id",
    "action_type",
    "chain_hash",
    "chain_position",
    "changed_files",
    "commands_executed",
    "error_message",
    "executed_at",
    "execution_time_ms",
    "input_data",
    "output_data",
    "project",
    "session_id",
    "success",
    "task_id",
];

/// A session that did something, and its task.
async fn worked(fixture: &Fixture) -> (String, String) {
    let session = start(fixture, &["--role", "coder"]).await;
    let task = create(fixture, &["Write the parser", "--session", &session]).await;
    let claimed = fixture.json(&["task", "claim", "--session", &session]).await;
    let token = text(&claimed["lease"], "token");
    fixture.run(&["action", "log", "--session", &session, "--type", "edit", "--task", &task]).await.done();
    fixture.run(&["task", "complete", &task, "--token", &token]).await.done();
    (session, task)
}

/// Plain SQL by somebody who may do everything.
async fn tamper(fixture: &Fixture, sql: &str) {
    let client = fixture.database.client().await.unwrap();
    let sql = format!(
        "ALTER TABLE agent_actions DISABLE TRIGGER USER; {sql}; ALTER TABLE agent_actions ENABLE TRIGGER USER"
    );
    client.batch_execute(&sql).await.unwrap();
}

fn types(actions: &Value) -> Vec<String> {
    actions.as_array().unwrap().iter().map(|action| text(action, "action_type")).collect()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_sessions_history_tells_everything_that_it_did() {
    let fixture = Fixture::new().await;
    let (session, task) = worked(&fixture).await;
    let history = fixture.json(&["history", &session]).await;
    assert_eq!(members(&history), ["actions", "children", "next", "session", "tasks"]);
    assert_eq!(members(&history["actions"][0]), ACTION);
    let all = ["session_started", "task_created", "task_claimed", "edit", "task_completed"];
    assert_eq!(types(&history["actions"]), all);
    assert_eq!(history["tasks"][0]["task_id"], task);
    let shown = fixture.program().env("AGENT_TURBO_SESSION", &session).run(&["history"]).await;
    for part in [&session, "1 task, 0 sessions started", "✔  task_claimed", &task] {
        assert!(shown.done().contains(part), "{part}: {shown:?}");
    }

    let part = fixture.json(&["history", &session, "--type", "edit", "--task", &task, "--since", "1h"]).await;
    assert_eq!(types(&part["actions"]), ["edit"]);
    let none = fixture.run(&["history", &session, "--until", "1h"]).await;
    assert!(none.done().ends_with("There are no such actions.\n"), "{none:?}");
    let page = fixture.run(&["history", &session, "--limit", "3"]).await;
    let next = page.done().rsplit_once("More: --after ").unwrap().1.trim_end();
    let rest = fixture.json(&["history", &session, "--after", next]).await;
    assert_eq!(types(&rest["actions"]), all[3..]);
}

#[tokio::test]
async fn an_action_is_logged_with_all_that_is_said_of_it_and_without_secrets() {
    let fixture = Fixture::new().await;
    let session = start(&fixture, &["--project", "p"]).await;
    let secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    let logged = fixture
        .json(&[
            "action",
            "log",
            "--session",
            &session,
            "--type",
            "test",
            "--description",
            &format!("ran with {secret}"),
            "--input",
            r#"{"suite": "unit"}"#,
            "--output",
            "[3]",
            "--failed",
            "3 tests failed",
            "--duration-ms",
            "1500",
            "--file",
            "a.rs",
            "--file",
            "b.rs",
            "--command",
            "cargo test",
        ])
        .await;
    assert_eq!(members(&logged), ["action_id"]);
    let history = fixture.json(&["history", &session, "--type", "test"]).await;
    let action = &history["actions"][0];
    assert_eq!((&action["action_id"], &action["project"]), (&logged["action_id"], &json!("p")));
    assert_eq!((&action["success"], &action["error_message"]), (&json!(false), &json!("3 tests failed")));
    assert_eq!((&action["input_data"], &action["output_data"]), (&json!({ "suite": "unit" }), &json!([3])));
    assert_eq!(
        (&action["changed_files"], &action["execution_time_ms"]),
        (&json!(["a.rs", "b.rs"]), &json!(1500.0))
    );
    assert_eq!(action["commands_executed"], json!(["cargo test"]));
    assert!(!history.to_string().contains(secret), "{history}");
    let shown = fixture.run(&["history", &session]).await;
    assert!(shown.done().contains("✘  test") && shown.stdout.contains("3 tests failed"), "{shown:?}");
}

#[tokio::test]
async fn many_actions_are_logged_at_once_or_none_of_them() {
    let fixture = Fixture::new().await;
    let (one, other) = (start(&fixture, &[]).await, start(&fixture, &[]).await);
    let batch = format!(
        "{}\n\n{}\n",
        json!({ "type": "edit", "description": "first", "files": ["a.rs"], "duration_ms": 3 }),
        json!({ "type": "test", "session": other, "failed": "no", "commands": ["make"], "input": 1, "output": null }),
    );
    let log = ["action", "log", "--session", &one, "--batch", "-"];
    let logged = fixture.program().stdin(batch).run(&log).await;
    assert_eq!(logged.done(), "✅ Logged 2 actions\n");
    assert_eq!(types(&fixture.json(&["history", &one]).await["actions"]), ["session_started", "edit"]);
    let theirs = fixture.json(&["history", &other, "--type", "test"]).await;
    assert_eq!(
        (&theirs["actions"][0]["success"], &theirs["actions"][0]["input_data"]),
        (&json!(false), &json!(1))
    );

    let cases: [(&str, &[&str]); 5] = [
        ("{\"type\": \"edit\"}\nedit", &["accept the batch", "line 2 is not a JSON object"]),
        ("{\"type\": \"edit\"}\n{\"kind\": \"x\"}", &["\"type\" of line 2: it is left out"]),
        ("{\"type\": \"edit\", \"file\": \"x\"}", &["\"file\" of line 1: there is no such member"]),
        ("{\"type\": \"edit\", \"files\": \"x\"}", &["\"files\" of line 1: invalid type: string"]),
        ("{\"type\": \"edit\"}\n{\"type\": \" \"}", &["accept the action's type", "empty"]),
    ];
    for (batch, names) in cases {
        fixture.program().stdin(batch).run(&log).await.failed(2, names);
    }
    let many = "{\"type\": \"edit\"}\n".repeat(1001);
    fixture
        .program()
        .stdin(many)
        .run(&log)
        .await
        .failed(2, &["accept the actions", "1001 are more than 1000"]);
    assert_eq!(fixture.json(&["history", &one]).await["actions"].as_array().unwrap().len(), 2);
    let ran = fixture.run(&["action", "log"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
}

#[tokio::test]
async fn an_untouched_record_is_verified_and_a_change_in_it_is_found() {
    let fixture = Fixture::new().await;
    let (session, _) = worked(&fixture).await;
    let other = start(&fixture, &[]).await;
    let report = fixture.json(&["audit", "verify"]).await;
    assert_eq!(members(&report), ["actions", "broken", "chains", "flawed", "heads"]);
    assert_eq!((&report["chains"], &report["actions"], &report["flawed"]), (&json!(2), &json!(6), &json!(0)));
    let verified = fixture.run(&["audit", "verify", &session]).await;
    assert_eq!(verified.done(), "✅ Nothing was changed: 5 actions in 1 chain\n");

    let update = format!(
        "UPDATE agent_actions SET success = false WHERE session_id = '{session}' AND chain_position = 4"
    );
    tamper(&fixture, &update).await;
    let found = fixture.run(&["audit", "verify"]).await;
    assert_eq!((found.code, found.stderr.as_str()), (Some(1), ""), "{found:?}");
    let told: Vec<_> = found.stdout.lines().collect();
    assert!(
        told[0].starts_with(&format!("✘ {session}: action 4 is changed, or never belonged here action_")),
        "{found:?}"
    );
    assert_eq!(told[1..], ["1 of 2 chains not what was written"]);
    let found = fixture.run(&["audit", "verify", &session, "--json"]).await;
    let report: Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!((found.code, &report["flawed"]), (Some(1), &json!(1)));
    assert_eq!(members(&report["broken"][0]), ["action_id", "chain", "flaw", "position"]);
    assert_eq!(
        (&report["broken"][0]["flaw"], &report["broken"][0]["position"]),
        (&json!("changed"), &json!(4))
    );
    fixture.run(&["audit", "verify", &other]).await.done();

    tamper(&fixture, &format!("DELETE FROM agent_actions WHERE session_id = '{other}'")).await;
    let found = fixture.run(&["audit", "verify", &other]).await;
    assert_eq!(found.code, Some(1), "{found:?}");
    assert!(found.stdout.contains(&format!("✘ {other}: action 1 is missing")), "{found:?}");
    let nothing = fixture.run(&["audit", "verify", "nobody"]).await;
    assert_eq!(
        (nothing.code, nothing.stdout.as_str()),
        (Some(3), "Nothing was ever written down for nobody.\n")
    );
}

#[tokio::test]
async fn the_record_is_handed_on_as_lines_of_json() {
    let fixture = Fixture::new().await;
    let (session, task) = worked(&fixture).await;
    let other = start(&fixture, &["--project", "p"]).await;
    let all = lines(fixture.run(&["audit", "export"]).await.done());
    assert_eq!((all.len(), members(&all[0])), (6, ACTION.to_vec()));
    let own = lines(fixture.run(&["audit", "export", "--session", &session]).await.done());
    assert_eq!(
        own.iter().map(|line| line["chain_position"].as_i64().unwrap()).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    let claims = ["audit", "export", "--task", &task, "--type", "task_claimed", "--since", "1h"];
    assert_eq!(lines(fixture.run(&claims).await.done()).len(), 1);
    let theirs = lines(fixture.run(&["audit", "export", "--project", "p"]).await.done());
    assert_eq!(theirs[0]["session_id"], other);
    assert_eq!(fixture.run(&["audit", "export", "--until", "1h"]).await.done(), "");

    let written = fixture.run(&["audit", "export", "-o", "trail.jsonl"]).await;
    assert_eq!(written.done(), "✅ Exported 6 actions to trail.jsonl\n");
    let file = std::fs::read_to_string(fixture.dir.path().join("trail.jsonl")).unwrap();
    assert_eq!(lines(&file), all);
    let written = fixture.json(&["audit", "export", "--session", &other, "--output", "trail.jsonl"]).await;
    assert_eq!(written, json!({ "actions": 1, "file": "trail.jsonl" }));
    fixture
        .run(&["audit", "export", "-o", "no/such/folder"])
        .await
        .failed(2, &["accept the file", "\"no/such/folder\""]);
}

#[tokio::test]
async fn an_export_that_cannot_be_written_is_a_failure_and_a_reader_that_has_enough_is_none() {
    let fixture = Fixture::new().await;
    worked(&fixture).await;
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut program = fixture.program();
    program.command.args(["audit", "export"]).stdin(Stdio::null()).stdout(full).stderr(Stdio::piped());
    let child = program.command.spawn().unwrap();
    Ran::from(child.wait_with_output().await.unwrap()).failed(1, &["failed to write to stdout: "]);
    fixture.run(&["audit", "export", "-o", "/dev/full"]).await.failed(1, &["write /dev/full: "]);
    let mut child = fixture.program().spawn(&["audit", "export"]);
    drop(child.stdout.take());
    let ran = Ran::from(tokio::time::timeout(SOON, child.wait_with_output()).await.unwrap().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn what_is_purged_is_gone_and_the_record_says_so() {
    let fixture = Fixture::new().await;
    let (session, _) = worked(&fixture).await;
    let purge = ["audit", "purge", &session, "--before", "0s", "--reason", "kept for long enough"];
    fixture.run(&purge).await.failed(2, &["accept the purge", "gone for good", "--yes"]);
    let old = ["audit", "purge", &session, "--before", "1d", "--reason", "x", "--yes"];
    assert_eq!(fixture.json(&old).await, json!({ "removed": 0 }));
    let purged = fixture.run(&[&purge[..], &["--yes", "--session", &session]].concat()).await;
    assert_eq!(purged.done(), format!("✅ Purged 5 actions of {session}\n"));
    let history = fixture.json(&["history", &session]).await;
    assert_eq!(history["actions"], json!([]));
    fixture.run(&["action", "log", "--session", &session, "--type", "note"]).await.done();
    let verified = fixture.run(&["audit", "verify", &session]).await;
    assert_eq!(verified.done(), "✅ Nothing was changed: 1 action in 1 chain\n");
    let client = fixture.database.client().await.unwrap();
    let record = client.query_one("SELECT reason, purged_by, removed FROM action_purges", &[]).await.unwrap();
    let (reason, by, removed): (String, String, i64) = (record.get(0), record.get(1), record.get(2));
    assert_eq!((reason.as_str(), by, removed), ("kept for long enough", session.clone(), 5));
    fixture
        .run(&["audit", "purge", &session, "--before", "1d", "--reason", "", "--yes"])
        .await
        .failed(2, &["the reason"]);
}
