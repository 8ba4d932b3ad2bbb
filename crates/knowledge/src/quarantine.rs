use agent_turbo_redact::redact;

use crate::filter::check_label;
use crate::{Entry, EntryRef, Project, Result, Store};

impl Store {
    /// Hides an entry until somebody approves it, and returns it; `None` when there is none. One that waits already goes
    /// on waiting since when it did.
    ///
    /// What it superseded stays superseded.
    #[tracing::instrument(name = "knowledge.quarantine", skip_all, fields(%project, %entry))]
    pub async fn quarantine(
        &self,
        project: &Project,
        entry: &EntryRef,
        reason: Option<&str>,
    ) -> Result<Option<Entry>> {
        let reason = reason.map(|reason| redact(reason).text);
        if let Some(reason) = &reason {
            check_label("the reason", reason)?;
        }
        let Some(found) = self.get(project, entry).await? else { return Ok(None) };
        self.0
            .db
            .execute(
                "quarantine",
                "-- quarantine
                 UPDATE agent_knowledge
                 SET quarantined_at = coalesce(quarantined_at, now()),
                     quarantine_reason = coalesce($2, quarantine_reason)
                 WHERE id = $1",
                &[&found.id, &reason.as_deref()],
            )
            .await?;
        self.changed(project);
        self.get(project, &(&found.content_hash).into()).await
    }

    /// Lets an entry be found that waited for it, and returns it; `None` when there is none.
    #[tracing::instrument(name = "knowledge.approve", skip_all, fields(%project, %entry))]
    pub async fn approve(&self, project: &Project, entry: &EntryRef) -> Result<Option<Entry>> {
        let Some(found) = self.get(project, entry).await? else { return Ok(None) };
        self.0
            .db
            .execute(
                "approve",
                "-- approve
                 UPDATE agent_knowledge SET quarantined_at = NULL, quarantine_reason = NULL
                 WHERE id = $1",
                &[&found.id],
            )
            .await?;
        self.changed(project);
        self.get(project, &(&found.content_hash).into()).await
    }
}
