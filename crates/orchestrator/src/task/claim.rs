use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agent_turbo_db::{Client, Row, RowExt};
use jiff::Timestamp;
use serde::Serialize;

use crate::ids::SessionId;
use crate::name::check_name;
use crate::task::lease::seconds;
use crate::task::{Lease, LeaseToken, Task, columns};
use crate::{Error, Orchestrator, Result};

/// Tasks that one claim may take.
const MAX_CLAIM: usize = 1000;
/// How many tasks of each lane are looked at: more than are wanted, as others may hold the first ones right now.
const ASKED: i64 = 2;
const SPARE: i64 = 10;
/// If all of those were held by others, so many times more are looked at.
const WIDEN: i64 = 8;

/// Who wants to work: what he may do, and on whose behalf he does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimant {
    /// The session that will hold what is claimed.
    pub session_id: Option<SessionId>,
    /// The project whose tasks he does.
    pub project: String,
    /// Tasks for this role, or for any.
    pub role: String,
    /// Tasks for this platform, or for any; only those for any, when he has none.
    pub platform: Option<String>,
}

/// A task and the right to work on it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClaimedTask {
    /// What proves the right; heartbeats, completion and release need it.
    pub lease: Lease,
    /// The task.
    pub task: Task,
}

/// What one look at the queue brought.
pub(crate) struct Look {
    pub(crate) claimed: Vec<ClaimedTask>,
    /// When the next task must be looked after: then something may become ready.
    pub(crate) next_wake: Option<Timestamp>,
}

impl Orchestrator {
    /// Who a session is, as a claimant.
    pub async fn claimant(&self, session: &SessionId) -> Result<Claimant> {
        let row = self
            .db
            .query_opt(
                "claimant",
                "-- claimant
                 SELECT project, agent_role, agent_platform FROM agent_sessions WHERE session_id = $1",
                &[&session.as_str()],
            )
            .await?
            .ok_or_else(|| Error::UnknownSession(session.clone()))?;
        Ok(Claimant {
            session_id: Some(session.clone()),
            project: row.column("project")?,
            role: row.column("agent_role")?,
            platform: row.column("agent_platform")?,
        })
    }

    /// The best ready task for `claimant`, held for as long as `lease`: most urgent first, then oldest.
    pub async fn claim_task(&self, claimant: &Claimant, lease: Duration) -> Result<Option<ClaimedTask>> {
        Ok(self.claim_tasks(claimant, 1, lease).await?.pop())
    }

    /// Up to `count` of the best ready tasks, best first, in one statement.
    #[tracing::instrument(name = "orchestrator.claim_tasks", skip_all, fields(role = claimant.role, count))]
    pub async fn claim_tasks(
        &self,
        claimant: &Claimant,
        count: usize,
        lease: Duration,
    ) -> Result<Vec<ClaimedTask>> {
        Ok(self.look(claimant, count, lease, None).await?.claimed)
    }

    /// The same under a token that the caller chose, and that nobody else knows: what was claimed under it before, and
    /// is still held, is found instead.
    #[tracing::instrument(name = "orchestrator.claim_tasks_as", skip_all, fields(role = claimant.role, count))]
    pub async fn claim_tasks_as(
        &self,
        claimant: &Claimant,
        count: usize,
        lease: Duration,
        token: LeaseToken,
    ) -> Result<Vec<ClaimedTask>> {
        Ok(self.look(claimant, count, lease, Some(token)).await?.claimed)
    }

    pub(crate) async fn look(
        &self,
        claimant: &Claimant,
        count: usize,
        lease: Duration,
        chosen: Option<LeaseToken>,
    ) -> Result<Look> {
        check_name("the role", &claimant.role)?;
        check_name("the project", &claimant.project)?;
        if let Some(platform) = &claimant.platform {
            check_name("the platform", platform)?;
        }
        if !(1..=MAX_CLAIM).contains(&count) {
            return Err(Error::bad_input(
                "the number of tasks",
                format!("{count} is not between 1 and {MAX_CLAIM}"),
            ));
        }
        let seconds = seconds(lease)?;
        // Also who finds nothing to do is there.
        self.note_alive(claimant.session_id.iter()).await?;
        // Chosen here, so that a claim whose answer was lost finds what it has claimed.
        let token = chosen.unwrap_or_else(LeaseToken::generate);
        let tried = &AtomicBool::new(chosen.is_some());
        let mut depth = count as i64 * ASKED + SPARE;
        let mut look_after = true;
        loop {
            let (seen, outcome) = self
                .changing()
                .run("claim_tasks", async |client: Client| {
                    if tried.swap(true, Ordering::Relaxed) {
                        let claimed = claimed_before(&client, claimant, token).await?;
                        if !claimed.is_empty() {
                            return Ok((0, Outcome::Looked(Look { claimed, next_wake: None })));
                        }
                    }
                    claim(&client, claimant, count, seconds, token, depth, look_after).await
                })
                .await?;
            match outcome {
                Outcome::LookAfterFirst => {
                    self.look_after_tasks().await?;
                    // Once: what is left is somebody else's to look after.
                    look_after = false;
                }
                // Others held what was seen, and there may be more.
                Outcome::Looked(look) if look.claimed.is_empty() && seen >= depth => depth *= WIDEN,
                Outcome::Looked(look) => return Ok(look),
            }
        }
    }
}

