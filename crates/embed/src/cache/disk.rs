//! One file a vector: `<dir>/<first byte of the key>/<the rest>`, so 256 folders share the entries.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, process};

use sha2::{Digest, Sha256};

use crate::config::DiskCache;

/// A file is this, the components as little-endian f32, and the first 8 bytes of the SHA-256 of both.
const MAGIC: &[u8; 4] = b"ATV1";
const CHECKSUM: usize = 8;
const FOLDERS: usize = 256;
/// A folder is looked through for old files once in so many writes to any folder.
const PRUNE_EVERY: u64 = 32;

#[derive(Debug)]
pub(super) struct Disk {
    config: DiskCache,
    writes: AtomicU64,
}

impl Disk {
    pub(super) fn new(config: DiskCache) -> Self {
        Self { config, writes: AtomicU64::new(0) }
    }

    /// The vector, if it is there, whole, and of the right length. What is damaged is removed.
    pub(super) fn read(&self, key: &[u8; 32], dimensions: usize) -> Option<Vec<f32>> {
        let path = self.path(key);
        let bytes = fs::read(&path).ok()?;
        let vector = decode(&bytes).filter(|vector| vector.len() == dimensions);
        if vector.is_none() {
            tracing::debug!(path = %path.display(), "embed.cache.damaged");
            let _ = fs::remove_file(&path);
        }
        vector
    }

    /// Readers see the whole file or none, whoever else writes it.
    pub(super) fn write(&self, key: &[u8; 32], vector: &[f32]) -> io::Result<()> {
        let path = self.path(key);
        let folder = path.parent().map(PathBuf::from).unwrap_or_default();
        fs::create_dir_all(&folder)?;
        let count = self.writes.fetch_add(1, Ordering::Relaxed);
        let unfinished = folder.join(format!(".{}-{count}", process::id()));
        let written = fs::File::create(&unfinished)
            .and_then(|mut file| file.write_all(&encode(vector)))
            .and_then(|()| fs::rename(&unfinished, &path));
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        if count.is_multiple_of(PRUNE_EVERY) {
            self.prune(&folder)?;
        }
        written
    }

    /// Removes a folder's oldest files beyond its share.
    fn prune(&self, folder: &std::path::Path) -> io::Result<()> {
        let share = (self.config.max_entries / FOLDERS).max(1);
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // Another process may have removed it already.
            if let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified()) {
                files.push((modified, entry.path()));
            }
        }
        files.sort_unstable();
        let surplus = files.len().saturating_sub(share);
        for (_, path) in &files[..surplus] {
            let _ = fs::remove_file(path);
        }
        Ok(())
    }

    fn path(&self, key: &[u8; 32]) -> PathBuf {
        let mut name = String::with_capacity(64);
        for byte in key {
            let _ = write!(name, "{byte:02x}");
        }
        self.config.dir.join(&name[..2]).join(&name[2..])
    }
}

fn encode(vector: &[f32]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(vector.iter().flat_map(|component| component.to_le_bytes()));
    let checksum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&checksum[..CHECKSUM]);
    bytes
}

fn decode(bytes: &[u8]) -> Option<Vec<f32>> {
    let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
    if Sha256::digest(body)[..CHECKSUM] != *checksum {
        return None;
    }
    let (components, []) = body.strip_prefix(MAGIC)?.as_chunks::<4>() else {
        return None;
    };
    Some(components.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn disk(max_entries: usize) -> (tempfile::TempDir, Disk) {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(DiskCache { dir: dir.path().to_owned(), max_entries });
        (dir, disk)
    }

    #[test]
    fn a_second_process_reads_what_the_first_one_wrote() {
        let (dir, first) = disk(1000);
        first.write(&[7; 32], &[0.5, -0.25]).unwrap();
        let second = Disk::new(DiskCache { dir: dir.path().to_owned(), max_entries: 1000 });
        assert_eq!(second.read(&[7; 32], 2), Some(vec![0.5, -0.25]));
        assert_eq!(second.read(&[8; 32], 2), None);
    }

    #[test]
    fn a_damaged_file_is_a_miss_and_is_removed() {
        let (_dir, disk) = disk(1000);
        for damage in [&b""[..], b"ATV1", b"ATV1\0\0\0\0\0\0\0\0\0\0\0\0"] {
            disk.write(&[1; 32], &[1.0]).unwrap();
            fs::write(disk.path(&[1; 32]), damage).unwrap();
            assert_eq!(disk.read(&[1; 32], 1), None);
            assert!(!disk.path(&[1; 32]).exists());
        }
        disk.write(&[1; 32], &[1.0, 2.0]).unwrap();
        assert_eq!(disk.read(&[1; 32], 1), None, "a vector of another length is not ours");
    }

    #[test]
    fn it_does_not_grow_past_its_bound() {
        let (_dir, disk) = disk(FOLDERS * 4);
        let mut key = [0; 32];
        for number in 0..2000u32 {
            key[1..5].copy_from_slice(&number.to_le_bytes());
            disk.write(&key, &[1.0]).unwrap();
        }
        let files = fs::read_dir(disk.path(&key).parent().unwrap()).unwrap().count();
        assert!(files <= 4 + PRUNE_EVERY as usize, "{files}");
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(vector in proptest::collection::vec(any::<f32>(), 0..40)) {
            let decoded = decode(&encode(&vector)).unwrap();
            prop_assert!(decoded.iter().zip(&vector).all(|(a, b)| a.to_bits() == b.to_bits()));
            prop_assert_eq!(decoded.len(), vector.len());
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(decode(&bytes).is_none());
        }
    }
}
