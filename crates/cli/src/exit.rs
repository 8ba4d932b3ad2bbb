use std::process::ExitCode;

use agent_turbo_db as db;
use agent_turbo_embed as embed;
use agent_turbo_ingest as ingest;
use agent_turbo_knowledge as knowledge;
use agent_turbo_migrator as migrator;
use agent_turbo_orchestrator as orchestrator;
use agent_turbo_planner as planner;
use agent_turbo_setup as setup;
use agent_turbo_stack as stack;
use agent_turbo_worker as worker;

use crate::output::{harmless, tell};
use crate::settings::SettingsError;

/// How a command ended; the program's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what was asked.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// What was given cannot be used.
    BadInput = 2,
    /// There is no such entry, machine, service, session or task.
    NotFound = 3,
    /// The database or the embedding service cannot be used.
    Unavailable = 4,
    /// The task is no longer wanted, or no longer one's own.
    Stop = 5,
    /// Some rows, files or lines could not be taken; all others were.
    Rejected = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Tells stderr what went wrong, with the whole chain and the way out, and picks the exit code.
pub fn report(outcome: anyhow::Result<Exit>) -> Exit {
    let error = match outcome {
        Ok(exit) => return exit,
        Err(error) => error,
    };
    // A reader that has enough, such as `head`, is not a failure.
    if error.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe) {
        return Exit::Done;
    }
    complain(&error);
    error.chain().find_map(exit_code).unwrap_or(Exit::Failed)
}

/// Tells stderr what went wrong, with the whole chain and the way out.
pub(crate) fn complain(error: &anyhow::Error) {
    let (red, reset) = (anstyle::AnsiColor::Red.on_default().bold(), anstyle::Reset);
    // Services and files speak here, too.
    let what = harmless(&format!("{error:#}"));
    tell(format_args!("{red}TASK FAILED:{reset} failed to {what}"));
    if let Some(hint) = hint(error) {
        tell(format_args!("  → {}", harmless(&hint)));
    }
}

/// Tells stderr what a command that has printed its result did not achieve, and the way out.
pub(crate) fn fail(what: &str, hint: &str) -> Exit {
    let (red, reset) = (anstyle::AnsiColor::Red.on_default().bold(), anstyle::Reset);
    tell(format_args!("{red}TASK FAILED:{reset} failed to {}", harmless(what)));
    tell(format_args!("  → {}", harmless(hint)));
    Exit::Failed
}

/// The way out, where one of the layers knows it.
pub(crate) fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(hint_of)
}

fn hint_of(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    None.or_else(|| error.downcast_ref::<knowledge::Error>().and_then(knowledge::Error::hint))
        .or_else(|| error.downcast_ref::<orchestrator::Error>().and_then(orchestrator::Error::hint))
        .or_else(|| error.downcast_ref::<planner::Error>().and_then(planner::Error::hint))
        .or_else(|| error.downcast_ref::<worker::Error>().and_then(worker::Error::hint))
        .or_else(|| error.downcast_ref::<migrator::Error>().and_then(migrator::Error::hint))
        .or_else(|| error.downcast_ref::<ingest::Error>().and_then(ingest::Error::hint))
        .or_else(|| error.downcast_ref::<db::Error>().and_then(db::Error::hint))
        .or_else(|| error.downcast_ref::<embed::Error>().and_then(embed::Error::hint))
        .or_else(|| error.downcast_ref::<stack::Error>().and_then(stack::Error::hint))
        .or_else(|| error.downcast_ref::<setup::Error>().and_then(setup::Error::hint))
}

