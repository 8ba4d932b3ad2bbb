use agent_turbo_orchestrator::{Task, TaskFilter};
use anyhow::Result;

use crate::acting;
use crate::commands::task::print;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::{BOLD, DIM, Output, PLAIN, columns, headline};

/// List tasks, newest first.
///
/// Everything that is given must hold.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// In this state: pending, in_progress, blocked, completed, failed or cancelled.
    #[arg(long)]
    status: Option<String>,
    /// For this role.
    #[arg(long)]
    role: Option<String>,
    /// For this platform.
    #[arg(long)]
    platform: Option<String>,
    /// Of this type.
    #[arg(long = "type", value_name = "TYPE")]
    task_type: Option<String>,
    /// Made by this session.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Held by this session.
    #[arg(long, value_name = "ID")]
    held_by: Option<String>,
    /// That may be claimed right now.
    #[arg(long)]
    ready: bool,
    /// Tasks at the most, 1 to 1000.
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
        let mut filter = TaskFilter {
            project: None,
            status: self.status.map(|status| status.parse()).transpose()?,
            role: self.role,
            platform: self.platform,
            task_type: self.task_type,
            session: self.session.map(|id| id.parse()).transpose()?,
            held_by: self.held_by.map(|id| id.parse()).transpose()?,
            ready: self.ready,
            to_audit_by: None,
        };
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        if !self.all_projects {
            let session = acting::exported()?;
            filter.project =
                Some(deployment.project_of(&orchestrator, self.project, session.as_ref()).await?);
        }
        let page = orchestrator.list_tasks(&filter, self.limit, self.before).await?;
        let rows: Vec<_> = page.tasks.iter().map(row).collect();
        for line in columns(&rows, [BOLD, DIM, PLAIN, PLAIN, DIM, PLAIN]) {
            out.line(line);
        }
        if page.tasks.is_empty() {
            out.line("There are no such tasks.");
        }
        if let Some(next) = page.next {
            out.line(format_args!("{DIM}More: --before {next}{DIM:#}"));
        }
        out.print(&page)?;
        Ok(Exit::Done)
    }
}

fn row(task: &Task) -> [String; 6] {
    [
        print::id(task),
        task.created_at.strftime("%Y-%m-%d %H:%M").to_string(),
        print::state(task).to_owned(),
        format!("{:>2}", task.task_priority.get()),
        headline(task.assigned_to_role.as_deref().unwrap_or("–"), 20),
        headline(&task.task_description, 120),
    ]
}
