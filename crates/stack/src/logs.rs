//! The services' log files: kept bounded, and quoted when a service does not start.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// How much of a log's end is looked at for an error message.
const TAIL_BYTES: u64 = 8 * 1024;
const TAIL_LINES: usize = 12;

/// A log that has grown past this is moved aside when its service starts; the one moved aside before goes.
const ROTATE_BYTES: u64 = 8 * 1024 * 1024;

/// Bounds a log file to about twice [`ROTATE_BYTES`], as of its service's last start.
pub(crate) fn rotate(log: &Path) {
    if size(log) > ROTATE_BYTES
        && let Err(error) = std::fs::rename(log, log.with_extension("log.1"))
    {
        tracing::debug!(%error, log = %log.display(), "the log could not be moved aside");
    }
}

/// The length of a log: what comes after it was written since.
pub(crate) fn size(log: &Path) -> u64 {
    std::fs::metadata(log).map_or(0, |meta| meta.len())
}

/// The last lines of what was written to a log since it had length `since`.
pub(crate) fn tail(log: &Path, since: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(since.max(end.saturating_sub(TAIL_BYTES))))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    last_lines(&read().unwrap_or_default())
}

/// The last lines of a program's output.
pub(crate) fn last_lines(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
