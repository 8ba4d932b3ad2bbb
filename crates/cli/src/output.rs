use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use anstyle::{AnsiColor, Style};
use anyhow::Context;
use jiff::Timestamp;
use serde::Serialize;

/// What a command prints: text for people or one JSON document, to stdout, in one piece.
#[derive(Debug)]
pub struct Output {
    json: bool,
    text: String,
}

/// As it is.
pub(crate) const PLAIN: Style = Style::new();
/// Quiet, for what is less important.
pub(crate) const DIM: Style = Style::new().dimmed();
/// For what the eye looks for first.
pub(crate) const BOLD: Style = Style::new().bold();
/// For what is right.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// For what is wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

impl Output {
    /// For people, or for programs.
    pub fn new(json: bool) -> Self {
        Self { json, text: String::new() }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Adds a line for people.
    pub(crate) fn line(&mut self, line: impl fmt::Display) {
        let _ = writeln!(self.text, "{line}");
    }

    /// Prints `document` for programs, or the lines for people. Colours go only to terminals that want them.
    pub(crate) fn print(self, document: &impl Serialize) -> anyhow::Result<()> {
        if self.json {
            let text = serde_json::to_string_pretty(document)? + "\n";
            let text = escaped(&text);
            return write(&mut io::stdout().lock(), &text);
        }
        write(&mut anstream::stdout().lock(), &self.text)
    }
}

/// Writes a whole result.
pub(crate) fn write(stdout: &mut impl io::Write, text: &str) -> anyhow::Result<()> {
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context("write to stdout")
}

/// A line on stderr. When that cannot be written there is nobody left to tell.
pub(crate) fn tell(line: impl fmt::Display) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// The beginning of a text on one line, at most `width` characters.
pub(crate) fn headline(text: &str, width: usize) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // A text may hold escape sequences; a terminal must not obey them.
    let line: String = line.chars().filter(|character| !character.is_control()).collect();
    if line.chars().count() <= width {
        return line;
    }
    let cut: String = line.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

/// A text as it is, less what a terminal would obey.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().filter(|character| !character.is_control() || matches!(character, '\n' | '\t')).collect()
}

/// A time on the screen.
pub(crate) fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Rows under each other, all columns but the last as wide as they must be.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]], styles: [Style; N]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(|column| if column + 1 < N { width(column) } else { 0 });
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).zip(styles);
        let cells = cells.map(|((cell, width), style)| {
            let pad = width.saturating_sub(cell.chars().count());
            format!("{style}{cell}{style:#}{:pad$}", "")
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// How many of something whose plural ends in s.
pub(crate) fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// JSON with those control characters escaped that it may hold as they are, and that a terminal may obey.
pub(crate) fn escaped(json: &str) -> Cow<'_, str> {
    let obeyed = |character: char| matches!(character, '\u{7f}'..='\u{9f}');
    if !json.contains(obeyed) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        if obeyed(character) {
            let _ = write!(text, "\\u{:04x}", u32::from(character));
        } else {
            text.push(character);
        }
    }
    Cow::Owned(text)
}

/// Bytes in a unit that fits.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}
