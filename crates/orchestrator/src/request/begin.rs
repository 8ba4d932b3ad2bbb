use std::time::Duration;

use agent_turbo_db::RowExt;
use uuid::Uuid;

use super::{Begun, RequestClaim, RequestKey};
use crate::name::check_name;
use crate::{Orchestrator, Result};

/// Who has not answered by then is taken to be dead, and the request is done by whoever repeats it.
pub(crate) const TAKEN_OVER_AFTER: Duration = Duration::from_mins(2);

impl Orchestrator {
    /// Begins a request, unless it was begun before. `fingerprint` is the SHA-256 of all that it asks.
    #[tracing::instrument(name = "orchestrator.begin_request", skip_all)]
    pub async fn begin_request(&self, key: RequestKey, fingerprint: [u8; 32]) -> Result<Begun> {
        check_name("the idempotency key", &key.key)?;
        // Chosen here, so that an attempt whose answer was lost finds its own row.
        let claim = Uuid::new_v4();
        let fingerprint = fingerprint.to_vec();
        let row = self
            .db
            .query_opt(
                "begin_request",
                "-- begin_request
                 INSERT INTO idempotent_requests AS r (scope, key, fingerprint, claim) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (scope, key) DO UPDATE
                 SET claim = CASE WHEN r.status IS NULL AND r.fingerprint = EXCLUDED.fingerprint
                                       AND r.claimed_at < now() - make_interval(secs => $5)
                                  THEN EXCLUDED.claim ELSE r.claim END,
                     claimed_at = CASE WHEN r.status IS NULL AND r.fingerprint = EXCLUDED.fingerprint
                                            AND r.claimed_at < now() - make_interval(secs => $5)
                                       THEN now() ELSE r.claimed_at END
                 RETURNING r.fingerprint = $3 AS is_same, r.claim = $4 AS is_ours, r.seed, r.status, r.body",
                &[&key.scope, &key.key, &fingerprint, &claim, &TAKEN_OVER_AFTER.as_secs_f64()],
            )
            .await?;
        // A rule of the database's owner may swallow the row.
        let Some(row) = row else { return Ok(Begun::InProgress) };
        if !row.column::<bool>("is_same")? {
            return Ok(Begun::OtherRequest);
        }
        if let Some(status) = row.column::<Option<i32>>("status")? {
            let body: Option<Vec<u8>> = row.column("body")?;
            return Ok(Begun::Before {
                status: u16::try_from(status).unwrap_or(200),
                body: body.unwrap_or_default(),
            });
        }
        if !row.column::<bool>("is_ours")? {
            return Ok(Begun::InProgress);
        }
        Ok(Begun::Now(RequestClaim { key, claim, seed: row.column("seed")? }))
    }
}
