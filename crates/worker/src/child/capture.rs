use serde_json::{Value, json};

/// What a stream said: its beginning, its end, and how much there was. Holds no more than twice its bound.
#[derive(Debug, Clone)]
pub(crate) struct Capture {
    half: usize,
    head: Vec<u8>,
    tail: Vec<u8>,
    total: u64,
}

impl Capture {
    /// Keeps up to `bound` bytes.
    pub(crate) fn new(bound: usize) -> Self {
        Self { half: (bound / 2).max(1), head: Vec::new(), tail: Vec::new(), total: 0 }
    }

    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = self.half - self.head.len();
        if room > 0 {
            let (first, rest) = bytes.split_at(room.min(bytes.len()));
            self.head.extend_from_slice(first);
            bytes = rest;
        }
        if bytes.len() >= self.half {
            self.tail.clear();
            bytes = &bytes[bytes.len() - self.half..];
        }
        self.tail.extend_from_slice(bytes);
        // Not with every chunk: each byte is moved once.
        if self.tail.len() > 2 * self.half {
            self.tail.drain(..self.tail.len() - self.half);
        }
    }

    /// Bytes that were said.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Bytes of them that were not kept.
    pub(crate) fn left_out(&self) -> u64 {
        self.total - (self.head.len() + self.end().len()) as u64
    }

    fn end(&self) -> &[u8] {
        &self.tail[self.tail.len().saturating_sub(self.half)..]
    }

    /// As text, with a word on what is missing in the middle. What is no UTF-8, and NUL, which the database does not
    /// hold, become replacement characters.
    pub(crate) fn text(&self) -> String {
        let left_out = self.left_out();
        if left_out == 0 {
            let mut all = self.head.clone();
            all.extend_from_slice(self.end());
            return readable(&all);
        }
        format!("{}\n[{left_out} bytes are left out here]\n{}", readable(&self.head), readable(self.end()))
    }

    /// Its last `bytes` at the most, as text.
    pub(crate) fn last(&self, bytes: usize) -> String {
        let mut kept = self.head.clone();
        if self.left_out() > 0 {
            kept.clear();
        }
        kept.extend_from_slice(self.end());
        let text = readable(&kept[kept.len().saturating_sub(bytes)..]);
        // A character that was cut in two.
        text.trim_start_matches('\u{fffd}').trim().to_owned()
    }

    /// Its size, and its last `bytes` as text.
    pub(crate) fn summary(&self, bytes: usize) -> Value {
        json!({ "bytes": self.total, "left_out": self.left_out(), "end": self.last(bytes) })
    }
}

fn readable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::Capture;

    #[test]
    fn what_fits_is_kept_as_it_is() {
        let mut capture = Capture::new(8);
        for chunk in ["ab", "cde", "fgh"] {
            capture.push(chunk.as_bytes());
        }
        assert_eq!((capture.text().as_str(), capture.left_out()), ("abcdefgh", 0));
    }

    #[test]
    fn of_more_the_beginning_and_the_end_are_kept() {
        for size in [1, 2, 3, 7, 1000] {
            let mut capture = Capture::new(8);
            let all: Vec<u8> = (0..1000).map(|number| b'a' + (number % 26) as u8).collect();
            all.chunks(size).for_each(|chunk| capture.push(chunk));
            assert_eq!((capture.total(), capture.left_out()), (1000, 992), "{size}");
            assert_eq!(capture.text(), "abcd\n[992 bytes are left out here]\nijkl", "{size}");
            assert!(capture.tail.capacity() <= 32, "{size}: {}", capture.tail.capacity());
        }
    }

    #[test]
    fn any_bytes_become_text() {
        let mut capture = Capture::new(64);
        capture.push(b"a\0b\xffc\n");
        assert_eq!(capture.text(), "a\u{fffd}b\u{fffd}c\n");
        assert_eq!(capture.last(3), "c");
    }
}
