//! JSON objects that people write. What is wrong with one is told with its name and the member.

use std::fmt;

use anyhow::Result;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::input::bad;

/// An object of which every member is taken by its name.
#[derive(Debug)]
pub(crate) struct Members {
    document: &'static str,
    name: String,
    left: Map<String, Value>,
}

impl Members {
    /// Of an object that is called `name`, in `document`.
    pub(crate) fn new(document: &'static str, name: String, left: Map<String, Value>) -> Self {
        Self { document, name, left }
    }

    /// This object, called otherwise.
    pub(crate) fn named(self, name: String) -> Self {
        Self { name, ..self }
    }

    /// Nothing, when it is left out or null.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, member: &str) -> Result<Option<T>> {
        let value = self.left.remove(member).unwrap_or_default();
        serde_json::from_value(value).map_err(|error| self.wrong(member, error))
    }

    pub(crate) fn needed<T: DeserializeOwned>(&mut self, member: &str) -> Result<T> {
        self.take(member)?.ok_or_else(|| self.wrong(member, "it is left out"))
    }

    /// Refuses what was not taken.
    pub(crate) fn end(self) -> Result<()> {
        match self.left.keys().next() {
            Some(unknown) => Err(self.wrong(unknown, "there is no such member")),
            None => Ok(()),
        }
    }

    pub(crate) fn wrong(&self, member: &str, why: impl fmt::Display) -> anyhow::Error {
        bad(self.document, format!("{member:?} of {}: {why}", self.name))
    }
}
