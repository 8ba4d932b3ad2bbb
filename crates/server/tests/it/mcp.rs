//! MCP over streamable HTTP: whose request it is, and what is refused.

use agent_turbo_server::http::Config;
use serde_json::{Value, json};

use crate::http::support::{Answer, Fixture, Request};

/// A request that stands for itself, as the protocol of 2026-07-28 has it.
fn ask<'a>(server: &'a Fixture, method: &str, name: &str, mut parameters: Value) -> Request<'a> {
    parameters["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    server
        .post("/mcp", &json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters }))
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method)
        .header("mcp-name", name)
}

async fn tool(server: &Fixture, token: Option<&str>, name: &str, arguments: Value) -> Value {
    let request = ask(server, "tools/call", name, json!({ "name": name, "arguments": arguments }));
    let request = match token {
        Some(token) => request.token(token),
        None => request,
    };
    request.send_unchecked().await.done()["result"].take()
}

/// The kind of error that a tool answers with.
async fn refused(server: &Fixture, token: &str, name: &str, arguments: Value) -> String {
    let result = tool(server, Some(token), name, arguments).await;
    assert_eq!(result["isError"], true, "{name}: {result}");
    result["structuredContent"]["error"]["kind"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_another_projects_does_not_exist_for_a_token() {
    let server = Fixture::with(Config { require_token: true, ..Config::default() }).await;
    let (ours, theirs) = (server.token(&["ours"], None).await, server.token(&["theirs"], None).await);
    let start = json!({ "role": "executor" });
    let session = tool(&server, Some(&theirs), "start_session", start.clone()).await;
    let session = session["structuredContent"]["session_id"].clone();
    let tasks = json!({ "tasks": [{ "description": "secret plans" }], "session_id": session });
    let made = tool(&server, Some(&theirs), "create_task", tasks).await;
    let task = made["structuredContent"]["tasks"][0]["task_id"].clone();
    assert!(task.is_string(), "{made}");
    tool(&server, Some(&theirs), "remember", json!({ "text": "the code is 4711" })).await;

    let own = tool(&server, Some(&ours), "start_session", start).await;
    assert_eq!(own["structuredContent"]["project"], "ours", "{own}");
    let own = own["structuredContent"]["session_id"].clone();
    let lease = "00000000-0000-4000-8000-000000000000";
    let cases = [
        ("start_session", json!({ "project": "theirs" })),
        ("start_session", json!({ "resume": session })),
        ("start_session", json!({ "parent_session_id": session })),
        ("get_context", json!({ "project": "theirs" })),
        ("get_context", json!({ "since_session": session })),
        ("remember", json!({ "text": "a", "project": "theirs" })),
        ("recall", json!({ "query": "code", "project": "theirs" })),
        ("create_task", json!({ "tasks": [{ "description": "a" }], "session_id": session })),
        ("create_task", json!({ "tasks": [{ "description": "a", "after": [task] }], "session_id": own })),
        ("create_task", json!({ "tasks": [{ "description": "a" }], "project": "theirs", "session_id": own })),
        ("claim_task", json!({ "session_id": session })),
        ("update_task", json!({ "task_id": task, "action": "heartbeat", "lease_token": lease })),
        ("list_tasks", json!({ "task_id": task })),
        ("list_tasks", json!({ "project": "theirs" })),
        ("log_action", json!({ "type": "a", "task_id": task, "session_id": own })),
        ("log_action", json!({ "type": "a", "session_id": session })),
        ("audit_task", json!({ "task_id": task, "verdict": "approved", "session_id": own })),
        ("history", json!({ "session_id": session })),
        ("end_session", json!({ "session_id": session })),
    ];
    for (name, arguments) in cases {
        assert_eq!(refused(&server, &ours, name, arguments.clone()).await, "not_found", "{name} {arguments}");
    }
    for uri in [
        format!("agent-turbo://session/{}/history", session.as_str().unwrap()),
        "agent-turbo://entry/theirs/ffff".to_owned(),
    ] {
        let read =
            ask(&server, "resources/read", &uri, json!({ "uri": uri })).token(&ours).send_unchecked().await;
        assert!(read.json()["error"]["code"].is_i64(), "{read:?}");
    }
    let found = tool(&server, Some(&ours), "recall", json!({ "query": "what is the code?" })).await;
    assert_eq!(found["structuredContent"]["hits"], json!([]), "{found}");
}

#[tokio::test]
async fn a_token_for_a_role_works_in_no_other() {
    let server = Fixture::with(Config { require_token: true, ..Config::default() }).await;
    let token = server.token(&["ours"], Some("executor")).await;
    assert_eq!(refused(&server, &token, "start_session", json!({ "role": "planner" })).await, "bad_input");
    let started = tool(&server, Some(&token), "start_session", json!({})).await;
    assert_eq!(started["structuredContent"]["role"], "executor", "{started}");
    let session = &started["structuredContent"]["session_id"];
    let claim = json!({ "role": "planner", "session_id": session });
    assert_eq!(refused(&server, &token, "claim_task", claim).await, "bad_input");
}

#[tokio::test]
async fn who_shows_no_token_or_comes_from_elsewhere_is_turned_away() {
    let server = Fixture::with(Config { require_token: true, ..Config::default() }).await;
    let list = || ask(&server, "tools/list", "", json!({}));
    list().send_unchecked().await.problem(401);
    list().token("at_wrong").send_unchecked().await.problem(401);
    let token = server.token(&[], None).await;
    let listed = list().token(&token).send_unchecked().await.done();
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 12, "{listed}");
    list().token(&token).header("host", "evil.example").send_unchecked().await.problem(421);
    list().token(&token).header("origin", "https://evil.example").send_unchecked().await.problem(403);
}

#[tokio::test]
async fn requests_that_are_none_are_refused_and_the_server_goes_on() {
    let server = Fixture::new().await;
    let refused = async |body: &[u8]| -> Answer {
        server
            .request("POST", "/mcp")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .body(body)
            .send_unchecked()
            .await
    };
    let huge = format!("{{\"jsonrpc\":\"2.0\",\"x\":\"{}\"}}", "x".repeat(16 << 20));
    for body in [&b"{"[..], b"", b"[]", b"17", b"\xff\xfe", b"{\"jsonrpc\":\"2.0\"}", huge.as_bytes()] {
        let answer = refused(body).await;
        assert!((400..500).contains(&answer.status), "{} bytes: {answer:?}", body.len());
        assert!(!answer.body.contains("panicked"), "{answer:?}");
    }
    let unknown = ask(&server, "no/such", "", json!({})).send_unchecked().await;
    assert!(unknown.json()["error"]["code"].is_i64(), "{unknown:?}");
    let alone = tool(&server, None, "claim_task", json!({})).await;
    assert!(alone["content"][0]["text"].as_str().unwrap().contains("start_session"), "{alone}");
    let known = tool(&server, None, "recall", json!({ "query": "anything" })).await;
    assert_eq!(known["isError"], false, "{known}");
}

#[tokio::test]
async fn a_connection_that_is_deleted_ends_its_session() {
    let server = Fixture::new().await;
    let send = async |id: Option<&str>, body: &Value| -> Answer {
        let mut request = server
            .post("/mcp", body)
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25");
        if let Some(id) = id {
            request = request.header("mcp-session-id", id);
        }
        request.send_unchecked().await
    };
    let client = json!({ "name": "test", "version": "1" });
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
    let hello =
        send(None, &json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello })).await;
    let id = hello.head.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).unwrap().to_owned();
    send(Some(&id), &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    let log = json!({ "name": "log_action", "arguments": { "type": "look" } });
    let logged =
        send(Some(&id), &json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": log })).await;
    assert!(logged.body.contains("action_"), "{logged:?}");
    let deleted = server.request("DELETE", "/mcp").header("mcp-session-id", &id).send_unchecked().await;
    assert!((200..300).contains(&deleted.status), "{deleted:?}");
    let ended = async || {
        let sessions = server.get("/v1/sessions").send().await.done();
        sessions["items"][0]["status"] == "completed"
    };
    let deadline = tokio::time::Instant::now() + crate::http::support::SOON;
    while !ended().await {
        assert!(tokio::time::Instant::now() < deadline, "the session goes on");
    }
}
