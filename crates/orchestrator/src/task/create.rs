use agent_turbo_db::{Client, RowExt};
use serde::Serialize;

use crate::ids::TaskId;
use crate::task::refusal::explained;
use crate::task::{NewTask, OnFailure, Task, columns};
use crate::{Error, Orchestrator, Result};

/// An id of 12 hex digits is hardly ever taken.
const MAX_ID_ATTEMPTS: usize = 5;

/// A task, and whether it is new.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CreatedTask {
    /// Whether this call made it; an idempotency key may have found one.
    pub created: bool,
    /// The task.
    #[serde(flatten)]
    pub task: Task,
}

impl Orchestrator {
    /// Makes a task; its audit action is written in the same transaction.
    ///
    /// # Errors
    /// [`Error::UnknownDependencies`] names the tasks that are not there.
    #[tracing::instrument(name = "orchestrator.create_task", skip_all)]
    pub async fn create_task(&self, new: NewTask) -> Result<CreatedTask> {
        new.check()?;
        for _ in 0..MAX_ID_ATTEMPTS {
            let task_id = TaskId::generate();
            let made = explained(self.create_with_id(&task_id, &new).await)?;
            if let Some(created) = made {
                return Ok(created);
            }
            tracing::debug!(%task_id, "the id is taken");
        }
        Err(Error::NoFreeId)
    }

    /// Nothing, when the id is somebody else's.
    async fn create_with_id(&self, task_id: &TaskId, new: &NewTask) -> Result<Option<CreatedTask>> {
        let fails_with: Vec<&str> = new
            .depends_on
            .iter()
            .filter(|dependency| dependency.on_failure == OnFailure::Fail)
            .map(|dependency| dependency.task_id.as_str())
            .collect();
        let inserted = if fails_with.is_empty() {
            self.changing().run("create_task", async |client| insert(&client, task_id, new).await).await?
        } else {
            let fails_with = &fails_with;
            self.changing()
                .run_tx("create_task", async |client| {
                    let inserted = insert(&client, task_id, new).await?;
                    if inserted.is_some() {
                        client
                            .change(
                                "fail_with_dependencies",
                                "-- fail_with_dependencies
                                 UPDATE task_dependencies SET on_failure = 'fail'
                                 WHERE task_id = $1 AND depends_on = ANY ($2)",
                                &[&task_id.as_str(), fails_with],
                            )
                            .await?;
                    }
                    Ok::<_, Error>(inserted)
                })
                .await?
        };
        if let Some(task) = inserted {
            return Ok(Some(CreatedTask { created: true, task }));
        }
        // The id or the key is there: from an earlier attempt whose answer was lost, or from an earlier creation.
        let row = self
            .db
            .query_opt(
                "task_created_before",
                concat!(
                    "-- task_created_before
                     SELECT t.task_id = $1 AS own, ",
                    columns!(),
                    " FROM agent_tasks t
                      WHERE (t.task_id = $1 AND t.task_description = $4 AND t.session_id IS NOT DISTINCT FROM $5)
                         OR (t.project = $2 AND t.idempotency_key = $3)
                      ORDER BY 1 DESC LIMIT 1"
                ),
                &[
                    &task_id.as_str(),
                    &new.project(),
                    &new.idempotency_key,
                    &new.description,
                    &new.session_id.as_ref().map(crate::SessionId::as_str),
                ],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(CreatedTask { created: row.column("own")?, task: Task::from_row(&row)? }))
    }
}

/// One statement; nothing, when the id or the key is taken.
async fn insert(client: &Client, task_id: &TaskId, new: &NewTask) -> Result<Option<Task>> {
    let depends_on: Vec<&str> = new.depends_on.iter().map(|dependency| dependency.task_id.as_str()).collect();
    let row = client
        .row(
            "create_task",
            concat!(
                "-- create_task
                 INSERT INTO agent_tasks AS t
                     (task_id, session_id, project, task_type, task_description, task_priority, assigned_to_role,
                      assigned_to_platform, depends_on_tasks, required_context, input_data, idempotency_key, run_after,
                      deadline, max_attempts, metadata)
                 VALUES ($1, $2, $3, coalesce($4, 'general'), $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
                         coalesce($15, 3), coalesce($16::jsonb, '{}'))
                 ON CONFLICT DO NOTHING
                 RETURNING ",
                columns!()
            ),
            &[
                &task_id.as_str(),
                &new.session_id.as_ref().map(crate::SessionId::as_str),
                &new.project(),
                &new.task_type,
                &new.description,
                &new.priority.get(),
                &new.role,
                &new.platform,
                &depends_on,
                &new.required_context,
                &new.input,
                &new.idempotency_key,
                &new.run_after,
                &new.deadline,
                &new.max_attempts,
                &new.metadata,
            ],
        )
        .await
        .map_err(unknown_session(new))?;
    let Some(row) = row else { return Ok(None) };
    let mut task = Task::from_row(&row)?;
    // The row is returned as it was before its dependencies were counted.
    if !new.depends_on.is_empty() {
        let counted = client
            .row(
                "counted_dependencies",
                "-- counted_dependencies
                 SELECT unmet_dependencies, is_ready, status FROM agent_tasks WHERE task_id = $1",
                &[&task_id.as_str()],
            )
            .await?;
        if let Some(counted) = counted {
            task.unmet_dependencies = counted.column("unmet_dependencies")?;
            task.is_ready = counted.column("is_ready")?;
            task.status = counted.column("status")?;
        }
    }
    Ok(Some(task))
}

/// A session that does not exist is named, instead of the constraint that found out.
pub(crate) fn unknown_session(new: &NewTask) -> impl Fn(agent_turbo_db::Error) -> Error {
    move |error| match (&error, &new.session_id) {
        (agent_turbo_db::Error::BadInput { source, .. }, Some(session))
            if source.as_db_error().and_then(|refused| refused.constraint())
                == Some("agent_tasks_session_id_fkey") =>
        {
            Error::UnknownSession(session.clone())
        }
        _ => error.into(),
    }
}
