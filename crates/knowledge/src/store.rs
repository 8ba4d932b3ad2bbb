use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use agent_turbo_db::{Database, RowExt};
use agent_turbo_embed::{self as embed, Embedding, Model};

use crate::access::AccessLog;
use crate::query::cache::ResultCache;
use crate::query::recall::Sampler;
use crate::{Error, Project, Result};

/// How a [`Store`] behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// The longest text that is taken, in bytes. Default 1 MiB.
    pub max_content_bytes: usize,
    /// Whether secrets in added texts are replaced. Default `true`.
    pub redact: bool,
    /// Memory for results of queries, in bytes; 0 for a process that asks once. Default 32 MiB.
    pub result_cache_bytes: u64,
    /// How often access counts are written. Default 1 s.
    pub access_interval: Duration,
    /// Whether some questions are asked again by looking at everything, to know what searches miss; for processes that
    /// live long. Default `false`.
    pub measure_recall: bool,
    /// From which cosine on two texts say nearly the same. Default 0.95: there, texts differ in a word or in punctuation,
    /// while those that are merely about the same thing stay below.
    pub near_similarity: f32,
    /// Platforms whose entries wait for approval; a platform is what its agents say that it is. Default none.
    pub untrusted_platforms: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_content_bytes: 1 << 20,
            redact: true,
            result_cache_bytes: 32 << 20,
            access_interval: Duration::from_secs(1),
            measure_recall: false,
            near_similarity: 0.95,
            untrusted_platforms: Vec::new(),
        }
    }
}

/// The knowledge of one database. Clones share caches and connections.
#[derive(Debug, Clone)]
pub struct Store(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) db: Database,
    pub(crate) embed: embed::Client,
    pub(crate) options: Options,
    pub(crate) results: ResultCache,
    pub(crate) access: AccessLog,
    pub(crate) recall: Sampler,
    model: Arc<KnownModel>,
}

/// The model whose vectors are stored, once that is known; forgotten when another process may have changed it.
#[derive(Debug, Default)]
pub(crate) struct KnownModel(RwLock<Option<Arc<Model>>>);

/// What every connection of the database needs so that a filter never cuts a vector search short.
pub fn session_settings() -> Vec<(&'static str, String)> {
    vec![
        // Goes on through the index until enough rows pass the filter; the final order is made in Rust.
        ("hnsw.iterative_scan", "relaxed_order".to_owned()),
        // Candidates that a scan starts with. Of the best ten of a million entries by meaning, 200 finds .94.
        ("hnsw.ef_search", "200".to_owned()),
        // Workers for the part of a plan that is hardly ever needed would be started each time, which takes longer than
        // the search.
        ("max_parallel_workers_per_gather", "0".to_owned()),
    ]
}

impl Store {
    /// Opens the store of a migrated database, in one round trip.
    pub async fn open(db: Database, embed: embed::Client, options: Options) -> Result<Self> {
        let model = Arc::<KnownModel>::default();
        let results = ResultCache::start(&db, options.result_cache_bytes, Arc::clone(&model));
        let access = AccessLog::start(db.clone(), options.access_interval);
        let store =
            Self(Arc::new(Inner { db, embed, options, results, access, recall: Sampler::default(), model }));
        store.default_model().await?;
        Ok(store)
    }

    /// How it was opened.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Whether entries from there are found without approval. Case does not count.
    pub fn trusts(&self, platform: Option<&str>) -> bool {
        let untrusted = &self.0.options.untrusted_platforms;
        !platform.is_some_and(|name| untrusted.iter().any(|known| known.eq_ignore_ascii_case(name.trim())))
    }

    /// Writes what is still to be written in the background; for processes that end.
    pub async fn flush(&self) -> Result<()> {
        Ok(self.0.access.flush().await?)
    }

    /// Whether results are remembered right now: the cache is on and hears of other processes' changes.
    pub fn is_caching(&self) -> bool {
        self.0.results.is_live()
    }

    /// Whether the embedding service answers, and can embed.
    pub async fn can_embed(&self) -> bool {
        self.0.embed.health().await.is_ok_and(|health| health.is_healthy())
    }

    /// The model of the stored vectors; `None` while there are none.
    pub async fn default_model(&self) -> Result<Option<Arc<Model>>> {
        if let Some(model) = self.0.model.get() {
            return Ok(Some(model));
        }
        let row = self
            .0
            .db
            .query_opt(
                "default_model",
                "-- default_model
                 SELECT name, dimensions FROM embedding_models WHERE is_default",
                &[],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let model = Model { name: row.column("name")?, dimensions: dimensions(row.column("dimensions")?) };
        // From here on the embedding cache can answer before the service does.
        let model = self.0.embed.change_model(model);
        self.0.model.set(&model);
        Ok(Some(model))
    }

    /// The vector of a text, by the store's model.
    pub(crate) async fn embed(&self, text: &str) -> Result<Embedding> {
        self.default_model().await?;
        let embedding = self.0.embed.embed(text).await?;
        self.adopt_model(&embedding.model).await?;
        Ok(embedding)
    }

    /// Whether what failed with `error` is to be done again, from the embedding on: when the store may have moved to another
    /// model meanwhile, which is asked for anew. Once for each of the caller's `repeated`.
    pub(crate) async fn follows_model(&self, error: &Error, repeated: &mut bool) -> Result<bool> {
        if *repeated || !error.is_of_model() {
            return Ok(false);
        }
        *repeated = true;
        self.0.model.forget();
        Ok(self.default_model().await?.is_some())
    }

    /// Forgets which model is the default one; the next one who needs it asks.
    pub(crate) fn forget_model(&self) {
        self.0.model.forget();
    }

    /// Makes `model` the one whose vectors are stored, or refuses it beside another one.
    pub(crate) async fn adopt_model(&self, model: &Arc<Model>) -> Result<()> {
        if let Some(stored) = self.0.model.get() {
            return same_model(&stored, model);
        }
        self.0
            .db
            .execute(
                "adopt_model",
                "-- adopt_model
                 SELECT register_embedding_model($1, $2)",
                &[&model.name, &(model.dimensions as i32)],
            )
            .await?;
        // Somebody else's model may have become the default a moment before ours was registered.
        match self.default_model().await? {
            Some(stored) => same_model(&stored, model),
            None => Ok(()),
        }
    }

    /// To be called after every write of ours to `project`.
    pub(crate) fn changed(&self, project: &Project) {
        self.0.results.invalidate(project.as_str());
        self.0.access.written();
    }
}

impl KnownModel {
    fn get(&self) -> Option<Arc<Model>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, model: &Arc<Model>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(model));
    }

    pub(crate) fn forget(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Error {
    /// Whether it says that a vector is not of the store's model.
    fn is_of_model(&self) -> bool {
        match self {
            Self::Embedding(embed::Error::ModelChanged { .. }) => true,
            Self::Database(error) => error.sqlstate().is_some_and(|state| state.code() == LEFT_MODEL),
            _ => false,
        }
    }
}

/// Of the refusal of `agent_knowledge_moving`.
const LEFT_MODEL: &str = "AT020";

pub(crate) fn dimensions(column: i32) -> usize {
    usize::try_from(column).unwrap_or(0)
}

fn same_model(stored: &Arc<Model>, got: &Arc<Model>) -> Result<()> {
    if stored == got {
        return Ok(());
    }
    Err(Error::Embedding(embed::Error::ModelChanged {
        expected: stored.as_ref().clone(),
        got: got.as_ref().clone(),
    }))
}
