use std::sync::Arc;

use agent_turbo_knowledge::Project;
use agent_turbo_orchestrator::{SessionId, TaskId};
use axum::http::request::Parts;
use rmcp::RoleServer;
use rmcp::service::RequestContext;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use crate::App;
use crate::caller::{Caller, Denied};
use crate::fault::{Fault, Kind};

/// One call of a tool.
pub(super) struct Call {
    pub(super) connection: Arc<Connection>,
    /// What the client calls itself.
    client: Option<String>,
    /// Whether the request stands for itself: there is no connection that could have a session.
    alone: bool,
    /// What he may see and do: whoever speaks over HTTP may have shown a token.
    caller: Caller,
    /// Cancelled when the client no longer wants the answer.
    pub(super) cancelled: CancellationToken,
}

impl Call {
    pub(super) fn new(
        connection: &Arc<Connection>,
        over_http: bool,
        context: &RequestContext<RoleServer>,
    ) -> Self {
        let caller = context.extensions.get::<Parts>().and_then(|parts| parts.extensions.get::<Caller>());
        Self {
            connection: Arc::clone(connection),
            client: context.client_info().map(|client| platform(&client.name)),
            alone: over_http && context.protocol_version().is_none_or(|version| !version.has_initialize()),
            caller: caller.cloned().unwrap_or_default(),
            cancelled: context.ct.clone(),
        }
    }

    pub(super) fn app(&self) -> &App {
        &self.connection.app
    }

    /// Whether the connection has a session that needs no naming.
    pub(super) fn has_connection(&self) -> bool {
        !self.alone
    }

    pub(super) fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// The session in whose name this is done: the one that is named, else the connection's, opened if need be.
    pub(super) async fn session(&self, named: Option<&str>) -> Result<SessionId, Fault> {
        let session = match named {
            Some(named) => named.parse()?,
            None if self.alone => {
                return Err(Fault::new(
                    Kind::BadInput,
                    "tell whose call this is: call start_session once, and pass its session_id from then on",
                ));
            }
            None => {
                let mut usual = self.connection.usual(self.client());
                usual.project = self.project(None)?.to_string();
                usual.role = self.role(None)?.unwrap_or(usual.role);
                self.connection.session(usual).await?
            }
        };
        self.sees_session(&session).await?;
        self.app().orchestrator.show_life(&session).await?;
        Ok(session)
    }

    /// The session, where there is one already: for what needs none.
    pub(super) async fn known_session(&self, named: Option<&str>) -> Result<Option<SessionId>, Fault> {
        let session = match named {
            Some(named) => Some(named.parse()?),
            None if self.alone => None,
            None => self.connection.known_session().await,
        };
        if let Some(session) = &session {
            self.sees_session(session).await?;
            self.app().orchestrator.show_life(session).await?;
        }
        Ok(session)
    }

    /// The project that is named, else that of the connection.
    pub(super) fn project(&self, named: Option<&str>) -> Result<Project, Fault> {
        let usual = self.connection.identity.project.as_deref().unwrap_or(&self.app().project);
        let project = self.caller.project(named.map(str::to_owned), usual).map_err(|error| denied(&error))?;
        Ok(project.parse::<Project>()?)
    }

    /// The role that is named, else that of the caller's token.
    pub(super) fn role(&self, named: Option<String>) -> Result<Option<String>, Fault> {
        self.caller.role(named).map_err(|error| denied(&error))
    }

    /// Fails for a session of a project that does not exist for the caller, as if there were none.
    pub(super) async fn sees_session(&self, id: &SessionId) -> Result<(), Fault> {
        if self.caller.sees_everything() {
            return Ok(());
        }
        let session = self.app().orchestrator.get_session(id).await?;
        match session.filter(|session| self.caller.sees(&session.project)) {
            Some(_) => Ok(()),
            None => Err(agent_turbo_orchestrator::Error::UnknownSession(id.clone()).into()),
        }
    }

    /// Fails for a task of a project that does not exist for the caller, as if there were none.
    pub(super) async fn sees_task(&self, id: &TaskId) -> Result<(), Fault> {
        if self.caller.sees_everything() {
            return Ok(());
        }
        let task = self.app().orchestrator.get_task(id).await?;
        match task.filter(|task| self.caller.sees(&task.project)) {
            Some(_) => Ok(()),
            None => Err(agent_turbo_orchestrator::Error::UnknownTask(id.clone()).into()),
        }
    }

    /// A task by its id, if it exists for the caller; whether it exists at all is told by what is done with it.
    pub(super) async fn task(&self, id: &str) -> Result<TaskId, Fault> {
        let id = id.parse()?;
        self.sees_task(&id).await?;
        Ok(id)
    }
}

fn denied(denied: &Denied) -> Fault {
    let kind = match denied {
        Denied::Project(_) => Kind::NotFound,
        Denied::Role { .. } | Denied::Shared => Kind::BadInput,
    };
    Fault::new(kind, denied.to_string())
}

/// A client's name as a platform is called: `Claude Code` and `claude-code` are one.
fn platform(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' })
        .take(40)
        .collect();
    let name = name.trim_matches('-').to_owned();
    if name.is_empty() { "mcp".to_owned() } else { name }
}
