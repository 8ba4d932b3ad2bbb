//! Requests that carry a key are done once.

use serde_json::{Value, json};

use super::support::{Answer, Fixture};

fn is_replayed(answer: &Answer) -> bool {
    answer.head.contains("idempotent-replayed: true")
}

#[tokio::test]
async fn the_same_request_is_answered_as_the_first_time() {
    let server = Fixture::new().await;
    for (path, body) in [
        ("/v1/tasks", json!({ "description": "once" })),
        ("/v1/sessions", json!({ "platform": "claude", "role": "executor" })),
        ("/v1/actions", json!({ "action_type": "note" })),
        ("/v1/knowledge", json!({ "content": "PostgreSQL is a powerful database" })),
        ("/v1/tasks/claim", json!({ "role": "executor" })),
    ] {
        let first = server.post(path, &body).key(path).send().await;
        assert!(!is_replayed(&first), "{first:?}");
        let again = server.post(path, &body).key(path).send().await;
        assert!(is_replayed(&again), "{again:?}");
        assert_eq!((first.status, first.done()), (again.status, again.done()));
        assert_ne!(server.post(path, &body).send().await.body, "", "without a key it is another one");
    }
    assert_eq!(server.get("/v1/tasks").send().await.done()["items"].as_array().unwrap().len(), 2);
    let status = server.request("DELETE", "/v1/knowledge/ffff").key("gone").send().await.status;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_key_stands_for_one_request_of_one_caller() {
    let server = Fixture::new().await;
    let task = json!({ "description": "once" });
    server.post("/v1/tasks", &task).key("k").send().await.done();
    let other = json!({ "description": "twice" });
    server.post("/v1/tasks", &other).key("k").send().await.problem(422);
    server.post("/v1/tasks/graph", &json!({ "tasks": [] })).key("k").send().await.problem(422);
    let token = server.token(&[], None).await;
    let own = server.post("/v1/tasks", &other).key("k").token(&token).send().await;
    assert!(own.status == 201 && !is_replayed(&own), "{own:?}");
    for wrong in ["", " ", &"x".repeat(257), "\u{e9}"] {
        let answer = server.post("/v1/tasks", &task).key(wrong).send().await;
        assert!((400..500).contains(&answer.status), "{answer:?}");
    }
    server.post("/v1/tasks", &task).key("a").key("b").send().await.problem(400);
}

#[tokio::test]
async fn what_failed_may_be_mended_under_the_same_key() {
    let server = Fixture::new().await;
    server.post("/v1/tasks", &json!({ "description": "" })).key("k").send().await.problem(422);
    let mended = server.post("/v1/tasks", &json!({ "description": "x" })).key("k").send().await;
    assert!(mended.status == 201 && !is_replayed(&mended), "{mended:?}");
}

#[tokio::test]
async fn two_at_once_are_one() {
    let server = Fixture::new().await;
    let task = json!({ "description": "once" });
    let send = || async { server.post("/v1/tasks", &task).key("k").send().await };
    let answers = futures_util::future::join_all((0..8).map(|_| send())).await;
    for answer in &answers {
        assert!([201, 409].contains(&answer.status), "{answer:?}");
    }
    assert_eq!(server.get("/v1/tasks").send().await.done()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn whoever_began_a_request_and_died_does_not_keep_others_from_it() {
    let server = Fixture::new().await;
    let client = server.database.client().await.unwrap();
    // As a process leaves it that dies between doing a thing and writing down that it is done.
    let forget =
        "UPDATE idempotent_requests SET status = NULL, body = NULL, claimed_at = now() - $1::text::interval";
    for (path, body) in [
        ("/v1/tasks", json!({ "description": "once", "role": "executor" })),
        (
            "/v1/tasks/graph",
            json!({ "tasks": [{ "key": "a", "task": { "description": "x", "role": "other" } }] }),
        ),
        ("/v1/sessions", json!({ "platform": "claude", "role": "executor" })),
        ("/v1/actions", json!({ "action_type": "note" })),
        ("/v1/actions/batch", json!({ "actions": [{ "action_type": "note" }, { "action_type": "note" }] })),
        ("/v1/tasks/claim", json!({ "role": "executor" })),
    ] {
        let first = server.post(path, &body).key(path).send().await.done();
        client.execute(forget, &[&"1 second"]).await.unwrap();
        let answer = server.post(path, &body).key(path).send().await;
        answer.problem(409);
        assert!(answer.head.contains("retry-after: 1"), "{answer:?}");
        client.execute(forget, &[&"3 minutes"]).await.unwrap();
        let again = server.post(path, &body).key(path).send().await;
        assert!(!is_replayed(&again), "{again:?}");
        let same = |answer: &Value| {
            [
                "/task_id",
                "/session/session_id",
                "/action_ids",
                "/items/0/task/task_id",
                "/items/0/lease/token",
                "/tasks",
            ]
            .map(|pointer| answer.pointer(pointer).cloned())
        };
        assert_eq!(same(&first), same(&again.done()), "{path}");
    }
    let count: i64 = client.query_one("SELECT count(*) FROM agent_sessions", &[]).await.unwrap().get(0);
    assert_eq!(count, 1);
    client
        .execute("UPDATE idempotent_requests SET created_at = now() - interval '25 hours'", &[])
        .await
        .unwrap();
    let reaped = server.orchestrator.reap(agent_turbo_orchestrator::SilenceLimits::default()).await.unwrap();
    assert_eq!(reaped.requests, 6);
}
