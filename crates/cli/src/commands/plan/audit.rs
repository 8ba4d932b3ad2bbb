use agent_turbo_orchestrator::{SessionId, Task, TaskId, Verdict};
use agent_turbo_planner::{Planner, ToAudit};
use anyhow::Result;

use super::planner;
use crate::acting::Acting;
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::output::{BOLD, DIM, Output, PLAIN, columns, headline, moment};

/// Audit the result of a completed task; without one, list what is to be audited.
///
/// The result stays as it is. A task that needs revision goes back to the queue with the notes; who did it cannot approve
/// it.
#[derive(Debug, clap::Args)]
pub(super) struct Audit {
    /// The task.
    #[arg(requires = "verdict")]
    task: Option<String>,
    /// What is to be said of its result.
    verdict: Option<Word>,
    #[command(flatten)]
    acting: Acting,
    /// Why; a revision needs to say what is to be done differently.
    #[arg(long, requires = "task")]
    notes: Option<String>,
    /// List only tasks that this session made.
    #[arg(long, conflicts_with = "task")]
    delegated: bool,
    /// How many to list.
    #[arg(long, value_name = "N", default_value_t = 50, conflicts_with = "task")]
    limit: usize,
    /// Go on listing from here.
    #[arg(long, value_name = "N", conflicts_with = "task")]
    before: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Word {
    /// It is what was asked for.
    Approve,
    /// It is not, and nobody is to try again.
    Reject,
    /// It is not yet.
    Revise,
}

impl Audit {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let auditor = self.acting.needed()?;
        if let (Some(task), Some(verdict)) = (&self.task, self.verdict) {
            let task: TaskId = task.parse()?;
            let verdict = match verdict {
                Word::Approve => Verdict::Approved,
                Word::Reject => Verdict::Rejected,
                Word::Revise => Verdict::NeedsRevision,
            };
            let planner = planner(deployment).await?;
            let task = planner.audit_task_results(&task, verdict, self.notes.as_deref(), &auditor).await?;
            let id = headline(task.task_id.as_str(), 80);
            match verdict {
                Verdict::Approved => out.line(format_args!("✅ Approved: {id}")),
                Verdict::Rejected => out.line(format_args!("❌ Rejected: {id}")),
                Verdict::NeedsRevision => {
                    out.line(format_args!(
                        "🔁 Back in the queue: {id}, begun {} times so far",
                        task.attempts
                    ));
                }
            }
            out.print(&task)?;
            return Ok(Exit::Done);
        }
        self.list(&planner(deployment).await?, &auditor, out).await
    }

    async fn list(self, planner: &Planner, auditor: &SessionId, mut out: Output) -> Result<Exit> {
        let whose = if self.delegated { ToAudit::Own } else { ToAudit::Everybodys };
        let page = planner.tasks_to_audit(auditor, whose, self.limit, self.before).await?;
        let rows: Vec<_> = page.tasks.iter().map(row).collect();
        for line in columns(&rows, [BOLD, DIM, DIM, PLAIN]) {
            out.line(line);
        }
        if page.tasks.is_empty() {
            out.line("There is nothing to audit.");
        }
        if let Some(next) = page.next {
            out.line(format_args!("{DIM}More: --before {next}{DIM:#}"));
        }
        out.print(&page)?;
        Ok(Exit::Done)
    }
}

fn row(task: &Task) -> [String; 4] {
    [
        headline(task.task_id.as_str(), 80),
        task.completed_at.map(moment).unwrap_or_default(),
        headline(task.finished_by.as_ref().map_or("–", SessionId::as_str), 60),
        headline(&task.task_description, 80),
    ]
}
