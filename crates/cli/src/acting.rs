use std::env;

use agent_turbo_orchestrator::SessionId;
use anyhow::Result;

use crate::input::bad;

/// The session that exported this works for.
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
        let exported = || env::var(VARIABLE).ok().filter(|id| !id.is_empty());
        Ok(self.session.clone().or_else(exported).map(|id| id.parse()).transpose()?)
    }

    /// Who does it, where somebody must.
    pub(crate) fn needed(&self) -> Result<SessionId> {
        self.session()?
            .ok_or_else(|| bad("the session", format!("name it with --session, or export {VARIABLE}")))
    }
}
