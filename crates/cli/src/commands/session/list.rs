use agent_turbo_orchestrator::SessionFilter;
use anyhow::Result;

use crate::acting;
use crate::commands::session::print;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::{DIM, Output};
use crate::when;

/// List sessions, newest first.
///
/// Everything that is given must hold.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// On this platform.
    #[arg(long)]
    platform: Option<String>,
    /// In this role.
    #[arg(long)]
    role: Option<String>,
    /// In this state: active, idle, completed or failed.
    #[arg(long)]
    status: Option<String>,
    /// Started by this session.
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// Started then or later: a time, or how long ago, such as 2h.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Started before: a time, or how long ago.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Sessions at the most, 1 to 1000.
    #[arg(long, short, default_value_t = 20, value_name = "N", allow_negative_numbers = true)]
    limit: usize,
    /// Go on after the list that ended with this cursor.
    #[arg(long, value_name = "CURSOR")]
    before: Option<i64>,
    /// The project [default: that of $AGENT_TURBO_SESSION, else default].
    #[arg(long, short)]
    project: Option<String>,
    /// List all projects.
    #[arg(long, conflicts_with = "project")]
    all_projects: bool,
}

impl List {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let mut filter = SessionFilter {
            platform: self.platform,
            role: self.role,
            status: self.status.map(|status| status.parse()).transpose()?,
            project: None,
            parent: self.parent.map(|id| id.parse()).transpose()?,
            since: self.since.map(|time| when::ago("the time since when", &time)).transpose()?,
            until: self.until.map(|time| when::ago("the time until when", &time)).transpose()?,
        };
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        if !self.all_projects {
            let session = acting::exported()?;
            filter.project =
                Some(deployment.project_of(&orchestrator, self.project, session.as_ref()).await?);
        }
        let page = orchestrator.list_sessions(&filter, self.limit, self.before).await?;
        print::rows(&mut out, &page.sessions);
        if page.sessions.is_empty() {
            out.line("There are no such sessions.");
        }
        if let Some(next) = page.next {
            out.line(format_args!("{DIM}More: --before {next}{DIM:#}"));
        }
        out.print(&page)?;
        Ok(Exit::Done)
    }
}
