use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use anyhow::Result;

use crate::input::bad;

/// The largest file of a collection, in bytes: all of it is kept in memory.
const MAX_FILE_BYTES: u64 = 2 << 30;

/// Hands each line that is not blank to `take`, with its number. What `take` says against a line is told with file and
/// number, and fits "line 3 of docs.jsonl …". A file without any line is refused.
pub(super) fn each(
    what: &'static str,
    file: &Path,
    mut take: impl FnMut(usize, &str) -> Result<(), String>,
) -> Result<()> {
    let name = file.display();
    let unreadable = |error: std::io::Error| bad(what, format!("{name} cannot be read: {error}"));
    let mut reader = BufReader::new(File::open(file).map_err(unreadable)?.take(MAX_FILE_BYTES + 1));
    let (mut bytes, mut read, mut is_empty) = (Vec::new(), 0, true);
    for number in 1.. {
        bytes.clear();
        let length = reader.read_until(b'\n', &mut bytes).map_err(unreadable)?;
        if length == 0 {
            break;
        }
        read += length as u64;
        if read > MAX_FILE_BYTES {
            return Err(bad(what, format!("{name} has more than {MAX_FILE_BYTES} bytes")));
        }
        let told = |why: String| bad(what, format!("line {number} of {name} {why}"));
        let line = std::str::from_utf8(&bytes)
            .map_err(|error| told(format!("is not UTF-8 from its byte {} on", error.valid_up_to())))?;
        let line = if number == 1 { line.trim_start_matches('\u{feff}') } else { line };
        let line = line.trim_end_matches(['\n', '\r']);
        if !line.trim().is_empty() {
            is_empty = false;
            take(number, line).map_err(told)?;
        }
    }
    if is_empty { Err(bad(what, format!("{name} is empty"))) } else { Ok(()) }
}
