use std::time::Duration;

use agent_turbo_orchestrator::NewAction;
use anyhow::Result;
use serde_json::json;

use crate::acting::Acting;
use crate::commands::action::batch;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::input;
use crate::output::{Output, count, headline};

/// Write one action down, or many.
///
/// Secrets are replaced before anything is stored.
#[derive(Debug, clap::Args)]
pub(super) struct Log {
    #[command(flatten)]
    acting: Acting,
    /// What kind of action it is, such as `edit` or `test`.
    #[arg(long = "type", value_name = "TYPE", required_unless_present = "batch")]
    action_type: Option<String>,
    /// What was done.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    description: Option<String>,
    /// The task that it was done for.
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// What it worked on: JSON, `@file`, or `-` for stdin.
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// What came out of it: JSON, `@file`, or `-` for stdin.
    #[arg(long, value_name = "JSON")]
    output: Option<String>,
    /// It did not work, and why.
    #[arg(long, value_name = "ERROR", allow_hyphen_values = true)]
    failed: Option<String>,
    /// How long it took, in milliseconds.
    #[arg(long, value_name = "N")]
    duration_ms: Option<u64>,
    /// A file that it changed; may be given several times.
    #[arg(long = "file", value_name = "FILE", allow_hyphen_values = true)]
    files: Vec<String>,
    /// A command that it ran; may be given several times.
    #[arg(long = "command", value_name = "COMMAND", allow_hyphen_values = true)]
    commands: Vec<String>,
    /// The project it belongs to [default: the session's, else default].
    #[arg(long, short)]
    project: Option<String>,
    /// Up to 1000 actions at once, all or none: lines of JSON with the members type, session, description, task, input,
    /// output, failed, duration_ms, files, commands and project; `-` is stdin.
    #[arg(
        long, value_name = "FILE",
        conflicts_with_all = ["action_type", "description", "task", "input", "output", "failed", "duration_ms", "files",
            "commands", "project"]
    )]
    batch: Option<String>,
}

impl Log {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let session = self.acting.session()?;
        if let Some(file) = &self.batch {
            let actions = batch::parse(&input::document(batch::BATCH, file)?, session.as_ref())?;
            let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
            let ids = orchestrator.log_agent_actions(actions).await?;
            out.line(format_args!("✅ Logged {}", count(ids.len() as u64, "action")));
            out.print(&json!({ "action_ids": ids }))?;
            return Ok(Exit::Done);
        }
        let action = NewAction {
            task_id: self.task.map(|id| id.parse()).transpose()?,
            project: self.project,
            description: self.description,
            input: self.input.map(|json| input::json("the input", &json)).transpose()?,
            output: self.output.map(|json| input::json("the output", &json)).transpose()?,
            success: self.failed.is_none(),
            error: self.failed,
            duration: self.duration_ms.map(Duration::from_millis),
            changed_files: self.files,
            commands: self.commands,
            ..NewAction::new(session, self.action_type.unwrap_or_default())
        };
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let id = orchestrator.log_agent_action(action).await?;
        out.line(format_args!("✅ Logged action: {}", headline(id.as_str(), 80)));
        out.print(&json!({ "action_id": id }))?;
        Ok(Exit::Done)
    }
}
