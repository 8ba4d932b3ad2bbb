use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use tokio::sync::Mutex;
use tracing::Span;
use tracing::field::Empty;

use crate::cache::{Cache, Key};
use crate::config::Config;
use crate::http::Http;
use crate::wire::{BatchAnswer, BatchItem, BatchRequest, EmbedAnswer, EmbedRequest, Health, fault_of};
use crate::{Error, Model, Result};

/// A text's vector.
#[derive(Debug, Clone)]
pub struct Embedding {
    /// Components, as many as `model` says; unit length where the model normalises.
    pub vector: Arc<[f32]>,
    /// The model that made it.
    pub model: Arc<Model>,
    /// Where it came from this time.
    pub source: Source,
    /// Whether the text was longer than the model reads, so that the vector stands for its beginning. Only known
    /// when it comes from a service that says so.
    pub truncated: bool,
}

/// Where a vector came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// This process had it.
    Memory,
    /// Another process, or an earlier one, had left it on disk.
    Disk,
    /// The service had it.
    ServiceCache,
    /// The service made it.
    Service,
}

impl Source {
    fn of_service(cached: bool) -> Self {
        if cached { Self::ServiceCache } else { Self::Service }
    }
}

/// Asks the service for vectors, and itself first. Clones share connections and cache.
#[derive(Debug, Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Another one when the model has changed and somebody knew who serves the new one.
    http: RwLock<Arc<Http>>,
    config: Config,
    cache: Cache,
    /// The one model of this client, from the caller or from the service's first answer.
    model: RwLock<Option<Arc<Model>>>,
    /// One looks for a service at a time; when nobody was found, and until when nobody looks again.
    looking: Mutex<Option<Instant>>,
    /// Set when the service turned out to have no `/batch`.
    single_only: AtomicBool,
}

/// Requests of one batch under way at once: the service never waits for the next one.
const IN_FLIGHT: usize = 2;
const SINGLES_IN_FLIGHT: usize = 8;
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);
/// After a look for a service of the model that found none.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

impl Client {
    /// Connects to nothing yet.
    pub fn new(config: Config) -> Result<Self> {
        let http = Http::new(&config.url, config.attempts)?;
        let cache = Cache::new(config.memory_bytes, config.disk.clone());
        Ok(Self(Arc::new(Inner {
            http: RwLock::new(Arc::new(http)),
            config,
            cache,
            model: RwLock::default(),
            looking: Mutex::default(),
            single_only: AtomicBool::new(false),
        })))
    }

    /// The service's base URL.
    pub fn url(&self) -> String {
        self.0.http().base().to_owned()
    }

    /// Asks the service how it is.
    #[tracing::instrument(name = "embed.health", skip_all, level = "debug")]
    pub async fn health(&self) -> Result<Health> {
        self.0.http().get("/health", HEALTH_TIMEOUT).await
    }

    /// Agrees on a model before the first answer, so that the cache can be asked before the service.
    /// Vectors of another model are refused from then on.
    pub fn expect_model(&self, model: Model) -> Result<Arc<Model>> {
        self.0.agree(model)
    }

    /// Agrees on another model than before: answers of the old one are refused from now on.
    pub fn change_model(&self, model: Model) -> Arc<Model> {
        let mut agreed = self.0.model.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(agreed) = agreed.as_ref().filter(|agreed| ***agreed == model) {
            return Arc::clone(agreed);
        }
        Arc::clone(agreed.insert(Arc::new(model)))
    }

