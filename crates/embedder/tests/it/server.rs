//! The service on a port of its own, and a client for it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use agent_turbo_embedder::{Engine, EngineOptions, Error, Limits, serve};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::model_folder::load_model;

/// A running service.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) engine: Engine,
    stop: oneshot::Sender<()>,
    done: JoinHandle<Result<(), Error>>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An engine for all tests that do not look at its counters.
pub(crate) fn shared_engine() -> Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| new_engine(EngineOptions::default())).clone()
}

pub(crate) fn new_engine(options: EngineOptions) -> Engine {
    Engine::start(load_model(), options).unwrap()
}

impl Server {
    pub(crate) async fn start(engine: Engine, limits: Limits) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let done = tokio::spawn(serve(listener, engine.clone(), limits, async {
            let _ = stopped.await;
        }));
        Self { address, engine, stop, done, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    pub(crate) async fn shared() -> Self {
        Self::start(shared_engine(), Limits::default()).await
    }

    pub(crate) fn request<B: Into<Bytes>>(
        &self,
        method: Method,
        path: &str,
        body: B,
    ) -> impl Future<Output = Response> + Send + use<B> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("content-type", "application/json")
            .body(Full::new(body.into()))
            .unwrap();
        let response = self.client.request(request);
        async move {
            let (head, body) = response.await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Response { status: head.status, headers: head.headers, body }
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path, Bytes::new()).await
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> impl Future<Output = Response> + Send + use<> {
        self.request(Method::POST, path, body.to_string())
    }

    /// Waits until texts are waiting for the model.
    pub(crate) async fn wait_for_queue(&self) {
        let waiting = async {
            while self.engine.stats().queue_depth == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), waiting).await.unwrap();
    }

    /// Gives the shutdown signal; the result is what `serve` returned.
    pub(crate) fn stop(self) -> JoinHandle<Result<(), Error>> {
        self.stop.send(()).unwrap();
        self.done
    }
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The vector in a `/embed` answer or in an element of a `/batch` answer.
    pub(crate) fn vector(value: &Value) -> Vec<f32> {
        serde_json::from_value(value["embedding"].clone()).unwrap()
    }
}
