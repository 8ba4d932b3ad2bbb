use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rmcp::ServiceExt;
use rmcp::service::{QuitReason, ServerInitializeError};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::io::DuplexStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::agent::Agent;
use super::connection::{Connection, Identity};
use super::lines::checked;
use crate::App;

/// How long the end of a server waits for sessions to be ended.
const MAX_ENDING: Duration = Duration::from_secs(10);

/// Serves one agent on stdin and stdout until it hangs up or `stop` is done; then its session is ended.
///
/// # Errors
/// When the other side does not begin as the protocol has it.
pub async fn serve_stdio(
    app: App,
    identity: Identity,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let ending = TaskTracker::new();
    let agent = Agent::new(Connection::new(app, identity, ending.clone()), false);
    let (requests, answers, writing) = checked(tokio::io::stdin(), tokio::io::stdout());
    let outcome = serve_until(agent, (requests, answers), stop).await;
    // What was answered is written before the program ends.
    let _ = tokio::time::timeout(MAX_ENDING, writing).await;
    finished(&ending).await;
    outcome
}

async fn serve_until(
    agent: Agent,
    streams: (DuplexStream, DuplexStream),
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    tokio::pin!(stop);
    let begun = tokio::select! {
        begun = agent.serve(streams) => begun,
        () = &mut stop => return Ok(()),
    };
    let running = match begun {
        Ok(running) => running,
        // Nobody came: that is how clients look whether a program is there.
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(std::io::Error::other(error)),
    };
    let cancel = running.cancellation_token();
    let waiting = running.waiting();
    tokio::pin!(waiting);
    let ended = tokio::select! {
        ended = &mut waiting => ended,
        () = stop => {
            cancel.cancel();
            waiting.await
        }
    };
    match ended {
        Ok(QuitReason::JoinError(error)) | Err(error) => Err(std::io::Error::other(error)),
        Ok(_) => Ok(()),
    }
}

/// Bounds of MCP over HTTP.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// The largest request, in bytes.
    pub max_request_bytes: usize,
    /// A connection that was silent for so long is closed, and its session ended.
    pub idle_after: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self { max_request_bytes: 4 << 20, idle_after: Duration::from_mins(30) }
    }
}

/// MCP over streamable HTTP, of both eras: with sessions (up to 2025-11-25) and without (from 2026-07-28). To be served by
/// [`crate::http::router`], which looks at Host, Origin and token.
#[derive(Debug)]
pub struct McpHttp {
    router: Router,
    ending: TaskTracker,
}

impl McpHttp {
    /// For agents that say themselves who they are; `identity` is what they are where they do not. `stop` ends all
    /// connections when it is cancelled.
    pub fn new(app: App, identity: Identity, limits: HttpLimits, stop: CancellationToken) -> Self {
        let ending = TaskTracker::new();
        let mut sessions = LocalSessionManager::default();
        sessions.session_config.keep_alive = Some(limits.idle_after);
        let mut config = StreamableHttpServerConfig::default()
            .with_json_response(true)
            .with_cancellation_token(stop)
            .with_max_request_body_bytes(limits.max_request_bytes)
            // The HTTP API's router looks at both, for everything that it serves.
            .disable_allowed_hosts()
            .disable_allowed_origins();
        config.sse_retry = Some(Duration::from_secs(3));
        let tracker = ending.clone();
        let agent = move || {
            let connection = Connection::new(app.clone(), identity.clone(), tracker.clone());
            Ok(Agent::new(connection, true))
        };
        let service = StreamableHttpService::new(agent, Arc::new(sessions), config);
        Self { router: Router::new().fallback_service(service), ending }
    }

    /// What answers below `/mcp`.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Waits, after `stop`, until the sessions of all connections are ended.
    pub async fn ended(self) {
        drop(self.router);
        finished(&self.ending).await;
    }
}

async fn finished(ending: &TaskTracker) {
    ending.close();
    if tokio::time::timeout(MAX_ENDING, ending.wait()).await.is_err() {
        tracing::warn!("mcp.sessions_not_ended");
    }
}