    /// The vector of one text.
    #[tracing::instrument(
        name = "embed.embed", skip_all, level = "debug",
        fields(bytes = text.len(), remembered = Empty)
    )]
    pub async fn embed(&self, text: &str) -> Result<Embedding> {
        if let Some(hit) = self.0.cached(text).await {
            Span::current().record("remembered", true);
            return Ok(hit);
        }
        let http = self.0.http();
        match self.ask(&http, text).await {
            Err(Error::ModelChanged { expected, .. }) if self.found_another(&http, &expected).await => {
                self.ask(&self.0.http(), text).await
            }
            answer => answer,
        }
    }

    /// The service's answer to one text.
    async fn ask(&self, http: &Http, text: &str) -> Result<Embedding> {
        let inner = &self.0;
        let answer: EmbedAnswer = http.post("/embed", &EmbedRequest { text }, inner.config.timeout).await?;
        if let Some(dimensions) = answer.dimensions.filter(|dimensions| *dimensions != answer.embedding.len())
        {
            let what = format!("it has {} components, not the promised {dimensions}", answer.embedding.len());
            return Err(inner.bad_vector(what));
        }
        let model = self.model_of(answer.model).await?;
        inner.keep(text, answer.embedding, model, Source::of_service(answer.cached), answer.truncated).await
    }

    /// The vectors of many texts, in their order. The outer error means that the service cannot be used at all; an
    /// inner one concerns its text alone.
    #[tracing::instrument(name = "embed.batch", skip_all, fields(texts = texts.len()), level = "debug")]
    pub async fn embed_batch(&self, texts: &[&str]) -> Result<Vec<Result<Embedding>>> {
        let mut done: Vec<Option<Result<Embedding>>> = Vec::with_capacity(texts.len());
        for text in texts {
            done.push(self.0.cached(text).await.map(Ok));
        }
        let missing: Vec<usize> = (0..texts.len()).filter(|index| done[*index].is_none()).collect();
        let chunks: Vec<Vec<usize>> =
            missing.chunks(self.0.config.batch_size.max(1)).map(<[usize]>::to_vec).collect();
        // Listed first: the compiler cannot see through a closure over borrowed texts that they are `Send`.
        let requests: Vec<_> = chunks.into_iter().map(|chunk| self.embed_numbered(texts, chunk)).collect();
        let mut answers = stream::iter(requests).buffered(IN_FLIGHT);
        while let Some(chunk) = answers.next().await {
            for (index, answer) in chunk? {
                done[index] = Some(answer);
            }
        }
        Ok(done.into_iter().flatten().collect())
    }

    /// One request's worth of texts, given by their positions.
    async fn embed_numbered(
        &self,
        texts: &[&str],
        chunk: Vec<usize>,
    ) -> Result<Vec<(usize, Result<Embedding>)>> {
        let chunk_texts: Vec<&str> = chunk.iter().map(|index| texts[*index]).collect();
        let answers = self.embed_chunk(&chunk_texts).await?;
        Ok(chunk.into_iter().zip(answers).collect())
    }

    /// One request's worth of texts.
    async fn embed_chunk(&self, texts: &[&str]) -> Result<Vec<Result<Embedding>>> {
        let http = self.0.http();
        match self.ask_for_chunk(&http, texts).await {
            Err(Error::ModelChanged { expected, .. }) if self.found_another(&http, &expected).await => {
                self.ask_for_chunk(&self.0.http(), texts).await
            }
            answers => answers,
        }
    }

    /// The service's answers to one request's worth of texts.
    async fn ask_for_chunk(&self, http: &Http, texts: &[&str]) -> Result<Vec<Result<Embedding>>> {
        if self.0.single_only.load(Ordering::Relaxed) {
            return self.embed_singly(texts).await;
        }
        let answer: BatchAnswer =
            match http.post("/batch", &BatchRequest { texts }, self.0.config.batch_timeout).await {
                Err(Error::Rejected { status: 404 | 405 | 501, .. }) => {
                    self.0.single_only.store(true, Ordering::Relaxed);
                    return self.embed_singly(texts).await;
                }
                answer => answer?,
            };
        if answer.embeddings.len() != texts.len() {
            let what = format!("{} vectors came for {} texts", answer.embeddings.len(), texts.len());
            return Err(http.bad_answer(what));
        }
        let mut named = Some(answer.model);
        let mut model = None;
        let mut results = Vec::with_capacity(texts.len());
        for (text, item) in texts.iter().zip(answer.embeddings) {
            results.push(match item {
                BatchItem::Failed { error } => Err(Error::Rejected { status: 422, message: error }),
                BatchItem::Unreadable(_) => Err(self.0.bad_vector("it is not a list of numbers".to_owned())),
                BatchItem::Vector { embedding, cached, truncated } => {
                    let model = match &model {
                        Some(model) => Arc::clone(model),
                        None => Arc::clone(model.insert(self.model_of(named.take().flatten()).await?)),
                    };
                    self.0.keep(text, embedding, model, Source::of_service(cached), truncated).await
                }
            });
        }
        Ok(results)
    }

    async fn embed_singly(&self, texts: &[&str]) -> Result<Vec<Result<Embedding>>> {
        let requests: Vec<_> = texts.iter().map(|text| self.embed(text)).collect();
        let answers: Vec<Result<Embedding>> =
            stream::iter(requests).buffered(SINGLES_IN_FLIGHT).collect().await;
        answers
            .into_iter()
            .map(|answer| match answer {
                Err(error) if !error.is_of_one_text() => Err(error),
                answer => Ok(answer),
            })
            .collect()
    }

    /// The model behind an answer that may not name it.
    async fn model_of(&self, named: Option<String>) -> Result<Arc<Model>> {
        match (named, self.0.agreed()) {
            (Some(name), Some(agreed)) if name == agreed.name => Ok(agreed),
            (None, Some(agreed)) => Ok(agreed),
            _ => self.0.agree(self.health().await?.model()),
        }
    }

    /// Whether there is another service than `asked`, which did not serve `model`: one that somebody else has found
    /// meanwhile, or that the finder of the configuration knows.
    async fn found_another(&self, asked: &Arc<Http>, model: &Model) -> bool {
        let Some(finder) = &self.0.config.finder else { return false };
        let mut looked = self.0.looking.lock().await;
        if !Arc::ptr_eq(asked, &self.0.http()) {
            return true;
        }
        if looked.is_some_and(|at| at.elapsed() < LOOK_AGAIN) {
            return false;
        }
        let found = match finder.find(model).await.map(|url| Http::new(&url, self.0.config.attempts)) {
            Some(Ok(http)) if http.base() != asked.base() => Some(http),
            _ => None,
        };
        *looked = found.is_none().then(Instant::now);
        let Some(http) = found else { return false };
        tracing::info!(%model, url = http.base(), "embed.found");
        *self.0.http.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(http);
        self.0.single_only.store(false, Ordering::Relaxed);
        true
    }
}

