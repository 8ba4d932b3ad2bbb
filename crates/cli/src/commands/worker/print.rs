use std::fmt::Display;
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use agent_turbo_worker::{Event, Outcome, Report, Summary};
use anyhow::Result;

use crate::output::{DIM, escaped, harmless, headline, tell, write};

/// Tells what happens: a line for each event, or JSON, a line for each task that is over.
pub(super) struct Printer {
    json: bool,
    /// Tasks end at the same time; their lines must not mix.
    turn: Mutex<()>,
}

impl Printer {
    pub(super) fn new(json: bool) -> Self {
        Self { json, turn: Mutex::new(()) }
    }

    pub(super) fn tell(&self, event: &Event<'_>) -> Result<()> {
        match event {
            Event::Finished(report) if self.json => {
                let line = serde_json::to_string(report)? + "\n";
                self.print(&escaped(&line))
            }
            Event::Finished(report) => self.line(finished(report)),
            Event::Started { session_id } if !self.json => {
                self.line(format_args!("{DIM}Session {}{DIM:#}", harmless(session_id.as_str())))
            }
            Event::Claimed { task, session_id } if !self.json => self.line(format_args!(
                "🔧 Claimed {} {} {DIM}attempt {} of {}, session {}{DIM:#}",
                harmless(task.task_id.as_str()),
                headline(&task.task_description, 60),
                task.attempts,
                task.max_attempts,
                harmless(session_id.as_str()),
            )),
            Event::Stderr { bytes, .. } => {
                let text = harmless(&String::from_utf8_lossy(bytes));
                // When that cannot be written there is nobody left to tell.
                let _ = io::stderr().write_all(text.as_bytes());
                Ok(())
            }
            Event::Trouble { what } => {
                tell(format_args!("⚠️  Failed to {}", harmless(what)));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn end(&self, summary: &Summary) -> Result<()> {
        if self.json {
            return Ok(());
        }
        let Summary { completed, retried, failed, cancelled, lost, released, tokens } = summary;
        let counts = [
            (*completed, "completed"),
            (*failed, "failed"),
            (*retried, "to be tried again"),
            (*cancelled, "cancelled"),
            (*lost, "lost"),
            (*released, "given back"),
        ];
        let told: Vec<String> = (counts.iter().filter(|(count, what)| *count > 0 || *what == "completed"))
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let tokens = if *tokens > 0 { format!("; {tokens} tokens") } else { String::new() };
        self.line(format_args!("Tasks: {}{tokens}", told.join(", ")))
    }

    fn line(&self, line: impl Display) -> Result<()> {
        self.print(&format!("{line}\n"))
    }

    fn print(&self, text: &str) -> Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        write(&mut anstream::stdout().lock(), text)
    }
}

fn finished(report: &Report) -> String {
    let what = match report.outcome {
        Outcome::Completed => "✅ Completed",
        Outcome::Retried => "⚠️  Failed, and tried again:",
        Outcome::Failed => "⚠️  Failed for good:",
        Outcome::Cancelled => "⚠️  Cancelled:",
        Outcome::Lost => "⚠️  Lost:",
        Outcome::Released => "⚠️  Given back:",
    };
    let duration = Duration::from_millis(report.duration_ms);
    let tokens = report.tokens.map(|tokens| format!(", {tokens} tokens")).unwrap_or_default();
    let error = report.error.as_deref().map(|error| format!(" {}", headline(error, 200))).unwrap_or_default();
    format!("{what} {}{error} {DIM}{duration:?}{tokens}{DIM:#}", harmless(report.task_id.as_str()))
}
