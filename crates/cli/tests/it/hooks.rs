//! What Claude Code's hooks do, with the events that it sends.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Fixture, Program, Ran, dead_port, folder};
use crate::tasks::{create, text};

fn event(name: &str, more: Value) -> Value {
    let mut event = json!({
        "session_id": "5f0c8f0e-client", "transcript_path": "/t.jsonl", "cwd": "/work", "hook_event_name": name,
    });
    if let Value::Object(more) = more {
        event.as_object_mut().unwrap().extend(more);
    }
    event
}

async fn call(fixture: &Fixture, arguments: &[&str], event: &Value) -> Ran {
    hear(fixture.program(), arguments, event.to_string()).await
}

async fn hear(program: Program, arguments: &[&str], stdin: impl Into<Vec<u8>>) -> Ran {
    program.stdin(stdin).run(&[&["hook"], arguments].concat()).await
}

/// A session begins; what its agent is told.
async fn begin(fixture: &Fixture, source: &str, arguments: &[&str]) -> String {
    let ran = call(
        fixture,
        &[&["session-start"], arguments].concat(),
        &event("SessionStart", json!({ "source": source })),
    )
    .await;
    let answer = ran.json();
    assert_eq!(answer["hookSpecificOutput"]["hookEventName"], "SessionStart");
    text(&answer["hookSpecificOutput"], "additionalContext")
}

/// The only sessions that there are, oldest first.
async fn sessions(fixture: &Fixture) -> Vec<Value> {
    let listed = fixture.json(&["session", "list", "--platform", "claude-code", "--all-projects"]).await;
    let mut sessions = listed["sessions"].as_array().unwrap().clone();
    sessions.reverse();
    sessions
}

async fn actions(fixture: &Fixture, session: &Value) -> Vec<Value> {
    let history = fixture.json(&["history", session["session_id"].as_str().unwrap()]).await;
    let actions = history["actions"].as_array().unwrap().clone();
    actions.into_iter().filter(|action| text(action, "action_type").starts_with("tool:")).collect()
}

fn used(tool: &str, id: &str, input: Value, response: Value) -> Value {
    let known = json!({ "tool_name": tool, "tool_use_id": id, "duration_ms": 12.5 });
    let mut event = event("PostToolUse", known);
    event["tool_input"] = input;
    event["tool_response"] = response;
    event
}

#[tokio::test]
async fn a_session_from_its_start_to_its_end() {
    let fixture = Fixture::new().await;
    create(&fixture, &["Write the parser", "--role", "coder"]).await;
    let told = begin(&fixture, "startup", &["--role", "coder"]).await;
    assert!(told.starts_with("Your Agent Turbo session is claude-code_coder_"), "{told}");
    assert!(told.contains("Write the parser") && told.len() < 10_000, "{told}");

    let bash = json!({ "command": "cargo test", "description": "Run the tests" });
    let edit = json!({ "file_path": "/work/a.rs", "old_string": "a", "new_string": "b" });
    let calls = [
        used("Bash", "t1", bash.clone(), json!({ "stdout": "ok", "stderr": "", "interrupted": false })),
        used("Edit", "t2", edit, json!({ "filePath": "/work/a.rs" })),
        used("mcp__agent-turbo__query", "t3", json!({ "text": "x" }), json!([])),
        used("mcp__docs__search", "t4", json!({ "query": "hooks" }), json!({ "isError": true })),
        // The same again, from the hooks of the project.
        used("Bash", "t1", bash, json!({ "stdout": "ok" })),
        event(
            "PostToolUseFailure",
            json!({ "tool_name": "Bash", "tool_use_id": "t5", "tool_input": { "command": "false" }, "error": "exit 1" }),
        ),
    ];
    for event in calls {
        assert_eq!(call(&fixture, &["tool-use", "--role", "coder"], &event).await.done(), "");
    }
    let [session] = sessions(&fixture).await.try_into().unwrap();
    assert_eq!((&session["agent_role"], &session["status"]), (&json!("coder"), &json!("active")));
    assert_eq!(session["metadata"]["client_session"], "5f0c8f0e-client");
    let logged = actions(&fixture, &session).await;
    let field = |name: &str| logged.iter().map(|action| action[name].clone()).collect::<Vec<_>>();
    assert_eq!(field("action_type"), ["tool:Bash", "tool:Edit", "tool:mcp__docs__search", "tool:Bash"]);
    assert_eq!(field("success"), [true, true, false, false]);
    assert_eq!(logged[0]["action_description"], "Bash: Run the tests");
    assert_eq!(logged[0]["commands_executed"], json!(["cargo test"]));
    assert_eq!(logged[0]["execution_time_ms"], 12.5);
    assert_eq!(logged[0]["output_data"]["stdout"], "ok");
    assert_eq!(logged[1]["changed_files"], json!(["/work/a.rs"]));
    assert_eq!(logged[3]["error_message"], "exit 1");

    let over = event("SessionEnd", json!({ "reason": "prompt_input_exit" }));
    assert_eq!(call(&fixture, &["session-end"], &over).await.done(), "");
    assert_eq!(call(&fixture, &["session-end"], &over).await.done(), "");
    assert_eq!(sessions(&fixture).await[0]["status"], "completed");
    fixture.run(&["audit", "verify"]).await.done();
}

