use agent_turbo_db::RowExt;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::generate::Recent;
use super::{ContextNode, ContextScope, ContextService, LandingContext};
use crate::{Error, Orchestrator, Result, SessionId};

/// What a session was given when it started, as far as rows do not tell when they changed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Given {
    system_nodes: Vec<ContextNode>,
    active_services: Vec<ContextService>,
}

impl Orchestrator {
    /// Of the landing context, what changed after a session started: rows that changed later than it was created, and
    /// machines and services that it was not given, or not so. `recent_tasks` are those that changed last, however old.
    #[tracing::instrument(name = "orchestrator.landing_context_since", skip_all, fields(project = scope.project, %session))]
    pub async fn landing_context_since(
        &self,
        scope: &ContextScope,
        session: &SessionId,
    ) -> Result<LandingContext> {
        scope.check()?;
        let row = self
            .db
            .query_opt(
                "session_start",
                "-- session_start
                 SELECT created_at, landing_context FROM agent_sessions WHERE session_id = $1",
                &[&session.as_str()],
            )
            .await?;
        let row = row.ok_or_else(|| Error::UnknownSession(session.clone()))?;
        let start: Timestamp = row.column("created_at")?;
        let given: Option<Value> = row.column("landing_context")?;
        // A session that another program started may have been given anything.
        let given = given.and_then(|given| Given::deserialize(given).ok()).unwrap_or_default();

        let mut context = self.generate(scope, Recent::Changed).await?.context;
        context.system_nodes.retain(|node| !given.system_nodes.contains(node));
        context.active_services.retain(|service| !given.active_services.contains(service));
        context.documentation_sources.retain(|document| document.updated_at > start);
        context.recent_tasks.retain(|task| task.updated_at > start);
        context.ready_tasks.retain(|task| task.updated_at > start);
        context.open_blockers.retain(|blocker| blocker.updated_at > start);
        context.newest_knowledge.retain(|entry| entry.created_at > start);
        Ok(context)
    }
}
