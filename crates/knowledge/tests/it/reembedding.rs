use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use agent_turbo_embed as embed;
use agent_turbo_knowledge::{
    Error, Mode, NewEntry, Options, Patch, Project, Query, ReembedProgress, Store, session_settings,
};
use agent_turbo_test_support::{SMALL_DIMENSIONS, SMALL_MODEL, embedder, small_embedder};
use pgvector::Vector;

use crate::support::{Fixture, THREE, add_all, query, texts};

/// Knows where the second model is served.
#[derive(Debug)]
struct Known(String);

impl embed::Finder for Known {
    fn find(&self, model: &embed::Model) -> Pin<Box<dyn Future<Output = Option<String>> + Send>> {
        let url = (model.name == SMALL_MODEL).then(|| self.0.clone());
        Box::pin(std::future::ready(url))
    }
}

/// A process whose service is of the first model, and that can find the one of the second.
async fn follower(fixture: &Fixture, options: Options) -> Store {
    let finder = Arc::new(Known(small_embedder().await.unwrap()));
    let config = embed::Config { finder: Some(finder), ..embed::Config::new(embedder().await.unwrap()) };
    let db = fixture.database.connect(session_settings()).await.unwrap();
    Store::open(db, embed::Client::new(config).unwrap(), options).await.unwrap()
}

async fn small() -> embed::Client {
    embed::Client::new(embed::Config::new(small_embedder().await.unwrap())).unwrap()
}

