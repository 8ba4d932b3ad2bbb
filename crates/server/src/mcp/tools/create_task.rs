use agent_turbo_orchestrator::{OnFailure, Priority};
use agent_turbo_planner::{After, Plan, PlannedTask};
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ADDS, Effect};
use crate::fault::{Fault, Kind};
use crate::mcp::call::Call;
use crate::mcp::reply::Reply;

pub(super) const ABOUT: &str = "Make one task, or a whole graph of them, all or none.";
pub(super) const EFFECT: Effect = ADDS;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    tasks: Vec<New>,
    project: Option<String>,
    session_id: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct New {
    /// What is to be done and how one sees that it is; stands for itself.
    description: String,
    /// A name within this call, for after.
    key: Option<String>,
    /// Keys of this call, or task ids, that must be completed before.
    after: Option<Vec<String>>,
    /// Fail with those that it is after; else it waits for their retry.
    fail_with_them: Option<bool>,
    /// Who may do it; default anybody.
    role: Option<String>,
    platform: Option<String>,
    /// 1 (last) to 10 (first), default 5.
    priority: Option<i64>,
    #[serde(rename = "type")]
    task_type: Option<String>,
    /// What one must know.
    #[schemars(with = "Option<JsonObject>")]
    context: Option<Value>,
    /// What it works on.
    #[schemars(with = "Option<JsonObject>")]
    input: Option<Value>,
    /// A known key finds the task that is there.
    idempotency_key: Option<String>,
}

pub(super) async fn run(call: &Call, args: Args) -> Result<Reply, Fault> {
    let session = call.session(args.session_id.as_deref()).await?;
    let tasks: Vec<PlannedTask> =
        (1..).zip(args.tasks).map(|(place, task)| task.planned(place)).collect::<Result<_, _>>()?;
    let project = match &args.project {
        Some(project) => Some(call.project(Some(project))?.to_string()),
        None => None,
    };
    see_prerequisites(call, &tasks).await?;
    let plan = Plan { project, tasks, ..Plan::default() };
    let loaded = call.app().planner.load_plan(&session, &plan).await?;
    let mut text =
        format!("Made {} of {} tasks in project {}:", loaded.created, loaded.tasks.len(), loaded.project);
    for task in &loaded.tasks {
        text.push_str(&format!("\n{} = {}", task.key, task.task_id));
    }
    if loaded.known > 0 {
        text.push_str("\nThe others were there already.");
    }
    Ok(Reply::new(
        text,
        json!({
            "tasks": loaded.tasks, "created": loaded.created, "known": loaded.known, "project": loaded.project,
        }),
    ))
}

/// What is no key of the call is a task's id, and that task must exist for the caller.
async fn see_prerequisites(call: &Call, tasks: &[PlannedTask]) -> Result<(), Fault> {
    for after in tasks.iter().flat_map(|task| &task.after) {
        if !tasks.iter().any(|task| task.key == after.task) {
            call.task(&after.task).await?;
        }
    }
    Ok(())
}

impl New {
    fn planned(self, place: usize) -> Result<PlannedTask, Fault> {
        let on_failure = if self.fail_with_them == Some(true) { OnFailure::Fail } else { OnFailure::Block };
        let after = self.after.unwrap_or_default();
        let priority = self.priority.map(|priority| priority.to_string().parse::<Priority>()).transpose();
        let priority = priority.map_err(|error| {
            Fault::new(
                Kind::BadInput,
                format!("{} (tasks[{}].priority)", Fault::from(error).detail, place - 1),
            )
        })?;
        Ok(PlannedTask {
            key: self.key.unwrap_or_else(|| format!("task{place}")),
            description: self.description,
            task_type: self.task_type,
            role: self.role,
            platform: self.platform,
            priority: priority.unwrap_or_default(),
            after: after.into_iter().map(|task| After { task, on_failure }).collect(),
            context: self.context,
            input: self.input,
            idempotency_key: self.idempotency_key,
            ..PlannedTask::default()
        })
    }
}
