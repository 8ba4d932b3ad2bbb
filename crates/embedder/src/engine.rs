//! One model for many clients: concurrent requests become batches.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::model::{Embedding, Model};
use crate::queue::{Job, Queue};
use crate::stats::{Counters, Stats};
use crate::tokenizer::Tokens;

/// Up to so many bytes a request is tokenized where it is, in a millisecond at most; more goes to another thread.
const INLINE_TOKENIZE_BYTES: usize = 4096;

/// The engine's bounds.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Tokens that may wait for the model. A request that would exceed it is refused, unless nothing is waiting.
    pub max_queued_tokens: usize,
    /// Bytes of vectors kept for texts that come again; 0 keeps none.
    pub cache_bytes: u64,
}

/// A model with its queue, its inference thread and its cache. Clones share them; the last one to go stops the thread.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

/// An embedding and where it came from.
#[derive(Debug, Clone)]
pub struct Embedded {
    /// The embedding.
    pub embedding: Arc<Embedding>,
    /// Whether it was in the cache.
    pub cached: bool,
}

struct Inner {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    model: Model,
    options: EngineOptions,
    cache: Cache,
    counters: Counters,
    queue: Mutex<Queue>,
    arrived: Condvar,
    alive: AtomicBool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { max_queued_tokens: 1 << 17, cache_bytes: 64 << 20 }
    }
}

impl Engine {
    /// Starts the inference thread.
    pub fn start(model: Model, options: EngineOptions) -> Result<Self> {
        let shared = Arc::new(Shared {
            cache: Cache::new(options.cache_bytes),
            model,
            options,
            counters: Counters::default(),
            queue: Mutex::default(),
            arrived: Condvar::new(),
            alive: AtomicBool::new(true),
        });
        let worker = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("embed-queue".to_owned())
            .spawn(move || worker.run())
            .map_err(|error| Error::Threads(error.into()))?;
        Ok(Self { inner: Arc::new(Inner { shared, thread: Some(thread) }) })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.shared().model
    }

    /// Whether the inference thread is there to answer.
    pub fn is_alive(&self) -> bool {
        self.shared().alive.load(Ordering::Acquire)
    }

    /// What it has done so far.
    pub fn stats(&self) -> Stats {
        let (texts, tokens) = {
            let queue = self.shared().queue();
            (queue.texts, queue.tokens)
        };
        self.shared().counters.snapshot(texts, tokens, self.shared().cache.len())
    }

    /// Embeds `texts`, each with its own result in its own place. Fails as a whole when too much is waiting already.
    ///
    /// Dropping the future takes its texts out of the queue.
    pub async fn embed(&self, texts: Vec<String>) -> Result<Vec<Result<Embedded>>> {
        let start = Instant::now();
        let counters = &self.shared().counters;
        let result = self.embed_uncounted(texts).await;
        match &result {
            Ok(results) => counters.request_done(start.elapsed(), results),
            Err(_) => counters.request_rejected(),
        }
        result
    }

    async fn embed_uncounted(&self, texts: Vec<String>) -> Result<Vec<Result<Embedded>>> {
        let prepared = self.prepare(texts).await?;
        let mut jobs = VecDeque::new();
        let mut pending = Vec::with_capacity(prepared.len());
        for text in prepared {
            pending.push(match text {
                Prepared::Done(result) => Pending::Done(result),
                Prepared::New(key, tokens) => {
                    let (reply, answer) = oneshot::channel();
                    jobs.push_back(Job { tokens, reply });
                    Pending::Answer(key, answer)
                }
            });
        }
        self.shared().enqueue(jobs)?;
        let mut results = Vec::with_capacity(pending.len());
        for pending in pending {
            results.push(match pending {
                Pending::Done(result) => result,
                Pending::Answer(key, answer) => {
                    answer.await.unwrap_or(Err(Error::Stopped)).map(|embedding| {
                        let embedding = Arc::new(embedding);
                        self.shared().cache.insert(key, &embedding);
                        Embedded { embedding, cached: false }
                    })
                }
            });
        }
        Ok(results)
    }

