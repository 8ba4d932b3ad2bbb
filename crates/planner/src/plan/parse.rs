use std::fmt::Display;

use serde::Deserialize;
use serde_path_to_error::{Path, Track};

use super::Plan;
use crate::{Error, Result};

/// A plan's text at the most.
pub const MAX_PLAN_BYTES: usize = 4 << 20;
/// As deep as JSON may be by `serde_json`, less what is around an input.
const MAX_DEPTH: usize = 100;
/// A plan of 10,000 tasks has about 200,000.
const MAX_NODES: usize = 500_000;
/// What aliases may repeat: enough to share a text, too little for a bomb.
const MAX_REPEATED: usize = 100_000;
/// How much of a place is told.
const MAX_PLACE_CHARS: usize = 80;

/// What a plan is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// YAML 1.2, one document.
    Yaml,
    /// JSON.
    Json,
}

impl Format {
    /// By the ending of a file's name, else by how the text begins.
    pub fn of(name: &str, text: &str) -> Self {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        match ending.as_deref() {
            Some("json") => Self::Json,
            Some("yaml" | "yml") => Self::Yaml,
            _ if text.trim_start().starts_with('{') => Self::Json,
            _ => Self::Yaml,
        }
    }
}

impl Plan {
    /// Reads a plan; what may be wrong within it is found by [`Plan::check`].
    ///
    /// # Errors
    /// [`Error::BadPlan`] with the place: the member, the line and the column.
    pub fn parse(text: &str, format: Format) -> Result<Self> {
        if text.len() > MAX_PLAN_BYTES {
            return Err(Error::BadPlan(format!("{} bytes are more than {MAX_PLAN_BYTES}", text.len())));
        }
        if text.trim().is_empty() {
            return Err(Error::BadPlan("it is empty".to_owned()));
        }
        match format {
            Format::Yaml => yaml(text),
            Format::Json => json(text),
        }
    }
}

fn json(text: &str) -> Result<Plan> {
    let mut track = Track::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Plan::deserialize(serde_path_to_error::Deserializer::new(&mut deserializer, &mut track))
        .and_then(|plan| deserializer.end().map(|()| plan))
        .map_err(|error| bad(&track.path(), error))
}

fn yaml(text: &str) -> Result<Plan> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        // As YAML 1.2 has it: `no` and `0755` are texts.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: 1,
            max_nodes: MAX_NODES,
            max_events: 2 * MAX_NODES,
            // What aliases repeat counts as well.
            max_total_scalar_bytes: 2 * MAX_PLAN_BYTES,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_REPEATED },
    };
    let mut track = Track::new();
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
        Plan::deserialize(serde_path_to_error::Deserializer::new(deserializer, &mut track))
    })
    .map_err(|error| bad(&track.path(), error.render_with_formatter(&serde_saphyr::UserMessageFormatter)))
}

/// With the place, such as `tasks[1].priority`; both formats tell the line.
fn bad(place: &Path, why: impl Display) -> Error {
    let place = place.to_string();
    // `?` is a member whose name was not read, `.` the whole.
    let place = place.trim_end_matches(['.', '?']);
    Error::BadPlan(match place.char_indices().nth(MAX_PLACE_CHARS) {
        _ if place.is_empty() => why.to_string(),
        Some((end, _)) => format!("{}…: {why}", &place[..end]),
        None => format!("{place}: {why}"),
    })
}
