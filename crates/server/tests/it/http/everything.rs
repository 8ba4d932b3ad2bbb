//! Everything once, as one who uses it does; each answer is held against the document.

use serde_json::json;

use super::support::Fixture;

#[tokio::test]
async fn knowledge_is_added_found_changed_and_removed() {
    let server = Fixture::new().await;
    let text =
        json!({ "content": "PostgreSQL is a powerful database", "tags": ["db"], "metadata": { "a": 1 } });
    let added = server.post("/v1/knowledge", &text).send().await;
    assert_eq!(added.status, 201);
    let hash = added.done()["content_hash"].as_str().unwrap().to_owned();
    let again = server.post("/v1/knowledge", &text).send().await;
    assert_eq!((again.status, &again.done()["outcome"]), (200, &json!("duplicate")));

    let batch = json!({ "entries": [{ "content": "Python is a programming language" }, { "content": " " }] });
    let results = server.post("/v1/knowledge/batch", &batch).send().await.done();
    assert_eq!(results["results"][0]["added"]["outcome"], "added");
    assert_eq!(results["results"][1]["problem"]["status"], 422);

    let question = json!({ "text": "database", "limit": 2 });
    let answer = server.post("/v1/knowledge/query", &question).send().await.done();
    assert_eq!(answer["results"][0]["content_hash"], hash.as_str());
    assert!(answer["results"][0]["similarity"].as_f64().unwrap() > 0.3);
    let nothing = json!({ "text": "database", "mode": "text", "knowledge_types": ["none"] });
    assert_eq!(server.post("/v1/knowledge/query", &nothing).send().await.done()["results"], json!([]));

    let page = server.get("/v1/knowledge?limit=1").send().await.done();
    assert_eq!(page["items"][0]["content"], "Python is a programming language");
    let next = page["next"].as_str().unwrap();
    let page = server.get(&format!("/v1/knowledge?limit=1&cursor={next}")).send().await.done();
    assert_eq!(page["items"][0]["content_hash"], hash.as_str());
    let tagged = server.get("/v1/knowledge?tag=db&tag=other").send().await.done();
    assert_eq!(tagged["items"], json!([]));

    let short = format!("/v1/knowledge/{}", &hash[..8]);
    assert_eq!(server.get(&short).send().await.done()["content_hash"], hash.as_str());
    let patch = json!({ "category": "databases", "metadata": { "a": null, "b": 2 } });
    let changed = server.request("PATCH", &short).json(&patch).send().await.done();
    assert_eq!((&changed["category"], &changed["metadata"]), (&json!("databases"), &json!({ "b": 2 })));
    let changed = server.request("PATCH", &short).json(&json!({ "category": null })).send().await.done();
    assert_eq!(changed["category"], json!(null));
    let expires_at = "2999-01-31T12:00:00Z";
    let patch = json!({ "expires_at": expires_at });
    assert_eq!(server.request("PATCH", &short).json(&patch).send().await.done()["expires_at"], expires_at);
    let patch = json!({ "expires_at": null });
    assert_eq!(server.request("PATCH", &short).json(&patch).send().await.done()["expires_at"], json!(null));
    let newer = json!({ "content": "PostgreSQL is a powerful relational database", "supersedes": [hash] });
    let newer = server.post("/v1/knowledge", &newer).send().await.done();
    assert_eq!((&newer["superseded"], &newer["state"]), (&json!([hash]), &json!("current")));
    assert_eq!(server.get(&short).send().await.done()["superseded_by"], newer["content_hash"]);
    let page = server.get("/v1/knowledge?state=superseded").send().await.done();
    assert_eq!(page["items"][0]["content_hash"], hash.as_str());
    let near = json!({
        "content": "PostgreSQL is a powerful relational database!", "near_duplicates": true, "untrusted": true,
        "expires_at": expires_at,
    });
    let near = server.post("/v1/knowledge", &near).send().await.done();
    assert_eq!(
        (&near["state"], &near["near_duplicates"][0]["content_hash"]),
        (&json!("quarantined"), &newer["content_hash"])
    );
    let merged = json!({ "content": "PostgreSQL is a powerful relational database.", "merge": true });
    let merged = server.post("/v1/knowledge", &merged).send().await;
    assert_eq!((merged.status, &merged.done()["outcome"]), (200, &json!("merged")));
    let page = server.get("/v1/knowledge?state=all").send().await.done();
    assert_eq!(page["items"].as_array().unwrap().len(), 4);
    server.get("/v1/knowledge?state=odd").send().await.problem(422);
    for item in page["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["content"].as_str().unwrap().contains("relational"))
    {
        server
            .request("DELETE", &format!("/v1/knowledge/{}", item["content_hash"].as_str().unwrap()))
            .send()
            .await
            .done();
    }
    assert_eq!(server.get("/v1/knowledge/stats").send().await.done()["current"], 2);
    assert_eq!(server.get("/v1/knowledge/stats").send().await.done()["entries"], 2);
    server.request("DELETE", &short).send().await.done();
    server.get(&short).send().await.problem(404);
    server.request("DELETE", &short).send().await.problem(404);
}

#[tokio::test]
async fn a_session_works_on_tasks_and_is_over() {
    let server = Fixture::new().await;
    let start = json!({ "platform": "claude", "role": "executor", "metadata": { "x": [1] } });
    let started = server.post("/v1/sessions", &start).send().await.done();
    let session = started["session"]["session_id"].as_str().unwrap().to_owned();
    assert_eq!(started["context"]["project"], "default");
    let at = |rest: &str| format!("/v1/sessions/{session}{rest}");

    let design = json!({ "description": "Design the cache", "role": "executor", "session_id": session });
    let first = server.post("/v1/tasks", &design).send().await.done();
    let first = first["task_id"].as_str().unwrap().to_owned();
    let build =
        json!({ "description": "Build the cache", "priority": 10, "depends_on": [{ "task_id": first }] });
    let second = server.post("/v1/tasks", &build).send().await.done();
    let second = second["task_id"].as_str().unwrap().to_owned();
    let why = server.get(&format!("/v1/tasks/{second}/why")).send().await.done();
    assert_eq!((&why["reason"], &why["tasks"][0]["task_id"]), (&json!("waits_for_tasks"), &json!(first)));

    let claimed = server.post("/v1/tasks/claim", &json!({ "session_id": session })).send().await.done();
    let token = claimed["items"][0]["lease"]["token"].clone();
    assert_eq!(claimed["items"][0]["task"]["task_id"], first.as_str());
    let none = server.post("/v1/tasks/claim", &json!({ "session_id": session })).send().await.done();
    assert_eq!(none["items"], json!([]));
    let beat = json!({ "token": token, "progress": 40, "current_step": "half" });
    let alive = server.post(&format!("/v1/tasks/{first}/heartbeat"), &beat).send().await.done();
    assert_eq!(alive["task"], "alive");
    let done = json!({ "token": token, "output": { "file": "cache.md" } });
    let complete = format!("/v1/tasks/{first}/complete");
    assert_eq!(server.post(&complete, &done).send().await.done()["status"], "completed");
    assert_eq!(server.post(&complete, &done).send().await.done()["status"], "completed");

    let auditor = json!({ "platform": "codex", "role": "validator" });
    let auditor = server.post("/v1/sessions", &auditor).send().await.done();
    let review = json!({ "verdict": "approved", "session_id": auditor["session"]["session_id"] });
    let reviewed = server.post(&format!("/v1/tasks/{first}/review"), &review).send().await.done();
    assert_eq!(reviewed["review"], "approved");
    let own = json!({ "verdict": "approved", "session_id": session });
    server.post(&format!("/v1/tasks/{first}/review"), &own).send().await.problem(409);

    let wait = json!({ "session_id": session, "wait_seconds": 5, "lease_seconds": 60.5 });
    let claimed = server.post("/v1/tasks/claim", &wait).send().await.done();
    let token = claimed["items"][0]["lease"]["token"].clone();
    let fail = json!({ "token": token, "error": "no disk", "is_final": true });
    let failed = server.post(&format!("/v1/tasks/{second}/fail"), &fail).send().await.done();
    assert_eq!(failed["status"], "failed");
    let why = server.get(&format!("/v1/tasks/{second}/why")).send().await.done();
    assert_eq!(why["reason"], "finished");
    let retry = json!({ "reason": "there is a disk" });
    server.post(&format!("/v1/tasks/{second}/retry"), &retry).send().await.done();
    let block = json!({ "reason": "wait for the disk", "session_id": session });
    server.post(&format!("/v1/tasks/{second}/block"), &block).send().await.done();
    server.post(&format!("/v1/tasks/{second}/unblock"), &json!({})).send().await.done();
    let claimed = server.post("/v1/tasks/claim", &json!({ "session_id": session })).send().await.done();
    let token = claimed["items"][0]["lease"]["token"].clone();
    let release = json!({ "token": token });
    server.post(&format!("/v1/tasks/{second}/release"), &release).send().await.done();
    server.post(&complete, &json!({ "token": token })).send().await.problem(409);
    let cancelled = server.post(&format!("/v1/tasks/{second}/cancel"), &json!({})).send().await.done();
    assert_eq!((&cancelled["status"], &cancelled["was_running"]), (&json!("cancelled"), &json!(false)));
    let beat = server.post(&format!("/v1/tasks/{second}/heartbeat"), &json!({ "token": token })).send().await;
    assert_eq!(beat.done()["task"], "cancelled");

    let touched = json!({ "tokens_used": 100, "api_calls": 2 });
    assert_eq!(server.post(&at("/touch"), &touched).send().await.done()["tokens_used"], 100);
    server.get(&at("")).send().await.done();
    server.get(&at("/summary")).send().await.done();
    server.get(&at("/context")).send().await.done();
    let history = server.get(&at("/history?limit=2")).send().await.done();
    assert_eq!(history["actions"].as_array().unwrap().len(), 2);
    let next = history["next"].as_str().unwrap();
    server.get(&at(&format!("/history?limit=2&cursor={next}"))).send().await.done();
    server.get("/v1/context?role=executor").send().await.done();
    let ended = server.post(&at("/end"), &json!({})).send().await.done();
    assert_eq!(ended["session"]["status"], "completed");
    server.post(&at("/touch"), &json!({})).send().await.problem(409);
    server.post(&at("/end"), &json!({ "failed_because": "x" })).send().await.problem(409);
    server.request("POST", &at("/resume")).send().await.done();
    let sessions = server.get("/v1/sessions?status=active&role=executor&limit=1").send().await.done();
    assert_eq!(sessions["items"][0]["session_id"], session.as_str());
    let tasks = server.get("/v1/tasks?status=completed").send().await.done();
    assert_eq!(tasks["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn graphs_and_plans_become_tasks() {
    let server = Fixture::new().await;
    let graph = json!({ "tasks": [
        { "key": "b", "after": [{ "key": "a", "on_failure": "fail" }], "task": { "description": "second" } },
        { "key": "a", "task": { "description": "first" } },
    ] });
    let made = server.post("/v1/tasks/graph", &graph).send().await.done();
    assert_eq!(made["created"], 2);
    let cycle =
        json!({ "tasks": [{ "key": "a", "after": [{ "key": "a" }], "task": { "description": "x" } }] });
    server.post("/v1/tasks/graph", &cycle).send().await.problem(422);

    let planner = json!({ "platform": "claude", "role": "planner" });
    let planner = server.post("/v1/sessions", &planner).send().await.done();
    let plan = json!({ "title": "Cache", "tasks": [
        { "key": "design", "description": "Design it" },
        { "key": "build", "description": "Build it", "after": ["design"] },
    ] });
    let load = json!({ "session_id": planner["session"]["session_id"], "plan": plan });
    assert_eq!(server.post("/v1/plans", &load).send().await.done()["created"], 2);
    assert_eq!(server.post("/v1/plans", &load).send().await.done()["known"], 2);
    let checked = server.post("/v1/plans/check", &json!({ "plan": plan })).send().await.done();
    assert_eq!(checked["keys"], json!(["design", "build"]));
    let wrong = json!({ "plan": { "tasks": [{ "key": "a", "description": "x", "after": ["nowhere"] }] } });
    server.post("/v1/plans/check", &wrong).send().await.problem(422);
}

#[tokio::test]
async fn what_was_done_is_written_down_and_can_be_checked() {
    let server = Fixture::new().await;
    let start = json!({ "platform": "claude", "role": "executor" });
    let session = server.post("/v1/sessions", &start).send().await.done()["session"]["session_id"].clone();
    let action = json!({ "session_id": session, "action_type": "file_edit", "changed_files": ["a.rs"], "execution_time_ms": 1.5 });
    let logged = server.post("/v1/actions", &action).send().await.done();
    let id = logged["action_ids"][0].as_str().unwrap();
    let stored = server.get(&format!("/v1/actions/{id}")).send().await.done();
    assert_eq!((&stored["changed_files"], &stored["project"]), (&json!(["a.rs"]), &json!("default")));
    let batch = json!({ "actions": [action, { "action_type": "note", "success": false, "error": "x" }] });
    server.post("/v1/actions/batch", &batch).send().await.done();
    let session = session.as_str().unwrap();
    let page = server.get(&format!("/v1/actions?session_id={session}&limit=1")).send().await.done();
    assert_eq!(page["items"][0]["chain_position"], 3);
    let next = page["next"].as_str().unwrap();
    let page =
        server.get(&format!("/v1/actions?session_id={session}&limit=1&cursor={next}")).send().await.done();
    assert_eq!(page["items"][0]["chain_position"], 2);
    assert_eq!(
        server.get("/v1/actions?action_type=note").send().await.done()["items"].as_array().unwrap().len(),
        1
    );
    assert_eq!(server.get("/v1/actions/verify").send().await.done()["flawed"], 0);
    server.get(&format!("/v1/actions/verify?session_id={session}")).send().await.done();
    server.get("/v1/actions/action_0").send().await.problem(404);
}

#[tokio::test]
async fn machines_and_services_are_known() {
    let server = Fixture::new().await;
    let node = json!({ "node_role": "gpu", "ram_gb": 64 });
    server.request("PUT", "/v1/nodes/alpha").json(&node).send().await.done();
    assert_eq!(server.get("/v1/nodes/alpha").send().await.done()["node_role"], "gpu");
    server.get("/v1/nodes").send().await.done();
    let service = json!({ "name": "api", "port": server.address.port() });
    let registered = server.post("/v1/services", &service).send().await.done();
    assert_eq!(registered["status"], "active");
    server.get("/v1/services").send().await.done();
    server.request("DELETE", "/v1/services/api").send().await.done();
    server.request("DELETE", "/v1/services/api").send().await.problem(404);
    server.request("DELETE", "/v1/nodes/alpha").send().await.done();
    server.get("/v1/nodes/alpha").send().await.problem(404);
}

#[tokio::test]
async fn probes_and_metrics_tell_how_it_is() {
    let server = Fixture::new().await;
    assert_eq!(server.get("/healthz").send().await.done()["status"], "ok");
    assert_eq!(server.get("/readyz").send().await.done()["ready"], true);
    server.get("/v1/tasks/task_of_nobody").send().await.problem(404);
    let metrics = server.get("/metrics").send().await;
    let line =
        "agent_turbo_http_requests_total{route=\"/v1/tasks/{task_id}\",method=\"GET\",status=\"404\"} 1";
    assert!(metrics.body.contains(line), "{}", metrics.body);
    assert!(metrics.body.contains("agent_turbo_database_connections_max 10"));
    assert!(!metrics.body.contains("task_of_nobody"));
    let page = server.get("/docs").send().await;
    assert!(page.body.contains("Agent Turbo") && page.head.contains("content-security-policy"));
    assert!(!page.body.contains("https://"), "the page needs nothing from elsewhere");
}
