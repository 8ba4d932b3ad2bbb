//! One request, with its bounds and its retries.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result, wire};

/// An answer larger than this is not an answer: 64 texts × 4,096 components × 12 characters is 3 MB.
const MAX_ANSWER: usize = 64 << 20;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Keep-alive connections to one service.
#[derive(Debug)]
pub(crate) struct Http {
    base: String,
    client: HyperClient<HttpConnector, Full<Bytes>>,
    attempts: u32,
}

impl Http {
    pub(crate) fn new(url: &str, attempts: u32) -> Result<Self> {
        let base = url.trim_end_matches('/').to_owned();
        // Every error names the URL, so it may hold no secret; the service has no use for one anyway.
        if base.contains('@') {
            return Err(Error::Config("the URL may hold no user name or password".to_owned()));
        }
        let uri: Uri = base.parse().map_err(|_| Error::Config(format!("{url:?} is not a URL")))?;
        if uri.scheme_str() != Some("http") || !has_address(&uri) || uri.query().is_some() {
            return Err(Error::Config(format!("{url:?} is not of the form http://host:port")));
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(3)));
        let client = HyperClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_mins(1))
            .pool_max_idle_per_host(8)
            .build(connector);
        Ok(Self { base, client, attempts: attempts.max(1) })
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) async fn get<A: DeserializeOwned>(&self, path: &str, limit: Duration) -> Result<A> {
        self.request(Method::GET, path, Bytes::new(), limit).await
    }

    pub(crate) async fn post<A: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        limit: Duration,
    ) -> Result<A> {
        let body = serde_json::to_vec(body).map_err(|error| self.bad_answer(error.to_string()))?;
        self.request(Method::POST, path, Bytes::from(body), limit).await
    }

    pub(crate) fn bad_answer(&self, what: String) -> Error {
        Error::BadAnswer { url: self.base.clone(), what }
    }

    /// Embedding changes nothing over there, so every request may be repeated.
    async fn request<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        limit: Duration,
    ) -> Result<A> {
        let mut attempt = 1;
        loop {
            let outcome = tokio::time::timeout(limit, self.attempt(method.clone(), path, body.clone()))
                .await
                .unwrap_or_else(|_| Err(Error::Timeout { url: self.base.clone(), limit }));
            match outcome {
                Err(error) if error.is_transient() && attempt < self.attempts => {
                    let ceiling = FIRST_PAUSE.saturating_mul(1 << attempt.min(10)).min(MAX_PAUSE);
                    let pause = ceiling.mul_f64(rand::random::<f64>());
                    tracing::debug!(path, attempt, ?pause, %error, "embed.retry");
                    tokio::time::sleep(pause).await;
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    async fn attempt<A: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<A> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(headers) = request.headers_mut() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let request = request.body(Full::new(body)).map_err(|error| Error::Config(error.to_string()))?;
        let answer = self
            .client
            .request(request)
            .await
            .map_err(|source| Error::Unreachable { url: self.base.clone(), source: Box::new(source) })?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER)
            .collect()
            .await
            .map_err(|source| match source.downcast_ref::<LengthLimitError>() {
                Some(_) => self.bad_answer(format!("its answer is longer than {MAX_ANSWER} bytes")),
                None => Error::Unreachable { url: self.base.clone(), source },
            })?
            .to_bytes();
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| self.bad_answer(error.to_string()));
        }
        let message = wire::error_message(&body);
        Err(match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => self.unavailable(status, message),
            _ if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => {
                self.unavailable(status, message)
            }
            _ => Error::Rejected { status: status.as_u16(), message },
        })
    }

    fn unavailable(&self, status: StatusCode, message: String) -> Error {
        Error::Unavailable { url: self.base.clone(), status: status.as_u16(), message }
    }
}

/// A host, and a port that is one: hyper would use port 80 in the place of port 99999.
fn has_address(uri: &Uri) -> bool {
    let Some(authority) = uri.authority() else { return false };
    let port = authority.as_str().strip_prefix(authority.host());
    !authority.host().is_empty() && (port == Some("") || authority.port_u16().is_some_and(|port| port > 0))
}
