//! What was set up, on the screen.

use agent_turbo_setup::{Change, Client, Outcome, Part, Scope};
use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use crate::exit::Exit;
use crate::output::{BOLD, DIM, Output, harmless};

/// What was asked for.
pub(super) struct Done {
    pub(super) client: Client,
    pub(super) scope: Scope,
    pub(super) undo: bool,
    pub(super) dry_run: bool,
    pub(super) needs_database_url: bool,
}

/// What came of it.
#[derive(Serialize)]
pub(super) struct Report {
    client: &'static str,
    #[serde(skip)]
    title: &'static str,
    dry_run: bool,
    parts: Vec<Line>,
    check: Option<&'static str>,
    undo: Option<String>,
    notes: Vec<&'static str>,
}

#[derive(Serialize)]
struct Line {
    what: &'static str,
    path: String,
    /// Where the path leads, when it is a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    outcome: Outcome,
    makes_file: bool,
    removes_file: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<String>,
}

const DATABASE_URL: &str = "DATABASE_URL is not written into a file, as it is a secret: the client must have it in its \
    environment, or `database_url` stand in agent-turbo's config.toml";
const PROJECT: &str = "The path of this program is now in the project's files; it must be the same for everybody who \
    uses them";

impl Done {
    pub(super) fn report(&self, changes: &[(&'static str, Change)]) -> Report {
        let parts: Vec<Line> = changes.iter().map(|(what, change)| self.line(what, change)).collect();
        let scope = if self.scope == Scope::Project { " --scope project" } else { "" };
        let undo = || format!("agent-turbo setup {}{scope} --undo", self.client.name());
        let notes =
            [(self.needs_database_url, DATABASE_URL), (self.scope == Scope::Project && !self.undo, PROJECT)];
        Report {
            client: self.client.name(),
            title: self.client.title(),
            dry_run: self.dry_run,
            parts,
            check: (!self.undo).then(|| self.client.check()),
            undo: (!self.undo).then(undo),
            notes: notes.into_iter().filter_map(|(applies, note)| applies.then_some(note)).collect(),
        }
    }

    fn line(&self, what: &'static str, change: &Change) -> Line {
        let is_link = change.path.is_symlink();
        Line {
            what,
            path: change.path.display().to_string(),
            target: is_link.then(|| change.target().display().to_string()),
            outcome: change.outcome,
            makes_file: change.makes_file(),
            removes_file: change.removes_file(),
            diff: self.dry_run.then(|| change.diff()),
        }
    }
}

pub(super) fn done(mut out: Output, report: &Report) -> Result<Exit> {
    for line in &report.parts {
        let (mark, did) = match (line.outcome, report.dry_run) {
            (Outcome::Added, false) => ("✅", "added to"),
            (Outcome::Added, true) => ("  ", "would be added to"),
            (Outcome::Updated, false) => ("✅", "updated in"),
            (Outcome::Updated, true) => ("  ", "would be updated in"),
            (Outcome::Unchanged, _) => ("✅", "already set up in"),
            (Outcome::Removed, false) => ("✅", "removed from"),
            (Outcome::Removed, true) => ("  ", "would be removed from"),
            (Outcome::Absent, _) => ("  ", "not in"),
        };
        let target = line.target.as_ref().map(|target| format!(" → {target}")).unwrap_or_default();
        let file = match (line.makes_file, line.removes_file) {
            (true, _) => " (a new file)",
            (_, true) => " (the file was setup's own, and goes)",
            _ => "",
        };
        let path = harmless(&format!("{}{target}", line.path));
        out.line(format_args!("{mark} {}: {} {did} {path}{file}", report.title, line.what));
        for diff in line.diff.iter().filter(|diff| !diff.is_empty()) {
            out.line(harmless(diff.trim_end()));
        }
    }
    for note in &report.notes {
        out.line(format_args!("   {note}."));
    }
    if let (Some(check), Some(undo), false) = (report.check, &report.undo, report.dry_run) {
        out.line(format_args!("{DIM}   check: {check}{DIM:#}"));
        out.line(format_args!("{DIM}   undo:  {undo}{DIM:#}"));
    }
    out.print(report)?;
    Ok(Exit::Done)
}

/// What belongs where.
pub(super) fn snippets(mut out: Output, client: Client, parts: &[Part]) -> Result<Exit> {
    let mut shown = Vec::new();
    for part in parts {
        let snippet = part.snippet()?;
        let path = part.path.display().to_string();
        out.line(format_args!("{BOLD}{}{BOLD:#} ({})", harmless(&path), part.name()));
        out.line("");
        out.line(harmless(snippet.trim_end()));
        out.line("");
        shown.push(json!({ "what": part.name(), "path": path, "snippet": snippet }));
    }
    out.print(&json!({ "client": client.name(), "parts": shown, "check": client.check() }))?;
    Ok(Exit::Done)
}
