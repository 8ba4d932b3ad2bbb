//! Tasks, from their making to their end, by commands alone.

use std::process::Stdio;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Fixture, Ran, members, until};

pub(crate) const TASK: [&str; 36] = [
    "assigned_to_platform",
    "assigned_to_role",
    "attempts",
    "completed_at",
    "created_at",
    "current_step",
    "deadline",
    "depends_on_tasks",
    "error_message",
    "finished_by",
    "idempotency_key",
    "input_data",
    "is_ready",
    "lease_expires_at",
    "lease_session_id",
    "max_attempts",
    "metadata",
    "output_data",
    "progress_percentage",
    "project",
    "required_context",
    "review",
    "review_notes",
    "reviewed_by",
    "round",
    "run_after",
    "session_id",
    "started_at",
    "status",
    "status_reason",
    "task_description",
    "task_id",
    "task_priority",
    "task_type",
    "unmet_dependencies",
    "updated_at",
];

/// A member that is a text.
pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap().to_owned()
}

/// Makes a task; its id.
pub(crate) async fn create(fixture: &Fixture, arguments: &[&str]) -> String {
    let created = fixture.json(&[&["task", "create"], arguments].concat()).await;
    assert_eq!(created["created"], true);
    text(&created, "task_id")
}

/// Claims a task as `role`; its id and token.
async fn claim(fixture: &Fixture, role: &str) -> (String, String) {
    let claimed = fixture.json(&["task", "claim", "--role", role]).await;
    (text(&claimed["task"], "task_id"), text(&claimed["lease"], "token"))
}

/// Has the lease of a task end now, as if its time had passed.
async fn end_lease(fixture: &Fixture, task: &str) {
    let client = fixture.database.client().await.unwrap();
    let update = "UPDATE agent_tasks SET lease_expires_at = now() - interval '1 second' WHERE task_id = $1";
    assert_eq!(client.execute(update, &[&task]).await.unwrap(), 1);
}

async fn why(fixture: &Fixture, task: &str) -> (Value, String) {
    let why = fixture.json(&["task", "why", task]).await;
    assert_eq!(members(&why["task"]), TASK);
    (why, fixture.run(&["task", "why", task]).await.done().to_owned())
}

