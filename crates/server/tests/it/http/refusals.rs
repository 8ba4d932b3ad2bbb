//! What cannot be done is told as a problem, whatever was sent.

use agent_turbo_server::http::Config;
use serde_json::json;

use super::support::Fixture;

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    let server = Fixture::new().await;
    for path in
        ["/", "/v1", "/v1/nothing", "/v2/tasks", "/openapi.json/", "/docs/x", "/%00", "/v1/tasks/a/b/c"]
    {
        server.get(path).send().await.problem(404);
    }
    for (method, path) in [
        ("DELETE", "/v1/tasks"),
        ("PUT", "/v1/knowledge"),
        ("POST", "/healthz"),
        ("OPTIONS", "/v1/tasks"),
        ("BREW", "/v1/tasks"),
    ] {
        let answer = server.request(method, path).send().await;
        answer.problem(405);
        assert!(answer.head.contains("allow: "), "{answer:?}");
    }
    for id in ["task_0", "%20", "%F0%9F%92%A9", "..", "%2e%2e%2fetc"] {
        server.get(&format!("/v1/tasks/{id}")).send().await.problem(404);
        server.get(&format!("/v1/sessions/{id}")).send().await.problem(404);
    }
    server.get("/v1/tasks/%FF").send().await.problem(400);
    server.get("/v1/knowledge/zz").send().await.problem(404);
}

