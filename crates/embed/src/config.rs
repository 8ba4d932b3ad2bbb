use std::path::PathBuf;
use std::time::Duration;

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
        }
    }
}
