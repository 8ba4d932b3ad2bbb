use std::ops::Range;

use super::lines::Lines;

/// A chunk's lines, and its text: all of them, or a part of a line that is too long.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    pub(super) lines: Range<usize>,
    pub(super) text: &'a str,
}

/// Puts neighbouring blocks together as long as they have room in `chars` characters, and splits those that have not: at
/// blank lines, then at any line, then within the line.
pub(super) fn pack<'a>(lines: &Lines<'a>, blocks: &[Range<usize>], chars: usize) -> Vec<Piece<'a>> {
    let mut packer = Packer { lines, chars, open: 0..0, pieces: Vec::new() };
    for block in blocks {
        packer.add(block.clone(), Packer::add_paragraphs);
    }
    packer.close();
    packer.pieces
}

struct Packer<'l, 'a> {
    lines: &'l Lines<'a>,
    chars: usize,
    open: Range<usize>,
    pieces: Vec<Piece<'a>>,
}

impl Packer<'_, '_> {
    /// Adds lines that follow the open piece, as a whole or as `split` does it.
    fn add(&mut self, block: Range<usize>, split: fn(&mut Self, Range<usize>)) {
        if self.open.is_empty() {
            self.open = block.start..block.start;
        }
        if self.has_room(self.open.start..block.end) {
            self.open.end = block.end;
        } else if self.has_room(block.clone()) {
            self.close();
            self.open = block;
        } else {
            split(self, block);
        }
    }

    fn add_paragraphs(&mut self, block: Range<usize>) {
        // What is split begins a piece of its own.
        self.close();
        let mut start = block.start;
        for line in block.clone() {
            let ends = line + 1 == block.end || (self.lines.is_blank(line) && !self.lines.is_blank(line + 1));
            if ends {
                self.add(start..line + 1, Self::add_lines);
                start = line + 1;
            }
        }
    }

    fn add_lines(&mut self, block: Range<usize>) {
        for line in block {
            self.add(line..line + 1, |packer, line| packer.split_line(line.start));
        }
    }

    fn split_line(&mut self, line: usize) {
        self.close();
        let mut rest = self.lines.line(line).trim();
        while !rest.is_empty() {
            let (piece, after) = split(rest, self.chars);
            self.pieces.push(Piece { lines: line..line + 1, text: piece });
            rest = after;
        }
    }

    /// Blank lines around a piece are no part of it.
    fn has_room(&self, lines: Range<usize>) -> bool {
        self.lines.chars(&self.lines.trimmed(lines)) <= self.chars
    }

    fn close(&mut self) {
        let lines = self.lines.trimmed(std::mem::take(&mut self.open));
        if !lines.is_empty() {
            let text = self.lines.span(&lines).trim_end();
            self.pieces.push(Piece { lines, text });
        }
    }
}

/// At most `chars` characters, up to a space in their second half if there is one, and what follows.
fn split(text: &str, chars: usize) -> (&str, &str) {
    let Some((end, _)) = text.char_indices().nth(chars) else { return (text, "") };
    let middle = text.char_indices().nth(chars / 2).map_or(0, |(middle, _)| middle);
    let end = text[middle..end].rfind(char::is_whitespace).map_or(end, |space| middle + space);
    let (piece, after) = text.split_at(end);
    (piece.trim_end(), after.trim_start())
}
