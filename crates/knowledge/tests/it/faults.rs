use std::time::Duration;

use agent_turbo_db::{Config, Database};
use agent_turbo_embed as embed;
use agent_turbo_knowledge::{Error, Mode, NewEntry, Options, Outcome, Query, Store, session_settings};
use agent_turbo_test_support::{Behaviour, Misbehaving, PrivateCluster, embedding_client};

use crate::support::{Fixture, THREE, add_all, query, texts};

/// A store on the fixture's database whose embedding service is `url`.
async fn store_with(fixture: &Fixture, url: &str) -> Store {
    let timeout = Duration::from_millis(300);
    let config = embed::Config { timeout, batch_timeout: timeout, attempts: 2, ..embed::Config::new(url) };
    let options = Options { result_cache_bytes: 0, ..Options::default() };
    Store::open(fixture.pool().await, embed::Client::new(config).unwrap(), options).await.unwrap()
}

fn vector(dimensions: usize) -> String {
    format!(
        r#"{{"embedding":{:?},"model":"all-MiniLM-L6-v2","dimensions":{dimensions},"cached":false}}"#,
        vec![0.1; dimensions]
    )
}

#[tokio::test]
async fn without_an_embedding_service_questions_are_answered_by_words_and_say_so() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &THREE).await;
    let service = Misbehaving::start(Behaviour::Silent).await.unwrap();
    let store = store_with(&fixture, service.url()).await;
    let garbage = ["<html>", "{}", r#"{"embedding":[]}"#, r#"{"embedding":[null]}"#, r#"{"embedding":"x"}"#];
    let mut behaviours =
        vec![Behaviour::Silent, Behaviour::Breaks, Behaviour::Answers(500, "boom".to_owned())];
    behaviours.extend(garbage.map(|body| Behaviour::Answers(200, body.to_owned())));
    behaviours.push(Behaviour::Answers(200, vector(3)));
    for behaviour in behaviours {
        service.behave(behaviour.clone());
        let answer = store.query(&query("database", 2)).await.unwrap();
        assert_eq!(texts(&answer), [THREE[0]], "{behaviour:?}");
        assert_eq!(answer.mode, Mode::Text);
        assert!(answer.degraded.is_some() && !answer.cached);
        let by_meaning = store.query(&Query { mode: Mode::Vector, ..query("database", 2) }).await;
        assert!(matches!(by_meaning, Err(Error::Embedding(_))), "{behaviour:?}: {by_meaning:?}");
        let added = store.add(NewEntry::new("not to be half-written")).await;
        assert!(matches!(added, Err(Error::Embedding(_))), "{behaviour:?}: {added:?}");
        let added = store.add_batch(vec![NewEntry::new("not to be half-written")]).await;
        assert!(!matches!(&added, Ok(results) if results[0].is_ok()), "{behaviour:?}: {added:?}");
    }
    assert_eq!(fixture.store.stats(None).await.unwrap().entries, 3);
}

#[tokio::test]
async fn a_known_text_needs_no_embedding_service() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &THREE).await;
    let service = Misbehaving::start(Behaviour::Silent).await.unwrap();
    let store = store_with(&fixture, service.url()).await;
    assert_eq!(store.add(NewEntry::new(THREE[0])).await.unwrap().outcome, Outcome::Duplicate);
    assert_eq!(service.requests(), 0);
}

#[tokio::test]
async fn vectors_of_another_model_or_size_are_never_mixed_in() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &THREE).await;
    // Serves both as an embedding and as the health that the client asks for when the name is new.
    let other = format!(
        r#"{{"embedding":{:?},"model":"other","dimensions":768,"status":"healthy","model_loaded":true,
            "embedding_model":"other","embedding_dim":768}}"#,
        vec![0.1; 768]
    );
    let service = Misbehaving::start(Behaviour::Answers(200, other)).await.unwrap();
    let store = store_with(&fixture, service.url()).await;
    let error = store.add(NewEntry::new("text")).await.unwrap_err();
    assert!(matches!(error, Error::Embedding(embed::Error::ModelChanged { .. })), "{error}");
    assert!(error.hint().is_some());
    let answer = store.query(&query("database", 1)).await.unwrap();
    assert!(answer.degraded.unwrap().contains("other"), "the answer names the model");
    let client = fixture.database.client().await.unwrap();
    let models = client.query("SELECT name FROM embedding_models", &[]).await.unwrap();
    assert_eq!(models.len(), 1);
}

#[tokio::test]
async fn work_goes_on_when_its_connections_are_cut() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &THREE).await;
    let client = fixture.database.client().await.unwrap();
    for round in 0..5 {
        client
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
                &[],
            )
            .await
            .unwrap();
        fixture.store.add(NewEntry::new(format!("round {round}"))).await.unwrap();
        assert_eq!(fixture.store.stats(None).await.unwrap().entries, 4 + round);
        let answer = fixture.store.query(&query("database", 1)).await.unwrap();
        assert_eq!(texts(&answer), [THREE[0]]);
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_killed_server_and_work_goes_on() {
    let cluster = PrivateCluster::start().await.unwrap();
    let config = Config { session_settings: session_settings(), ..Config::new(cluster.url().await.unwrap()) };
    agent_turbo_db::migrate(&config).await.unwrap();
    let db = Database::connect(config).await.unwrap();
    let store = Store::open(db, embedding_client().await.unwrap(), Options::default()).await.unwrap();
    add_all(&store, &THREE).await;
    cluster.kill().await.unwrap();
    // Both at once: the store retries while the server comes back.
    let (restarted, added) = tokio::join!(cluster.postgres(), store.add(NewEntry::new("after the crash")));
    restarted.unwrap();
    // Told as a duplicate when the first attempt was stored and its answer lost.
    added.unwrap();
    assert_eq!(store.stats(None).await.unwrap().entries, 4);
    assert_eq!(texts(&store.query(&query("database", 1)).await.unwrap()), [THREE[0]]);
}
