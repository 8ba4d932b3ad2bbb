//! JSON files, with comments and trailing commas where their clients take them.

mod insert;
mod remove;
mod tree;

pub(crate) use insert::{Place, Wanted, insert};
pub(crate) use remove::remove_ours;
pub(crate) use tree::{Found, Step, ours, parse};
