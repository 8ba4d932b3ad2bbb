use agent_turbo_db::RowExt;
use subtle::ConstantTimeEq;

use super::secret::Parts;
use super::{AccessToken, token_columns};
use crate::{Orchestrator, Result};

impl Orchestrator {
    /// The token that was shown, if it opens anything now. How long that takes tells nothing of the secret.
    #[tracing::instrument(name = "orchestrator.check_token", skip_all)]
    pub async fn check_token(&self, shown: &str) -> Result<Option<AccessToken>> {
        let Some(parts) = Parts::of(shown) else { return Ok(None) };
        let row = self
            .db
            .query_opt(
                "check_token",
                concat!(
                    "-- check_token
                     SELECT a.token_hash, a.revoked_at IS NULL AND coalesce(a.expires_at > now(), true) AS is_valid,
                            coalesce(a.last_used_at < now() - interval '1 minute', true) AS is_stale, ",
                    token_columns!(),
                    " FROM access_tokens a WHERE a.token_id = $1"
                ),
                &[&parts.id],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let stored: Vec<u8> = row.column("token_hash")?;
        if !bool::from(stored.ct_eq(&parts.hash())) || !row.column::<bool>("is_valid")? {
            return Ok(None);
        }
        if row.column("is_stale")? {
            self.note_used(parts.id).await?;
        }
        Ok(Some(AccessToken::from_row(&row)?))
    }

    /// To the minute: it does not slow requests down. A read-only server is still read.
    async fn note_used(&self, token_id: &str) -> Result<()> {
        let noted = self
            .db
            .execute(
                "note_token_used",
                "-- note_token_used
                 UPDATE access_tokens SET last_used_at = now()
                 WHERE token_id = $1 AND coalesce(last_used_at < now() - interval '1 minute', true)",
                &[&token_id],
            )
            .await;
        match noted {
            Ok(_) | Err(agent_turbo_db::Error::ReadOnly { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
