//! An entry on the screen, for the commands that show one.

use agent_turbo_knowledge::{Entry, EntryRef, Project, State};
use jiff::Timestamp;

use crate::exit::Exit;
use crate::output::{BAD, BOLD, DIM, Output, harmless, headline};

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
    let state = state_line(entry);
    if !state.is_empty() {
        out.line(format_args!("{BAD}{state}{BAD:#}"));
    }
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

/// A mark before the text of an entry that is not found; nothing before others.
pub(crate) fn state(entry: &Entry) -> String {
    match entry.state(Timestamp::now()) {
        State::Current => String::new(),
        state => format!("[{state}] "),
    }
}

/// Everything there is to say about whether an entry is found, and for how long.
fn state_line(entry: &Entry) -> String {
    let mut parts = Vec::new();
    if let Some(since) = entry.quarantined_at {
        let reason = entry.quarantine_reason.as_ref();
        let reason = reason.map(|reason| format!(" ({})", headline(reason, 120))).unwrap_or_default();
        parts.push(format!("in quarantine since {}{reason}", minute(since)));
    }
    if let Some(successor) = &entry.superseded_by {
        parts.push(format!("superseded by {}", successor.short()));
    }
    if let Some(time) = entry.expires_at {
        let verb = if time <= Timestamp::now() { "expired" } else { "expires" };
        parts.push(format!("{verb} {}", minute(time)));
    }
    parts.join(" · ")
}

fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%MZ").to_string()
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