#[tokio::test]
async fn a_task_is_made_claimed_worked_on_and_completed() {
    let fixture = Fixture::new().await;
    let dir = fixture.dir.path();
    std::fs::write(dir.join("input.json"), r#"{"file": "a.rs"}"#).unwrap();
    let created = fixture
        .program()
        .stdin("Write the parser\nand its tests")
        .run(&[
            "task",
            "create",
            "-",
            "--type",
            "code",
            "--role",
            "coder",
            "--priority",
            "8",
            "--context",
            r#"["ADR 7"]"#,
            "--input",
            "@input.json",
            "--key",
            "parser",
            "--deadline",
            "1d",
            "--max-attempts",
            "2",
            "--metadata",
            r#"{"epic": 3}"#,
            "--json",
        ])
        .await
        .json();
    assert_eq!(members(&created), {
        let mut names = [&TASK[..], &["created"]].concat();
        names.sort_unstable();
        names
    });
    let task = text(&created, "task_id");
    let again = fixture.run(&["task", "create", "other words", "--key", "parser"]).await;
    assert_eq!(again.done(), format!("⚠️  Known by its key: {task} (pending)\n"));

    let list = fixture.json(&["task", "list", "--ready", "--role", "coder", "--type", "code"]).await;
    assert_eq!((members(&list), members(&list["tasks"][0])), (vec!["next", "tasks"], TASK.to_vec()));
    let claimed = fixture.json(&["task", "claim", "--role", "coder", "--lease", "10m"]).await;
    assert_eq!((members(&claimed), members(&claimed["task"])), (vec!["lease", "task"], TASK.to_vec()));
    assert_eq!(members(&claimed["lease"]), ["expires_at", "task_id", "token"]);
    assert_eq!(claimed["task"]["required_context"], json!(["ADR 7"]));
    let token = text(&claimed["lease"], "token");

    let beat = ["task", "heartbeat", &task, "--token", &token, "--progress", "40", "--step", "tests"];
    let beat = fixture.json(&beat).await;
    assert_eq!((members(&beat), &beat["task"]), (vec!["expires_at", "task"], &json!("alive")));
    let beat = fixture.run(&["task", "heartbeat", &task, "--token", &token, "--lease", "60"]).await;
    assert!(beat.done().starts_with("✅ Go on: the task is yours until "), "{beat:?}");
    let shown = fixture.run(&["task", "show", &task]).await;
    for part in [
        &task,
        "in_progress",
        "code · for coder · priority 8 · attempt 1 of 2",
        "40% · tests",
        "a worker without a session until ",
        "Write the parser\nand its tests",
        "\"file\": \"a.rs\"",
        "{\"epic\":3}",
    ] {
        assert!(shown.done().contains(part), "{part}: {shown:?}");
    }

    let complete = ["task", "complete", &task, "--token", &token, "--output", "-"];
    let done = fixture.program().stdin("{\"lines\": 120}").run(&complete).await;
    assert_eq!(done.done(), format!("✅ Completed {task} Write the parser and its tests\n"));
    // An answer may be lost, and the command repeated.
    let complete = ["task", "complete", &task, "--token", &token];
    fixture.run(&complete).await.done();
    let shown = fixture.json(&["task", "show", &task]).await;
    assert_eq!((members(&shown), &shown["status"]), (TASK.to_vec(), &json!("completed")));
    assert_eq!(
        (&shown["output_data"], &shown["progress_percentage"]),
        (&json!({ "lines": 120 }), &json!(100))
    );
}

#[tokio::test]
async fn people_see_what_they_claimed_and_how_to_go_on() {
    let fixture = Fixture::new().await;
    let made = fixture.run(&["task", "create", "Look at it", "--input", "[1]"]).await;
    let task = made.done().strip_prefix("✅ Created task: ").unwrap().trim_end().to_owned();
    let claimed = fixture.run(&["task", "claim", "--role", "anybody"]).await;
    let token = claimed.done().split("Token: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    for part in [
        "Look at it".to_owned(),
        "It is yours until ".to_owned(),
        format!("agent-turbo task complete {task} --token {token}\n"),
        format!("agent-turbo task fail {task} --token {token} --error TEXT\n"),
    ] {
        assert!(claimed.stdout.contains(&part), "{part}: {claimed:?}");
    }
    let nothing = fixture.run(&["task", "claim", "--role", "anybody"]).await;
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(3), "No task is ready.\n"), "{nothing:?}");
    let nothing = fixture.run(&["task", "claim", "--role", "anybody", "--json"]).await;
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(3), "null\n"), "{nothing:?}");
    let none = fixture.run(&["task", "wait", "--role", "anybody", "--timeout", "100ms"]).await;
    assert_eq!((none.code, none.stdout.as_str(), none.stderr.as_str()), (Some(3), "No task is ready.\n", ""));

    let released = fixture.run(&["task", "release", &task, "--token", &token, "--reason", "lunch"]).await;
    assert_eq!(released.done(), format!("✅ Released {task} Look at it\n"));
    let list = fixture.run(&["task", "list"]).await;
    assert!(
        list.done().starts_with(&task) && list.stdout.contains("  ready   5  –  Look at it\n"),
        "{list:?}"
    );
}

