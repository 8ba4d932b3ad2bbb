//! An agent over MCP on stdin and stdout, spoken by hand: what no client library would send, and what it would not show.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

use crate::support::{Fixture, Program, SOON};

/// A client's side of a connection.
struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    asked: u64,
}

impl Client {
    fn start(program: Program, arguments: &[&str]) -> Self {
        let mut child = program.spawn(&[&["mcp"], arguments].concat());
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        Self { child, stdin, lines: BufReader::new(stdout).lines(), asked: 0 }
    }

    async fn connect(program: Program, arguments: &[&str]) -> Self {
        let mut client = Self::start(program, arguments);
        let hello = json!({
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "Hand Made", "version": "1" },
        });
        let answer = client.ask("initialize", hello).await;
        assert_eq!(answer["result"]["serverInfo"]["name"], "agent-turbo", "{answer}");
        client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string()).await;
        client
    }

    async fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        stdin.flush().await.unwrap();
    }

    /// The next message; every line of stdout must be one.
    async fn receive(&mut self) -> Value {
        let line = timeout(SOON, self.lines.next_line()).await.expect("it answers").unwrap();
        let message: Value = serde_json::from_str(&line.expect("it is still there")).unwrap();
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
        message
    }

    /// Sends a request; its id.
    async fn request(&mut self, method: &str, parameters: Value) -> u64 {
        self.asked += 1;
        let request = json!({ "jsonrpc": "2.0", "id": self.asked, "method": method, "params": parameters });
        self.send(&request.to_string()).await;
        self.asked
    }

    async fn ask(&mut self, method: &str, parameters: Value) -> Value {
        let id = self.request(method, parameters).await;
        let answer = self.receive().await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    async fn tool(&mut self, name: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({ "name": name, "arguments": arguments })).await["result"].take()
    }

    /// What a tool answers that must not fail.
    async fn call(&mut self, name: &str, arguments: Value) -> Value {
        let mut result = self.tool(name, arguments).await;
        assert_eq!(result["isError"], false, "{name}: {result}");
        result["structuredContent"].take()
    }

    /// What a tool says that must fail, and the kind of it.
    async fn refused(&mut self, name: &str, arguments: Value) -> (String, String) {
        let result = self.tool(name, arguments).await;
        assert_eq!(result["isError"], true, "{name}: {result}");
        let text = result["content"][0]["text"].as_str().unwrap().to_owned();
        assert!(text.contains("\nNext: "), "{text}");
        (text, result["structuredContent"]["error"]["kind"].as_str().unwrap().to_owned())
    }

    /// Hangs up, and waits until the server has ended well.
    async fn hang_up(mut self) {
        drop(self.stdin.take());
        let status = timeout(SOON, self.child.wait()).await.expect("it ends").unwrap();
        assert!(status.success(), "{status}");
    }
}

/// A task in the queue of the default project.
async fn task(fixture: &Fixture) -> String {
    let made = fixture.json(&["task", "create", "something to do", "--role", "executor"]).await;
    made["task_id"].as_str().unwrap().to_owned()
}

