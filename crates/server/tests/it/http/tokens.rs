//! Who may see and do what.

use agent_turbo_orchestrator::NewToken;
use agent_turbo_server::http::Config;
use serde_json::{Value, json};

use super::support::Fixture;

async fn guarded() -> Fixture {
    Fixture::with(Config { require_token: true, ..Config::default() }).await
}

#[tokio::test]
async fn without_a_token_that_opens_something_nothing_is_shown() {
    let server = guarded().await;
    let answer = server.get("/v1/tasks").send().await;
    answer.problem(401);
    assert!(answer.head.contains("www-authenticate: bearer"), "{answer:?}");
    server.get("/metrics").send().await.problem(401);
    server.get("/nothing").send().await.problem(401);
    assert_eq!(server.get("/healthz").send().await.status, 200);
    assert_eq!(server.get("/openapi.json").send().await.status, 200);

    let token = server.token(&[], None).await;
    server.get("/v1/tasks").token(&token).send().await.done();
    server.get("/v1/tasks").header("authorization", &format!("bearer {token}")).send().await.done();
    let (id, secret) = token.strip_prefix("at_").unwrap().split_once('_').unwrap();
    let other = server.token(&[], None).await;
    let other_secret = other.rsplit_once('_').unwrap().1;
    for wrong in [
        format!("Bearer at_{id}_{other_secret}"),
        format!("Bearer at_{id}_{}", &secret[1..]),
        format!("Basic {token}"),
        "Bearer ".to_owned(),
        "Bearer".to_owned(),
        "Bearer at_\u{e9}".to_owned(),
    ] {
        server.get("/v1/tasks").header("authorization", &wrong).send().await.problem(401);
    }
    let twice = server.get("/v1/tasks").token(&token).token(&token);
    twice.send().await.problem(401);
}

#[tokio::test]
async fn a_token_that_was_revoked_or_has_ended_opens_nothing() {
    let server = guarded().await;
    let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(1);
    let new = NewToken { name: "short".to_owned(), expires_at: Some(ends), ..NewToken::default() };
    let short = server.orchestrator.create_token(&new).await.unwrap();
    let client = server.database.client().await.unwrap();
    let past = "UPDATE access_tokens SET expires_at = now() - interval '1 second'";
    client.execute(past, &[]).await.unwrap();
    server.get("/v1/tasks").token(&short.secret).send().await.problem(401);

    let new = NewToken { name: "gone".to_owned(), ..NewToken::default() };
    let gone = server.orchestrator.create_token(&new).await.unwrap();
    server.orchestrator.revoke_token(&gone.token.token_id).await.unwrap().unwrap();
    server.get("/v1/tasks").token(&gone.secret).send().await.problem(401);
    let stored: Vec<u8> =
        client.query_one("SELECT token_hash FROM access_tokens LIMIT 1", &[]).await.unwrap().get(0);
    assert_eq!(stored.len(), 32);
}

#[tokio::test]
async fn who_tries_many_tokens_is_made_to_wait_and_good_ones_still_open() {
    let server = guarded().await;
    let good = server.token(&[], None).await;
    server.get("/v1/tasks").token(&good).send().await.done();
    let bad = format!("at_{}_{}", "0".repeat(16), "0".repeat(64));
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(server.get("/v1/tasks").token(&bad).send().await.status);
    }
    assert_eq!(statuses[..10], [401; 10]);
    let answer = server.get("/v1/tasks").token(&bad).send().await;
    answer.problem(429);
    assert!(answer.head.contains("retry-after: 60"), "{answer:?}");
    server.get("/v1/tasks").send().await.problem(401);
}

