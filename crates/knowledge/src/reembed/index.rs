//! Indexes are built while everybody goes on working, and one that a killed run has left unfinished is built anew.

use std::sync::Arc;
use std::time::Duration;

use agent_turbo_db::{self as db, Client, Database, RowExt};
use agent_turbo_embed::Model;

use super::missing;
use crate::{Result, Store};

/// For building an index of millions of vectors.
const BUILD_LIMIT: Duration = Duration::from_hours(12);

/// A connection that nobody else uses; it is closed with this.
pub(super) struct OwnConnection {
    database: Database,
    pub(super) client: Client,
}

impl Store {
    /// A connection with a time limit and settings of its own.
    pub(super) async fn own_connection(
        &self,
        limit: Duration,
        settings: &[(&'static str, &str)],
    ) -> Result<OwnConnection> {
        let mut config = db::Config { pool_min: 1, pool_max: 1, ..self.0.db.config().clone() };
        config.statement_timeout = limit;
        config.session_settings.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let database = Database::connect(config).await?;
        let client = database.client().await?;
        Ok(OwnConnection { database, client })
    }

    /// By this index what is missing is found, however large the store.
    pub(super) async fn index_missing(&self, model: &Arc<Model>) -> Result<()> {
        let on = format!("(id) WHERE {}", missing(model));
        self.build("agent_knowledge_missing", &on).await
    }

    /// The indexes that will be the model's, with what the planner has to know of the columns.
    pub(super) async fn index_next(&self, model: &Arc<Model>) -> Result<()> {
        let (name, dimensions) = (model.name.replace('\'', "''"), model.dimensions);
        let on = format!(
            "USING hnsw ((next_embedding::halfvec({dimensions})) halfvec_cosine_ops)
             WHERE next_embedding_model = '{name}'"
        );
        self.build("agent_knowledge_next", &on).await?;
        let signatures = "(project, next_embedding_model)
             INCLUDE (id, next_signature, superseded_by, quarantined_at, expires_at)";
        self.build("agent_knowledge_next_signatures", signatures).await?;
        let connection = self.builder().await?;
        // The name is wanted for the index that is built now; one of the old column of this model is of no use.
        let row = connection
            .client
            .row("index_name", "-- index_name\n SELECT embedding_index_name($1) AS name", &[&model.name])
            .await?;
        if let Some(row) = row {
            connection.drop_index(row.column("name")?).await?;
        }
        let analyze = "-- analyze_next
                       ANALYZE agent_knowledge (next_embedding, next_embedding_model, next_signature)";
        connection.client.change("analyze_next", analyze, &[]).await?;
        Ok(())
    }

    async fn builder(&self) -> Result<OwnConnection> {
        // The server stops building soon after whoever wanted the index is killed.
        self.own_connection(BUILD_LIMIT, &[("client_connection_check_interval", "1s")]).await
    }

    async fn build(&self, name: &str, on: &str) -> Result<()> {
        let connection = self.builder().await?;
        let row = connection
            .client
            .row(
                "index_state",
                "-- index_state
                 SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)",
                &[&name],
            )
            .await?;
        match row.map(|row| row.column("indisvalid")).transpose()? {
            Some(true) => return Ok(()),
            Some(false) => connection.drop_index(name).await?,
            None => {}
        }
        let sql = format!("-- build_index\n CREATE INDEX CONCURRENTLY {name} ON agent_knowledge {on}");
        connection.client.change("build_index", &sql, &[]).await?;
        Ok(())
    }

    /// Drops what `build` has built, while others go on working.
    pub(super) async fn drop_indexes(&self) -> Result<()> {
        let connection = self.builder().await?;
        for name in ["agent_knowledge_missing", "agent_knowledge_next", "agent_knowledge_next_signatures"] {
            connection.drop_index(name).await?;
        }
        Ok(())
    }
}

impl OwnConnection {
    async fn drop_index(&self, name: &str) -> Result<()> {
        let sql = format!("-- drop_index\n DROP INDEX CONCURRENTLY IF EXISTS {name}");
        self.client.change("drop_index", &sql, &[]).await?;
        Ok(())
    }
}

impl Drop for OwnConnection {
    fn drop(&mut self) {
        // A closed pool takes no connection back, so that the server sees it go.
        self.database.close();
    }
}
