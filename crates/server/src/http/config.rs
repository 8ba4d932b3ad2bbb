use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How a server behaves. Clones stop together.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whether whoever shows no token is sent away. To be set for everybody who listens beyond loopback.
    pub require_token: bool,
    /// Names by which the server may be called, besides those of loopback; with or without a port.
    pub allowed_hosts: Vec<String>,
    /// Whether any IP address is a name of the server: one that listens beyond loopback has several.
    pub allow_any_address: bool,
    /// Pages of other origins, such as `https://tool.example`, that may ask.
    pub allowed_origins: Vec<String>,
    /// Connections at the most. Beyond it the one that is idle for the longest time is closed. Default 1024.
    pub max_connections: usize,
    /// Streams of events at the most. Default 256.
    pub max_event_streams: usize,
    /// The largest body of a request, in bytes. Default 8 MiB.
    pub max_body_bytes: usize,
    /// For a request's head to arrive, and how long a connection may be idle. Default 30 s.
    pub head_timeout: Duration,
    /// For a request's body to arrive. Default 30 s.
    pub body_timeout: Duration,
    /// For a request to be answered. Default 60 s.
    pub request_timeout: Duration,
    /// For open requests to be answered when the server stops. Default 30 s.
    pub shutdown_timeout: Duration,
    /// What tells this store from others; `/healthz` tells it.
    pub store_identity: String,
    /// Set when the server begins to stop.
    pub stopping: CancellationToken,
    /// What is done even if nobody waits for the answer.
    pub work: TaskTracker,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            require_token: false,
            allowed_hosts: Vec::new(),
            allow_any_address: false,
            allowed_origins: Vec::new(),
            max_connections: 1024,
            max_event_streams: 256,
            max_body_bytes: 8 << 20,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_mins(1),
            shutdown_timeout: Duration::from_secs(30),
            store_identity: String::new(),
            stopping: CancellationToken::new(),
            work: TaskTracker::new(),
        }
    }
}
