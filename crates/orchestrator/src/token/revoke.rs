use super::{AccessToken, token_columns};
use crate::{Orchestrator, Result};

impl Orchestrator {
    /// From now on the token opens nothing; `None` when there is none. Repeating it changes nothing.
    #[tracing::instrument(name = "orchestrator.revoke_token", skip_all, fields(token = token_id))]
    pub async fn revoke_token(&self, token_id: &str) -> Result<Option<AccessToken>> {
        let row = self
            .db
            .query_opt(
                "revoke_token",
                concat!(
                    "-- revoke_token
                     UPDATE access_tokens a SET revoked_at = coalesce(a.revoked_at, now()) WHERE a.token_id = $1
                     RETURNING ",
                    token_columns!()
                ),
                &[&token_id],
            )
            .await?;
        Ok(row.as_ref().map(AccessToken::from_row).transpose()?)
    }
}
