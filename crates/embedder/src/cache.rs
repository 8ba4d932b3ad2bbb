//! Vectors of texts that were seen before.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::model::Embedding;

/// What an entry takes beside its vector, roughly.
const ENTRY_OVERHEAD_BYTES: u32 = 160;

/// SHA-256 of a text → its embedding, bounded in bytes.
pub(crate) struct Cache {
    entries: moka::sync::Cache<[u8; 32], Arc<Embedding>>,
}

impl Cache {
    pub(crate) fn new(max_bytes: u64) -> Self {
        let weigh = |_: &[u8; 32], embedding: &Arc<Embedding>| {
            ENTRY_OVERHEAD_BYTES + size_of_val(embedding.vector.as_slice()) as u32
        };
        Self { entries: moka::sync::Cache::builder().max_capacity(max_bytes).weigher(weigh).build() }
    }

    pub(crate) fn key(text: &str) -> [u8; 32] {
        Sha256::digest(text.as_bytes()).into()
    }

    pub(crate) fn get(&self, key: &[u8; 32]) -> Option<Arc<Embedding>> {
        self.entries.get(key)
    }

    pub(crate) fn insert(&self, key: [u8; 32], embedding: &Arc<Embedding>) {
        self.entries.insert(key, Arc::clone(embedding));
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> u64 {
        // Counted with a delay otherwise.
        self.entries.run_pending_tasks();
        self.entries.entry_count()
    }
}
