//! What the layers' errors mean to whoever asked, in whichever protocol.

use std::error::Error;

use agent_turbo_db as db;
use agent_turbo_embed as embed;
use agent_turbo_knowledge as knowledge;
use agent_turbo_orchestrator as orchestrator;
use agent_turbo_planner as planner;

/// What kind of failure it is, by what can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Change the request.
    BadInput,
    /// It names something that is not there.
    NotFound,
    /// The session is over.
    SessionEnded,
    /// The task is somebody else's by now, or nobody's.
    LostLease,
    /// What is there does not allow it now.
    Conflict,
    /// Come again: the database or the embedding service cannot be used.
    Unavailable,
    /// Nothing that the caller could do.
    Internal,
}

impl Kind {
    /// As programs read it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::BadInput => "bad_input",
            Self::NotFound => "not_found",
            Self::SessionEnded => "session_ended",
            Self::LostLease => "lost_lease",
            Self::Conflict => "conflict",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// A failure as it may be told to anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// A sentence without the beginning "failed to".
    pub(crate) detail: String,
    /// The way out, where there is one.
    pub(crate) hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), hint: None }
    }

    /// A request that cannot be understood.
    pub(crate) fn bad_input(what: &str, why: impl std::fmt::Display) -> Self {
        Self::new(Kind::BadInput, format!("accept {what}: {why}"))
    }

    /// With its causes, where they are the caller's business; otherwise they are logged, and it is told that they are.
    fn of(kind: Kind, error: &(dyn Error + 'static), hint: Option<String>) -> Self {
        if kind == Kind::Internal {
            tracing::error!(error = chain(error), "server.internal_error");
        }
        Self { kind, detail: if kind == Kind::BadInput { chain(error) } else { error.to_string() }, hint }
    }
}

impl From<knowledge::Error> for Fault {
    fn from(error: knowledge::Error) -> Self {
        let kind = match &error {
            knowledge::Error::BadInput { .. } | knowledge::Error::Ambiguous(_) => Kind::BadInput,
            knowledge::Error::Exists(_)
            | knowledge::Error::ChangedMeanwhile
            | knowledge::Error::SupersedesItself { .. } => Kind::Conflict,
            knowledge::Error::NoVersion { .. } => Kind::NotFound,
            knowledge::Error::Database(error) => of_database(error),
            knowledge::Error::Embedding(error) => of_embedding(error),
            _ => Kind::Internal,
        };
        Self::of(kind, &error, error.hint())
    }
}

impl From<orchestrator::Error> for Fault {
    fn from(error: orchestrator::Error) -> Self {
        Self::of(of_orchestrator(&error), &error, error.hint())
    }
}

impl From<planner::Error> for Fault {
    fn from(error: planner::Error) -> Self {
        let kind = match &error {
            planner::Error::BadPlan(_) | planner::Error::UnknownReference { .. } => Kind::BadInput,
            planner::Error::Orchestrator(error) => of_orchestrator(error),
            _ => Kind::Internal,
        };
        Self::of(kind, &error, error.hint())
    }
}

fn of_orchestrator(error: &orchestrator::Error) -> Kind {
    match error {
        orchestrator::Error::BadInput { .. }
        | orchestrator::Error::AmbiguousService { .. }
        | orchestrator::Error::UnknownDependencies(_)
        | orchestrator::Error::DependencyCycle(_) => Kind::BadInput,
        orchestrator::Error::UnknownNode(_)
        | orchestrator::Error::UnknownSession(_)
        | orchestrator::Error::UnknownTask(_) => Kind::NotFound,
        orchestrator::Error::SessionEnded { .. } => Kind::SessionEnded,
        orchestrator::Error::LostLease { .. } => Kind::LostLease,
        orchestrator::Error::TaskState { .. }
        | orchestrator::Error::OwnWork
        | orchestrator::Error::Raced(_) => Kind::Conflict,
        orchestrator::Error::Database(error) => of_database(error),
        _ => Kind::Internal,
    }
}

fn of_database(error: &db::Error) -> Kind {
    match error {
        db::Error::BadInput { .. } => Kind::BadInput,
        db::Error::Conflict { .. } => Kind::Conflict,
        db::Error::ReadOnly { .. }
        | db::Error::DiskFull { .. }
        | db::Error::OutOfResources { .. }
        | db::Error::CommitUnknown { .. }
        | db::Error::Refused { .. } => Kind::Unavailable,
        error if error.is_unavailable() => Kind::Unavailable,
        _ => Kind::Internal,
    }
}

fn of_embedding(error: &embed::Error) -> Kind {
    if error.is_unavailable() { Kind::Unavailable } else { Kind::Internal }
}

fn chain(error: &(dyn Error + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}
