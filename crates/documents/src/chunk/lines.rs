use std::ops::Range;

/// A text by its lines, numbered from 0.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    pub(super) text: &'a str,
    /// Where each line begins, and the end of the text.
    starts: Vec<usize>,
    /// Characters before each line, and of the whole text.
    chars: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let (mut starts, mut chars) = (vec![0], vec![0]);
        let mut counted = 0;
        for line in text.split_inclusive('\n') {
            counted += line.chars().count();
            starts.push(starts.last().map_or(0, |start| start + line.len()));
            chars.push(counted);
        }
        Self { text, starts, chars }
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub(super) fn span(&self, lines: &Range<usize>) -> &'a str {
        &self.text[self.starts[lines.start]..self.starts[lines.end]]
    }

    pub(super) fn line(&self, line: usize) -> &'a str {
        self.span(&(line..line + 1))
    }

    pub(super) fn is_blank(&self, line: usize) -> bool {
        self.line(line).trim().is_empty()
    }

    /// Characters of these lines, line ends included.
    pub(super) fn chars(&self, lines: &Range<usize>) -> usize {
        self.chars[lines.end] - self.chars[lines.start]
    }

    /// The line that a byte stands in.
    pub(super) fn line_of(&self, byte: usize) -> usize {
        let line = self.starts.partition_point(|start| *start <= byte).saturating_sub(1);
        line.min(self.len().saturating_sub(1))
    }

    /// The same lines without blank ones around them.
    pub(super) fn trimmed(&self, lines: Range<usize>) -> Range<usize> {
        let Range { mut start, mut end } = lines;
        while start < end && self.is_blank(start) {
            start += 1;
        }
        while end > start && self.is_blank(end - 1) {
            end -= 1;
        }
        start..end
    }
}
