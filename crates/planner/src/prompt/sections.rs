use std::collections::HashSet;

use agent_turbo_orchestrator::{
    ContextBlocker, ContextNode, ContextService, ContextTask, DatabaseStats, LandingContext, TaskId,
};

use super::line::line;

const ID: usize = 64;
const NAME: usize = 60;
/// What is to be done next is told at more length than what is only to be known.
const LONG: usize = 240;
const SHORT: usize = 100;

/// A part of the text: one line for each thing in it, most useful first.
pub(super) struct Section {
    /// Its member of the landing context.
    pub(super) name: &'static str,
    pub(super) title: String,
    pub(super) lines: Vec<String>,
}

/// What there is to tell, most useful first. What is empty is left away, except for work: that there is none is news.
pub(super) fn sections(context: &LandingContext) -> Vec<Section> {
    let told: HashSet<&TaskId> = (context.ready_tasks.iter().map(|task| &task.task_id))
        .chain(context.open_blockers.iter().map(|blocker| &blocker.task_id))
        .collect();
    let recent = context.recent_tasks.iter().filter(|task| !told.contains(&task.task_id));
    let sections = [
        section("ready_tasks", "Ready tasks", context.ready_tasks.iter().map(ready)),
        section("open_blockers", "Open blockers", context.open_blockers.iter().map(blocker)),
        section("recent_tasks", "Other recent tasks", recent.map(recent_task)),
        section(
            "newest_knowledge",
            "Newest knowledge",
            context
                .newest_knowledge
                .iter()
                .map(|entry| format!("{}: {}", entry.id, line(&entry.excerpt, LONG))),
        ),
        section("active_services", "Active services", context.active_services.iter().map(service)),
        section("system_nodes", "Machines", context.system_nodes.iter().map(node)),
        section(
            "documentation_sources",
            "Documents",
            context.documentation_sources.iter().map(|document| {
                let title = document.title.as_deref().map(|title| format!(": {}", line(title, SHORT)));
                format!("{}{}", line(&document.source, SHORT), title.unwrap_or_default())
            }),
        ),
        section("database_stats", "Statistics", stats(&context.database_stats)),
    ];
    let mut sections: Vec<Section> = sections.into_iter().collect();
    for section in &mut sections {
        if let Some(why) = context.errors.get(section.name) {
            section.lines.insert(0, format!("(could not be read: {})", line(why, SHORT)));
        } else if section.name == "ready_tasks" && section.lines.is_empty() {
            section.lines.push("none".to_owned());
        }
    }
    sections.retain(|section| !section.lines.is_empty());
    sections
}

fn section(name: &'static str, title: &str, lines: impl IntoIterator<Item = String>) -> Section {
    Section { name, title: title.to_owned(), lines: lines.into_iter().collect() }
}

fn ready(task: &ContextTask) -> String {
    format!(
        "{} (priority {}, {}{}): {}",
        line(task.task_id.as_str(), ID),
        task.task_priority,
        line(&task.task_type, NAME),
        for_whom(task),
        line(&task.task_description, LONG),
    )
}

fn recent_task(task: &ContextTask) -> String {
    format!(
        "{} ({}, {}{}): {}",
        line(task.task_id.as_str(), ID),
        task.status,
        line(&task.task_type, NAME),
        for_whom(task),
        line(&task.task_description, SHORT),
    )
}

fn for_whom(task: &ContextTask) -> String {
    let role = task.assigned_to_role.as_deref().map(|role| format!(", for {}", line(role, NAME)));
    let platform =
        task.assigned_to_platform.as_deref().map(|platform| format!(", on {}", line(platform, NAME)));
    role.unwrap_or_default() + &platform.unwrap_or_default()
}

fn blocker(blocker: &ContextBlocker) -> String {
    let reason = blocker.status_reason.as_deref().map(|reason| format!("; because: {}", line(reason, LONG)));
    format!(
        "{} ({}, {}): {}{}",
        line(blocker.task_id.as_str(), ID),
        blocker.status,
        line(&blocker.task_type, NAME),
        line(&blocker.task_description, SHORT),
        reason.unwrap_or_default(),
    )
}

fn service(service: &ContextService) -> String {
    let mut parts = vec![line(&service.service_name, NAME)];
    parts.extend(service.node_name.as_deref().map(|node| format!("on {}", line(node, NAME))));
    parts.extend(service.port.map(|port| format!("port {port}")));
    parts.extend(service.service_type.as_deref().map(|kind| format!("({})", line(kind, NAME))));
    parts.join(" ")
}

fn node(node: &ContextNode) -> String {
    let mut parts = vec![line(&node.node_role, NAME)];
    parts.extend(node.model_name.as_deref().map(|model| line(model, NAME)));
    parts.extend(node.cpu_model.as_deref().map(|cpu| line(cpu, NAME)));
    parts.extend(node.cpu_cores_total.map(|cores| format!("{cores} cores")));
    parts.extend(node.ram_gb.map(|gib| format!("{gib:.0} GiB")));
    parts.extend(node.storage_internal_tb.map(|tb| format!("{tb:.1} TB")));
    parts.extend(node.gpu_model.as_deref().map(|gpu| line(gpu, NAME)));
    format!("{}: {}", line(&node.node_name, NAME), parts.join(", "))
}

/// One line, or none when nothing could be counted.
fn stats(stats: &DatabaseStats) -> Option<String> {
    let counts = [
        ("sessions", stats.sessions),
        ("tasks", stats.tasks),
        ("knowledge", stats.knowledge),
        ("actions", stats.actions),
        ("nodes", stats.nodes),
        ("services", stats.services),
        ("documents", stats.documents),
    ];
    let counts = counts.into_iter().filter_map(|(name, count)| {
        let about = if stats.estimated.iter().any(|estimated| estimated == name) { "about " } else { "" };
        count.map(|count| format!("{name} {about}{count}"))
    });
    let size = stats.total_size_mb.map(|mib| format!("database {mib:.0} MiB"));
    let parts: Vec<String> = counts.chain(size).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
