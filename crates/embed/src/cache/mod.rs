//! Vectors by content, in memory first and on disk behind it.

mod disk;

use std::sync::Arc;

use moka::sync::Cache as Moka;
use sha2::{Digest, Sha256};

use crate::client::Source;
use crate::config::DiskCache;
use crate::model::Model;
use disk::Disk;

/// SHA-256 of model and text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

impl Key {
    pub(crate) fn new(model: &Model, text: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(model.name.as_bytes());
        hash.update([0]);
        hash.update((model.dimensions as u64).to_le_bytes());
        hash.update(text.as_bytes());
        Self(hash.finalize().into())
    }
}

#[derive(Debug)]
pub(crate) struct Cache {
    memory: Moka<Key, Arc<[f32]>>,
    disk: Option<Arc<Disk>>,
}

/// What an entry costs besides its components, roughly.
const OVERHEAD: usize = 128;

impl Cache {
    pub(crate) fn new(memory_bytes: u64, disk: Option<DiskCache>) -> Self {
        let memory = Moka::builder()
            .max_capacity(memory_bytes)
            .weigher(|_, vector: &Arc<[f32]>| {
                u32::try_from(size_of_val(&**vector) + OVERHEAD).unwrap_or(u32::MAX)
            })
            .build();
        Self { memory, disk: disk.map(|config| Arc::new(Disk::new(config))) }
    }

    pub(crate) async fn get(&self, key: &Key, model: &Model) -> Option<(Arc<[f32]>, Source)> {
        if let Some(vector) = self.memory.get(key) {
            return Some((vector, Source::Memory));
        }
        let (disk, key, dimensions) = (Arc::clone(self.disk.as_ref()?), *key, model.dimensions);
        let vector: Arc<[f32]> =
            tokio::task::spawn_blocking(move || disk.read(&key.0, dimensions)).await.ok().flatten()?.into();
        self.memory.insert(key, Arc::clone(&vector));
        Some((vector, Source::Disk))
    }

    /// A cache that cannot write is slow, not wrong: failures are logged and forgotten.
    pub(crate) async fn put(&self, key: Key, vector: Arc<[f32]>) {
        self.memory.insert(key, Arc::clone(&vector));
        let Some(disk) = self.disk.clone() else { return };
        let written = tokio::task::spawn_blocking(move || disk.write(&key.0, &vector)).await;
        if let Ok(Err(error)) = written {
            tracing::debug!(%error, "embed.cache.write");
        }
    }
}
