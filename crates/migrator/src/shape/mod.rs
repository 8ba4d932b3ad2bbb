//! What a table's columns mean: known stores, what somebody says, and a guess to be shown to somebody.

mod known;
mod mapping;
mod propose;
mod table;

pub use known::{Shape, recognise};
pub use mapping::{Mapping, Role, parse_mapping};
pub use propose::Proposal;
pub(crate) use propose::propose;
pub use table::TableInfo;
pub(crate) use table::{Selected, select};
