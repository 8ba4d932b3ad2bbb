//! Tasks on the screen.

use agent_turbo_orchestrator::{ClaimedTask, Task, TaskStatus};
use serde_json::Value;

use crate::output::{BOLD, DIM, Output, harmless, headline, moment};

/// Other programs choose ids of their own.
pub(super) fn id(task: &Task) -> String {
    headline(task.task_id.as_str(), 80)
}

/// Where it stands; of those that wait, which one may be claimed.
pub(super) fn state(task: &Task) -> &'static str {
    match task.status {
        TaskStatus::Pending if task.is_ready => "ready",
        status => status.as_str(),
    }
}

/// What became of a task.
pub(super) fn changed(out: &mut Output, what: &str, task: &Task) {
    out.line(format_args!("{what} {} {DIM}{}{DIM:#}", id(task), headline(&task.task_description, 80)));
}

/// A task with everything that is known of it.
pub(super) fn whole(out: &mut Output, task: &Task) {
    heading(out, task);
    let ids = |ids: &[_]| -> String {
        let ids: Vec<String> =
            ids.iter().map(|id: &agent_turbo_orchestrator::TaskId| headline(id.as_str(), 80)).collect();
        ids.join(", ")
    };
    let progress = (task.progress_percentage > 0 || task.current_step.is_some()).then(|| {
        let step = task.current_step.as_deref().map(|step| format!(" · {step}"));
        format!("{}%{}", task.progress_percentage, step.unwrap_or_default())
    });
    let holder = task.lease_expires_at.map(|until| {
        let holder = task.lease_session_id.as_ref().map_or("a worker without a session", |id| id.as_str());
        format!("{holder} until {}", moment(until))
    });
    let review = task.review.map(|verdict| {
        let by = task.reviewed_by.as_ref().map(|id| format!(" by {id}"));
        let notes = task.review_notes.as_deref().map(|notes| format!(": {notes}"));
        format!("{verdict}{}{}", by.unwrap_or_default(), notes.unwrap_or_default())
    });
    let waits =
        (task.unmet_dependencies > 0).then(|| format!(" ({} not completed)", task.unmet_dependencies));
    let parts = [
        ("Made by", task.session_id.as_ref().map(ToString::to_string)),
        (
            "After",
            (!task.depends_on_tasks.is_empty())
                .then(|| format!("{}{}", ids(&task.depends_on_tasks), waits.unwrap_or_default())),
        ),
        ("Not before", task.run_after.map(moment)),
        ("Deadline", task.deadline.map(moment)),
        ("Held by", holder),
        ("Progress", progress),
        ("Reason", task.status_reason.clone()),
        ("Error", task.error_message.clone()),
        ("Done by", task.finished_by.as_ref().map(ToString::to_string)),
        ("Ended", task.completed_at.map(moment)),
        ("Review", review),
        ("Key", task.idempotency_key.clone()),
        (
            "Metadata",
            task.metadata
                .as_object()
                .filter(|members| !members.is_empty())
                .map(|_| task.metadata.to_string()),
        ),
    ];
    for (name, value) in parts {
        if let Some(value) = value {
            out.line(format_args!("{DIM}{name:<10}{DIM:#} {}", headline(&value, 300)));
        }
    }
    description(out, task);
    documents(
        out,
        [("Context", &task.required_context), ("Input", &task.input_data), ("Output", &task.output_data)],
    );
}

/// A task that was claimed, and how to go on.
pub(super) fn claimed(out: &mut Output, ClaimedTask { lease, task }: &ClaimedTask) {
    heading(out, task);
    description(out, task);
    documents(out, [("Context", &task.required_context), ("Input", &task.input_data)]);
    let (id, token) = (id(task), lease.token);
    out.line("");
    out.line(format_args!("It is yours until {}. Token: {BOLD}{token}{BOLD:#}", moment(lease.expires_at)));
    for rest in ["heartbeat", "complete", "fail", "release"] {
        let error = if rest == "fail" { " --error TEXT" } else { "" };
        out.line(format_args!("  {DIM}agent-turbo task {rest} {id} --token {token}{error}{DIM:#}"));
    }
}

fn heading(out: &mut Output, task: &Task) {
    out.line(format_args!("{BOLD}{}{BOLD:#} {}", id(task), state(task)));
    let role = task.assigned_to_role.as_deref().map(|role| format!(" · for {}", headline(role, 40)));
    let platform = task.assigned_to_platform.as_deref().map(|name| format!(" on {}", headline(name, 40)));
    out.line(format_args!(
        "{DIM}{} · {}{}{} · priority {} · attempt {} of {} · made {}{DIM:#}",
        headline(&task.project, 60),
        headline(&task.task_type, 40),
        role.unwrap_or_default(),
        platform.unwrap_or_default(),
        task.task_priority,
        task.attempts,
        task.max_attempts,
        moment(task.created_at),
    ));
}

fn description(out: &mut Output, task: &Task) {
    out.line("");
    out.line(harmless(&task.task_description));
}

fn documents<const N: usize>(out: &mut Output, documents: [(&str, &Option<Value>); N]) {
    for (name, document) in documents {
        if let Some(document) = document {
            out.line("");
            out.line(format_args!("{DIM}{name}{DIM:#}"));
            out.line(harmless(&format!("{document:#}")));
        }
    }
}
