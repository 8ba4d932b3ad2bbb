use agent_turbo_knowledge::EntryRef;
use agent_turbo_orchestrator::{Action, HistoryFilter};
use anyhow::Result;

use crate::acting::Meant;
use crate::commands::session::print;
use crate::commands::{show, versions};
use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::Exit;
use crate::output::{DIM, Output, PLAIN, columns, count, headline, moment};
use crate::when;

/// Show what a session did, oldest first; or what an entry was before it was changed, newest first.
///
/// Where a content hash is given, or the first 4 digits of one or more, the entry's versions are shown. Hashes that it had
/// earlier name it as well.
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
    /// The project of the entry [default: default].
    #[arg(long, short)]
    project: Option<String>,
}

impl History {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let (store, orchestrator) = match self.entry() {
            None => (None, deployment.open_orchestrator(Lifetime::OneCommand).await?),
            Some(_) => {
                let (store, orchestrator) =
                    deployment.open_both(Lifetime::OneCommand, Embedding::Unused).await?;
                (Some(store), orchestrator)
            }
        };
        if let Some((store, entry)) = store.zip(self.entry()) {
            let project = deployment.project(self.project.as_deref())?;
            // Versions are fewer than a cursor could count.
            let before = self.after.map(|cursor| i32::try_from(cursor).unwrap_or(i32::MAX));
            if let Some(versions) = store.versions(&project, &entry, self.limit, before).await? {
                versions::tell(&mut out, &versions);
                out.print(&versions)?;
                return Ok(Exit::Done);
            }
            if orchestrator.get_session(&self.meant.session()?).await?.is_none() {
                return show::missing(out, &project, &entry);
            }
        }
        let session = self.meant.session()?;
        let filter = HistoryFilter {
            since: self.since.map(|time| when::ago("the time since when", &time)).transpose()?,
            until: self.until.map(|time| when::ago("the time until when", &time)).transpose()?,
            action_type: self.action_type,
            task: self.task.map(|id| id.parse()).transpose()?,
        };
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

impl History {
    /// The entry that is meant, if what was named may be a hash.
    fn entry(&self) -> Option<EntryRef> {
        self.meant.named()?.parse().ok()
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
