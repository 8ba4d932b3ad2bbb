//! What exists for a caller: rows of other projects are not there.

use agent_turbo_orchestrator::{Error, Session, SessionId, TaskId};

use super::problem::Problem;
use super::state::Shared;
use crate::caller::Caller;

impl Shared {
    /// The project that was named, or the usual one.
    pub(super) fn project(&self, caller: &Caller, named: Option<String>) -> Result<String, Problem> {
        Ok(caller.project(named, &self.app.project)?)
    }

    /// The same for what can look everywhere: `*` is all projects.
    pub(super) fn project_or_all(
        &self,
        caller: &Caller,
        named: Option<String>,
    ) -> Result<Option<String>, Problem> {
        if named.as_deref() == Some("*") && caller.sees_everything() {
            return Ok(None);
        }
        self.project(caller, named).map(Some)
    }

    /// The session, if it exists for the caller.
    pub(super) async fn session(&self, caller: &Caller, id: &SessionId) -> Result<Session, Problem> {
        let found = self.app.orchestrator.get_session(id).await?;
        found
            .filter(|session| caller.sees(&session.project))
            .ok_or_else(|| Error::UnknownSession(id.clone()).into())
    }

    /// Refuses sessions that do not exist for the caller; whoever sees all is told by what he does next.
    pub(super) async fn sees_session(&self, caller: &Caller, id: Option<&SessionId>) -> Result<(), Problem> {
        match id {
            Some(id) if !caller.sees_everything() => self.session(caller, id).await.map(drop),
            _ => Ok(()),
        }
    }

    /// Refuses tasks that do not exist for the caller.
    pub(super) async fn sees_task(&self, caller: &Caller, id: &TaskId) -> Result<(), Problem> {
        if caller.sees_everything() {
            return Ok(());
        }
        let found = self.app.orchestrator.get_task(id).await?;
        match found.filter(|task| caller.sees(&task.project)) {
            Some(_) => Ok(()),
            None => Err(Error::UnknownTask(id.clone()).into()),
        }
    }
}
