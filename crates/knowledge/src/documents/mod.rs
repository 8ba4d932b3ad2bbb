//! Documents, and the entries that they are made of.
//!
//! Owns `documents` and `document_chunks`. An entry that was made for a document says so in its metadata (`document`) and
//! is of type `document`; it goes when no document of its project holds it any more. An entry that somebody added is held
//! by documents that say the same, and stays.

mod begin;
mod candidate;
mod finish;
mod list;
mod location;
mod remove;
mod settle;

pub use finish::{ChunkPlace, Finished, NewDocument};
pub use list::StoredDocument;
pub(crate) use location::MEMBER as LOCATION_MEMBER;
pub use location::{DOCUMENT_TYPE, Location};
