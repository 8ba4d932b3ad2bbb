use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::JsonLine;
use crate::Skip;
use crate::document::hex;

/// The longest line that is read, in bytes.
pub const MAX_LINE_BYTES: usize = 4 << 20;

/// A line of a file, or what is wrong with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbered {
    /// Its number, from 1.
    pub number: u32,
    /// The line.
    pub line: Result<JsonLine, String>,
    /// Its size in the file.
    pub bytes: u64,
}

/// Reads JSON lines one at a time, whatever the file's size. Blank lines are passed over.
#[derive(Debug)]
pub struct JsonLines {
    file: BufReader<File>,
    number: u32,
    read: u64,
    hash: Sha256,
}

impl JsonLines {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Self, Skip> {
        let metadata = std::fs::metadata(path).map_err(|error| Skip::from(&error))?;
        if !metadata.is_file() {
            return Err(Skip::NotAFile);
        }
        let file = File::open(path).map_err(|error| Skip::from(&error))?;
        Ok(Self { file: BufReader::with_capacity(256 << 10, file), number: 0, read: 0, hash: Sha256::new() })
    }

    /// The next line that is not blank; `None` at the end.
    pub fn next_line(&mut self) -> io::Result<Option<Numbered>> {
        loop {
            let Some((line, bytes)) = self.raw()? else { return Ok(None) };
            self.number = self.number.saturating_add(1);
            self.read += bytes;
            let line = match line {
                None => Err(format!("it has {bytes} bytes, and at most {MAX_LINE_BYTES} are taken")),
                Some(line) => match str::from_utf8(&line) {
                    Ok(text) => {
                        let text = text.trim_start_matches('\u{feff}').trim();
                        if text.is_empty() {
                            continue;
                        }
                        JsonLine::parse(text)
                    }
                    Err(error) => Err(format!("it is not UTF-8 from byte {} on", error.valid_up_to())),
                },
            };
            return Ok(Some(Numbered { number: self.number, line, bytes }));
        }
    }

    /// The SHA-256 of the bytes that were read, in lower-case hex, and how many those were.
    pub fn finish(self) -> (String, u64) {
        (hex(self.hash.finalize().as_slice()), self.read)
    }

    /// A line with its size, without its bytes when it is too long.
    fn raw(&mut self) -> io::Result<Option<(Option<Vec<u8>>, u64)>> {
        let (mut line, mut bytes, mut fits) = (Vec::new(), 0, true);
        loop {
            let buffer = match self.file.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            if buffer.is_empty() {
                return Ok((bytes > 0).then(|| (fits.then_some(line), bytes)));
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = &buffer[..end.map_or(buffer.len(), |end| end + 1)];
            self.hash.update(part);
            let length = part.len();
            bytes += length as u64;
            fits = fits && line.len() + length <= MAX_LINE_BYTES;
            if fits {
                line.extend_from_slice(part);
            } else {
                line = Vec::new();
            }
            self.file.consume(length);
            if end.is_some() {
                return Ok(Some((fits.then_some(line), bytes)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<(u32, Result<JsonLine, String>)> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        std::fs::write(&path, bytes).unwrap();
        let mut reader = JsonLines::open(&path).unwrap();
        let mut lines = Vec::new();
        while let Some(Numbered { number, line, .. }) = reader.next_line().unwrap() {
            lines.push((number, line));
        }
        assert_eq!(reader.finish().1, bytes.len() as u64);
        lines
    }

    #[test]
    fn lines_are_read_with_their_numbers_and_broken_ones_told() {
        let text = b"\xef\xbb\xbf{\"id\":7,\"text\":\"a\",\"metadata\":null,\"url\":\"u\"}\r\n\n{\"text\":\n{\"id\":[1],\"text\":\"b\"}\n\xff\n{\"content\":\"c\"}";
        let lines = lines(text);
        let numbers: Vec<u32> = lines.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 3, 4, 5, 6]);
        let first = lines[0].1.as_ref().unwrap();
        assert_eq!(
            (&first.id, first.text.as_str(), &first.metadata["url"]),
            (&Some(7.into()), "a", &"u".into())
        );
        assert!(lines[1..4].iter().all(|(_, line)| line.is_err()), "{lines:?}");
        assert_eq!(lines[4].1.as_ref().unwrap().text, "c");
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let mut text = vec![b'x'; 10 << 20];
        text.extend_from_slice(b"\n{\"text\":\"after\"}\n");
        let lines = lines(&text);
        assert!(lines[0].1.as_ref().unwrap_err().contains("at most"), "{lines:?}");
        assert_eq!(lines[1].1.as_ref().unwrap().text, "after");
    }
}
