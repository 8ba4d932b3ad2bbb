use std::time::Duration;

use agent_turbo_embed::{Client, Config, DiskCache, Error, Model};
use agent_turbo_test_support::{Behaviour, Misbehaving, embedder};
use serde_json::{Value, json};

/// A service in the test's hands, and a client that knows its model and so asks for nothing but vectors.
pub(crate) struct Fixture {
    pub(crate) service: Misbehaving,
    pub(crate) client: Client,
}

impl Fixture {
    pub(crate) async fn new(behaviour: Behaviour) -> Self {
        let service = Misbehaving::start(behaviour).await.unwrap();
        let client = Client::new(impatient(service.url())).unwrap();
        client.expect_model(model()).unwrap();
        Self { service, client }
    }

    /// How many requests `work` makes, and what comes of it.
    pub(crate) async fn counting<T>(&self, work: impl Future<Output = T>) -> (usize, T) {
        let before = self.service.requests();
        let outcome = work.await;
        (self.service.requests() - before, outcome)
    }
}

/// Three attempts, each soon over.
pub(crate) fn impatient(url: &str) -> Config {
    let timeout = Duration::from_millis(200);
    Config { timeout, batch_timeout: timeout, attempts: 3, ..Config::new(url) }
}

/// The model of every service that goes wrong.
pub(crate) fn model() -> Model {
    Model { name: "small".to_owned(), dimensions: 3 }
}

/// An answer to `/embed`, with what `/health` would say beside it.
pub(crate) fn answer(vector: &[f32], name: &str) -> Behaviour {
    ok(&json!({
        "embedding": vector, "model": name, "dimensions": vector.len(), "cached": false,
        "status": "healthy", "model_loaded": true, "embedding_model": name, "embedding_dim": vector.len(),
    }))
}

pub(crate) fn good() -> Behaviour {
    answer(&[0.6, 0.8, 0.0], "small")
}

pub(crate) fn ok(body: &Value) -> Behaviour {
    Behaviour::Answers(200, body.to_string())
}

pub(crate) fn disk(dir: &std::path::Path) -> DiskCache {
    DiskCache { dir: dir.to_owned(), max_entries: 1000 }
}

/// The real service, as a process that has asked it nothing yet sees it.
pub(crate) async fn real() -> Client {
    Client::new(Config::new(embedder().await.unwrap())).unwrap()
}

/// An address that nobody listens on.
pub(crate) fn dead_url() -> String {
    format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

pub(crate) fn message(error: &Error) -> String {
    format!("{error} {:?}", error.hint())
}

/// Equal but for the rounding of sums taken in another order.
pub(crate) fn assert_close(one: &[f32], other: &[f32]) {
    assert_eq!(one.len(), other.len());
    let furthest = one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(furthest < 1e-5, "{furthest}");
}