impl Inner {
    fn http(&self) -> Arc<Http> {
        Arc::clone(&self.http.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn agreed(&self) -> Option<Arc<Model>> {
        self.model.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn agree(&self, model: Model) -> Result<Arc<Model>> {
        let mut agreed = self.model.write().unwrap_or_else(PoisonError::into_inner);
        let agreed = agreed.get_or_insert_with(|| Arc::new(model.clone()));
        if **agreed == model {
            Ok(Arc::clone(agreed))
        } else {
            Err(Error::ModelChanged { expected: agreed.as_ref().clone(), got: model })
        }
    }

    async fn cached(&self, text: &str) -> Option<Embedding> {
        let model = self.agreed()?;
        let (vector, source) = self.cache.get(&Key::new(&model, text), &model).await?;
        Some(Embedding { vector, model, source, truncated: false })
    }

    fn bad_vector(&self, what: String) -> Error {
        Error::BadVector { url: self.http().base().to_owned(), what }
    }

    /// Checks a vector and remembers it.
    async fn keep(
        &self,
        text: &str,
        vector: Vec<f32>,
        model: Arc<Model>,
        source: Source,
        truncated: bool,
    ) -> Result<Embedding> {
        if let Some(fault) = fault_of(&vector) {
            return Err(self.bad_vector(fault.to_owned()));
        }
        if vector.len() != model.dimensions {
            let what = format!("it has {} components, {model} was agreed on", vector.len());
            return Err(self.bad_vector(what));
        }
        let vector: Arc<[f32]> = vector.into();
        self.cache.put(Key::new(&model, text), Arc::clone(&vector)).await;
        Ok(Embedding { vector, model, source, truncated })
    }
}
