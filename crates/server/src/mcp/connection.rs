use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use agent_turbo_orchestrator::{LeaseToken, NewSession, SessionId, StartedSession, TaskId};
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::task::TaskTracker;

use super::Profile;
use crate::App;
use crate::fault::{Fault, Kind};

/// Leases that one connection remembers for its agent.
const MAX_LEASES: usize = 1000;

/// Who connects, as far as whoever started the server said so.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// The platform of its session [default: the client's own name].
    pub platform: Option<String>,
    /// The role of its session [default: agent].
    pub role: Option<String>,
    /// The project of its session [default: the server's].
    pub project: Option<String>,
    /// A session that somebody else opened for this agent, and ends: it is used instead of one of its own.
    pub session: Option<SessionId>,
    /// Which tools it has.
    pub profile: Profile,
}

/// What lasts as long as a connection: its agent session, and the leases of the tasks that it claimed.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) app: App,
    pub(super) identity: Identity,
    session: AsyncMutex<Option<SessionId>>,
    leases: Mutex<HashMap<TaskId, LeaseToken>>,
    /// Sessions being ended; whoever stops the server waits for them.
    ending: TaskTracker,
}

impl Connection {
    pub(super) fn new(app: App, identity: Identity, ending: TaskTracker) -> Self {
        Self { app, identity, session: AsyncMutex::default(), leases: Mutex::default(), ending }
    }

    /// Its session, if there is one already.
    pub(super) async fn known_session(&self) -> Option<SessionId> {
        if let Some(joined) = &self.identity.session {
            return Some(joined.clone());
        }
        self.session.lock().await.clone()
    }

    /// Its session, opened now as `new` has it if there is none yet.
    pub(super) async fn session(&self, new: NewSession) -> Result<SessionId, Fault> {
        if let Some(joined) = &self.identity.session {
            return Ok(joined.clone());
        }
        // Held while it is opened: of two first calls at the same time one opens it.
        let mut session = self.session.lock().await;
        if let Some(known) = &*session {
            return Ok(known.clone());
        }
        let started = self.app.orchestrator.initialize_agent_session(new).await?;
        *session = Some(started.session.session_id.clone());
        Ok(started.session.session_id)
    }

    /// Opens a session as `new` has it. One that was open is ended, for a connection has one.
    pub(super) async fn start(&self, new: NewSession) -> Result<StartedSession, Fault> {
        if self.identity.session.is_some() {
            return Err(Fault::new(
                Kind::Conflict,
                "start a session: this agent works in one that was started for it",
            ));
        }
        let mut session = self.session.lock().await;
        let started = self.app.orchestrator.initialize_agent_session(new).await?;
        if let Some(before) = session.replace(started.session.session_id.clone()) {
            self.leases().clear();
            end(&self.app, &before).await;
        }
        Ok(started)
    }

    /// Goes on with a session.
    pub(super) async fn resume(&self, id: &SessionId) -> Result<StartedSession, Fault> {
        let mut session = self.session.lock().await;
        let started = self.app.orchestrator.resume_session(id).await?;
        if let Some(before) = session.replace(id.clone())
            && before != *id
        {
            self.leases().clear();
            end(&self.app, &before).await;
        }
        Ok(started)
    }

    /// It has no session any more.
    pub(super) async fn forget(&self, id: &SessionId) {
        let mut session = self.session.lock().await;
        if session.as_ref() == Some(id) {
            *session = None;
            self.leases().clear();
        }
    }

    /// The session that is opened where nobody says which.
    pub(super) fn usual(&self, client: Option<&str>) -> NewSession {
        let Identity { platform, role, project, .. } = &self.identity;
        NewSession {
            project: project.clone().unwrap_or_else(|| self.app.project.clone()),
            ..NewSession::new(
                platform.as_deref().or(client).unwrap_or("mcp"),
                role.as_deref().unwrap_or("agent"),
            )
        }
    }

    pub(super) fn keep_lease(&self, task: TaskId, token: LeaseToken) {
        let mut leases = self.leases();
        // An agent that claims so many without finishing any shows the tokens itself.
        if leases.len() < MAX_LEASES {
            leases.insert(task, token);
        }
    }

    pub(super) fn lease(&self, task: &TaskId) -> Option<LeaseToken> {
        self.leases().get(task).copied()
    }

    pub(super) fn drop_lease(&self, task: &TaskId) {
        self.leases().remove(task);
    }

    fn leases(&self) -> std::sync::MutexGuard<'_, HashMap<TaskId, LeaseToken>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection is gone: its session ends, and what it held goes back to the queue.
impl Drop for Connection {
    fn drop(&mut self) {
        let Some(session) = self.session.get_mut().take() else { return };
        let app = self.app.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.ending.spawn_on(async move { end(&app, &session).await }, &runtime);
        }
    }
}

async fn end(app: &App, session: &SessionId) {
    // What cannot be ended now is ended by the reaper, when it has been silent for long enough.
    if let Err(error) = app.orchestrator.complete_session(session).await {
        tracing::warn!(%error, %session, "mcp.session_not_ended");
    }
}
