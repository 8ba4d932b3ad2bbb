use std::env;

use agent_turbo_orchestrator::{SessionId, StartedSession};
use agent_turbo_planner::format_landing_context;
use anyhow::Result;
use serde_json::json;

use super::planner;
use crate::commands::context::BUDGET;
use crate::commands::session::print;
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::output::{DIM, Output, harmless};

/// Start a session of role planner, on any platform, and show what there is to know as text for its prompt.
#[derive(Debug, clap::Args)]
pub(super) struct Start {
    /// The platform of the agent, such as `claude` [default: $AGENT_TURBO_PLATFORM, else cli].
    #[arg(long)]
    platform: Option<String>,
    /// The session that starts it.
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// The project it belongs to [default: the parent's, else default].
    #[arg(long, short)]
    project: Option<String>,
    /// How many tokens the text may have.
    #[arg(long, value_name = "N", default_value_t = BUDGET)]
    budget: usize,
}

impl Start {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let exported = || env::var("AGENT_TURBO_PLATFORM").ok().filter(|platform| !platform.is_empty());
        let platform = self.platform.or_else(exported).unwrap_or_else(|| "cli".to_owned());
        let parent: Option<SessionId> = self.parent.map(|id| id.parse()).transpose()?;
        let planner = planner(deployment).await?;
        let project = deployment.project_of(planner.orchestrator(), self.project, parent.as_ref()).await?;
        let StartedSession { session, context } =
            planner.start_planning_session(&platform, &project, parent.as_ref()).await?;
        let prompt = format_landing_context(&context, self.budget);
        print::heading(&mut out, &session);
        out.line("");
        out.line(harmless(prompt.text.trim_end()));
        out.line("");
        let id = print::id(&session);
        out.line(format_args!(
            "{DIM}agent-turbo plan delegate DESCRIPTION --role ROLE --session {id}{DIM:#}"
        ));
        out.line(format_args!("{DIM}agent-turbo plan load FILE --session {id}{DIM:#}"));
        out.print(&json!({ "session": session, "prompt": prompt }))?;
        Ok(Exit::Done)
    }
}
