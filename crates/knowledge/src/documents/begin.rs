use crate::{Project, Result, Store};

impl Store {
    /// Writes down that entries are about to be made for documents, so that what an interrupted run made is found again.
    /// Those that are known stay as they are.
    #[tracing::instrument(name = "knowledge.begin_documents", skip_all, fields(%project, documents = sources.len()))]
    pub async fn begin_documents(&self, project: &Project, sources: &[&str]) -> Result<()> {
        if sources.is_empty() {
            return Ok(());
        }
        self.0
            .db
            .execute(
                "begin_documents",
                "-- begin_documents
                 INSERT INTO documents (project, source, metadata)
                 SELECT $1, source, '{\"chunker\": \"\"}' FROM unnest($2::text[]) AS n (source)
                 ORDER BY source
                 ON CONFLICT (project, source) DO NOTHING",
                &[&project.as_str(), &sources],
            )
            .await?;
        Ok(())
    }
}
