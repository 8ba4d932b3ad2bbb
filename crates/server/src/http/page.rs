use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::cursor;
use super::problem::Problem;

/// A page of any list, as it is sent.
#[derive(Debug, Serialize)]
pub(super) struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl<T> Page<T> {
    pub(super) fn new(items: Vec<T>, next: Option<i64>) -> Self {
        Self { items, next: cursor::encode(next) }
    }
}

/// A list that has one page.
#[derive(Debug, Serialize)]
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
}

/// How much of a list, and from where: flattened structs would take numbers for texts, so each list repeats them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) limit: usize,
    pub(super) before: Option<i64>,
}

impl Range {
    pub(super) fn new(limit: Option<usize>, cursor: Option<&str>) -> Result<Self, Problem> {
        Ok(Self { limit: limit.unwrap_or(100), before: cursor::decode(cursor)? })
    }
}

/// In which project.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct InProject {
    /// The project; the usual one, when left out.
    pub(super) project: Option<String>,
}
