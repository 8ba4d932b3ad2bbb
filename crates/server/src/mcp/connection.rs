use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use agent_turbo_orchestrator::{LeaseToken, NewSession, SessionId, StartedSession, TaskId};
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::task::TaskTracker;

use super::Profile;
use crate::App;
use crate::fault::Fault;

/// Leases that one connection remembers for its agent.
const MAX_LEASES: usize = 1000;
/// Looking for a session to join reads files; what needs no session does not wait for that each time.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Who connects, as far as whoever started the server said so.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// The platform of its session [default: the client's own name].
    pub platform: Option<String>,
    /// The role of its session [default: agent].
    pub role: Option<String>,
    /// The project of its session [default: the server's].
    pub project: Option<String>,
    /// Finds a session that somebody else opened for this agent, and ends: it is used instead of one of its own.
    pub join: Option<Join>,
    /// Which tools it has.
    pub profile: Profile,
}

/// Looks for a session to join; asked when the first session is needed, as it may be opened later than the connection.
#[derive(Clone)]
pub struct Join(Arc<dyn Fn() -> Option<SessionId> + Send + Sync>);

impl Join {
    /// By `find`.
    pub fn by(find: impl Fn() -> Option<SessionId> + Send + Sync + 'static) -> Self {
        Self(Arc::new(find))
    }
}

impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Join")
    }
}

/// What lasts as long as a connection: its agent session, and the leases of the tasks that it claimed.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) app: App,
    pub(super) identity: Identity,
    session: AsyncMutex<Option<Open>>,
    leases: Mutex<HashMap<TaskId, LeaseToken>>,
    /// When a session to join was last looked for.
    looked: Mutex<Option<Instant>>,
    /// Sessions being ended; whoever stops the server waits for them.
    ending: TaskTracker,
}

/// A connection's session.
#[derive(Debug)]
struct Open {
    id: SessionId,
    /// Whether the connection ends it: whoever opened a session ends it.
    is_own: bool,
}

impl Connection {
    pub(super) fn new(app: App, identity: Identity, ending: TaskTracker) -> Self {
        Self {
            app,
            identity,
            session: AsyncMutex::default(),
            leases: Mutex::default(),
            looked: Mutex::default(),
            ending,
        }
    }

    /// Its session, if there is one already.
    pub(super) async fn known_session(&self) -> Option<SessionId> {
        let mut session = self.session.lock().await;
        if session.is_none() {
            *session = self.joined();
        }
        session.as_ref().map(|open| open.id.clone())
    }

    /// Its session, opened now as `new` has it if there is none yet.
    pub(super) async fn session(&self, new: NewSession) -> Result<SessionId, Fault> {
        // Held while it is opened: of two first calls at the same time one opens it.
        let mut session = self.session.lock().await;
        if session.is_none() {
            *session = self.joined();
        }
        if let Some(known) = &*session {
            return Ok(known.id.clone());
        }
        let started = self.app.orchestrator.initialize_agent_session(new).await?;
        let id = started.session.session_id;
        *session = Some(Open { id: id.clone(), is_own: true });
        Ok(id)
    }

    /// Opens a session as `new` has it; one of its own that was open is ended, for a connection has one. Who was started
    /// for a session goes on with that one if `any_will_do`, and otherwise has a session below it.
    pub(super) async fn start(&self, new: NewSession, any_will_do: bool) -> Result<StartedSession, Fault> {
        let mut session = self.session.lock().await;
        let joined = match &*session {
            Some(open) if !open.is_own => Some(open.id.clone()),
            Some(_) => None,
            None => self.joined().map(|open| open.id),
        };
        if let Some(id) = joined.clone().filter(|_| any_will_do) {
            let started = self.app.orchestrator.resume_session(&id).await?;
            *session = Some(Open { id, is_own: false });
            return Ok(started);
        }
        let new = NewSession { parent: new.parent.or(joined), ..new };
        let started = self.app.orchestrator.initialize_agent_session(new).await?;
        self.replace(&mut session, started.session.session_id.clone()).await;
        Ok(started)
    }

    /// Goes on with a session.
    pub(super) async fn resume(&self, id: &SessionId) -> Result<StartedSession, Fault> {
        let mut session = self.session.lock().await;
        let started = self.app.orchestrator.resume_session(id).await?;
        if session.as_ref().is_none_or(|open| open.id != *id) {
            self.replace(&mut session, id.clone()).await;
        }
        Ok(started)
    }

    /// It has no session any more.
    pub(super) async fn forget(&self, id: &SessionId) {
        let mut session = self.session.lock().await;
        if session.as_ref().is_some_and(|open| open.id == *id) {
            *session = None;
            self.leases().clear();
        }
    }

    async fn replace(&self, session: &mut Option<Open>, id: SessionId) {
        if let Some(before) = session.replace(Open { id, is_own: true }) {
            self.leases().clear();
            if before.is_own {
                end(&self.app, &before.id).await;
            }
        }
    }

    fn joined(&self) -> Option<Open> {
        let Join(find) = self.identity.join.as_ref()?;
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.is_some_and(|at| at.elapsed() < LOOK_AGAIN) {
            return None;
        }
        *looked = Some(Instant::now());
        find().map(|id| Open { id, is_own: false })
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
        let Some(Open { id: session, is_own: true }) = self.session.get_mut().take() else { return };
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
