use std::env;

use agent_turbo_orchestrator::{NewSession, SessionId, StartedSession};
use agent_turbo_planner::format_landing_context;
use anyhow::Result;
use serde_json::json;

use crate::commands::context::BUDGET;
use crate::commands::session::print;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::input;
use crate::output::{DIM, Output, harmless};

/// Start a session, or go on with one, and show what there is to know.
///
/// In a shell: export AGENT_TURBO_SESSION=$(agent-turbo session start --id-only)
#[derive(Debug, clap::Args)]
pub(super) struct Start {
    /// The platform of the agent, such as `claude` [default: $AGENT_TURBO_PLATFORM, else cli].
    #[arg(long)]
    platform: Option<String>,
    /// What the agent is there for.
    #[arg(long, default_value = "agent")]
    role: String,
    /// The session that starts it.
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// The project it belongs to [default: the parent's, else default].
    #[arg(long, short)]
    project: Option<String>,
    /// Anything else worth noting: a JSON object.
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    /// Go on with this session, whatever became of it.
    #[arg(long, value_name = "ID", conflicts_with_all = ["platform", "role", "parent", "project", "metadata"])]
    resume: Option<String>,
    /// Print nothing but the session's id.
    #[arg(long, short = 'q', visible_alias = "quiet")]
    id_only: bool,
}

impl Start {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let id_only = self.id_only;
        let StartedSession { session, context } = match &self.resume {
            Some(id) => {
                let id: SessionId = id.parse()?;
                deployment.open_orchestrator(Lifetime::OneCommand).await?.resume_session(&id).await?
            }
            None => self.start(deployment).await?,
        };
        if id_only {
            out.line(harmless(session.session_id.as_str()));
        } else {
            print::heading(&mut out, &session);
            out.line("");
            out.line(harmless(format_landing_context(&context, BUDGET).text.trim_end()));
            out.line("");
            let id = &session.session_id;
            out.line(format_args!(
                "{DIM}export AGENT_TURBO_SESSION={}{DIM:#}",
                harmless(&quoted(id.as_str()))
            ));
        }
        out.print(&json!({ "session": session, "context": &*context }))?;
        Ok(Exit::Done)
    }

    async fn start(self, deployment: &Deployment) -> Result<StartedSession> {
        let exported = || env::var("AGENT_TURBO_PLATFORM").ok().filter(|platform| !platform.is_empty());
        let parent: Option<SessionId> = self.parent.map(|id| id.parse()).transpose()?;
        let metadata = input::metadata(self.metadata.as_deref())?;
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let new = NewSession {
            platform: self.platform.or_else(exported).unwrap_or_else(|| "cli".to_owned()),
            role: self.role,
            project: deployment.project_of(&orchestrator, self.project, parent.as_ref()).await?,
            parent,
            metadata,
        };
        Ok(orchestrator.initialize_agent_session(new).await?)
    }
}

/// As a shell takes it for one word.
fn quoted(id: &str) -> String {
    if id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./:".contains(&byte)) {
        return id.to_owned();
    }
    format!("'{}'", id.replace('\'', r"'\''"))
}
