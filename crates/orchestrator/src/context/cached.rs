use std::sync::Arc;
use std::time::Instant;

use tracing::Span;
use tracing::field::Empty;

use super::generate::Recent;
use super::memory::Found;
use super::{ContextScope, LandingContext, stored};
use crate::{Orchestrator, Result};

impl Orchestrator {
    /// A landing context that misses nothing that was committed before: from memory, else the one that processes share
    /// in the database, else a new one. One that lacks a section is never kept.
    #[tracing::instrument(
        name = "orchestrator.get_cached_landing_context", skip_all,
        fields(project = scope.project, in_memory = Empty)
    )]
    pub async fn get_cached_landing_context(&self, scope: &ContextScope) -> Result<Arc<LandingContext>> {
        if let Some(context) = self.contexts.get(scope) {
            Span::current().record("in_memory", true);
            return Ok(context);
        }
        scope.check()?;
        // Both before anything is read: what is heard of from here on is news.
        let generation = self.contexts.listen(&self.db, scope);
        let asked = Instant::now();
        if let Some(stored) = stored::load(&self.db, scope).await? {
            let found = Found { generation, xmin: stored.xmin, expires: asked + stored.expires_in };
            let context = Arc::new(stored.context);
            self.contexts.put(scope, &context, found, true);
            return Ok(context);
        }
        let generated = self.generate(scope, Recent::Created).await?;
        if !generated.context.errors.is_empty() {
            return Ok(Arc::new(generated.context));
        }
        if let Err(error) = stored::store(&self.db, &generated).await {
            tracing::warn!(%error, "orchestrator.context.not_stored");
        }
        let found =
            Found { generation, xmin: generated.snapshot.xmin, expires: asked + generated.expires_in };
        let context = Arc::new(generated.context);
        self.contexts.put(scope, &context, found, false);
        Ok(context)
    }
}
