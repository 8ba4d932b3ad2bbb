use std::env;

use agent_turbo_orchestrator::SessionId;
use anyhow::Result;

use crate::input::bad;

/// Who exported this works for that session.
const VARIABLE: &str = "AGENT_TURBO_SESSION";

/// On whose behalf something is done.
#[derive(Debug, clap::Args)]
pub(crate) struct Acting {
    /// The session that does it [default: $AGENT_TURBO_SESSION].
    #[arg(long, value_name = "ID")]
    session: Option<String>,
}

impl Acting {
    /// Who does it, where anybody said so.
    pub(crate) fn session(&self) -> Result<Option<SessionId>> {
        given_or_exported(self.session.as_deref())
    }

    /// Who does it, where somebody must.
    pub(crate) fn needed(&self) -> Result<SessionId> {
        let missing = || bad("the session", format!("name it with --session, or export {VARIABLE}"));
        self.session()?.ok_or_else(missing)
    }
}

/// The session that is meant by an argument, or by its absence.
#[derive(Debug, clap::Args)]
pub(crate) struct Meant {
    /// The session's id [default: $AGENT_TURBO_SESSION].
    #[arg(value_name = "SESSION")]
    id: Option<String>,
}

impl Meant {
    /// What was named, if anything.
    pub(crate) fn named(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub(crate) fn session(&self) -> Result<SessionId> {
        given_or_exported(self.id.as_deref())?
            .ok_or_else(|| bad("the session", format!("name it, or export {VARIABLE}")))
    }
}

/// The session that was exported.
pub(crate) fn exported() -> Result<Option<SessionId>> {
    given_or_exported(None)
}

fn given_or_exported(given: Option<&str>) -> Result<Option<SessionId>> {
    let exported = || env::var(VARIABLE).ok().filter(|id| !id.is_empty());
    Ok(given.map(str::to_owned).or_else(exported).map(|id| id.parse()).transpose()?)
}
