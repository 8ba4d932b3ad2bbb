use agent_turbo_db::{self as db, RowExt};

use super::{AccessToken, token_columns};
use crate::{Orchestrator, Result};

/// Tokens that are listed.
const MAX_TOKENS: i64 = 1000;

impl Orchestrator {
    /// The newest 1,000 tokens, newest first, whatever their state.
    #[tracing::instrument(name = "orchestrator.list_tokens", skip_all)]
    pub async fn list_tokens(&self) -> Result<Vec<AccessToken>> {
        let rows = self
            .db
            .query(
                "list_tokens",
                concat!(
                    "-- list_tokens\nSELECT ",
                    token_columns!(),
                    " FROM access_tokens a ORDER BY a.id DESC LIMIT $1"
                ),
                &[&MAX_TOKENS],
            )
            .await?;
        Ok(rows.iter().map(AccessToken::from_row).collect::<db::Result<_>>()?)
    }

    /// Whether there is a token that opens anything now.
    #[tracing::instrument(name = "orchestrator.has_tokens", skip_all)]
    pub async fn has_tokens(&self) -> Result<bool> {
        let row = self
            .db
            .query_opt(
                "has_tokens",
                "-- has_tokens
                 SELECT EXISTS (SELECT FROM access_tokens
                                WHERE revoked_at IS NULL AND coalesce(expires_at > now(), true)) AS any",
                &[],
            )
            .await?;
        Ok(row.map_or(Ok(false), |row| row.column("any"))?)
    }
}
