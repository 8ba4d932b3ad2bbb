use agent_turbo_orchestrator::NewTask;
use anyhow::Result;

use crate::acting::Acting;
use crate::commands::task::document;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::input;
use crate::output::{BOLD, Output, count, headline};

/// Make many tasks that depend on each other, all or none.
///
/// The document is a JSON object: {"tasks": [{"key": "a", "description": "…"}, {"key": "b", "description": "…",
/// "after": ["a", {"task": "task_0123456789ab", "on_failure": "fail"}]}]}. A task may also have type, role, platform,
/// priority, context, input, idempotency_key, run_after, deadline, max_attempts and metadata. What `after` names is a
/// key of the document, else the id of a task that exists.
#[derive(Debug, clap::Args)]
pub(super) struct Graph {
    /// The document; `-` is stdin.
    file: String,
    #[command(flatten)]
    acting: Acting,
    /// The project the tasks belong to [default: the session's, else default].
    #[arg(long, short)]
    project: Option<String>,
}

impl Graph {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let session_id = self.acting.session()?;
        let mut graph = document::parse(&input::document("the graph", &self.file)?)?;
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let project = deployment.project_of(&orchestrator, self.project, session_id.as_ref()).await?;
        for node in &mut graph {
            node.task = NewTask {
                session_id: session_id.clone(),
                project: Some(project.clone()),
                ..std::mem::take(&mut node.task)
            };
        }
        let created = orchestrator.create_graph(graph).await?;
        let known = created.tasks.len().saturating_sub(created.created) as u64;
        let known =
            if known > 0 { format!("; {} known by key", count(known, "task")) } else { String::new() };
        out.line(format_args!("✅ Created {}{known}", count(created.created as u64, "task")));
        for (key, id) in &created.tasks {
            out.line(format_args!("   {BOLD}{}{BOLD:#}  {}", headline(id.as_str(), 80), headline(key, 60)));
        }
        out.print(&created)?;
        Ok(Exit::Done)
    }
}