#[tokio::test]
async fn what_belongs_to_another_project_is_not_there() {
    let server = Fixture::new().await;
    let ours = server.token(&["ours", "also"], None).await;
    // Somebody who sees everything makes a row of each kind in another project.
    let start = json!({ "platform": "claude", "role": "executor", "project": "theirs" });
    let session = server.post("/v1/sessions", &start).send().await.done()["session"]["session_id"].clone();
    let session = session.as_str().unwrap();
    let task = json!({ "description": "secret plan", "project": "theirs" });
    let task = server.post("/v1/tasks", &task).send().await.done()["task_id"].clone();
    let task = task.as_str().unwrap();
    let text = json!({ "content": "secret knowledge", "project": "theirs" });
    let hash = server.post("/v1/knowledge", &text).send().await.done()["content_hash"].clone();
    let hash = hash.as_str().unwrap();
    let action = json!({ "session_id": session, "action_type": "secret_deed" });
    let action = server.post("/v1/actions", &action).send().await.done()["action_ids"][0].clone();
    let action = action.as_str().unwrap();
    let token = "00000000-0000-4000-8000-000000000000";

    for path in [
        format!("/v1/sessions/{session}"),
        format!("/v1/sessions/{session}/history"),
        format!("/v1/sessions/{session}/summary"),
        format!("/v1/sessions/{session}/context"),
        format!("/v1/tasks/{task}"),
        format!("/v1/tasks/{task}/why"),
        format!("/v1/knowledge/{hash}"),
        format!("/v1/knowledge/{hash}?project=theirs"),
        format!("/v1/actions/{action}"),
        format!("/v1/actions/verify?session_id={session}"),
        "/v1/tasks?project=theirs".to_owned(),
        "/v1/tasks?project=*".to_owned(),
        "/v1/sessions?project=theirs".to_owned(),
        "/v1/actions?project=theirs".to_owned(),
        "/v1/knowledge?project=*".to_owned(),
        "/v1/knowledge/stats?project=theirs".to_owned(),
        "/v1/context?project=theirs".to_owned(),
        "/v1/events?project=theirs".to_owned(),
    ] {
        server.get(&path).token(&ours).send().await.problem(404);
    }
    for (path, body) in [
        (format!("/v1/sessions/{session}/touch"), json!({})),
        (format!("/v1/sessions/{session}/end"), json!({})),
        (format!("/v1/tasks/{task}/heartbeat"), json!({ "token": token })),
        (format!("/v1/tasks/{task}/complete"), json!({ "token": token })),
        (format!("/v1/tasks/{task}/fail"), json!({ "token": token, "error": "x" })),
        (format!("/v1/tasks/{task}/release"), json!({ "token": token })),
        (format!("/v1/tasks/{task}/block"), json!({ "reason": "x" })),
        (format!("/v1/tasks/{task}/unblock"), json!({})),
        (format!("/v1/tasks/{task}/cancel"), json!({})),
        (format!("/v1/tasks/{task}/retry"), json!({})),
        (format!("/v1/tasks/{task}/review"), json!({ "verdict": "approved", "session_id": session })),
        ("/v1/tasks".to_owned(), json!({ "description": "x", "project": "theirs" })),
        ("/v1/tasks".to_owned(), json!({ "description": "x", "session_id": session })),
        ("/v1/tasks".to_owned(), json!({ "description": "x", "depends_on": [{ "task_id": task }] })),
        ("/v1/tasks/claim".to_owned(), json!({ "session_id": session })),
        ("/v1/tasks/claim".to_owned(), json!({ "role": "executor", "project": "theirs" })),
        (
            "/v1/tasks/graph".to_owned(),
            json!({ "tasks": [{ "key": "a", "task": { "description": "x", "project": "theirs" } }] }),
        ),
        ("/v1/sessions".to_owned(), json!({ "platform": "c", "role": "r", "project": "theirs" })),
        ("/v1/sessions".to_owned(), json!({ "platform": "c", "role": "r", "parent_session_id": session })),
        ("/v1/knowledge".to_owned(), json!({ "content": "x", "project": "theirs" })),
        ("/v1/knowledge/batch".to_owned(), json!({ "entries": [{ "content": "x", "project": "theirs" }] })),
        ("/v1/knowledge/query".to_owned(), json!({ "text": "secret", "project": "theirs" })),
        ("/v1/knowledge/query".to_owned(), json!({ "text": "secret", "project": "*" })),
        ("/v1/actions".to_owned(), json!({ "action_type": "x", "session_id": session })),
        ("/v1/actions".to_owned(), json!({ "action_type": "x", "task_id": task })),
        ("/v1/actions".to_owned(), json!({ "action_type": "x", "project": "theirs" })),
        (
            "/v1/plans".to_owned(),
            json!({ "session_id": session, "plan": { "tasks": [{ "key": "a", "description": "x" }] } }),
        ),
        (
            "/v1/plans/check".to_owned(),
            json!({ "plan": { "tasks": [{ "key": "a", "description": "x", "after": [task] }] } }),
        ),
    ] {
        server.post(&path, &body).token(&ours).send().await.problem(404);
    }
    server.request("DELETE", &format!("/v1/knowledge/{hash}")).token(&ours).send().await.problem(404);
    for path in ["/v1/tasks", "/v1/sessions", "/v1/actions", "/v1/knowledge"] {
        assert_eq!(server.get(path).token(&ours).send().await.done()["items"], json!([]), "{path}");
    }
    // Nothing of it happened.
    assert_eq!(server.get(&format!("/v1/tasks/{task}")).send().await.done()["status"], "pending");
    // What is nobody's project can be looked at, and changed by who sees everything.
    server.get("/v1/nodes").token(&ours).send().await.done();
    let node = json!({ "node_role": "x" });
    server.request("PUT", "/v1/nodes/a").token(&ours).json(&node).send().await.problem(403);
    server.request("DELETE", "/v1/nodes/a").token(&ours).send().await.problem(403);
    let service = json!({ "name": "a", "port": 1 });
    server.post("/v1/services", &service).token(&ours).send().await.problem(403);
    server.get("/v1/actions/verify").token(&ours).send().await.problem(403);
    // In its own projects it can do everything; what names none is in its first one.
    let made = server.post("/v1/tasks", &json!({ "description": "x" })).token(&ours).send().await.done();
    assert_eq!(made["project"], "ours");
    let made = json!({ "description": "x", "project": "also" });
    server.post("/v1/tasks", &made).token(&ours).send().await.done();
}

#[tokio::test]
async fn a_token_for_a_role_works_in_it_alone() {
    let server = guarded().await;
    let token = server.token(&[], Some("executor")).await;
    let post = |path: &str, body: &Value| server.post(path, body).token(&token);
    let planner = json!({ "platform": "c", "role": "planner" });
    post("/v1/sessions", &planner).send().await.problem(403);
    post("/v1/tasks/claim", &json!({ "role": "planner" })).send().await.problem(403);
    let started = post("/v1/sessions", &json!({ "platform": "c" })).send().await.done();
    assert_eq!(started["session"]["agent_role"], "executor");
    post("/v1/tasks/claim", &json!({})).send().await.done();
    let anybody = server.token(&[], None).await;
    let other = server.post("/v1/sessions", &planner).token(&anybody).send().await.done();
    let other = json!({ "session_id": other["session"]["session_id"] });
    post("/v1/tasks/claim", &other).send().await.problem(403);
}
