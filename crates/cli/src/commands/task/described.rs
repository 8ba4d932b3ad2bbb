use agent_turbo_orchestrator::{Dependency, NewTask, OnFailure};
use anyhow::Result;
use serde_json::Value;

use crate::deployment::Deployment;
use crate::{input, when};

/// What a task is to be, whoever makes it.
#[derive(Debug, clap::Args)]
pub(crate) struct Described {
    /// What is to be done; `-` reads it from stdin.
    #[arg(allow_hyphen_values = true)]
    description: String,
    /// What kind of work it is [default: general].
    #[arg(long = "type", value_name = "TYPE")]
    task_type: Option<String>,
    /// Who may do it [default: anybody].
    #[arg(long)]
    role: Option<String>,
    /// On which platform [default: any].
    #[arg(long)]
    platform: Option<String>,
    /// How urgent it is, 1 (last) to 10 (first) [default: 5].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<String>,
    /// A task that must be completed before; may be given several times.
    #[arg(long, value_name = "TASK")]
    after: Vec<String>,
    /// The same, and this task fails when that one fails or is cancelled.
    #[arg(long, value_name = "TASK")]
    after_or_fail: Vec<String>,
    /// What one must know to do it: JSON, `@file`, or `-` for stdin.
    #[arg(long, value_name = "JSON")]
    context: Option<String>,
    /// What it works on: JSON, `@file`, or `-` for stdin.
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// A key of your own: with a known one the task that is there is found, and none is made.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Not to be begun before: a time, or a duration from now such as 5m.
    #[arg(long, value_name = "TIME")]
    run_after: Option<String>,
    /// Worthless after: a time, or a duration from now such as 2h.
    #[arg(long, value_name = "TIME")]
    deadline: Option<String>,
    /// How often it may be begun, 1 to 100 [default: 3].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    max_attempts: Option<i32>,
    /// Anything else worth noting: a JSON object.
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
}

impl Described {
    /// The task, which is nobody's yet and in no project.
    pub(crate) fn task(self, deployment: &Deployment) -> Result<NewTask> {
        let depends_on = [(self.after, OnFailure::Block), (self.after_or_fail, OnFailure::Fail)]
            .into_iter()
            .flat_map(|(tasks, on_failure)| tasks.into_iter().map(move |task| (task, on_failure)))
            .map(|(task, on_failure)| Ok(Dependency { task_id: task.parse()?, on_failure }))
            .collect::<Result<_>>()?;
        Ok(NewTask {
            description: input::text(&self.description, deployment.settings.max_content_bytes)?,
            task_type: self.task_type,
            role: self.role,
            platform: self.platform,
            priority: self.priority.map_or(Ok(<_>::default()), |priority| priority.parse())?,
            depends_on,
            required_context: self.context.map(|json| input::json("the context", &json)).transpose()?,
            input: self.input.map(|json| input::json("the input", &json)).transpose()?,
            idempotency_key: self.key,
            run_after: self.run_after.map(|time| when::ahead("the time to begin", &time)).transpose()?,
            deadline: self.deadline.map(|time| when::ahead("the deadline", &time)).transpose()?,
            max_attempts: self.max_attempts,
            metadata: Some(Value::Object(input::metadata(self.metadata.as_deref())?)),
            session_id: None,
            project: None,
        })
    }
}
