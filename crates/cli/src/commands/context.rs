use std::sync::Arc;

use agent_turbo_orchestrator::{ContextScope, SessionId};
use agent_turbo_planner::format_landing_context;
use anyhow::Result;

use crate::acting;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::{Output, harmless};

/// Tokens that a landing context is told in, where nobody says how many.
pub(crate) const BUDGET: usize = 2000;

/// Show what an agent must know when it arrives: what there is to do, what stops work, what was learned, what runs.
#[derive(Debug, clap::Args)]
pub(crate) struct Context {
    /// Read everything anew, rather than what is known to be still right.
    #[arg(long, conflicts_with = "since")]
    fresh: bool,
    /// As text for a prompt, or as JSON [default: prompt; with --json: json].
    #[arg(long)]
    format: Option<Format>,
    /// How many tokens the text may have.
    #[arg(long, value_name = "N", default_value_t = BUDGET)]
    budget: usize,
    /// Only what changed after this session started.
    #[arg(long, value_name = "SESSION")]
    since: Option<String>,
    /// The project [default: that of --since, else that of $AGENT_TURBO_SESSION, else default].
    #[arg(long, short)]
    project: Option<String>,
    /// Show ready tasks for this role, or for any [default: that of --since, else all].
    #[arg(long)]
    role: Option<String>,
    /// Show ready tasks for this platform, or for any [default: that of --since, else all].
    #[arg(long)]
    platform: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Prompt,
    Json,
}

impl Context {
    pub(crate) async fn run(self, deployment: &Deployment, out: Output) -> Result<Exit> {
        let since: Option<SessionId> = self.since.as_deref().map(str::parse).transpose()?;
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let mut scope = match &since {
            Some(session) => {
                let claimant = orchestrator.claimant(session).await?;
                let project = self.project.unwrap_or(claimant.project);
                ContextScope { project, role: Some(claimant.role), platform: claimant.platform }
            }
            None => {
                let session = acting::exported()?;
                ContextScope::project(
                    deployment.project_of(&orchestrator, self.project, session.as_ref()).await?,
                )
            }
        };
        scope.role = self.role.or(scope.role);
        scope.platform = self.platform.or(scope.platform);
        let context = match (&since, self.fresh) {
            (Some(session), _) => Arc::new(orchestrator.landing_context_since(&scope, session).await?),
            (None, true) => orchestrator.generate_landing_context(&scope).await?,
            (None, false) => orchestrator.get_cached_landing_context(&scope).await?,
        };
        match (self.format, out.is_json()) {
            (None, true) | (Some(Format::Json), _) => Output::new(true).print(&*context)?,
            (_, json) => {
                let formatted = format_landing_context(&context, self.budget);
                let mut out = Output::new(json);
                out.line(harmless(formatted.text.trim_end()));
                out.print(&formatted)?;
            }
        }
        Ok(Exit::Done)
    }
}
