//! From a row of the source to an entry of the target.

mod convert;
mod key;
mod metadata;

pub(crate) use convert::{Converter, Rejection};
pub use key::RowKey;
