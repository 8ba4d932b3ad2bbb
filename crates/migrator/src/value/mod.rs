//! What SQLite holds, and what is made of it. Pure: nothing here fails on any input but by saying so.

mod json;
mod sql;
mod tags;
mod timestamp;

pub use json::parse_json;
pub use sql::SqlValue;
pub use tags::{Tags, parse_tags};
pub use timestamp::parse_timestamp;
