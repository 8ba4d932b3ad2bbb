//! What knowledge needs that comes from another server, as after a restore.

use agent_turbo_db as db;
use agent_turbo_db::tokio_postgres::Client;

/// Builds the index of each model whose row was restored, as `register_embedding_model` does for a new one, and tells
/// every process that all answers are to be asked anew. To be called in the restore's transaction.
pub async fn settle_restored(client: &Client) -> db::Result<()> {
    client
        .batch_execute(
            "-- settle_restored
             DO $$
             DECLARE
                 model embedding_models;
             BEGIN
                 FOR model IN SELECT * FROM embedding_models WHERE left_at IS NULL ORDER BY name LOOP
                     EXECUTE format(
                         'CREATE INDEX IF NOT EXISTS %I ON agent_knowledge
                              USING hnsw ((embedding::halfvec(%s)) halfvec_cosine_ops) WHERE embedding_model = %L',
                         embedding_index_name(model.name), model.dimensions, model.name);
                 END LOOP;
                 PERFORM pg_notify('agent_turbo_knowledge', '');
             END
             $$",
        )
        .await
        .map_err(|error| db::Error::of_statement("settle_restored", error))
}
