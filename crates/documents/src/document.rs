use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::pdf;
use crate::{Chunk, Kind, Skip, chunks, decode};

/// A file's text, before it is split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it holds.
    pub kind: Kind,
    /// The text, with `\n` as its line ends.
    pub text: String,
    /// The SHA-256 of the file's bytes, in lower-case hex.
    pub hash: String,
    /// The file's size.
    pub bytes: u64,
    /// When the file was last written to, if the system knows.
    pub modified: Option<Timestamp>,
}

/// Reads a whole file, unless it is larger than `max_bytes`.
pub fn read(path: &Path, kind: Kind, max_bytes: u64) -> Result<Document, Skip> {
    let metadata = std::fs::metadata(path).map_err(|error| Skip::from(&error))?;
    // Opening a pipe would wait for somebody to write to it.
    if !metadata.is_file() {
        return Err(Skip::NotAFile);
    }
    if metadata.len() > max_bytes {
        return Err(Skip::TooLarge { max_bytes });
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|error| Skip::from(&error))?;
    // It grew, or the system did not know its size.
    if bytes.len() as u64 > max_bytes {
        return Err(Skip::TooLarge { max_bytes });
    }
    let (hash, size) = (hex(Sha256::digest(&bytes).as_slice()), bytes.len() as u64);
    let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    let text = if kind == Kind::Pdf { pdf::text(&bytes)? } else { decode(bytes)? };
    if text.trim().is_empty() {
        return Err(Skip::Empty);
    }
    Ok(Document { kind, text, hash, bytes: size, modified })
}

impl Document {
    /// Its pieces, in their order, of at most `chars` characters each.
    pub fn chunks(&self, chars: usize) -> Vec<Chunk> {
        chunks(&self.text, self.kind, chars)
    }

    /// Its first heading, if it is written with headings.
    pub fn title<'a>(&self, chunks: &'a [Chunk]) -> Option<&'a str> {
        let heading = chunks.iter().find_map(|chunk| chunk.heading.as_deref())?;
        (self.kind == Kind::Markdown).then(|| heading.split(" > ").next()).flatten()
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
