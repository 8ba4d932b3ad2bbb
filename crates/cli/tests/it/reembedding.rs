//! `reembed`, also when it is killed.

use agent_turbo_test_support::{SMALL_MODEL, small_embedder, write_small_model};
use serde_json::{Value, json};

use crate::embedded::Embedded;
use crate::support::{Fixture, Program, Ran, SOON, THREE, until};

/// The program with a service of the second model.
async fn with_small(fixture: &Fixture) -> Program {
    fixture.program().env("AGENT_TURBO_EMBED_URL", small_embedder().await.unwrap())
}

async fn fill(fixture: &Fixture, entries: usize) {
    let lines: String =
        (0..entries).map(|number| format!("{}\n", json!({ "text": format!("note {number}") }))).collect();
    std::fs::write(fixture.dir.path().join("notes.jsonl"), lines).unwrap();
    fixture.run(&["ingest", "notes.jsonl"]).await.done();
}

/// Runs it until no killed one is still seen as under way by the server.
async fn reembed(fixture: &Fixture, arguments: &[&str]) -> Ran {
    loop {
        let ran = with_small(fixture).await.run(&[&["reembed"], arguments].concat()).await;
        if !ran.stderr.contains("somebody else does so right now") {
            return ran;
        }
    }
}

#[tokio::test]
async fn a_move_that_is_killed_anywhere_is_gone_on_with_and_the_store_works_meanwhile() {
    const ENTRIES: usize = 700;
    let fixture = Fixture::new().await;
    fill(&fixture, ENTRIES).await;
    let client = fixture.database.client().await.unwrap();
    // Each is a moment to kill it at: in the first batches, in the middle, when the index is built.
    let moments = [
        "SELECT count(*) >= 1 FROM agent_knowledge WHERE next_embedding IS NOT NULL",
        "SELECT count(*) >= 300 FROM agent_knowledge WHERE next_embedding IS NOT NULL",
        "SELECT to_regclass('agent_knowledge_next') IS NOT NULL",
    ];
    let mut killed = 0;
    for moment in moments {
        let mut child = with_small(&fixture).await.spawn(&["reembed", "--model", SMALL_MODEL]);
        until(moment, async || {
            child.try_wait().unwrap().is_some() || client.query_one(moment, &[]).await.unwrap().get(0)
        })
        .await;
        killed += i32::from(child.try_wait().unwrap().is_none());
        let _ = child.start_kill();
        tokio::time::timeout(SOON, child.wait()).await.unwrap().unwrap();
        let found = fixture.json(&["query", "note 77", "--limit", "1"]).await;
        assert_eq!(found["results"][0]["content"], "note 77", "{found}");
    }
    assert!(killed > 1, "hardly one of them was killed in time");
    let added = fixture.add(&["written in between"]).await;
    let moved = reembed(&fixture, &["--model", SMALL_MODEL, "--json"]).await.json();
    assert_eq!(moved["switched"], true, "{moved}");
    let rows = client
        .query_one(
            "SELECT count(*), count(*) FILTER (WHERE embedding_model = $1 AND vector_dims(embedding) = 32)
             FROM agent_knowledge",
            &[&SMALL_MODEL],
        )
        .await
        .unwrap();
    assert_eq!((rows.get::<_, i64>(0), rows.get::<_, i64>(1)), (ENTRIES as i64 + 1, ENTRIES as i64 + 1));
    assert_eq!(reembed(&fixture, &["--status", "--json"]).await.json(), json!(null));
    let found = with_small(&fixture)
        .await
        .run(&["query", "written in between", "--limit", "1", "--json"])
        .await
        .json();
    assert_eq!(found["results"][0]["content_hash"], *added[0], "{found}");
    // A backup of a store that has moved is restored into columns in their first order.
    let path = crate::backup::path().await;
    for arguments in [&["backup", "moved.dump"][..], &["restore", "moved.dump", "--replace"]] {
        fixture.program().env("PATH", &path).run(arguments).await.done();
    }
    let plan = client
        .query("SELECT indexdef FROM pg_indexes WHERE indexname = embedding_index_name($1)", &[&SMALL_MODEL])
        .await
        .unwrap();
    assert!(plan.len() == 1 && plan[0].get::<_, &str>(0).contains("(embedding)::halfvec(32)"), "{plan:?}");
    let mut asked = with_small(&fixture).await;
    asked = asked.env("AGENT_TURBO_EMBED_CACHE_ENTRIES", "0");
    let found = asked.run(&["query", "note 99", "--mode", "vector", "--limit", "1", "--json"]).await.json();
    assert_eq!(found["results"][0]["content"], "note 99", "{found}");
    // Who was told of a service of the old model is told of the new one.
    fixture.run(&["add", "with the old one"]).await.failed(4, &[SMALL_MODEL]);
    assert_eq!(reembed(&fixture, &["--drop-old", "--json"]).await.json(), json!({ "dropped": ENTRIES + 1 }));
}

#[tokio::test]
async fn only_a_service_of_the_named_model_is_taken_and_one_move_at_a_time() {
    let fixture = Fixture::new().await;
    fixture.add(&THREE).await;
    fixture
        .run(&["reembed", "--model", SMALL_MODEL])
        .await
        .failed(2, &["serves all-MiniLM-L6-v2", SMALL_MODEL]);
    assert_eq!(fixture.run(&["reembed"]).await.code, Some(2));
    let client = fixture.database.client().await.unwrap();
    client
        .execute("INSERT INTO knowledge_reembedding (model, dimensions) VALUES ('another', 8)", &[])
        .await
        .unwrap();
    let refused = reembed(&fixture, &["--model", SMALL_MODEL]).await;
    refused.failed(2, &["a move to another is not finished", "--abort"]);
    assert_eq!(reembed(&fixture, &["--status", "--json"]).await.json()["to"]["name"], "another");
    reembed(&fixture, &["--abort"]).await.done();
    assert!(reembed(&fixture, &["--model", SMALL_MODEL]).await.done().contains("Moved to small-32"));
    assert!(reembed(&fixture, &["--model", SMALL_MODEL]).await.done().contains("already"));
}

fn json_of(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap()
}

#[tokio::test]
async fn the_embedded_default_serves_the_model_that_the_store_has_moved_to() {
    let machine = Embedded::new().await;
    // What it starts is told on stderr.
    let run = async |arguments: &[&str]| {
        let ran = machine.run(arguments).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout
    };
    run(&["add", THREE[0]]).await;
    let folder = machine.dir.path().join("small");
    std::fs::create_dir(&folder).unwrap();
    write_small_model(&folder).await.unwrap();
    let moved = json_of(&run(&["reembed", "--model", "./small", "--json"]).await);
    assert_eq!((&moved["switched"], &moved["embedded"]), (&json!(true), &json!(1)), "{moved}");
    run(&["add", THREE[1]]).await;
    let found = json_of(&run(&["query", THREE[1], "--mode", "vector", "--limit", "5", "--json"]).await);
    assert_eq!(found["results"][0]["content"], THREE[1], "{found}");
    assert_eq!(found["results"][1]["embedding_model"], "small", "{found}");
    // Services that start anew are of the new model, too.
    run(&["down"]).await;
    run(&["add", THREE[2]]).await;
    assert_eq!(json_of(&run(&["stats", "--json"]).await)["entries"], 3);
}