#[tokio::test]
async fn a_claim_that_cannot_be_told_is_given_back() {
    let fixture = Fixture::new().await;
    let task = create(&fixture, &["told of in vain"]).await;
    for arguments in [&["task", "claim", "--role", "any"][..], &["task", "wait", "--role", "any", "--json"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut program = fixture.program();
        program.command.args(arguments).stdin(Stdio::null()).stdout(full).stderr(Stdio::piped());
        let child = program.command.spawn().unwrap();
        Ran::from(child.wait_with_output().await.unwrap()).failed(1, &["failed to write to stdout: "]);
        let shown = fixture.json(&["task", "show", &task]).await;
        assert_eq!((&shown["is_ready"], &shown["attempts"]), (&json!(true), &json!(0)));
    }
}

#[tokio::test]
async fn the_most_urgent_task_for_the_role_comes_first_and_many_may_be_taken_at_once() {
    let fixture = Fixture::new().await;
    let low = create(&fixture, &["low", "--role", "tester", "--priority", "2"]).await;
    let high = create(&fixture, &["high", "--role", "tester", "--priority", "9"]).await;
    create(&fixture, &["for others", "--role", "writer"]).await;
    create(&fixture, &["for a platform", "--role", "tester", "--platform", "codex"]).await;
    create(&fixture, &["elsewhere", "--role", "tester", "--project", "other"]).await;
    let claimed = fixture.json(&["task", "claim", "--role", "tester", "--count", "10"]).await;
    let ids: Vec<_> =
        claimed["claimed"].as_array().unwrap().iter().map(|one| text(&one["task"], "task_id")).collect();
    assert_eq!((members(&claimed), ids), (vec!["claimed"], vec![high, low]));
    let waited = ["task", "wait", "--role", "tester", "--platform", "codex", "--count", "2"];
    let waited = fixture.json(&waited).await;
    assert_eq!(waited["claimed"].as_array().unwrap().len(), 1);
    let none = fixture.run(&["task", "claim", "--role", "tester", "--count", "2", "--json"]).await;
    assert_eq!(none.code, Some(3), "{none:?}");
    assert_eq!(serde_json::from_str::<Value>(&none.stdout).unwrap(), json!({ "claimed": [] }));
}

#[tokio::test]
async fn of_many_programs_that_want_one_task_one_gets_it() {
    let fixture = Fixture::new().await;
    let task = create(&fixture, &["wanted by all"]).await;
    let ran = join_all((0..6).map(|_| fixture.run(&["task", "claim", "--role", "any", "--json"]))).await;
    let codes: Vec<_> = ran.iter().filter(|ran| ran.code == Some(3)).collect();
    assert_eq!(codes.len(), 5, "{ran:?}");
    let won = ran.iter().find(|ran| ran.code == Some(0)).unwrap().json();
    assert_eq!(text(&won["task"], "task_id"), task);
}

#[tokio::test]
async fn who_lost_a_lease_is_told_to_stop_and_changes_nothing() {
    let fixture = Fixture::new().await;
    let task = create(&fixture, &["slow"]).await;
    let (_, lost) = claim(&fixture, "any").await;
    end_lease(&fixture, &task).await;
    // It is tried again after a pause.
    let claimed = fixture.json(&["task", "wait", "--role", "any", "--timeout", "30s"]).await;
    let token = text(&claimed["lease"], "token");
    assert_eq!(claimed["task"]["attempts"], 2);

    let beat = fixture.run(&["task", "heartbeat", &task, "--token", &lost]).await;
    beat.failed(5, &["use this lease of task", "which is lost", "in progress", "stop working on it"]);
    for verb in [&["complete"][..], &["fail", "--error", "x"], &["release"], &["block", "--reason", "x"]] {
        let ran = fixture.run(&[&["task"], verb, &[&task, "--token", &lost]].concat()).await;
        ran.failed(1, &["use this lease of task", &task, "stop working on it"]);
    }
    fixture.run(&["task", "complete", &task, "--token", &token]).await.done();
    let beat = fixture.run(&["task", "heartbeat", &task, "--token", &token, "--json"]).await;
    beat.failed(5, &["the task is completed"]);
}

#[tokio::test]
async fn a_worker_learns_at_its_heartbeat_that_its_task_was_cancelled() {
    let fixture = Fixture::new().await;
    let task = create(&fixture, &["soon superfluous"]).await;
    let (_, token) = claim(&fixture, "any").await;
    let cancelled = fixture.json(&["task", "cancel", &task, "--reason", "no longer needed"]).await;
    let mut names = [&TASK[..], &["was_running"]].concat();
    names.sort_unstable();
    assert_eq!((members(&cancelled), &cancelled["was_running"]), (names, &json!(true)));
    let beat = fixture.run(&["task", "heartbeat", &task, "--token", &token]).await;
    let told = "⚠️  Stop: the task was cancelled (no longer needed)\n";
    assert_eq!((beat.code, beat.stdout.as_str(), beat.stderr.as_str()), (Some(5), told, ""));
    let beat = fixture.run(&["task", "heartbeat", &task, "--token", &token, "--json"]).await;
    let document: Value = serde_json::from_str(&beat.stdout).unwrap();
    assert_eq!(
        (beat.code, document),
        (Some(5), json!({ "task": "cancelled", "reason": "no longer needed" }))
    );
    let again = fixture.run(&["task", "cancel", &task]).await;
    assert_eq!(again.done(), format!("✅ Cancelled {task} soon superfluous\n"));
    let retried = fixture.run(&["task", "retry", &task, "--reason", "after all"]).await;
    assert_eq!(retried.done(), format!("✅ Put back into the queue: {task} soon superfluous\n"));
    let shown = fixture.json(&["task", "show", &task]).await;
    assert_eq!((&shown["status"], &shown["round"]), (&json!("pending"), &json!(2)));
}

#[tokio::test]
async fn a_failed_attempt_is_tried_again_until_it_is_the_last_one() {
    let fixture = Fixture::new().await;
    let task = create(&fixture, &["hard", "--max-attempts", "2"]).await;
    let (_, token) = claim(&fixture, "any").await;
    let failed = ["task", "fail", &task, "--token", &token, "--error", "no luck", "--retry-after", "10ms"];
    let failed = fixture.run(&failed).await;
    let told = format!("⚠️  Failed, and tried again: {task} hard\n   attempt 1 of 2, not before ");
    assert!(failed.done().starts_with(&told), "{failed:?}");
    let claimed = fixture.json(&["task", "wait", "--role", "any"]).await;
    let token = text(&claimed["lease"], "token");
    assert_eq!(claimed["task"]["error_message"], "no luck");
    let failed = fixture.run(&["task", "fail", &task, "--token", &token, "--error", "-v is no option"]).await;
    assert_eq!(failed.done(), format!("⚠️  Failed for good: {task} hard\n"));
    fixture.run(&["task", "retry", &task]).await.done();
    let (_, token) = claim(&fixture, "any").await;
    let failed =
        fixture.json(&["task", "fail", &task, "--token", &token, "--error", "never", "--final"]).await;
    assert_eq!((members(&failed), &failed["status"]), (TASK.to_vec(), &json!("failed")));
    let again = fixture.run(&["task", "unblock", &task]).await;
    again.failed(1, &["have task", "unblocked: it is failed", &format!("task retry {task}")]);
}

#[tokio::test]
async fn why_tells_the_one_reason_in_each_state() {
    let fixture = Fixture::new().await;
    let first = create(&fixture, &["first", "--role", "coder"]).await;
    let (why_first, told) = why(&fixture, &first).await;
    assert_eq!(
        (members(&why_first), &why_first["reason"]),
        (vec!["reason", "task"], &json!("nobody_to_do_it"))
    );
    assert_eq!(
        told,
        format!("{first}: it is ready and first in line, but no session of role coder is at work\n")
    );
    fixture.run(&["session", "start", "--role", "coder"]).await.done();
    let (why_first, told) = why(&fixture, &first).await;
    assert_eq!(why_first["reason"], "next");
    assert_eq!(told, format!("{first}: it is ready, and the next one to be claimed\n"));
    let second = create(&fixture, &["second", "--role", "coder", "--after-or-fail", &first]).await;
    let (why_second, told) = why(&fixture, &second).await;
    assert_eq!((&why_second["reason"], &why_second["count"]), (&json!("waits_for_tasks"), &json!(1)));
    assert_eq!(why_second["tasks"], json!([{ "task_id": first, "status": "pending", "on_failure": "fail" }]));
    assert_eq!(told, format!("{second}: it waits for {first} (pending)\n"));
    let later = create(&fixture, &["later", "--role", "coder", "--run-after", "1h"]).await;
    let (why_later, told) = why(&fixture, &later).await;
    assert_eq!(why_later["reason"], "waits_for_time");
    assert!(told.starts_with(&format!("{later}: it may not begin before ")), "{told}");
    let third = create(&fixture, &["third", "--role", "coder"]).await;
    assert_eq!(why(&fixture, &third).await.1, format!("{third}: it is ready, and 1 come before it\n"));

    let (_, token) = claim(&fixture, "coder").await;
    let (running, told) = why(&fixture, &first).await;
    assert_eq!((&running["reason"], &running["held_by"]), (&json!("running"), &Value::Null));
    assert!(told.contains("it is running: a worker without a session holds it until "), "{told}");
    fixture.run(&["task", "block", &third, "--reason", "a decision"]).await.done();
    let told = format!(
        "{third}: it is blocked: a decision; `agent-turbo task unblock {third}` puts it back into the queue\n"
    );
    assert_eq!(why(&fixture, &third).await.1, told);
    fixture.run(&["task", "unblock", &third]).await.done();
    fixture
        .run(&["task", "fail", &first, "--token", &token, "--error", "impossible", "--final"])
        .await
        .done();
    // It failed with its prerequisite, as it was told to.
    let (finished, told) = why(&fixture, &second).await;
    assert_eq!((&finished["reason"], &finished["status"]), (&json!("finished"), &json!("failed")));
    assert!(told.contains(&format!("its prerequisite {first} is failed")), "{told}");
}

#[tokio::test]
async fn who_waits_is_woken_by_what_another_program_makes() {
    let fixture = Fixture::new().await;
    let waiting = fixture.program().spawn(&["task", "wait", "--role", "coder", "--timeout", "50s", "--json"]);
    let client = fixture.database.client().await.unwrap();
    until("the program listens", async || {
        let listening = "SELECT count(*) FROM pg_stat_activity
                         WHERE datname = current_database() AND query LIKE '%LISTEN%agent_turbo_tasks%'
                             AND pid <> pg_backend_pid()";
        client.query_one(listening, &[]).await.unwrap().get::<_, i64>(0) > 0
    })
    .await;
    let task = create(&fixture, &["here it is", "--role", "coder"]).await;
    let claimed = Ran::from(waiting.wait_with_output().await.unwrap()).json();
    assert_eq!(text(&claimed["task"], "task_id"), task);
}

#[tokio::test]
async fn a_graph_is_made_whole_with_its_dependencies() {
    let fixture = Fixture::new().await;
    let before = create(&fixture, &["was there"]).await;
    let graph = json!({ "tasks": [
        { "key": "test", "description": "Test it", "role": "tester", "priority": 7, "max_attempts": 1,
          "after": ["build", { "task": before, "on_failure": "fail" }], "metadata": { "n": 1 } },
        { "key": "build", "description": "Build it", "type": "code", "platform": "codex", "input": [1],
          "context": { "see": "ADR 1" }, "idempotency_key": "b", "run_after": "1h", "deadline": "2100-01-01T00:00:00Z" },
    ] });
    std::fs::write(fixture.dir.path().join("graph.json"), graph.to_string()).unwrap();
    let created = fixture.json(&["task", "graph", "graph.json", "--project", "p"]).await;
    assert_eq!((members(&created), &created["created"]), (vec!["created", "tasks"], &json!(2)));
    let (build, test) = (text(&created["tasks"], "build"), text(&created["tasks"], "test"));
    let task = fixture.json(&["task", "show", &test]).await;
    let mut needed = [build.clone(), before];
    needed.sort_unstable();
    assert_eq!((&task["depends_on_tasks"], &task["unmet_dependencies"]), (&json!(needed), &json!(2)));
    assert_eq!(
        (&task["task_priority"], &task["max_attempts"], &task["project"]),
        (&json!(7), &json!(1), &json!("p"))
    );
    let task = fixture.json(&["task", "show", &build]).await;
    assert_eq!((&task["assigned_to_platform"], &task["input_data"]), (&json!("codex"), &json!([1])));
    assert_eq!(
        (&task["deadline"], &task["required_context"]),
        (&json!("2100-01-01T00:00:00Z"), &json!({ "see": "ADR 1" }))
    );
    assert!(task["run_after"].is_string() && task["task_type"] == "code", "{task}");

    let help = fixture.run(&["task", "graph", "--help"]).await;
    assert!(help.done().contains("\"on_failure\": \"fail\""), "{help:?}");

    let again = json!({ "tasks": [{ "key": "build", "description": "Build it", "idempotency_key": "b" }] });
    let again =
        fixture.program().stdin(again.to_string()).run(&["task", "graph", "-", "--project", "p"]).await;
    assert_eq!(again.done(), format!("✅ Created 0 tasks; 1 task known by key\n   {build}  build\n"));
}

#[tokio::test]
async fn a_graph_that_makes_no_sense_is_refused_whole_and_told_where() {
    let fixture = Fixture::new().await;
    let cases: [(&str, i32, &[&str]); 14] = [
        ("", 2, &["accept the graph", "EOF"]),
        ("[]", 2, &["accept the graph"]),
        (r#"{"tasks": [], "name": "x"}"#, 2, &["unknown field `name`"]),
        (r#"{"tasks": [{"description": "x"}]}"#, 2, &["\"key\" of task number 1: it is left out"]),
        (r#"{"tasks": [{"key": "a"}]}"#, 2, &["\"description\" of task \"a\": it is left out"]),
        (
            r#"{"tasks": [{"key": "a", "description": "x", "prio": 1}]}"#,
            2,
            &["\"prio\" of task \"a\": there is no such member"],
        ),
        (
            r#"{"tasks": [{"key": "a", "description": "x", "priority": 11}]}"#,
            2,
            &["\"priority\" of task \"a\"", "11 is not between"],
        ),
        (
            r#"{"tasks": [{"key": "a", "description": "x", "role": 1}]}"#,
            2,
            &["\"role\" of task \"a\": invalid type: integer"],
        ),
        (
            r#"{"tasks": [{"key": "a", "description": "x", "after": "b"}]}"#,
            2,
            &["\"after\" of task \"a\": invalid type"],
        ),
        (
            r#"{"tasks": [{"key": "a", "description": "x", "after": [{"task": "b"}]}]}"#,
            2,
            &["\"after\" of task \"a\": neither a key nor"],
        ),
        (
            r#"{"tasks": [{"key": "a", "description": "x", "deadline": "soon"}]}"#,
            2,
            &["\"deadline\" of task \"a\"", "\"soon\" is neither"],
        ),
        (
            r#"{"tasks": [{"key": "a", "description": "x"}, {"key": "a", "description": "y"}]}"#,
            2,
            &["two tasks have the key \"a\""],
        ),
        (
            r#"{"tasks": [{"key": "a", "description": "x", "after": ["task_nowhere"]}]}"#,
            3,
            &["depend on tasks that do not exist: task_nowhere"],
        ),
        (
            r#"{"tasks": [{"key": "a", "description": "x", "after": ["b"]}, {"key": "b", "description": "y", "after": ["c"]},
                {"key": "c", "description": "z", "after": ["a"]}]}"#,
            2,
            &["depend on tasks in a cycle: a → b → c → a", "remove one of these"],
        ),
    ];
    for (graph, code, names) in cases {
        let ran = fixture.program().stdin(graph).run(&["task", "graph", "-"]).await;
        ran.failed(code, names);
    }
    fixture
        .run(&["task", "graph", "nowhere.json"])
        .await
        .failed(2, &["\"nowhere.json\" cannot be read: No such file"]);
    assert_eq!(fixture.json(&["task", "list", "--all-projects"]).await["tasks"], json!([]));
}

#[tokio::test]
async fn tasks_that_are_not_there_have_their_own_exit_code() {
    let fixture = Fixture::new().await;
    let token = "00000000-0000-4000-8000-000000000000";
    let ran = fixture.run(&["task", "show", "task_nowhere"]).await;
    let told = "There is no task task_nowhere.\n";
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(3), told, ""), "{ran:?}");
    for verb in [
        &["why", "task_nowhere"][..],
        &["cancel", "task_nowhere"],
        &["retry", "task_nowhere"],
        &["unblock", "task_nowhere"],
        &["block", "task_nowhere", "--reason", "x"],
        &["heartbeat", "task_nowhere", "--token", token],
        &["complete", "task_nowhere", "--token", token],
        &["fail", "task_nowhere", "--error", "x", "--token", token],
        &["release", "task_nowhere", "--token", token],
    ] {
        let ran = fixture.run(&[&["task"], verb].concat()).await;
        ran.failed(3, &["find the task task_nowhere", "agent-turbo task list"]);
    }
    let ran = fixture.run(&["task", "create", "x", "--after", "task_nowhere"]).await;
    ran.failed(3, &["depend on tasks that do not exist: task_nowhere"]);
    let ran = fixture.run(&["task", "claim", "--session", "nobody"]).await;
    ran.failed(3, &["find the session nobody", "agent-turbo session list"]);
}

