use agent_turbo_orchestrator::{Action, HistoryFilter};
use anyhow::Result;

use crate::acting::Meant;
use crate::commands::session::print;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::{DIM, Output, PLAIN, columns, count, headline, moment};
use crate::when;

/// Show what a session did, oldest first.
#[derive(Debug, clap::Args)]
pub(crate) struct History {
    #[command(flatten)]
    meant: Meant,
    /// Actions of then or later: a time, or how long ago, such as 2h.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Actions before: a time, or how long ago.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Actions of this type.
    #[arg(long = "type", value_name = "TYPE")]
    action_type: Option<String>,
    /// This task, and actions on it.
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// Actions at the most, 1 to 1000.
    #[arg(long, short, default_value_t = 100, value_name = "N", allow_negative_numbers = true)]
    limit: usize,
    /// Go on after the page that ended with this cursor.
    #[arg(long, value_name = "CURSOR")]
    after: Option<i64>,
}

impl History {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let session = self.meant.session()?;
        let filter = HistoryFilter {
            since: self.since.map(|time| when::ago("the time since when", &time)).transpose()?,
            until: self.until.map(|time| when::ago("the time until when", &time)).transpose()?,
            action_type: self.action_type,
            task: self.task.map(|id| id.parse()).transpose()?,
        };
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let history = orchestrator.get_session_history(&session, &filter, self.limit, self.after).await?;
        print::heading(&mut out, &history.session);
        let tasks = count(history.tasks.len() as u64, "task");
        let children = count(history.children.len() as u64, "session");
        out.line(format_args!("{DIM}{tasks}, {children} started{DIM:#}"));
        out.line("");
        let rows: Vec<_> = history.actions.iter().map(row).collect();
        for line in columns(&rows, [DIM, DIM, PLAIN, PLAIN, DIM, PLAIN]) {
            out.line(line);
        }
        if history.actions.is_empty() {
            out.line("There are no such actions.");
        }
        if let Some(next) = history.next {
            out.line(format_args!("{DIM}More: --after {next}{DIM:#}"));
        }
        out.print(&history)?;
        Ok(Exit::Done)
    }
}

fn row(action: &Action) -> [String; 6] {
    let text = action.error_message.as_deref().or(action.action_description.as_deref());
    [
        format!("{:>4}", action.chain_position),
        moment(action.executed_at),
        if action.success { "✔" } else { "✘" }.to_owned(),
        headline(&action.action_type, 30),
        headline(action.task_id.as_ref().map_or("–", |id| id.as_str()), 30),
        headline(text.unwrap_or_default(), 120),
    ]
}