    /// Looks texts up in the cache and tokenizes those that are not there.
    async fn prepare(&self, texts: Vec<String>) -> Result<Vec<Prepared>> {
        if texts.iter().map(String::len).sum::<usize>() <= INLINE_TOKENIZE_BYTES {
            return Ok(texts.iter().map(|text| self.shared().prepare(text)).collect());
        }
        let shared = Arc::clone(self.shared());
        tokio::task::spawn_blocking(move || texts.iter().map(|text| shared.prepare(text)).collect())
            .await
            .map_err(|error| Error::Inference { reason: error.to_string() })
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }
}

/// A text after its look-up.
enum Prepared {
    Done(Result<Embedded>),
    New([u8; 32], Tokens),
}

/// A text after its queueing.
enum Pending {
    Done(Result<Embedded>),
    Answer([u8; 32], oneshot::Receiver<Result<Embedding>>),
}

impl Shared {
    fn prepare(&self, text: &str) -> Prepared {
        if text.trim().is_empty() {
            return Prepared::Done(Err(Error::EmptyText));
        }
        let key = Cache::key(text);
        if let Some(embedding) = self.cache.get(&key) {
            return Prepared::Done(Ok(Embedded { embedding, cached: true }));
        }
        match self.model.tokenize(text) {
            Ok(tokens) => Prepared::New(key, tokens),
            Err(error) => Prepared::Done(Err(error)),
        }
    }

    fn enqueue(&self, jobs: VecDeque<Job>) -> Result<()> {
        if jobs.is_empty() {
            return Ok(());
        }
        let tokens: usize = jobs.iter().map(|job| job.tokens.len()).sum();
        let mut queue = self.queue();
        if queue.stopping || !self.alive.load(Ordering::Acquire) {
            return Err(Error::Stopped);
        }
        if queue.tokens > 0 && queue.tokens + tokens > self.options.max_queued_tokens {
            return Err(Error::Overloaded { queued_tokens: queue.tokens });
        }
        queue.push(jobs);
        drop(queue);
        self.arrived.notify_one();
        Ok(())
    }

    /// The inference thread: takes what is waiting, up to one batch, never waits for more.
    fn run(&self) {
        let _death = NoteDeath(self);
        while let Some(jobs) = self.next_batch() {
            let texts: Vec<&Tokens> = jobs.iter().map(|job| &job.tokens).collect();
            self.counters.batch_started(&texts);
            let result = catch_unwind(AssertUnwindSafe(|| self.model.embed_tokens(&texts)))
                .unwrap_or_else(|_| Err(Error::Inference { reason: "the forward pass panicked".to_owned() }));
            // A reply fails when its client has gone, which is not our concern.
            match result {
                Ok(embeddings) => {
                    for (job, embedding) in jobs.into_iter().zip(embeddings) {
                        let _ = job.reply.send(Ok(embedding));
                    }
                }
                Err(error) => {
                    tracing::error!(error = %error, texts = jobs.len(), "batch failed");
                    for job in jobs {
                        let reason = error.to_string();
                        let _ = job.reply.send(Err(Error::Inference { reason }));
                    }
                }
            }
        }
    }

    /// Waits for work; `None` when the engine stops and nothing is left.
    fn next_batch(&self) -> Option<Vec<Job>> {
        let mut queue = self.queue();
        loop {
            let jobs = queue.take(self.model.batch_tokens());
            if !jobs.is_empty() {
                return Some(jobs);
            }
            if queue.stopping {
                return None;
            }
            queue = self.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks the engine as dead when its thread ends, however it ends, and lets everybody who waits know.
struct NoteDeath<'a>(&'a Shared);

impl Drop for NoteDeath<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        self.0.alive.store(false, Ordering::Release);
        queue.close();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.queue().stopping = true;
        self.shared.arrived.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the inference thread panicked");
        }
    }
}