fn exit_code(error: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    if let Some(error) = error.downcast_ref::<knowledge::Error>() {
        return of_knowledge(error);
    }
    if let Some(error) = error.downcast_ref::<migrator::Error>() {
        return match error {
            migrator::Error::BadSource { .. }
            | migrator::Error::BadInput { .. }
            | migrator::Error::Unrecognised { .. } => Some(Exit::BadInput),
            migrator::Error::ServiceRefuses(..) => Some(Exit::Unavailable),
            migrator::Error::Knowledge(error) => of_knowledge(error),
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref::<ingest::Error>() {
        return match error {
            ingest::Error::Documents(_) | ingest::Error::Line { .. } => Some(Exit::BadInput),
            ingest::Error::ServiceRefuses(..) => Some(Exit::Unavailable),
            ingest::Error::Knowledge(error) => of_knowledge(error),
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref::<orchestrator::Error>() {
        return of_orchestrator(error);
    }
    if let Some(error) = error.downcast_ref::<planner::Error>() {
        return match error {
            planner::Error::BadPlan(_) => Some(Exit::BadInput),
            planner::Error::UnknownReference { .. } => Some(Exit::NotFound),
            planner::Error::Orchestrator(error) => of_orchestrator(error),
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref::<worker::Error>() {
        return match error {
            worker::Error::BadInput { .. } => Some(Exit::BadInput),
            worker::Error::Orchestrator(error) => of_orchestrator(error),
            _ => None,
        };
    }
    if error.is::<SettingsError>() {
        return Some(Exit::BadInput);
    }
    if let Some(error) = error.downcast_ref::<stack::Error>() {
        return match error {
            stack::Error::Archive { .. } => Some(Exit::BadInput),
            stack::Error::Dump { .. } => Some(Exit::Failed),
            _ => Some(Exit::Unavailable),
        };
    }
    if let Some(error) = error.downcast_ref::<setup::Error>() {
        return match error {
            setup::Error::Io { .. } | setup::Error::Changed { .. } => Some(Exit::Failed),
            _ => Some(Exit::BadInput),
        };
    }
    error
        .downcast_ref::<db::Error>()
        .and_then(of_database)
        .or_else(|| error.downcast_ref::<embed::Error>().and_then(of_embedding))
}

fn of_knowledge(error: &knowledge::Error) -> Option<Exit> {
    match error {
        knowledge::Error::BadInput { .. }
        | knowledge::Error::Ambiguous(_)
        | knowledge::Error::Reembedding { .. } => Some(Exit::BadInput),
        knowledge::Error::NoVersion { .. } => Some(Exit::NotFound),
        knowledge::Error::Database(error) => of_database(error),
        knowledge::Error::Embedding(error) => of_embedding(error),
        _ => None,
    }
}

fn of_orchestrator(error: &orchestrator::Error) -> Option<Exit> {
    match error {
        orchestrator::Error::BadInput { .. }
        | orchestrator::Error::AmbiguousService { .. }
        | orchestrator::Error::DependencyCycle(_) => Some(Exit::BadInput),
        orchestrator::Error::UnknownNode(_)
        | orchestrator::Error::UnknownSession(_)
        | orchestrator::Error::UnknownTask(_)
        | orchestrator::Error::UnknownDependencies(_) => Some(Exit::NotFound),
        orchestrator::Error::Database(error) => of_database(error),
        _ => None,
    }
}

fn of_database(error: &db::Error) -> Option<Exit> {
    match error {
        db::Error::Config(_) | db::Error::NotABackup(_) => Some(Exit::BadInput),
        db::Error::NoSchema { .. } => Some(Exit::NotFound),
        db::Error::Refused { .. }
        | db::Error::Tls(_)
        | db::Error::Pgvector(_)
        | db::Error::ServerTooOld { .. }
        | db::Error::ForeignTable { .. }
        | db::Error::SchemaTooNew { .. }
        | db::Error::ReadOnly { .. }
        | db::Error::DiskFull { .. }
        | db::Error::OutOfResources { .. } => Some(Exit::Unavailable),
        error if error.is_unavailable() => Some(Exit::Unavailable),
        _ => None,
    }
}

fn of_embedding(error: &embed::Error) -> Option<Exit> {
    match error {
        embed::Error::Config(_) => Some(Exit::BadInput),
        error if error.is_unavailable() => Some(Exit::Unavailable),
        _ => None,
    }
}
