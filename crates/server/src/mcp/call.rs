use std::sync::Arc;

use agent_turbo_knowledge::Project;
use agent_turbo_orchestrator::SessionId;
use rmcp::RoleServer;
use rmcp::service::RequestContext;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use crate::App;
use crate::fault::{Fault, Kind};

/// One call of a tool.
pub(super) struct Call {
    pub(super) connection: Arc<Connection>,
    /// What the client calls itself.
    client: Option<String>,
    /// Whether the request stands for itself: there is no connection that could have a session.
    alone: bool,
    /// Cancelled when the client no longer wants the answer.
    pub(super) cancelled: CancellationToken,
}

impl Call {
    pub(super) fn new(
        connection: &Arc<Connection>,
        over_http: bool,
        context: &RequestContext<RoleServer>,
    ) -> Self {
        Self {
            connection: Arc::clone(connection),
            client: context.client_info().map(|client| platform(&client.name)),
            alone: over_http && context.protocol_version().is_none_or(|version| !version.has_initialize()),
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
            None => self.connection.session(self.client()).await?,
        };
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
            self.app().orchestrator.show_life(session).await?;
        }
        Ok(session)
    }

    /// The project that is named, else that of the connection.
    pub(super) fn project(&self, named: Option<&str>) -> Result<Project, Fault> {
        let usual = self.connection.identity.project.as_deref().unwrap_or(&self.app().project);
        Ok(named.unwrap_or(usual).parse::<Project>()?)
    }
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
