use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Capture, Forward};

/// Of a line that is told as progress.
const MAX_LINE: usize = 1024;
const MAX_STEP_CHARS: usize = 200;
const CHUNK: usize = 64 * 1024;

/// What a command said last, and when.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) at: Instant,
    pub(crate) line: Option<String>,
}

/// Reads a stream to its end, whoever else is slow, and keeps what the capture keeps.
pub(super) async fn read(
    mut stream: impl AsyncRead + Unpin,
    into: &Mutex<Capture>,
    said: &watch::Sender<Said>,
    forward: Option<Forward<'_>>,
) {
    let mut chunk = vec![0; CHUNK];
    let mut line = Vec::new();
    // An error ends it like an end: what was read counts.
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        let bytes = &chunk[..read];
        into.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        let step = last_line(&mut line, bytes);
        said.send_modify(|said| {
            said.at = Instant::now();
            if step.is_some() {
                said.line = step;
            }
        });
        if let Some(forward) = forward {
            forward(bytes);
        }
    }
}

/// The last line that ends in `bytes` and says something; `open` is the line that has not ended yet.
fn last_line(open: &mut Vec<u8>, bytes: &[u8]) -> Option<String> {
    let keep = |open: &mut Vec<u8>, bytes: &[u8]| {
        let room = MAX_LINE.saturating_sub(open.len());
        open.extend_from_slice(&bytes[..room.min(bytes.len())]);
    };
    let last_end = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b'\n');
    let Some(last) = last_end(bytes) else {
        keep(open, bytes);
        return None;
    };
    let (mut end, mut step) = (last, None);
    // Blank lines are passed over, but not without bound.
    for _ in 0..8 {
        let Some(before) = last_end(&bytes[..end]) else {
            keep(open, &bytes[..end]);
            step = shown(open);
            break;
        };
        step = shown(&bytes[before + 1..end]);
        if step.is_some() {
            break;
        }
        end = before;
    }
    open.clear();
    keep(open, &bytes[last + 1..]);
    step
}

/// A line as progress: something, short, and without what a terminal obeys.
fn shown(line: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&line[..line.len().min(MAX_LINE)]);
    let words: Vec<&str> = text.split_whitespace().collect();
    let step: String =
        words.join(" ").chars().filter(|character| !character.is_control()).take(MAX_STEP_CHARS).collect();
    let step = step.trim();
    (!step.is_empty()).then(|| step.to_owned())
}

#[cfg(test)]
mod tests {
    use super::last_line;

    fn last(chunks: &[&str]) -> Vec<Option<String>> {
        let mut open = Vec::new();
        chunks.iter().map(|chunk| last_line(&mut open, chunk.as_bytes())).collect()
    }

    #[test]
    fn lines_may_come_in_pieces() {
        let lines = last(&["read", "ing a", ".rs\nwri", "ting", "\n"]);
        let expected = [None, None, Some("reading a.rs".to_owned()), None, Some("writing".to_owned())];
        assert_eq!(lines, expected);
    }

    #[test]
    fn blank_lines_say_nothing() {
        assert_eq!(last(&["one\ntwo\n\n \n\r\n"]), [Some("two".to_owned())]);
        assert_eq!(last(&["\n\n"]), [None]);
        assert_eq!(last(&["one", "\n\n"]), [None, Some("one".to_owned())]);
    }

    #[test]
    fn a_line_is_short_and_plain() {
        let long = format!("\x1b[31m{}\n", "ü".repeat(5000));
        let step = last(&[&long]).remove(0).unwrap();
        assert!(step.starts_with("[31mü") && step.chars().count() == 200, "{step}");
    }
}
