use agent_turbo_db::RowExt;

use crate::{Entry, EntryRef, Project, Result, Store};

/// Rows that one statement deletes: few enough that nobody waits long for their locks.
const BATCH: i64 = 500;

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

    /// Removes all entries of a project and returns how many those were. Entries that are added meanwhile stay.
    ///
    /// In batches, each of them a transaction: after an error some are gone, and repeating the call removes the others.
    #[tracing::instrument(name = "knowledge.delete_project", skip_all, fields(%project))]
    pub async fn delete_project(&self, project: &Project) -> Result<u64> {
        let newest = self
            .0
            .db
            .query_opt(
                "newest_of_project",
                "-- newest_of_project
                 SELECT id FROM agent_knowledge WHERE project = $1 ORDER BY id DESC LIMIT 1",
                &[&project.as_str()],
            )
            .await?;
        let Some(newest) = newest else { return Ok(0) };
        let newest: i64 = newest.column("id")?;
        let mut gone = 0;
        loop {
            let deleted = self
                .0
                .db
                .execute(
                    "delete_project_batch",
                    "-- delete_project_batch
                     DELETE FROM agent_knowledge WHERE id IN (
                         -- One order for all writers: two of them never wait for each other in a circle.
                         SELECT id FROM agent_knowledge WHERE project = $1 AND id <= $2
                         ORDER BY id LIMIT $3 FOR UPDATE
                     )",
                    &[&project.as_str(), &newest, &BATCH],
                )
                .await?;
            self.changed(project);
            gone += deleted;
            if deleted == 0 {
                return Ok(gone);
            }
        }
    }
}
