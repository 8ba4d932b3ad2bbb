//! The program's own parsers, for fuzz targets. Errors are what the user would read.

use std::path::Path;

use agent_turbo_orchestrator::{GraphTask, NewAction};

use crate::output;

/// JSON for a terminal.
pub fn escaped(json: &str) -> String {
    output::escaped(json).into_owned()
}

/// A text for a terminal.
pub fn harmless(text: &str) -> String {
    output::harmless(text)
}

/// The beginning of a text on one line.
pub fn headline(text: &str, width: usize) -> String {
    output::headline(text, width)
}

/// A duration, in its parts; a time that is ahead or ago.
pub fn when(text: &str) -> [Result<(), String>; 3] {
    let told = |error: anyhow::Error| format!("{error:#}");
    [
        crate::when::duration("it", text).map(drop).map_err(told),
        crate::when::ahead("it", text).map(drop).map_err(told),
        crate::when::ago("it", text).map(drop).map_err(told),
    ]
}

/// Actions as lines of JSON.
pub fn json_lines(text: &str) -> Result<Vec<NewAction>, String> {
    crate::commands::action::batch::parse(text, None).map_err(|error| format!("{error:#}"))
}

/// A graph of tasks.
pub fn task_document(text: &str) -> Result<Vec<GraphTask>, String> {
    crate::commands::task::document::parse(text).map_err(|error| format!("{error:#}"))
}

/// A settings file; what is shown of the settings.
pub fn settings(file: &Path) -> Result<String, String> {
    let overrides = crate::settings::Overrides { config: Some(file.to_owned()), ..Default::default() };
    let settings = crate::settings::Settings::resolve(overrides, |_| None);
    settings.map(|settings| format!("{settings:?}")).map_err(|error| error.to_string())
}