#[tokio::test]
async fn bodies_that_are_not_what_is_expected_are_told_by_their_members() {
    let server = Fixture::new().await;
    let post = |body: &str| {
        server.request("POST", "/v1/tasks").header("content-type", "application/json").body(body)
    };
    for body in [
        "",
        "{",
        "{\"description\":",
        "nul",
        "{\"description\":\"y\"} x",
        "{\"description\": \"\u{1}\"}",
        "\u{feff}{}",
    ] {
        post(body).send().await.problem(400);
    }
    let utf16 = b"\xff\xfe{\0}\0".to_vec();
    let sent = server.request("POST", "/v1/tasks").header("content-type", "application/json").body(utf16);
    sent.send().await.problem(400);
    let deep = format!("{{\"description\":\"x\",\"input\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    post(&deep).send().await.problem(400);
    for (body, pointer, names) in [
        (json!([]), "", "array"),
        (json!(1), "", "integer"),
        (json!({}), "", "description"),
        (json!({ "description": 1 }), "/description", "string"),
        (json!({ "description": "x", "prio": 1 }), "/prio", "unknown field"),
        (json!({ "description": "x", "priority": 11 }), "/priority", "between 1"),
        (json!({ "description": "x", "priority": "5" }), "/priority", "string"),
        (
            json!({ "description": "x", "depends_on": [{ "task_id": "a" }, { "task_id": 5 }] }),
            "/depends_on/1/task_id",
            "string",
        ),
        (json!({ "description": "x", "depends_on": [{ "task_id": "" }] }), "/depends_on/0/task_id", "empty"),
        (json!({ "description": "x", "deadline": "soon" }), "/deadline", ""),
        (json!({ "description": "x", "metadata": [] }), "/metadata", "map"),
        (json!({ "description": "x", "max_attempts": 1e300 }), "/max_attempts", ""),
    ] {
        let problem = server.post("/v1/tasks", &body).send().await.problem(422);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert!(problem["errors"][0]["detail"].as_str().unwrap().contains(names), "{problem}");
    }
    for body in [
        json!({ "description": " " }),
        json!({ "description": "a\u{0}b" }),
        json!({ "description": "x", "metadata": { "a": "\u{0}" } }),
        json!({ "description": "x", "project": "a\nb" }),
        json!({ "description": "x", "max_attempts": 0 }),
        json!({ "description": "x", "depends_on": [{ "task_id": "task_of_nobody" }] }),
    ] {
        server.post("/v1/tasks", &body).send().await.problem(422);
    }
    let unknown = json!({ "description": "x", "session_id": "nobody" });
    server.post("/v1/tasks", &unknown).send().await.problem(404);
    let lease = json!({ "role": "x", "lease_seconds": -1 });
    server.post("/v1/tasks/claim", &lease).send().await.problem(422);
    let both = json!({ "role": "x", "session_id": "s" });
    server.post("/v1/tasks/claim", &both).send().await.problem(422);
    server.post("/v1/tasks/claim", &json!({})).send().await.problem(422);
    let forever = json!({ "role": "x", "wait_seconds": 1000 });
    server.post("/v1/tasks/claim", &forever).send().await.problem(422);
    let token = json!({ "token": "not one" });
    let problem = server.post("/v1/tasks/t/complete", &token).send().await.problem(422);
    assert_eq!(problem["errors"][0]["pointer"], "/token");
    let slow = json!({ "action_type": "x", "execution_time_ms": 1e300 });
    server.post("/v1/actions", &slow).send().await.problem(422);
}

#[tokio::test]
async fn only_json_is_taken() {
    let server = Fixture::new().await;
    let body = json!({ "description": "x" }).to_string();
    for media in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", ""]
    {
        let sent = server.request("POST", "/v1/tasks").header("content-type", media).body(body.as_str());
        sent.send().await.problem(415);
    }
    server.request("POST", "/v1/tasks").body(body.as_str()).send().await.problem(415);
    let sent = server.request("POST", "/v1/tasks").header("content-type", "Application/JSON; charset=utf-8");
    sent.body(body.as_str()).send().await.done();
}

#[tokio::test]
async fn parameters_that_cannot_be_used_are_named() {
    let server = Fixture::new().await;
    for (query, name) in [
        ("limit=many", "limit"),
        ("limit=-1", "limit"),
        ("limit=1&limit=2", ""),
        ("status=done", "status"),
        ("nothing=1", ""),
        ("ready=perhaps", "ready"),
        ("cursor=x", "cursor"),
    ] {
        let problem = server.get(&format!("/v1/tasks?{query}")).send().await.problem(400);
        let error = &problem["errors"][0];
        assert!(error.to_string().contains(name), "{query}: {problem}");
    }
    server.get("/v1/tasks?limit=0").send().await.problem(422);
    server.get("/v1/tasks?limit=1001").send().await.problem(422);
    server.get("/v1/sessions?since=yesterday").send().await.problem(400);
    server.get("/v1/knowledge?project=%0A").send().await.problem(422);
}

#[tokio::test]
async fn bodies_that_are_too_large_or_never_come_are_not_waited_for() {
    let config = Config {
        max_body_bytes: 100_000,
        body_timeout: std::time::Duration::from_millis(300),
        ..Config::default()
    };
    let server = Fixture::with(config).await;
    let large = json!({ "description": "x".repeat(100_001) });
    server.post("/v1/tasks", &large).send().await.problem(413);
    let host = server.address;
    let head = format!(
        "POST /v1/tasks HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/json\r\n"
    );
    let declared = format!("{head}content-length: 99999999999\r\n\r\n");
    server.raw(declared.as_bytes()).await.problem(413);
    let chunk = format!("{:x}\r\n{}\r\n", 60_000, "x".repeat(60_000));
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n");
    server.raw(chunked.as_bytes()).await.problem(413);
    let slow = format!("{head}content-length: 10\r\n\r\n{{");
    server.raw(slow.as_bytes()).await.problem(408);
    let broken = format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n");
    server.raw(broken.as_bytes()).await.problem(400);
}

#[tokio::test]
async fn pages_and_names_of_others_are_sent_away() {
    let config = Config {
        allowed_origins: vec!["https://tool.example".to_owned()],
        allowed_hosts: vec!["box.example".to_owned()],
        ..Config::default()
    };
    let server = Fixture::with(config).await;
    server.get("/healthz").header("host", "evil.example").send().await.problem(421);
    server.get("/v1/tasks").header("host", "evil.example").send().await.problem(421);
    server.get("/nothing").header("host", "evil.example").send().await.problem(421);
    server.get("/v1/tasks").header("host", "box.example").send().await.done();
    server
        .get("/v1/tasks")
        .header("host", "localhost")
        .header("host", "evil.example")
        .send()
        .await
        .problem(400);
    server.raw(b"GET /v1/tasks HTTP/1.1\r\nconnection: close\r\n\r\n").await.problem(400);
    let target = "GET http://evil.example/v1/tasks HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    server.raw(target.as_bytes()).await.problem(400);
    for origin in ["https://evil.example", "null", "http://localhost:1"] {
        server.get("/v1/tasks").header("origin", origin).send().await.problem(403);
        let preflight = server.request("OPTIONS", "/v1/tasks").header("origin", origin);
        let answer = preflight.header("access-control-request-method", "POST").send().await;
        answer.problem(403);
        assert!(!answer.head.contains("access-control"), "{answer:?}");
    }
    let own = format!("http://{}", server.address);
    let answer = server.get("/v1/tasks").header("origin", &own).send().await;
    assert!(answer.status == 200 && !answer.head.contains("access-control"), "{answer:?}");
    let allowed = server.request("OPTIONS", "/v1/tasks").header("origin", "https://tool.example");
    let allowed = allowed.header("access-control-request-method", "POST").send().await;
    assert_eq!(allowed.status, 204);
    let answer = server.get("/v1/tasks/none").header("origin", "https://tool.example").send().await;
    answer.problem(404);
    assert!(answer.head.contains("access-control-allow-origin: https://tool.example"), "{answer:?}");
}

#[tokio::test]
async fn a_database_that_is_gone_is_a_reason_to_come_again() {
    let server = Fixture::new().await;
    server.orchestrator.database().close();
    let answer = server.get("/v1/tasks").send().await;
    assert!([500, 503].contains(&answer.status), "{answer:?}");
    answer.problem(answer.status);
    let ready = server.get("/readyz").send().await;
    assert_eq!((ready.status, ready.json()["database"].clone()), (503, json!(false)));
    assert_eq!(server.get("/healthz").send().await.status, 200);
}
