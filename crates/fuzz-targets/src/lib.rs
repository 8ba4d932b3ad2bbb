//! What must hold for every parser of outside bytes, whatever the bytes.
//!
//! Each target is an ordinary function that panics where something does not hold. `fuzz/` runs them under cargo-fuzz;
//! the tests here run the committed corpus (`fuzz/corpus/<target>`) and mutations of it.

#![expect(clippy::missing_panics_doc, reason = "panicking is how a target says that something does not hold")]

mod archive;
mod connection_string;
mod json_lines;
mod knowledge;
mod model_folder;
mod plan;
mod redact;
mod requests;
mod settings;
mod sqlite;
mod task_document;
mod wire;
mod words;

/// A parser under test.
pub type Target = fn(&[u8]);

/// All targets, by the name of their folder in the corpus and of their binary in `fuzz/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("archive", archive),
    ("connection_string", connection_string),
    ("json_lines", json_lines),
    ("knowledge", knowledge),
    ("model_folder", model_folder),
    ("plan", plan),
    ("redact_json", redact_json),
    ("redact_text", redact_text),
    ("requests", requests),
    ("settings", settings),
    ("sqlite", sqlite),
    ("task_document", task_document),
    ("wire", wire),
    ("words", words),
];

pub use archive::archive;
pub use connection_string::connection_string;
pub use json_lines::json_lines;
pub use knowledge::knowledge;
pub use model_folder::model_folder;
pub use plan::plan;
pub use redact::{redact_json, redact_text};
pub use requests::requests;
pub use settings::settings;
pub use sqlite::sqlite;
pub use task_document::task_document;
pub use wire::wire;
pub use words::words;

/// Bytes that are text; most parsers are given nothing else.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}