#[tokio::test]
async fn a_client_that_comes_back_goes_on_with_its_session() {
    let fixture = Fixture::new().await;
    begin(&fixture, "startup", &[]).await;
    begin(&fixture, "compact", &[]).await;
    call(&fixture, &["session-end"], &event("SessionEnd", json!({ "reason": "other" }))).await.done();
    begin(&fixture, "resume", &["--role", "reviewer"]).await;
    let [session] = sessions(&fixture).await.try_into().unwrap();
    assert_eq!((&session["agent_role"], &session["status"]), (&json!("agent"), &json!("active")));

    // The session is gone from the database.
    let client = fixture.database.client().await.unwrap();
    client.execute("DELETE FROM agent_sessions", &[]).await.unwrap();
    begin(&fixture, "resume", &["--project", "other"]).await;
    let [started] = sessions(&fixture).await.try_into().unwrap();
    assert_ne!(started["session_id"], session["session_id"]);
    assert_eq!(started["project"], "other");
}

#[tokio::test]
async fn hooks_that_were_set_up_in_the_middle_start_one_session() {
    let fixture = Fixture::new().await;
    let calls: Vec<Value> = (0..6)
        .map(|number| used("Read", &format!("t{number}"), json!({ "file_path": "/a" }), json!("x")))
        .collect();
    let all = calls.iter().map(|event| call(&fixture, &["tool-use"], event));
    for ran in futures_util::future::join_all(all).await {
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    let [session] = sessions(&fixture).await.try_into().unwrap();
    // On a busy machine one may have given up, and has said so; none is there twice.
    let logged = actions(&fixture, &session).await.len();
    assert!((1..=6).contains(&logged), "{logged}");
    fixture.run(&["audit", "verify"]).await.done();
}

#[tokio::test]
async fn commands_that_the_agent_runs_work_for_its_session() {
    let fixture = Fixture::new().await;
    let exports = fixture.dir.path().join("exports.sh");
    let start = event("SessionStart", json!({ "source": "startup" })).to_string();
    let program = fixture.program().env("CLAUDE_ENV_FILE", &exports);
    hear(program, &["session-start"], start).await.done();
    let [session] = sessions(&fixture).await.try_into().unwrap();
    let id = text(&session, "session_id");
    assert_eq!(fs::read_to_string(exports).unwrap(), format!("export AGENT_TURBO_SESSION='{id}'\n"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_clients_process_is_noted_and_not_the_shell_between() {
    let fixture = Fixture::new().await;
    let start = event("SessionStart", json!({ "source": "startup" })).to_string();
    let program = fixture.program();
    let mut shell = std::process::Command::new("sh");
    shell.envs(program.command.as_std().get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.args(["-c", "\"$0\" hook session-start; true", env!("CARGO_BIN_EXE_agent-turbo")]);
    let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), start.as_bytes()).unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    let clients = fs::read_dir(fixture.dir.path().join("home/clients")).unwrap();
    let files: Vec<_> =
        clients.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some()).collect();
    let [file] = files.try_into().unwrap();
    let known: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!(known["process"]["pid"], std::process::id());
    // It is forgotten with the session's end, so that nobody joins what is over.
    call(&fixture, &["session-end"], &event("SessionEnd", json!({}))).await.done();
    let clients = fs::read_dir(fixture.dir.path().join("home/clients")).unwrap();
    let file = clients.map(|entry| entry.unwrap().path()).find(|path| path.extension().is_some()).unwrap();
    let known: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!(known["process"], Value::Null);
}

#[tokio::test]
async fn megabytes_are_cut_and_secrets_replaced() {
    let fixture = Fixture::new().await;
    begin(&fixture, "startup", &[]).await;
    let key = format!("ghp_{}", "Ab1".repeat(12));
    let input = json!({ "command": format!("curl -H 'Authorization: Bearer {key}' x"), "nul": "a\u{0}b" });
    let response = json!({ "stdout": "line of a log\n".repeat(400_000), "stderr": key, "code": 0 });
    call(&fixture, &["tool-use"], &used("Bash", "t1", input, response)).await.done();
    let [session] = sessions(&fixture).await.try_into().unwrap();
    let [action] = actions(&fixture, &session).await.try_into().unwrap();
    let output = &action["output_data"];
    assert!(output.to_string().len() <= 16 * 1024 && output["code"] == 0, "{output}");
    assert!(text(output, "stdout").ends_with(" bytes cut]"));
    assert!(!action.to_string().contains("ghp_Ab"), "{action}");
    fixture.run(&["audit", "verify"]).await.done();
}

#[tokio::test]
async fn what_is_not_understood_is_told_and_harmless() {
    let fixture = Fixture::new().await;
    let cases = ["", "garbage", "[]", "{}", "{\"session_id\": 7}", "{\"session_id\": \"a\"} {}"];
    for verb in ["session-start", "tool-use", "session-end"] {
        for stdin in cases {
            let ran = hear(fixture.program(), &[verb], stdin).await;
            assert_eq!(ran.code, Some(0), "{ran:?}");
            assert!(
                ran.stderr.contains("TASK FAILED: failed to accept the event"),
                "{verb} {stdin}: {ran:?}"
            );
            if verb == "session-start" {
                let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
                assert!(text(&answer, "systemMessage").contains("goes on without"), "{ran:?}");
            } else {
                assert_eq!(ran.stdout, "");
            }
        }
        let deep =
            format!("{{\"session_id\": \"a\", \"tool_input\": {}{}}}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(hear(fixture.program(), &[verb], deep).await.code, Some(0));
        assert_eq!(hear(fixture.program(), &[verb], vec![0xff, 0xfe]).await.code, Some(0));
    }
    let no_tool = call(&fixture, &["tool-use"], &event("PostToolUse", json!({}))).await;
    assert!(no_tool.code == Some(0) && no_tool.stderr.contains("tool_name"), "{no_tool:?}");
    let unknown = call(&fixture, &["session-end"], &event("SessionEnd", json!({}))).await;
    assert!(unknown.code == Some(0) && unknown.stderr.contains("Nothing is known of"), "{unknown:?}");
    assert!(sessions(&fixture).await.is_empty());
}

#[tokio::test]
async fn without_a_database_the_agent_goes_on_at_once() {
    let fixture = Fixture::new().await;
    begin(&fixture, "startup", &[]).await;
    // Connections wait to be accepted, for ever.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refusing = format!("postgresql://ann:hunter2@127.0.0.1:{}/d", dead_port());
    let silent_url = format!("postgresql://ann:hunter2@{}/d", silent.local_addr().unwrap());
    let limit = Duration::from_secs(4);
    for url in [refusing, silent_url] {
        let events = [
            ("tool-use", used("Bash", "t1", json!({ "command": "ls" }), json!("x"))),
            ("session-end", event("SessionEnd", json!({ "reason": "clear" }))),
        ];
        for (verb, event) in events {
            let start = Instant::now();
            let ran = hear(fixture.program().env("DATABASE_URL", &url), &[verb], event.to_string()).await;
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
            assert!(
                ran.stderr.contains("TASK FAILED: failed to ") && !ran.stderr.contains("hunter2"),
                "{ran:?}"
            );
            assert!(start.elapsed() < limit, "{verb}: {:?}", start.elapsed());
        }
    }
    let dead = format!("postgresql://ann:hunter2@127.0.0.1:{}/d", dead_port());
    let start = event("SessionStart", json!({ "source": "startup" })).to_string();
    let ran = hear(fixture.program().env("DATABASE_URL", &dead), &["session-start"], start).await;
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(ran.code, Some(0));
    assert!(text(&answer, "systemMessage").contains("failed to reach the database"), "{ran:?}");
    assert!(!ran.stdout.contains("hunter2"));
}

#[tokio::test]
async fn settings_that_make_no_sense_stop_nobody() {
    let dir = folder();
    let program = Program::new(dir.path()).env("AGENT_TURBO_POOL_MAX", "many");
    let ran = hear(program, &["tool-use"], used("Bash", "t", json!({}), json!({})).to_string()).await;
    assert!(ran.code == Some(0) && ran.stderr.contains("AGENT_TURBO_POOL_MAX"), "{ran:?}");
}
