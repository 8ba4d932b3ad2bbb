//! Splits texts where their structure lets them: at headings, definitions, paragraphs, lines, and words at last.

mod code;
mod lines;
mod markdown;
mod pack;
mod prose;
#[cfg(test)]
mod tests;

use crate::Kind;
use lines::Lines;

/// The way in which texts are split. Another one makes other chunks, so documents are split anew.
pub const CHUNKER: u32 = 1;

/// Characters of a chunk at the most, unless somebody says otherwise: about 250 tokens of English, and the default model
/// reads 256.
pub const DEFAULT_CHARS: usize = 1000;

/// The least that can be asked for.
pub const MIN_CHARS: usize = 100;

/// Characters of a heading's line in a chunk, and of all of them together.
const MAX_HEADING: usize = 120;
const MAX_PATH: usize = 300;

/// A piece of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The headings or definitions that it stands under, outermost first, as in `Guide > Install`.
    pub heading: Option<String>,
    /// Its first line, from 1.
    pub first_line: u32,
    /// Its last line.
    pub last_line: u32,
    /// What of the heading does not stand in the text itself.
    prefix: Option<String>,
    text: String,
}

/// Splits a text whose lines end in `\n`. A chunk has at most `chars` characters (at least [`MIN_CHARS`]; of code three
/// quarters of that, as it has more tokens), and its heading comes on top of that. Every line that is not blank is in
/// exactly one chunk, but for lines longer than a chunk, which are split at spaces.
pub fn chunks(text: &str, kind: Kind, chars: usize) -> Vec<Chunk> {
    let lines = Lines::new(text);
    let chars = chars.max(MIN_CHARS);
    let sections = match kind {
        Kind::Markdown => markdown::sections(&lines),
        Kind::Code(language) => {
            let chars = chars * 3 / 4;
            return sections_to_chunks(&lines, &code::sections(&lines, language, chars), chars);
        }
        Kind::Pdf => prose::pages(&lines),
        Kind::Text | Kind::JsonLines => prose::sections(&lines),
    };
    sections_to_chunks(&lines, &sections, chars)
}

/// Lines that belong together under one heading.
#[derive(Debug)]
struct Section {
    /// Headings, outermost first.
    path: Vec<String>,
    /// How many of the last ones stand in the section's own first lines.
    shown: usize,
    /// Its blocks, one after the other without a gap; each is kept whole where that is possible.
    blocks: Vec<std::ops::Range<usize>>,
}

fn sections_to_chunks(lines: &Lines<'_>, sections: &[Section], chars: usize) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    for section in sections {
        let pieces = pack::pack(lines, &section.blocks, chars);
        for (number, piece) in pieces.into_iter().enumerate() {
            let shown = if number == 0 { section.shown } else { 0 };
            let above = section.path.len().saturating_sub(shown);
            chunks.push(Chunk {
                heading: join(&section.path),
                first_line: line_number(piece.lines.start),
                last_line: line_number(piece.lines.end - 1),
                prefix: join(&section.path[..above]),
                text: piece.text.to_owned(),
            });
        }
    }
    chunks
}

impl Chunk {
    /// The text that is stored: the piece itself, after those of its headings that do not stand in it, so that it is
    /// found by them, too. The file's name is not part of it: the same piece in another file is the same text.
    pub fn content(&self) -> String {
        match &self.prefix {
            Some(prefix) => format!("{prefix}\n\n{}", self.text),
            None => self.text.clone(),
        }
    }

    /// The piece without its headings.
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn join(path: &[String]) -> Option<String> {
    let joined = path.join(" > ");
    (!joined.is_empty()).then(|| cut(&joined, MAX_PATH))
}

/// A heading on one line.
fn heading(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    cut(&words.join(" "), MAX_HEADING)
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

fn line_number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1)
}
