use agent_turbo_embed as embed;
use agent_turbo_knowledge::Error as KnowledgeError;
use agent_turbo_migrator::{Error, Progress, import};
use agent_turbo_test_support::{Behaviour, Misbehaving};
use rusqlite::params;
use tokio::sync::Notify;

use crate::support::{ENTRIES, Fixture, StopAfter, fill};

/// Tells when it has begun.
struct Begun(Notify);
impl Progress for Begun {
    fn step(&self, _step: &str) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn a_second_run_on_the_same_database_is_refused_while_the_first_one_works() {
    let fixture = Fixture::new().await;
    let mut source = fixture.source("entries.db", ENTRIES);
    fill(&mut source, 10);
    let silent = Misbehaving::start(Behaviour::Silent).await.unwrap();
    let store = fixture.with_service(silent.url()).await;
    let (begun, options) = (Begun(Notify::new()), fixture.options("entries.db"));
    let first = import(&store, &options, &begun);
    let second = async {
        begun.0.notified().await;
        fixture.import("entries.db").await
    };
    tokio::select! {
        ended = first => panic!("nobody embeds for the first one: {ended:?}"),
        refused = second => assert!(matches!(refused, Err(Error::AlreadyRunning)), "{refused:?}"),
    }
    // The first one was dropped, and its lock with it: the server may take a moment to see that.
    loop {
        match fixture.import("entries.db").await {
            Err(Error::AlreadyRunning) => tokio::task::yield_now().await,
            report => break assert_eq!(report.unwrap().counts.imported, 10),
        }
    }
}

#[tokio::test]
async fn a_service_that_breaks_stops_the_import_and_nothing_is_half_written() {
    let fixture = Fixture::new().await;
    let mut source = fixture.source("entries.db", ENTRIES);
    fill(&mut source, 200);
    for behaviour in [
        Behaviour::Breaks,
        Behaviour::Answers(500, "{}".to_owned()),
        Behaviour::Answers(200, "[]".to_owned()),
    ] {
        let service = Misbehaving::start(behaviour.clone()).await.unwrap();
        let store = fixture.with_service(service.url()).await;
        let error = import(&store, &fixture.options("entries.db"), &()).await.unwrap_err();
        assert!(matches!(error, Error::Knowledge(KnowledgeError::Embedding(_))), "{behaviour:?}: {error:?}");
    }
    assert!(fixture.entries().await.is_empty());
    assert_eq!(fixture.imported("entries.db").await.counts.imported, 200);
}

#[tokio::test]
async fn a_text_that_the_service_refuses_is_rejected_with_its_duplicates() {
    let fixture = Fixture::new().await;
    let source = fixture.source("entries.db", ENTRIES);
    for text in ["first", "first"] {
        source.execute("INSERT INTO entries (text) VALUES (?1)", params![text]).unwrap();
    }
    let body = format!(
        r#"{{"embeddings":[{{"error":"too strange"}}],"status":"healthy","model_loaded":true,
            "embedding_model":"{}","embedding_dim":384}}"#,
        "all-MiniLM-L6-v2"
    );
    let service = Misbehaving::start(Behaviour::Answers(200, body)).await.unwrap();
    let store = fixture.with_service(service.url()).await;
    let report = import(&store, &fixture.options("entries.db"), &()).await.unwrap();
    assert_eq!((report.counts.rejected, report.counts.read), (2, 2));
    assert!(report.is_verified(), "{report:?}");
    assert!(fixture.rejects()[0]["reason"].as_str().unwrap().contains("too strange"));
    // A later verification knows of no refusal: the rows are not there.
    assert_eq!(fixture.verified("entries.db").await.flaws, 2);
    assert_eq!(fixture.imported("entries.db").await.counts.imported, 1);
}

#[tokio::test]
async fn a_dead_service_is_no_obstacle_where_everything_is_there_already() {
    let fixture = Fixture::new().await;
    let mut source = fixture.source("entries.db", ENTRIES);
    fill(&mut source, 200);
    fixture.imported("entries.db").await;
    let dead = fixture.with_service("http://127.0.0.1:9").await;
    let report = import(&dead, &fixture.options("entries.db"), &()).await.unwrap();
    assert!(report.is_verified());
    assert_eq!(report.counts.resumed, 200);
    source.execute("INSERT INTO entries (text) VALUES ('one more')", []).unwrap();
    let error = import(&dead, &fixture.options("entries.db"), &()).await.unwrap_err();
    let Error::Knowledge(KnowledgeError::Embedding(error)) = error else { panic!("{error:?}") };
    assert!(matches!(error, embed::Error::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_stop_ends_it_after_the_batch_under_way_and_the_rest_follows() {
    let fixture = Fixture::new().await;
    let mut source = fixture.source("entries.db", ENTRIES);
    fill(&mut source, 600);
    let report = import(&fixture.store, &fixture.options("entries.db"), &StopAfter::rows(100)).await.unwrap();
    assert!(report.stopped && report.verification.is_none());
    let counts = report.counts;
    assert!(counts.imported >= 100 && counts.imported < 600, "{counts:?}");
    assert_eq!(fixture.entries().await.len() as u64, counts.imported);
    let rest = fixture.imported("entries.db").await.counts;
    assert_eq!((rest.resumed, rest.imported), (counts.imported, 600 - counts.imported));
}
