use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::Model;

/// Where the service is and how patient to be with it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its base URL, `http://host:port`.
    pub url: String,
    /// For one attempt at one text. Default 10 s.
    pub timeout: Duration,
    /// For one attempt at one batch. Default 60 s.
    pub batch_timeout: Duration,
    /// Attempts per request, at least 1. Default 3.
    pub attempts: u32,
    /// Texts per request of a batch. Default 64.
    pub batch_size: usize,
    /// Vectors kept in memory, in bytes. Default 64 MiB.
    pub memory_bytes: u64,
    /// The tier that other processes share; `None` for none.
    pub disk: Option<DiskCache>,
    /// Who knows where else to ask when the service at `url` does not serve the model that was agreed on.
    pub finder: Option<Arc<dyn Finder>>,
}

/// Finds services by their models.
pub trait Finder: fmt::Debug + Send + Sync {
    /// The base URL of a service of `model`, started if need be; `None` where there is none.
    fn find(&self, model: &Model) -> Pin<Box<dyn Future<Output = Option<String>> + Send>>;
}

/// A folder of vectors, one small file each.
#[derive(Debug, Clone)]
pub struct DiskCache {
    /// The folder; made when it is not there.
    pub dir: PathBuf,
    /// Files kept in it, roughly; the oldest go first.
    pub max_entries: usize,
}

impl Config {
    /// The defaults for a service at `url`, without a disk tier.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            timeout: Duration::from_secs(10),
            batch_timeout: Duration::from_mins(1),
            attempts: 3,
            batch_size: 64,
            memory_bytes: 64 << 20,
            disk: None,
            finder: None,
        }
    }
}
