use agent_turbo_db as db;

use crate::{Entry, EntryRef, Error, Project, Result, Store};

impl Store {
    /// Removes an entry and returns what it was; `None` when there is none.
    #[tracing::instrument(name = "knowledge.delete", skip_all, fields(%project, %entry))]
    pub async fn delete(&self, project: &Project, entry: &EntryRef) -> Result<Option<Entry>> {
        let Some(found) = self.get(project, entry).await? else { return Ok(None) };
        let id = found.id;
        let deleted = self
            .0
            .db
            .run("delete_knowledge", async |client: db::Client| {
                let failed = |error| db::Error::of_statement("delete_knowledge", error);
                let statement = client
                    .prepare_cached(
                        "-- delete_knowledge
                         DELETE FROM agent_knowledge WHERE id = $1",
                    )
                    .await
                    .map_err(failed)?;
                client.execute(&statement, &[&id]).await.map_err(|error| Error::from(failed(error)))
            })
            .await?;
        self.changed(project);
        // Nothing deleted: somebody else was faster, and the entry is gone all the same.
        Ok((deleted == 1).then_some(found))
    }
}
