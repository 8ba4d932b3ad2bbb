use std::sync::Arc;

use super::generate::Recent;
use super::{ContextScope, LandingContext, stored};
use crate::{Orchestrator, Result};

impl Orchestrator {
    /// A landing context that misses nothing that was committed before: from memory, else the one that processes share
    /// in the database, else a new one. One that lacks a section is never kept.
    #[tracing::instrument(name = "orchestrator.get_cached_landing_context", skip_all, fields(project = scope.project))]
    pub async fn get_cached_landing_context(&self, scope: &ContextScope) -> Result<Arc<LandingContext>> {
        scope.check()?;
        if let Some(stored) = stored::load(&self.db, scope).await? {
            return Ok(Arc::new(stored.context));
        }
        let generated = self.generate(scope, Recent::Created).await?;
        if generated.context.errors.is_empty()
            && let Err(error) = stored::store(&self.db, &generated).await
        {
            tracing::warn!(%error, "orchestrator.context.not_stored");
        }
        Ok(Arc::new(generated.context))
    }
}
