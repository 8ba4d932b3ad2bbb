use crate::{Entry, EntryRef, Project, Result, Store};

impl Store {
    /// Removes an entry and returns what it was; `None` when there is none.
    #[tracing::instrument(name = "knowledge.delete", skip_all, fields(%project, %entry))]
    pub async fn delete(&self, project: &Project, entry: &EntryRef) -> Result<Option<Entry>> {
        let Some(found) = self.get(project, entry).await? else { return Ok(None) };
        let deleted = self
            .0
            .db
            .execute(
                "delete_knowledge",
                "-- delete_knowledge
                 DELETE FROM agent_knowledge WHERE id = $1",
                &[&found.id],
            )
            .await?;
        self.changed(project);
        // Nothing deleted: somebody else was faster, and the entry is gone all the same.
        Ok((deleted == 1).then_some(found))
    }
}
