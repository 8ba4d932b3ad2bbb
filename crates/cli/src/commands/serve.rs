use std::net::SocketAddr;
use std::time::Duration;

use agent_turbo_orchestrator::SilenceLimits;
use agent_turbo_server::App;
use agent_turbo_server::http::{self, Config};
use agent_turbo_server::mcp::{HttpLimits, Identity, McpHttp};
use anyhow::{Context, Result};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::Exit;
use crate::input::bad;
use crate::output::{Output, tell};
use crate::running::ServerFile;

/// How often leases, deadlines and silences that are over are looked for.
const REAP_EVERY: Duration = Duration::from_secs(30);

/// Serve the HTTP API, and MCP at /mcp, until interrupted.
///
/// Whoever is on this machine needs no token. Beyond loopback everybody does, and none may be served without one:
/// `agent-turbo token create NAME`. What it answers is described at /docs.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// Where to listen [default: 127.0.0.1:8787, or the setting `listen`].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// A name by which the server is called, besides its addresses and localhost; may be given several times.
    #[arg(long = "allowed-host", value_name = "NAME")]
    allowed_hosts: Vec<String>,
    /// An origin whose pages may ask, such as https://tool.example; may be given several times.
    #[arg(long = "allowed-origin", value_name = "ORIGIN")]
    allowed_origins: Vec<String>,
    /// Ask for a token on this machine, too.
    #[arg(long)]
    require_token: bool,
    /// Connections at the most.
    #[arg(long, value_name = "N", default_value_t = 1024)]
    max_connections: usize,
}

impl Serve {
    pub(crate) async fn run(self, deployment: &Deployment, out: Output) -> Result<Exit> {
        let named = self.listen.as_ref().unwrap_or(&deployment.settings.listen);
        let wanted: SocketAddr = named.parse().map_err(|_| {
            bad("the address", format!("{named:?} is not an address and a port such as 127.0.0.1:8787"))
        })?;
        // Bound first: a taken port is found out before anything is started.
        let listener = TcpListener::bind(wanted).await.with_context(|| format!("listen on {wanted}"))?;
        let address = listener.local_addr()?;
        let (store, orchestrator) = deployment.open_both(Lifetime::LongLived, Embedding::Wanted).await?;
        let is_local = address.ip().is_loopback();
        if !is_local && !orchestrator.has_tokens().await? {
            return Err(bad(
                "the address",
                format!(
                    "{address} can be reached from other machines, and there is no token; \
                     `agent-turbo token create NAME` makes one"
                ),
            ));
        }
        let config = Config {
            require_token: self.require_token || !is_local,
            allow_any_address: !is_local,
            allowed_hosts: self.allowed_hosts,
            allowed_origins: self.allowed_origins,
            max_connections: self.max_connections,
            max_body_bytes: Config::default()
                .max_body_bytes
                .max(deployment.settings.max_content_bytes.saturating_mul(2)),
            store_identity: deployment.store_identity().unwrap_or_default(),
            ..Config::default()
        };
        let app = App::new(store.clone(), orchestrator.clone(), deployment.settings.project.clone());
        // The router has looked at Host and Origin before anything reaches it.
        let limits = HttpLimits { max_request_bytes: config.max_body_bytes, ..HttpLimits::default() };
        let mcp = McpHttp::new(app.clone(), Identity::default(), limits, config.stopping.clone());
        let router = http::router(app, config.clone(), Some(mcp.router()));
        let _reaper = orchestrator.start_reaper(SilenceLimits::default(), REAP_EVERY);
        let _purger = store.start_purging(REAP_EVERY);
        // Before anybody is told: who is told may send it at once.
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        };
        let file = ServerFile::write(&deployment.home, address);
        if let Err(error) = &file {
            // Others then go to the database, as without a server.
            tracing::warn!("failed to write server.json: {error}");
        }
        let url = format!("http://{address}");
        tell(format_args!("Serving on {url}; its description is at {url}/docs"));
        if out.is_json() {
            out.print(&json!({ "url": url }))?;
        }
        http::serve(listener, router, config, stop).await;
        mcp.ended().await;
        drop(file);
        if let Err(error) = store.flush().await {
            tracing::info!("failed to {error}");
        }
        Ok(Exit::Done)
    }
}
