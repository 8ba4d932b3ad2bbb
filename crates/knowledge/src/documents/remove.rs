use agent_turbo_db::{Client, Transaction};

use super::settle::{BATCH, find, place, remove_unheld, unlink};
use crate::{Project, Result, Store};

impl Store {
    /// Removes a document, and the entries that were made for it and that no other document of the project holds. How
    /// many those were; `None` when there is no such document. The document's row goes last, so that a removal that was
    /// interrupted can be repeated.
    #[tracing::instrument(name = "knowledge.remove_document", skip_all, fields(%project))]
    pub async fn remove_document(&self, project: &Project, source: &str) -> Result<Option<u64>> {
        let emptied = self
            .0
            .db
            .run_tx("empty_document", async |tx: Transaction| empty(&tx, project, source).await)
            .await?;
        let Some((removed, left)) = emptied else { return Ok(None) };
        self.changed(project);
        for some in left.chunks(BATCH) {
            self.0.db.run("place_entries", async |client: Client| place(&client, some, None).await).await?;
        }
        self.0
            .db
            .execute(
                "delete_document",
                "-- delete_document
                 DELETE FROM documents WHERE project = $1 AND source = $2",
                &[&project.as_str(), &source],
            )
            .await?;
        Ok(Some(removed))
    }
}

/// Entries that were removed, and those that stand elsewhere, too.
async fn empty(tx: &Transaction, project: &Project, source: &str) -> Result<Option<(u64, Vec<i64>)>> {
    let Some(id) = find(tx, project, source).await? else { return Ok(None) };
    let concerned: Vec<i64> = unlink(tx, project, id, source).await?.into_iter().collect();
    let removed = remove_unheld(tx, &concerned).await?;
    Ok(Some((removed, concerned)))
}