/// Every entry has the vector that the second model makes of its text, and the index is used.
async fn assert_moved(fixture: &Fixture, entries: usize) {
    let client = fixture.database.client().await.unwrap();
    let rows =
        client.query("SELECT content, embedding, embedding_model FROM agent_knowledge", &[]).await.unwrap();
    assert_eq!(rows.len(), entries);
    let service = small().await;
    for row in &rows {
        let content: &str = row.get("content");
        assert_eq!(row.get::<_, Option<&str>>("embedding_model"), Some(SMALL_MODEL), "{content}");
        let expected = service.embed(content).await.unwrap().vector;
        let stored: Vector = row.get("embedding");
        assert_eq!(stored.as_slice().len(), SMALL_DIMENSIONS);
        let off = stored.as_slice().iter().zip(&*expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-5, "{content}: off by {off}");
    }
    let sizes = client
        .query_one(
            "SELECT count(*) FROM pg_indexes WHERE indexname IN
                 (embedding_index_name($1), 'agent_knowledge_next', 'agent_knowledge_missing')",
            &[&SMALL_MODEL],
        )
        .await
        .unwrap();
    assert_eq!(sizes.get::<_, i64>(0), 1, "the model's index alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_moves_while_others_write_and_ask_and_none_of_them_sees_an_error() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &THREE).await;
    let many: Vec<String> =
        (0..300).map(|number| format!("entry number {number} of the first ones")).collect();
    add_all(&fixture.store, &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let writer = follower(&fixture, Options::default()).await;
    let reader = follower(&fixture, Options { result_cache_bytes: 0, ..Options::default() }).await;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let writing = tokio::spawn(async move {
        let project = Project::default();
        let (mut round, mut kept) = (0, 0);
        while !stopped.load(Ordering::Relaxed) || round < 20 {
            let added = writer.add(NewEntry::new(format!("added in round {round}"))).await.unwrap();
            let entry = added.content_hash.to_string().parse().unwrap();
            if round % 3 == 0 {
                writer.delete(&project, &entry).await.unwrap().unwrap();
            } else {
                let patch = Patch { content: Some(format!("changed in round {round}")), ..Patch::default() };
                if round % 3 == 1 {
                    writer.update(&project, &entry, patch).await.unwrap().unwrap();
                }
                kept += 1;
            }
            round += 1;
        }
        kept
    });
    let stopped = Arc::clone(&stop);
    let reading = tokio::spawn(async move {
        let mut asked = 0;
        while !stopped.load(Ordering::Relaxed) || asked < 20 {
            // By either model a text is nearest to itself; by both at once it would not be.
            let answer = reader.query(&Query { mode: Mode::Vector, ..query(THREE[0], 1) }).await.unwrap();
            assert_eq!(texts(&answer), [THREE[0]]);
            assert!(answer.hits[0].similarity.unwrap() > 0.9999, "{answer:?}");
            asked += 1;
        }
    });
    let moved = fixture.store.reembed(&small().await, &()).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    reading.await.unwrap();
    let kept: usize = writing.await.unwrap();
    assert!(moved.switched && moved.embedded >= 303, "{moved:?}");
    println!("the switch took {} ms", moved.others_waited_ms);
    assert_moved(&fixture, 303 + kept).await;
    assert_eq!(fixture.store.reembedding().await.unwrap(), None);
}

/// Stops after so many batches.
struct After(AtomicU64);

impl ReembedProgress for After {
    fn entries(&self, _done: u64, _of: u64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn should_stop(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= 2
    }
}

#[tokio::test]
async fn a_move_that_was_stopped_goes_on_where_it_was_and_no_other_one_begins_meanwhile() {
    let fixture = Fixture::new().await;
    let many: Vec<String> = (0..500).map(|number| format!("entry number {number}")).collect();
    add_all(&fixture.store, &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let first = fixture.store.reembed(&small().await, &After(AtomicU64::new(0))).await.unwrap();
    assert!(!first.switched && (1..500).contains(&first.embedded), "{first:?}");
    let state = fixture.store.reembedding().await.unwrap().unwrap();
    assert_eq!((state.to.name.as_str(), state.entries), (SMALL_MODEL, 500));
    assert_eq!(state.done.unsigned_abs(), first.embedded);
    // A crash may leave an index that was never finished.
    let client = fixture.database.client().await.unwrap();
    client.execute("DELETE FROM agent_knowledge WHERE content = 'entry number 499'", &[]).await.unwrap();
    let body = r#"{"status":"healthy","model_loaded":true,"embedding_model":"third","embedding_dim":8}"#;
    let third = agent_turbo_test_support::Behaviour::Answers(200, body.to_owned());
    let third = agent_turbo_test_support::Misbehaving::start(third).await.unwrap();
    let third = embed::Client::new(embed::Config::new(third.url())).unwrap();
    let error = fixture.store.reembed(&third, &()).await.unwrap_err();
    assert!(matches!(&error, Error::Reembedding { under_way, .. } if under_way == SMALL_MODEL), "{error}");
    assert!(error.hint().unwrap().contains("--abort"));
    let second = fixture.store.reembed(&small().await, &()).await.unwrap();
    assert!(second.switched, "{second:?}");
    assert!(second.embedded + first.embedded <= 500, "nothing is embedded twice: {first:?} {second:?}");
    assert_moved(&fixture, 499).await;
}

#[tokio::test]
async fn a_move_that_is_aborted_leaves_nothing_and_the_store_as_it_was() {
    let fixture = Fixture::new().await;
    let many: Vec<String> = (0..200).map(|number| format!("entry number {number}")).collect();
    add_all(&fixture.store, &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let first = fixture.store.reembed(&small().await, &After(AtomicU64::new(0))).await.unwrap();
    assert!(!first.switched);
    assert_eq!(fixture.store.abort_reembedding().await.unwrap(), first.embedded);
    assert_eq!(fixture.store.reembedding().await.unwrap(), None);
    let client = fixture.database.client().await.unwrap();
    let models = client.query("SELECT name FROM embedding_models", &[]).await.unwrap();
    assert_eq!(models.len(), 1);
    assert_eq!(texts(&fixture.store.query(&query("entry number 7", 1)).await.unwrap()), ["entry number 7"]);
}

#[tokio::test]
async fn a_process_that_knew_the_old_model_goes_over_or_says_which_model_it_lacks() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &THREE).await;
    // Without a listener, so that only the database can tell it.
    let deaf = Options { result_cache_bytes: 0, ..Options::default() };
    let follower = follower(&fixture, deaf).await;
    let stays = fixture.second_process().await;
    assert!(fixture.store.reembed(&small().await, &()).await.unwrap().switched);
    let answer = follower.query(&Query { mode: Mode::Vector, ..query("database", 3) }).await;
    assert_eq!(answer.unwrap().hits.len(), 3);
    follower.add(NewEntry::new("after the move")).await.unwrap();
    assert_moved(&fixture, 4).await;
    let error = stays.add(NewEntry::new("with the old service")).await.unwrap_err();
    assert!(
        matches!(&error, Error::Embedding(embed::Error::ModelChanged { expected, got })
            if expected.name == SMALL_MODEL && got.dimensions == 384),
        "{error:?}"
    );
    let answer = stays.query(&query("database", 1)).await.unwrap();
    assert!(answer.degraded.unwrap().contains(SMALL_MODEL));
    assert_eq!(texts(&stays.query(&query("database", 1)).await.unwrap()), [THREE[0]]);
    assert!(fixture.store.reembed(&small().await, &()).await.unwrap().switched, "it is there already");
}

#[tokio::test]
async fn what_others_insert_without_a_vector_gets_one() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &THREE).await;
    let client = fixture.database.client().await.unwrap();
    let insert = "INSERT INTO agent_knowledge (content) VALUES ('without a vector')";
    client.execute(insert, &[]).await.unwrap();
    let moved = fixture.store.reembed(&small().await, &()).await.unwrap();
    assert_eq!((moved.switched, moved.embedded), (true, 4), "{moved:?}");
    client.execute("DELETE FROM agent_knowledge WHERE content = 'without a vector'", &[]).await.unwrap();
    client.execute(insert, &[]).await.unwrap();
    let again = fixture.store.reembed(&small().await, &()).await.unwrap();
    assert_eq!((again.switched, again.embedded), (true, 1), "{again:?}");
    assert_moved(&fixture, 4).await;
}
