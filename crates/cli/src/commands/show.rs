//! An entry on the screen, for the commands that show one.

use agent_turbo_knowledge::{Entry, EntryRef, Project};

use crate::exit::Exit;
use crate::output::{BOLD, DIM, Output, harmless, headline};

pub(crate) fn entry(out: &mut Output, entry: &Entry) {
    let category =
        entry.category.as_ref().map(|category| format!(" · {}", headline(category, 60))).unwrap_or_default();
    let tags: String = entry.tags.iter().map(|tag| format!(" #{}", headline(tag, 40))).collect();
    out.line(format_args!("{BOLD}{}{BOLD:#}", entry.content_hash));
    out.line(format_args!(
        "{DIM}{} · {}{category}{tags} · added {} · found {} times{DIM:#}",
        headline(&entry.project, 60),
        headline(&entry.knowledge_type, 40),
        entry.created_at.strftime("%Y-%m-%d %H:%M:%SZ"),
        entry.access_count,
    ));
    let source = [entry.source_agent_platform.as_deref(), entry.source_session.as_deref()];
    let source: Vec<String> = source.into_iter().flatten().map(|name| headline(name, 80)).collect();
    if !source.is_empty() {
        out.line(format_args!("{DIM}from {}{DIM:#}", source.join(", ")));
    }
    if let Some(location) = entry.location() {
        out.line(format_args!("{DIM}{}{DIM:#}", headline(&location.to_string(), 200)));
    }
    if entry.metadata.as_object().is_some_and(|members| !members.is_empty()) {
        out.line(format_args!("{DIM}{}{DIM:#}", harmless(&entry.metadata.to_string())));
    }
    out.line("");
    out.line(harmless(&entry.content));
}

/// What to say, and how to end, when there is no such entry.
pub(crate) fn missing(out: Output, project: &Project, wanted: &EntryRef) -> anyhow::Result<Exit> {
    nothing(out, format_args!("No entry {wanted} in project {project}."))
}

/// The same for anything else that is not there.
pub(crate) fn nothing(mut out: Output, line: impl std::fmt::Display) -> anyhow::Result<Exit> {
    if out.is_json() {
        out.print(&serde_json::Value::Null)?;
    } else {
        out.line(line);
        out.print(&())?;
    }
    Ok(Exit::NotFound)
}
