use agent_turbo_orchestrator::GraphTask;
use agent_turbo_planner::{Format, LoadedPlan, Plan};
use anyhow::Result;
use serde_json::{Value, json};

use super::planner;
use crate::acting::Acting;
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::input;
use crate::output::{BOLD, DIM, Output, PLAIN, columns, headline};

/// Hand over a whole plan from a file, all of it or nothing.
///
/// YAML or JSON. A plan with an id or a title can be loaded again: what is there already stays, what is new is made.
/// What is after another task waits for it; `after` names keys of the plan or ids of tasks that exist.
///
///   title: Greet the world            # or id: greeting
///   goal: Everybody is greeted.
///   tasks:
///     - key: design
///       description: Agree on the greeting
///       role: executor
///       priority: 8
///     - key: build
///       description: Print the greeting
///       role: executor
///       after: [design]
///     - key: release
///       description: Release it
///       after: [{task: build, on_failure: fail}]
///       deadline: 2d
///
/// A task may also have type, platform, context, input, max_attempts, run_after, idempotency_key and metadata.
#[derive(Debug, clap::Args)]
#[command(about = "Hand over a whole plan from a file, all of it or nothing", verbatim_doc_comment)]
pub(super) struct Load {
    /// The plan; `-` is stdin.
    file: String,
    #[command(flatten)]
    acting: Acting,
    /// Check the plan and show its order; make nothing.
    #[arg(long)]
    check: bool,
}

impl Load {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let text = input::document("the plan", &self.file)?;
        let plan = Plan::parse(&text, Format::of(&self.file, &text))?;
        let order = plan.check()?;
        if self.check {
            let graph = planner(deployment).await?.check_plan(&plan).await?;
            out.line(format_args!("✅ The plan is in order: {} tasks", order.len()));
            let rows: Vec<_> = graph.iter().map(row).collect();
            for line in columns(&rows, [BOLD, DIM, PLAIN, DIM]) {
                out.line(format_args!("   {line}"));
            }
            out.print(&json!({
                "plan": plan.name(), "tasks": graph.iter().map(document).collect::<Vec<_>>(),
            }))?;
            return Ok(Exit::Done);
        }
        let session = self.acting.needed()?;
        let loaded = planner(deployment).await?.load_plan(&session, &plan).await?;
        let LoadedPlan { created, known, .. } = loaded;
        let there = if known > 0 { format!("; {known} were there") } else { String::new() };
        out.line(format_args!("✅ Created {created} tasks{there}"));
        let rows =
            loaded.tasks.iter().map(|task| [headline(task.task_id.as_str(), 80), headline(&task.key, 100)]);
        for line in columns(&rows.collect::<Vec<_>>(), [BOLD, PLAIN]) {
            out.line(format_args!("   {line}"));
        }
        out.print(&loaded)?;
        Ok(Exit::Done)
    }
}

/// The names of what a task waits for.
fn after(node: &GraphTask) -> Vec<&str> {
    let within = node.after.iter().map(|(key, _)| key.as_str());
    within.chain(node.task.depends_on.iter().map(|dependency| dependency.task_id.as_str())).collect()
}

fn row(node: &GraphTask) -> [String; 4] {
    let after = after(node).join(", ");
    [
        headline(&node.key, 60),
        headline(node.task.role.as_deref().unwrap_or("anybody"), 30),
        headline(&node.task.description, 80),
        if after.is_empty() { "at once".to_owned() } else { format!("after {}", headline(&after, 100)) },
    ]
}

fn document(node: &GraphTask) -> Value {
    json!({
        "key": node.key, "description": node.task.description, "role": node.task.role,
        "platform": node.task.platform, "priority": node.task.priority, "after": after(node),
    })
}
