use super::RequestClaim;
use crate::{Orchestrator, Result};

impl Orchestrator {
    /// Writes down what a request came to, for whoever asks the same again.
    #[tracing::instrument(name = "orchestrator.finish_request", skip_all)]
    pub async fn finish_request(&self, claim: &RequestClaim, status: u16, body: &[u8]) -> Result<()> {
        self.db
            .execute(
                "finish_request",
                "-- finish_request
                 UPDATE idempotent_requests SET status = $4, body = $5
                 WHERE scope = $1 AND key = $2 AND claim = $3",
                &[&claim.key.scope, &claim.key.key, &claim.claim, &i32::from(status), &body],
            )
            .await?;
        Ok(())
    }

    /// Nothing was done: whoever repeats the request, or uses its key for another one, begins anew.
    #[tracing::instrument(name = "orchestrator.abandon_request", skip_all)]
    pub async fn abandon_request(&self, claim: &RequestClaim) -> Result<()> {
        self.db
            .execute(
                "abandon_request",
                "-- abandon_request
                 DELETE FROM idempotent_requests
                 WHERE scope = $1 AND key = $2 AND claim = $3 AND status IS NULL",
                &[&claim.key.scope, &claim.key.key, &claim.claim],
            )
            .await?;
        Ok(())
    }
}
