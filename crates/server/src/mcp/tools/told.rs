//! How things are told to a model.

use agent_turbo_orchestrator::{Task, TaskId};
use serde_json::{Value, json};

use crate::mcp::call::Call;

/// Prerequisites whose outputs are handed on with a task.
const MAX_PREREQUISITES: usize = 10;

/// The beginning of a text on one line.
pub(super) fn headline(text: &str, width: usize) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|character| !character.is_control()).collect();
    if line.chars().count() <= width {
        return line;
    }
    let cut: String = line.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

/// A task on one line.
pub(super) fn task_line(task: &Task) -> String {
    let mut line = format!("{} [{}", task.task_id, task.status);
    if task.is_ready {
        line.push_str(", ready");
    }
    if task.unmet_dependencies > 0 {
        line.push_str(&format!(", waits for {}", task.unmet_dependencies));
    }
    line.push_str(&format!(", p{}", task.task_priority));
    for who in [&task.assigned_to_role, &task.assigned_to_platform].into_iter().flatten() {
        line.push_str(&format!(", {who}"));
    }
    if task.progress_percentage > 0 && !task.status.is_final() {
        line.push_str(&format!(", {} %", task.progress_percentage));
    }
    if let Some(review) = task.review {
        line.push_str(&format!(", {review}"));
    }
    format!("{line}] {}", headline(&task.task_description, 160))
}

/// What a program needs of a task in a list.
pub(super) fn task_data(task: &Task) -> Value {
    json!({
        "task_id": task.task_id,
        "status": task.status,
        "ready": task.is_ready,
        "priority": task.task_priority,
        "role": task.assigned_to_role,
        "platform": task.assigned_to_platform,
        "description": headline(&task.task_description, 160),
        "waits_for": task.unmet_dependencies,
        "progress": task.progress_percentage,
        "held_by": task.lease_session_id,
        "review": task.review,
        "created_at": task.created_at,
    })
}

/// What came out of the tasks that were done before this one.
pub(super) async fn outputs(call: &Call, before: &[TaskId]) -> Result<Vec<Value>, crate::fault::Fault> {
    let mut outputs = Vec::new();
    for task in before.iter().take(MAX_PREREQUISITES) {
        if let Some(task) = call.app().orchestrator.get_task(task).await?
            && let Some(output) = task.output_data
        {
            outputs.push(json!({ "task_id": task.task_id, "output": output }));
        }
    }
    Ok(outputs)
}

/// A part of a task's text, if there is something in it.
pub(super) fn part(text: &mut String, title: &str, value: Option<&Value>) {
    if let Some(value) = value.filter(|value| !value.is_null()) {
        text.push_str(&format!("\n\n{title}:\n{value}"));
    }
}
