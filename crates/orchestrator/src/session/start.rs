use std::sync::Arc;
use std::time::Duration;

use agent_turbo_db::tokio_postgres::error::SqlState;
use agent_turbo_db::{self as db, Database};
use agent_turbo_redact::redact_json;
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use super::{START, Session, session_columns};
use crate::context::{ContextScope, LandingContext};
use crate::ids::SessionId;
use crate::json::check_json;
use crate::name::check_name;
use crate::{Error, Orchestrator, Result};

/// How often another id is tried: with 8 hex digits and a million sessions of one platform and role, two collisions in
/// a row are one in ten million.
const MAX_IDS: usize = 8;
/// How long a start waits for those before it.
const MAX_WAIT: Duration = Duration::from_mins(2);

/// A session to be started.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSession {
    /// The platform of its agent, of any name.
    pub platform: String,
    /// What its agent is there for, in any word.
    pub role: String,
    /// The session that starts it.
    pub parent: Option<SessionId>,
    /// The project it belongs to.
    pub project: String,
    /// Anything else.
    pub metadata: Map<String, Value>,
}

impl NewSession {
    /// A session in the default project, of which only this is known.
    pub fn new(platform: impl Into<String>, role: impl Into<String>) -> Self {
        Self {
            platform: platform.into(),
            role: role.into(),
            parent: None,
            project: "default".to_owned(),
            metadata: Map::new(),
        }
    }

    fn check(&self) -> Result<()> {
        check_name("the platform", &self.platform)?;
        check_name("the role", &self.role)?;
        check_name("the project", &self.project)?;
        // Both are part of the id, which is a name as well.
        check_name("platform and role", SessionId::generate(&self.platform, &self.role).as_str())?;
        if self.metadata.contains_key(START) {
            return Err(Error::bad_input("the metadata", format!("{START:?} is a name of our own")));
        }
        check_json("the metadata", &Value::Object(self.metadata.clone()))
    }

    pub(super) fn scope(&self) -> ContextScope {
        ContextScope {
            project: self.project.clone(),
            role: Some(self.role.clone()),
            platform: Some(self.platform.clone()),
        }
    }
}

/// A session that has begun, or goes on, with what its agent must know.
#[derive(Debug, Clone)]
pub struct StartedSession {
    /// The session.
    pub session: Session,
    /// The landing context, of which the session's row keeps a copy.
    pub context: Arc<LandingContext>,
}

/// Lets as many starts at the database as leave a connection to others: a storm of starts waits here, where the pool's
/// time limit does not run, and holds up nobody's heartbeat.
#[derive(Debug)]
pub(crate) struct Starts(Semaphore);

impl Starts {
    pub(crate) fn new(db: &Database) -> Self {
        Self(Semaphore::new(db.status().max.saturating_sub(1).max(1)))
    }

    pub(super) async fn turn(&self) -> Result<SemaphorePermit<'_>> {
        match tokio::time::timeout(MAX_WAIT, self.0.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            // Nobody closes it, so it is the time that has run out.
            _ => Err(db::Error::Timeout { name: "start_session", limit: MAX_WAIT }.into()),
        }
    }
}

impl Orchestrator {
    /// Starts a session and returns it with its landing context. Its id is `{platform}_{role}_{8 hex digits}`.
    ///
    /// # Errors
    /// [`Error::UnknownSession`] when there is no such parent.
    #[tracing::instrument(
        name = "orchestrator.initialize_agent_session", skip_all,
        fields(platform = new.platform, role = new.role)
    )]
    pub async fn initialize_agent_session(&self, new: NewSession) -> Result<StartedSession> {
        self.start(new, Uuid::new_v4()).await
    }

    /// The same, once for each `start`: repeated, it finds the session that it started.
    ///
    /// # Errors
    /// As [`Self::initialize_agent_session`].
    #[tracing::instrument(
        name = "orchestrator.initialize_agent_session_once", skip_all,
        fields(platform = new.platform, role = new.role)
    )]
    pub async fn initialize_agent_session_once(
        &self,
        new: NewSession,
        start: Uuid,
    ) -> Result<StartedSession> {
        self.start(new, start).await
    }

    async fn start(&self, new: NewSession, start: Uuid) -> Result<StartedSession> {
        new.check()?;
        let _turn = self.starts.turn().await?;
        let context = self.get_cached_landing_context(&new.scope()).await?;
        let session = self.insert_session(new, &context, start).await?;
        Ok(StartedSession { session, context })
    }

    async fn insert_session(
        &self,
        new: NewSession,
        context: &LandingContext,
        start: Uuid,
    ) -> Result<Session> {
        let mut metadata = Value::Object(new.metadata);
        redact_json(&mut metadata);
        metadata[START] = start.to_string().into();
        for attempt in 0..MAX_IDS {
            let id = SessionId::of_start(&new.platform, &new.role, start, attempt);
            let row = self
                .db
                .query_opt(
                    "start_session",
                    concat!(
                        // A row of this id is either our own, from an attempt whose answer was lost, and then it is
                        // returned as it is, or somebody else's, and then nothing is.
                        "-- start_session
                         INSERT INTO agent_sessions AS s
                             (session_id, agent_platform, agent_role, parent_session_id, project, landing_context,
                              metadata)
                         VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7)
                         ON CONFLICT (session_id) DO UPDATE SET last_active = s.last_active
                             WHERE s.metadata->'agent_turbo.start' = EXCLUDED.metadata->'agent_turbo.start'
                         RETURNING ",
                        session_columns!()
                    ),
                    &[
                        &id.as_str(),
                        &new.platform,
                        &new.role,
                        &new.parent.as_ref().map(SessionId::as_str),
                        &new.project,
                        &context.json(),
                        &metadata,
                    ],
                )
                .await
                .map_err(|error| unknown_parent(error, new.parent.as_ref()))?;
            if let Some(row) = row {
                return Ok(Session::from_row(&row)?);
            }
            tracing::debug!(%id, "orchestrator.session_id_taken");
        }
        Err(Error::NoFreeId)
    }
}

fn unknown_parent(error: db::Error, parent: Option<&SessionId>) -> Error {
    match (error.sqlstate(), parent) {
        (Some(&SqlState::FOREIGN_KEY_VIOLATION), Some(parent)) => Error::UnknownSession(parent.clone()),
        _ => error.into(),
    }
}
