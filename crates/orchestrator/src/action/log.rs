use agent_turbo_db as db;
use db::tokio_postgres::error::SqlState;
use serde_json::json;

use super::NewAction;
use super::new_action::Prepared;
use crate::ids::{ActionId, SessionId, TaskId};
use crate::{Error, Orchestrator, Result};

/// Actions that are logged in one call at the most.
pub const MAX_ACTIONS: usize = 1000;
/// What they hold together, at the most.
const MAX_BYTES: usize = 32 << 20;

impl Orchestrator {
    /// Writes an action down at the end of its session's audit trail.
    #[tracing::instrument(name = "orchestrator.log_agent_action", skip_all, fields(action = action.action_type))]
    pub async fn log_agent_action(&self, action: NewAction) -> Result<ActionId> {
        let prepared = action.prepare()?;
        self.note_alive(prepared.action.session_id.iter()).await?;
        let inserted = self
            .db
            .execute(
                "log_agent_action",
                "-- log_agent_action
                 INSERT INTO agent_actions
                     (action_id, session_id, task_id, project, action_type, action_description, input_data, output_data,
                      success, error_message, execution_time_ms, changed_files, commands_executed, chain_position)
                 VALUES ($1, $2, $3, coalesce($4, (SELECT project FROM agent_sessions WHERE session_id = $2)), $5, $6,
                         $7::text::jsonb, $8::text::jsonb, $9, $10, $11, $12, $13, 0)",
                &[
                    &prepared.id.as_str(),
                    &prepared.session(),
                    &prepared.task(),
                    &prepared.action.project,
                    &prepared.action.action_type,
                    &prepared.action.description,
                    &prepared.input,
                    &prepared.output,
                    &prepared.action.success,
                    &prepared.action.error,
                    &prepared.milliseconds(),
                    &prepared.changed_files,
                    &prepared.commands,
                ],
            )
            .await;
        done_before(inserted)?;
        Ok(prepared.id)
    }

    /// Writes up to 1,000 actions down, all or none, each session's in the order that is given; returns their ids in the
    /// same order.
    #[tracing::instrument(name = "orchestrator.log_agent_actions", skip_all, fields(actions = actions.len()))]
    pub async fn log_agent_actions(&self, actions: Vec<NewAction>) -> Result<Vec<ActionId>> {
        if actions.len() > MAX_ACTIONS {
            return Err(Error::bad_input(
                "the actions",
                format!("{} are more than {MAX_ACTIONS}", actions.len()),
            ));
        }
        if actions.is_empty() {
            return Ok(Vec::new());
        }
        let prepared = actions.into_iter().map(NewAction::prepare).collect::<Result<Vec<_>>>()?;
        let bytes: usize = prepared.iter().map(|action| action.bytes).sum();
        if bytes > MAX_BYTES {
            return Err(Error::bad_input("the actions", format!("{bytes} bytes are more than {MAX_BYTES}")));
        }
        self.note_alive(prepared.iter().filter_map(|action| action.action.session_id.as_ref())).await?;
        self.insert_actions(&prepared).await?;
        Ok(prepared.into_iter().map(|action| action.id).collect())
    }

    async fn insert_actions(&self, actions: &[Prepared]) -> Result<()> {
        fn column<'a, T>(actions: &'a [Prepared], pick: impl Fn(&'a Prepared) -> T) -> Vec<T> {
            actions.iter().map(pick).collect()
        }
        let inserted = self
            .db
            .execute(
                "log_agent_actions",
                "-- log_agent_actions
                 INSERT INTO agent_actions
                     (action_id, session_id, task_id, project, action_type, action_description, input_data, output_data,
                      success, error_message, execution_time_ms, changed_files, commands_executed, chain_position)
                 SELECT n.action_id, n.session_id, n.task_id,
                        coalesce(n.project, (SELECT project FROM agent_sessions s WHERE s.session_id = n.session_id)),
                        n.action_type, n.description, n.input::jsonb, n.output::jsonb, n.success, n.error,
                        n.milliseconds, ARRAY(SELECT jsonb_array_elements_text(n.changed_files::jsonb)),
                        ARRAY(SELECT jsonb_array_elements_text(n.commands::jsonb)), 0
                 FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                             $8::text[], $9::boolean[], $10::text[], $11::float8[], $12::text[], $13::text[])
                      WITH ORDINALITY
                      AS n (action_id, session_id, task_id, project, action_type, description, input, output, success,
                            error, milliseconds, changed_files, commands, position)
                 -- Chains in one order for all writers: two batches never wait for each other in a circle.
                 ORDER BY coalesce(n.session_id, n.task_id, ''), n.position",
                &[
                    &column(actions, |action| action.id.as_str()),
                    &column(actions, Prepared::session),
                    &column(actions, Prepared::task),
                    &column(actions, |action| action.action.project.as_deref()),
                    &column(actions, |action| action.action.action_type.as_str()),
                    &column(actions, |action| action.action.description.as_deref()),
                    &column(actions, |action| action.input.as_deref()),
                    &column(actions, |action| action.output.as_deref()),
                    &column(actions, |action| action.action.success),
                    &column(actions, |action| action.action.error.as_deref()),
                    &column(actions, Prepared::milliseconds),
                    // As JSON, for arrays of arrays would have to be of one length.
                    &column(actions, |action| json!(action.changed_files).to_string()),
                    &column(actions, |action| json!(action.commands).to_string()),
                ],
            )
            .await;
        match done_before(inserted)? {
            Inserted::Now => Ok(()),
            Inserted::Before => self.all_done_before(actions).await,
        }
    }

    /// Ids are the caller's to choose: a batch of which only a part is known was not written down before.
    async fn all_done_before(&self, actions: &[Prepared]) -> Result<()> {
        let ids: Vec<&str> = actions.iter().map(|action| action.id.as_str()).collect();
        let known = self
            .db
            .query(
                "known_actions",
                "-- known_actions
                 SELECT action_id FROM agent_actions WHERE action_id = ANY ($1)",
                &[&ids],
            )
            .await?;
        if known.len() < ids.len() {
            return Err(Error::bad_input(
                "the actions",
                format!("{} of their {} ids are taken", known.len(), ids.len()),
            ));
        }
        Ok(())
    }
}

enum Inserted {
    Now,
    Before,
}

impl Prepared {
    fn session(&self) -> Option<&str> {
        self.action.session_id.as_ref().map(SessionId::as_str)
    }

    fn task(&self) -> Option<&str> {
        self.action.task_id.as_ref().map(TaskId::as_str)
    }

    fn milliseconds(&self) -> Option<f64> {
        self.action.duration.map(|duration| duration.as_secs_f64() * 1e3)
    }
}

/// Nobody else makes our ids: where one is known, an attempt whose answer was lost has written it down. Not by
/// ON CONFLICT, whose row might already have moved the chain's head: a chain_position of 0 promises the trigger that.
fn done_before(inserted: db::Result<u64>) -> db::Result<Inserted> {
    match inserted {
        Err(db::Error::Conflict { source, .. })
            if source.code() == Some(&SqlState::UNIQUE_VIOLATION)
                && source.as_db_error().and_then(|error| error.constraint())
                    == Some("agent_actions_pkey") =>
        {
            Ok(Inserted::Before)
        }
        other => other.map(|_| Inserted::Now),
    }
}
