use agent_turbo_db::Transaction;

use super::settle::{find, settle, unlink};
use crate::{Project, Result, Store};

impl Store {
    /// Removes a document, and the entries that were made for it and that no other document of the project holds. How
    /// many those were; `None` when there is no such document.
    #[tracing::instrument(name = "knowledge.remove_document", skip_all, fields(%project))]
    pub async fn remove_document(&self, project: &Project, source: &str) -> Result<Option<u64>> {
        let removed = self
            .0
            .db
            .run_tx("remove_document", async |tx: Transaction| remove(&tx, project, source).await)
            .await?;
        self.changed(project);
        Ok(removed)
    }
}

async fn remove(tx: &Transaction, project: &Project, source: &str) -> Result<Option<u64>> {
    let Some(id) = find(tx, project, source).await? else { return Ok(None) };
    let concerned = unlink(tx, project, id, source).await?;
    let removed = settle(tx, &concerned, None).await?;
    tx.change(
        "delete_document",
        "-- delete_document
         DELETE FROM documents WHERE id = $1",
        &[&id],
    )
    .await?;
    Ok(Some(removed))
}