async fn status(fixture: &Fixture, task: &str) -> String {
    fixture.json(&["task", "show", task]).await["status"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn stdout_carries_nothing_but_the_protocol() {
    let fixture = Fixture::new().await;
    let program = fixture.program().env("AGENT_TURBO_LOG", "debug");
    let mut client = Client::connect(program, &[]).await;
    // A pipe that nobody empties would hold the program up.
    let mut logs = client.child.stderr.take().unwrap();
    let logs = tokio::spawn(async move { tokio::io::copy(&mut logs, &mut tokio::io::sink()).await });
    client.call("start_session", json!({})).await;
    client.call("remember", json!({ "text": "logs go to stderr" })).await;
    client.call("recall", json!({ "query": "where do logs go?" })).await;
    drop(client.stdin.take());
    // Every line until the end is a message, and there is none left.
    assert_eq!(timeout(SOON, client.lines.next_line()).await.unwrap().unwrap(), None);
    assert!(logs.await.unwrap().unwrap() > 0, "nothing was logged");
}

#[tokio::test]
async fn who_hangs_up_gives_his_tasks_back_and_his_session_ends() {
    let fixture = Fixture::new().await;
    let wanted = task(&fixture).await;
    let mut client = Client::connect(fixture.program(), &["--role", "executor"]).await;
    let claimed = client.call("claim_task", json!({})).await;
    assert_eq!(claimed["task_id"], wanted.as_str());
    assert_eq!(status(&fixture, &wanted).await, "in_progress");
    client.hang_up().await;
    assert_eq!(status(&fixture, &wanted).await, "pending");
    let sessions = fixture.json(&["session", "list"]).await;
    assert_eq!(sessions["sessions"][0]["status"], "completed", "{sessions}");
    assert_eq!(sessions["sessions"][0]["agent_platform"], "hand-made", "{sessions}");
}

#[tokio::test]
async fn who_is_terminated_gives_his_tasks_back() {
    let fixture = Fixture::new().await;
    let wanted = task(&fixture).await;
    let mut client = Client::connect(fixture.program(), &["--role", "executor"]).await;
    client.call("claim_task", json!({})).await;
    let pid = rustix::process::Pid::from_raw(client.child.id().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status_of = timeout(SOON, client.child.wait()).await.expect("it ends").unwrap();
    assert!(status_of.success(), "{status_of}");
    assert_eq!(status(&fixture, &wanted).await, "pending");
}

#[tokio::test]
async fn who_asks_nothing_leaves_no_session_behind() {
    let fixture = Fixture::new().await;
    let mut client = Client::connect(fixture.program(), &[]).await;
    client.ask("tools/list", json!({})).await;
    client.call("recall", json!({ "query": "anything" })).await;
    client.call("get_context", json!({})).await;
    client.hang_up().await;
    let sessions = fixture.json(&["session", "list"]).await;
    assert_eq!(sessions["sessions"], json!([]));
}

#[tokio::test]
async fn two_first_calls_at_once_open_one_session() {
    let fixture = Fixture::new().await;
    let mut client = Client::connect(fixture.program(), &[]).await;
    for number in 0..8 {
        let arguments = json!({ "type": "look", "description": format!("number {number}") });
        client.request("tools/call", json!({ "name": "log_action", "arguments": arguments })).await;
    }
    for _ in 0..8 {
        let answer = client.receive().await;
        assert_eq!(answer["result"]["isError"], false, "{answer}");
    }
    let sessions = fixture.json(&["session", "list"]).await;
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1, "{sessions}");
    client.hang_up().await;
}

#[tokio::test]
async fn garbage_is_answered_as_the_protocol_has_it_and_the_connection_goes_on() {
    let fixture = Fixture::new().await;
    let mut client = Client::connect(fixture.program(), &[]).await;
    for line in ["{", "\u{0}\u{1}", "no json at all", "{\"jsonrpc\":\"2.0\",\"id\":1", "[1,2]", "{}", "17"] {
        client.send(line).await;
    }
    client.send(&json!({ "jsonrpc": "2.0", "id": "x", "method": "no/such" }).to_string()).await;
    client
        .send(&json!({ "jsonrpc": "2.0", "id": "y", "method": "tools/call", "params": 5 }).to_string())
        .await;
    client.send(&json!({ "jsonrpc": "2.0", "method": "no/such/notification" }).to_string()).await;
    let last = client.request("tools/list", json!({})).await;
    let mut errors = Vec::new();
    // In any order: requests are answered side by side.
    for _ in 0..10 {
        let message = client.receive().await;
        if message["id"] == last {
            assert_eq!(message["result"]["tools"].as_array().unwrap().len(), 12);
        } else {
            errors.push(message["error"]["code"].as_i64().expect("an error"));
        }
    }
    // Four lines that are no JSON, four that are no request, one method that there is none of.
    errors.sort_unstable();
    assert_eq!(
        errors,
        [-32700, -32700, -32700, -32700, -32601, -32600, -32600, -32600, -32600],
        "{errors:?}"
    );
    client.hang_up().await;
}

#[tokio::test]
async fn a_line_without_an_end_is_refused_and_not_kept() {
    let fixture = Fixture::new().await;
    let mut client = Client::connect(fixture.program(), &[]).await;
    client.send(&"x".repeat(20 << 20)).await;
    assert_eq!(client.receive().await["error"]["code"], -32600);
    client.call("recall", json!({ "query": "are you still there?" })).await;
    client.hang_up().await;
}

#[tokio::test]
async fn wrong_calls_are_told_what_is_wrong_and_what_comes_next() {
    let fixture = Fixture::new().await;
    let mut client = Client::connect(fixture.program(), &[]).await;
    let unknown = client.ask("tools/call", json!({ "name": "drop_table", "arguments": {} })).await;
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    let cases = [
        ("recall", json!({}), "query", "bad_input"),
        ("recall", json!({ "query": 5 }), "query", "bad_input"),
        ("recall", json!({ "query": "a", "limit": 0 }), "limit", "bad_input"),
        ("recall", json!({ "query": "a", "colour": "red" }), "colour", "bad_input"),
        ("recall", json!({ "query": "a", "project": "" }), "project", "bad_input"),
        ("remember", json!({ "text": "   " }), "empty", "bad_input"),
        ("remember", json!({ "text": "a\u{0}b" }), "NUL", "bad_input"),
        ("create_task", json!({ "tasks": [] }), "none", "bad_input"),
        (
            "create_task",
            json!({ "tasks": [{ "description": "a", "priority": 11 }] }),
            "priority",
            "bad_input",
        ),
        ("create_task", json!({ "tasks": [{ "description": "a", "after": ["b"] }] }), "b", "bad_input"),
        (
            "create_task",
            json!({ "tasks": [
                { "key": "a", "description": "a", "after": ["b"] },
                { "key": "b", "description": "b", "after": ["a"] },
            ] }),
            "wait for each other",
            "bad_input",
        ),
        ("claim_task", json!({ "wait_seconds": 9999 }), "300", "bad_input"),
        ("claim_task", json!({ "lease_minutes": 0 }), "lease", "bad_input"),
        ("update_task", json!({ "task_id": "task_none", "action": "complete" }), "lease_token", "bad_input"),
        ("update_task", json!({ "task_id": "task_none", "action": "explode" }), "action", "bad_input"),
        (
            "update_task",
            json!({
                "task_id": "task_none", "action": "complete",
                "lease_token": "00000000-0000-4000-8000-000000000000",
            }),
            "task_none",
            "not_found",
        ),
        ("list_tasks", json!({ "task_id": "task_none" }), "task_none", "not_found"),
        ("list_tasks", json!({ "cursor": "yesterday" }), "cursor", "bad_input"),
        ("audit_task", json!({ "task_id": "task_none", "verdict": "approved" }), "task_none", "not_found"),
        ("history", json!({ "session_id": "nobody" }), "nobody", "not_found"),
        ("start_session", json!({ "resume": "nobody" }), "nobody", "not_found"),
        ("start_session", json!({ "parent_session_id": "nobody" }), "nobody", "not_found"),
    ];
    for (tool, arguments, names, kind) in cases {
        let (text, told) = client.refused(tool, arguments.clone()).await;
        assert!(text.contains(names) && told == kind, "{tool} {arguments}: {told}: {text}");
    }
    client.hang_up().await;
}

#[tokio::test]
async fn a_lost_lease_tells_the_agent_to_stop() {
    let fixture = Fixture::new().await;
    let wanted = task(&fixture).await;
    let mut client = Client::connect(fixture.program(), &["--role", "executor"]).await;
    client.call("claim_task", json!({})).await;
    fixture.run(&["task", "cancel", &wanted, "--reason", "changed our mind"]).await.done();
    let beat = client.call("update_task", json!({ "task_id": wanted, "action": "heartbeat" })).await;
    assert_eq!((&beat["go_on"], &beat["reason"]), (&json!(false), &json!("changed our mind")), "{beat}");
    client.hang_up().await;
}

#[tokio::test]
async fn a_wait_that_was_cancelled_holds_no_task() {
    let fixture = Fixture::new().await;
    let mut client = Client::connect(fixture.program(), &["--role", "executor"]).await;
    client.call("start_session", json!({})).await;
    let arguments = json!({ "wait_seconds": 300 });
    let waits = client.request("tools/call", json!({ "name": "claim_task", "arguments": arguments })).await;
    let cancel =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": waits } });
    client.send(&cancel.to_string()).await;
    let wanted = task(&fixture).await;
    // It comes to the one who still waits, at once or after the other has given it back.
    let again = client.request("tools/call", json!({ "name": "claim_task", "arguments": arguments })).await;
    let answer = loop {
        let answer = client.receive().await;
        if answer["id"] == again {
            break answer;
        }
    };
    let claimed = &answer["result"]["structuredContent"];
    assert_eq!((&claimed["task_id"], &claimed["attempt"]), (&json!(wanted), &json!(1)), "{answer}");
    client.hang_up().await;
}

#[tokio::test]
async fn without_an_embedding_service_agents_recall_by_words_and_are_told() {
    let fixture = Fixture::new().await;
    fixture.add(&["the embedder listens on port 8765"]).await;
    let program = fixture.program().env("AGENT_TURBO_EMBED_URL", "http://127.0.0.1:1");
    let mut client = Client::connect(program, &[]).await;
    let found = client.call("recall", json!({ "query": "embedder port" })).await;
    assert_eq!(found["mode"], "text", "{found}");
    assert!(found["degraded"].is_string() && found["hits"][0]["content"].is_string(), "{found}");
    let (text, kind) = client.refused("remember", json!({ "text": "nobody embeds this" })).await;
    assert_eq!(kind, "unavailable", "{text}");
    client.hang_up().await;
    assert_eq!(fixture.rows().await, 1);
}

#[tokio::test]
async fn profiles_have_their_tools_and_no_others() {
    let fixture = Fixture::new().await;
    for (profile, tools) in [("memory", 4), ("executor", 9), ("validator", 9), ("planner", 13), ("full", 18)]
    {
        let mut client = Client::connect(fixture.program(), &["--profile", profile]).await;
        let listed = client.ask("tools/list", json!({})).await;
        let listed = listed["result"]["tools"].as_array().unwrap().clone();
        assert_eq!(listed.len(), tools, "{profile}: {listed:?}");
        if profile == "memory" {
            let refused = client.ask("tools/call", json!({ "name": "claim_task", "arguments": {} })).await;
            assert_eq!(refused["error"]["code"], -32602, "{refused}");
        }
        client.hang_up().await;
    }
    fixture.run(&["mcp", "--profile", "everything"]).await.failed(2, &["everything", "executor"]);
}

#[tokio::test]
async fn an_agent_that_was_started_for_a_session_works_in_it_and_leaves_it_open() {
    let fixture = Fixture::new().await;
    let session =
        fixture.run(&["session", "start", "--role", "executor", "--id-only"]).await.done().trim().to_owned();
    let program = fixture.program().env("AGENT_TURBO_SESSION", &session);
    let mut client = Client::connect(program, &[]).await;
    client.call("log_action", json!({ "type": "look" })).await;
    let same = client.call("start_session", json!({})).await;
    assert_eq!(same["session_id"], session.as_str());
    // In another role it has a session below that one, which ends with the connection.
    let other = client.call("start_session", json!({ "role": "planner" })).await;
    assert_eq!(other["role"], "planner");
    let other = other["session_id"].as_str().unwrap().to_owned();
    client.hang_up().await;
    let shown = fixture.json(&["session", "show", &other]).await;
    assert_eq!(shown["session"]["status"], "completed", "{shown}");
    assert_eq!(shown["session"]["parent_session_id"], session.as_str(), "{shown}");
    let shown = fixture.json(&["session", "show", &session]).await;
    assert_eq!(shown["session"]["status"], "active", "{shown}");
    let history = fixture.json(&["history", &session]).await;
    assert_eq!(history["actions"].as_array().unwrap().len(), 2, "{history}");
}

#[tokio::test]
async fn resources_and_prompts_show_what_is_there() {
    let fixture = Fixture::new().await;
    let hash = fixture.add(&["prompts carry the landing context"]).await.remove(0);
    let mut client = Client::connect(fixture.program(), &[]).await;
    let mut read = async |uri: &str| client.ask("resources/read", json!({ "uri": uri })).await;
    let entry = read(&format!("agent-turbo://entry/default/{}", &hash[..8])).await;
    let text = entry["result"]["contents"][0]["text"].as_str().expect("a text");
    assert_eq!(serde_json::from_str::<Value>(text).unwrap()["content"], "prompts carry the landing context");
    let context = read("agent-turbo://context").await;
    assert!(
        context["result"]["contents"][0]["text"].as_str().unwrap().contains("newest_knowledge"),
        "{context}"
    );
    for uri in [
        "agent-turbo://entry/default/ffffffff",
        "agent-turbo://nothing",
        "file:///etc/passwd",
        "agent-turbo://%zz",
    ] {
        assert!(read(uri).await["error"]["code"].is_i64(), "{uri}");
    }
    for name in ["planner", "executor", "validator"] {
        let prompt =
            client.ask("prompts/get", json!({ "name": name, "arguments": { "goal": "ship it" } })).await;
        let text = prompt["result"]["messages"][0]["content"]["text"].as_str().unwrap();
        assert!(text.contains(&format!("role {name}")) && text.contains("The goal: ship it"), "{text}");
    }
    assert!(client.ask("prompts/get", json!({ "name": "nobody" })).await["error"]["code"].is_i64());
    client.hang_up().await;
}

#[tokio::test]
async fn what_is_remembered_takes_the_place_of_others_expires_and_may_have_to_wait() {
    let fixture = Fixture::new().await;
    let old = fixture.add(&["PostgreSQL is a small database"]).await.remove(0);
    let mut client = Client::connect(fixture.program(), &[]).await;
    let newer = json!({ "text": "PostgreSQL is a powerful relational database", "supersedes": [&old[..8]], "expires_in_days": 30 });
    let kept = client.call("remember", newer).await;
    assert_eq!((&kept["superseded"], &kept["state"]), (&json!([old]), &json!("current")));
    let near =
        client.call("remember", json!({ "text": "PostgreSQL is a powerful relational database!" })).await;
    assert_eq!(near["near_duplicates"][0]["content_hash"], kept["content_hash"], "{near}");
    let (text, kind) = client.refused("remember", json!({ "text": "x", "expires_in_days": 0 })).await;
    assert_eq!(kind, "bad_input", "{text}");
    let hash = kept["content_hash"].as_str().unwrap().to_owned();
    let entry = fixture.json(&["get", &hash]).await;
    assert!(entry["expires_at"].is_string(), "{entry}");
    let platform = entry["source_agent_platform"].as_str().unwrap().to_owned();
    client.hang_up().await;
    let program = fixture.program().env("AGENT_TURBO_UNTRUSTED_PLATFORMS", platform);
    let mut client = Client::connect(program, &["--profile", "full"]).await;
    let waits = client.call("remember", json!({ "text": "deploys go out at night" })).await;
    assert_eq!(waits["state"], "quarantined");
    let over = json!({ "text": "deploys never go out", "supersedes": [hash] });
    assert_eq!(client.refused("remember", over).await.1, "bad_input");
    let changed = json!({ "content_hash": hash, "text": "deploys never go out" });
    assert_eq!(client.refused("revise", changed).await.1, "conflict");
    let found = client.call("recall", json!({ "query": "a database" })).await;
    // One of the two, which are nearly the same, stands for both.
    assert_eq!(found["hits"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["hits"][0]["folded"].as_array().unwrap().len(), 1, "{found}");
    client.hang_up().await;
}