#[tokio::test]
async fn tasks_that_make_no_sense_are_refused() {
    let fixture = Fixture::new().await;
    let cases: [(&[&str], &[&str]); 17] = [
        (&["create", " "], &["accept the task's description", "empty"]),
        (&["create", "x", "--priority", "0"], &["accept the priority", "between 1 (last) and 10"]),
        (&["create", "x", "--priority", "high"], &["accept the priority", "\"high\""]),
        (&["create", "x", "--max-attempts", "-1"], &["accept the attempts", "between 1 and 100"]),
        (&["create", "x", "--context", "{"], &["accept the context", "not JSON"]),
        (&["create", "x", "--input", "@nowhere"], &["accept the input", "\"nowhere\" cannot be read"]),
        (&["create", "x", "--metadata", "[]"], &["accept the metadata", "not an object"]),
        (&["create", "x", "--run-after", "later"], &["accept the time to begin", "\"later\" is neither"]),
        (&["create", "x", "--run-after", "2h", "--deadline", "1h"], &["accept the task's times"]),
        (&["create", "x", "--after", ""], &["accept the task's id", "empty"]),
        (&["claim"], &["accept the claim", "--session", "--role"]),
        (&["claim", "--role", "x", "--lease", "25h"], &["accept the lease", "24 hours"]),
        (&["claim", "--role", "x", "--lease", "0"], &["accept the lease"]),
        (
            &["wait", "--role", "x", "--timeout", "ever"],
            &["accept the timeout", "\"ever\" is not a duration"],
        ),
        (&["complete", "task_x", "--token", "guessed"], &["accept the lease token", "task claim"]),
        (&["list", "--status", "done"], &["accept the task's status", "pending, in_progress"]),
        (&["list", "--limit", "0"], &["accept the limit", "between 1 and 1000"]),
    ];
    for (arguments, names) in cases {
        fixture.run(&[&["task"], arguments].concat()).await.failed(2, names);
    }
    for arguments in
        [&["claim", "--role", "x", "--count", "0"][..], &["fail", "t", "--token", "x"], &["block", "t"]]
    {
        let ran = fixture.run(&[&["task"], arguments].concat()).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
    }
    assert_eq!(fixture.json(&["task", "list"]).await["tasks"], json!([]));
}

#[tokio::test]
async fn long_lists_go_on_where_they_ended() {
    let fixture = Fixture::new().await;
    let long = "word ".repeat(100);
    for number in 0..5 {
        create(&fixture, &[&format!("{number} {long}")]).await;
    }
    let page = fixture.json(&["task", "list", "--limit", "2"]).await;
    let next = page["next"].to_string();
    let rest = fixture.json(&["task", "list", "--before", &next]).await;
    assert_eq!((rest["tasks"].as_array().unwrap().len(), &rest["next"]), (3, &Value::Null));
    let page = fixture.run(&["task", "list", "--limit", "2"]).await;
    assert!(page.done().ends_with(&format!("More: --before {next}\n")), "{page:?}");
    assert!(page.stdout.lines().all(|line| line.chars().count() < 200), "{page:?}");
    assert_eq!(
        fixture.run(&["task", "list", "--status", "failed"]).await.done(),
        "There are no such tasks.\n"
    );
}
