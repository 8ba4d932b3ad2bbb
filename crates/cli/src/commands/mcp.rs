use std::time::Duration;

use agent_turbo_orchestrator::SilenceLimits;
use agent_turbo_server::App;
use agent_turbo_server::mcp::{Identity, Join, Profile, serve_stdio};
use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::Exit;
use crate::input::bad;
use crate::{acting, clients};

/// How often leases and silences that are over are looked after.
const REAP_EVERY: Duration = Duration::from_secs(30);

/// Serve one agent over MCP on stdin and stdout.
///
/// Agent programs start it; `agent-turbo setup` tells them how. The connection is one session: it begins with the first
/// call that needs one and ends with the connection; tasks that are still held then go back to the queue.
#[derive(Debug, clap::Args)]
pub(crate) struct Mcp {
    /// The platform of its session [default: the client's name].
    #[arg(long)]
    platform: Option<String>,
    /// The role of its session, where start_session names none [default: agent].
    #[arg(long)]
    role: Option<String>,
    /// The project [default: the setting's].
    #[arg(long, short)]
    project: Option<String>,
    /// Which tools it has: default, full, memory, planner, executor or validator.
    #[arg(long, value_name = "NAME", default_value = "default")]
    profile: String,
}

impl Mcp {
    pub(crate) async fn run(self, deployment: &Deployment) -> Result<Exit> {
        let profile: Profile = self.profile.parse().map_err(|why| bad("the profile", why))?;
        let project = deployment.project(self.project.as_deref())?.to_string();
        // Who exported a session started this agent for it; else the agent's own hooks may have opened one.
        let (exported, home) = (acting::exported()?, deployment.home.clone());
        let identity = Identity {
            platform: self.platform,
            role: self.role,
            project: self.project,
            join: Some(Join::by(move || exported.clone().or_else(|| clients::session_of_parent(&home)))),
            profile,
        };
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        };
        let (store, orchestrator) = deployment.open_both(Lifetime::LongLived, Embedding::Wanted).await?;
        let _reaper = orchestrator.start_reaper(SilenceLimits::default(), REAP_EVERY);
        let _purger = store.start_purging(REAP_EVERY);
        let app = App::new(store.clone(), orchestrator, project);
        let served = serve_stdio(app, identity, stop).await.context("speak MCP with the client");
        store.flush().await?;
        served?;
        Ok(Exit::Done)
    }
}