enum Outcome {
    /// A lease, a waiting time or a deadline is over: what follows from that comes first.
    LookAfterFirst,
    Looked(Look),
}

/// Rows locked by others are skipped, so claimants never wait for each other. Each lane (role or any, platform or any)
/// is read in the order of its index, and no further than `depth`.
async fn claim(
    client: &Client,
    claimant: &Claimant,
    count: usize,
    seconds: f64,
    token: LeaseToken,
    depth: i64,
    look_after: bool,
) -> Result<(i64, Outcome)> {
    let rows = client
        .rows(
            "claim_tasks",
            concat!(
                "-- claim_tasks
                 WITH queue AS MATERIALIZED (
                     SELECT (SELECT wake_at FROM agent_tasks WHERE wake_at IS NOT NULL ORDER BY wake_at LIMIT 1)
                                AS next_wake,
                            (SELECT status FROM agent_sessions WHERE session_id = $1) AS session_status
                 ),
                 seen AS MATERIALIZED (
                     SELECT best.*
                     FROM (VALUES ($3::text, coalesce($4::text, '')), ($3, ''), ('', coalesce($4, '')), ('', ''))
                              AS lane (role, platform),
                          LATERAL (
                              SELECT r.id, r.task_priority, r.created_at FROM agent_tasks r
                              WHERE r.is_ready AND r.project = $2 AND coalesce(r.assigned_to_role, '') = lane.role
                                  AND coalesce(r.assigned_to_platform, '') = lane.platform
                              ORDER BY r.task_priority DESC, r.created_at, r.id LIMIT $8) AS best
                     WHERE ($1::text IS NULL OR (SELECT session_status FROM queue) IN ('active', 'idle'))
                         AND (NOT $9 OR coalesce((SELECT next_wake FROM queue) > now(), true))
                 ),
                 candidate AS MATERIALIZED (
                     SELECT r.id
                     FROM (SELECT DISTINCT ON (task_priority, created_at, id) * FROM seen
                           ORDER BY task_priority DESC, created_at, id) s
                     JOIN agent_tasks r ON r.id = s.id
                     WHERE r.is_ready
                     ORDER BY s.task_priority DESC, s.created_at, s.id
                     LIMIT $7 FOR UPDATE OF r SKIP LOCKED
                 ),
                 claimed AS (
                     UPDATE agent_tasks t
                     SET status = 'in_progress', lease_session_id = $1, lease_token = $5,
                         lease_expires_at = least(now() + make_interval(secs => $6), t.deadline)
                     FROM candidate WHERE t.id = candidate.id
                     RETURNING ",
                columns!(),
                "
                 )
                 SELECT queue.next_wake, queue.session_status, next_wake <= now() AS is_due,
                        (SELECT count(*) FROM seen) AS seen, claimed.*
                 FROM queue LEFT JOIN claimed ON true
                 ORDER BY claimed.task_priority DESC, claimed.created_at"
            ),
            &[
                &claimant.session_id.as_ref().map(SessionId::as_str),
                &claimant.project,
                &claimant.role,
                &claimant.platform,
                &token.0,
                &seconds,
                &(count as i64),
                &depth,
                &look_after,
            ],
        )
        .await?;
    let mut look = Look { claimed: Vec::new(), next_wake: None };
    let mut seen = 0;
    for row in &rows {
        look.next_wake = row.column("next_wake")?;
        seen = row.column("seen")?;
        if let Some(session) = &claimant.session_id {
            match row.column::<Option<&str>>("session_status")? {
                None => return Err(Error::UnknownSession(session.clone())),
                Some(status @ ("completed" | "failed")) => {
                    return Err(Error::SessionEnded { session: session.clone(), status: status.to_owned() });
                }
                Some(_) => {}
            }
        }
        if look_after && row.column::<Option<bool>>("is_due")? == Some(true) {
            return Ok((seen, Outcome::LookAfterFirst));
        }
        if row.column::<Option<&str>>("task_id")?.is_some() {
            look.claimed.push(held(row, token)?);
        }
    }
    Ok((seen, Outcome::Looked(look)))
}

/// What an attempt whose answer was lost has claimed.
async fn claimed_before(client: &Client, claimant: &Claimant, token: LeaseToken) -> Result<Vec<ClaimedTask>> {
    let rows = client
        .rows(
            "claimed_before",
            concat!(
                "-- claimed_before
                 SELECT ",
                columns!(),
                " FROM agent_tasks t
                  WHERE t.status = 'in_progress' AND t.lease_token = $2
                      AND t.lease_session_id IS NOT DISTINCT FROM $1
                  ORDER BY t.task_priority DESC, t.created_at, t.id"
            ),
            &[&claimant.session_id.as_ref().map(SessionId::as_str), &token.0],
        )
        .await?;
    rows.iter().map(|row| held(row, token)).collect()
}

fn held(row: &Row, token: LeaseToken) -> Result<ClaimedTask> {
    let task = Task::from_row(row)?;
    let expires_at = task.lease_expires_at.unwrap_or_default();
    Ok(ClaimedTask { lease: Lease { task_id: task.task_id.clone(), token, expires_at }, task })
}
