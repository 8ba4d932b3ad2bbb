//! Brings documents into a store of knowledge, and knowledge out of it.
//!
//! [`ingest`] reads what changed, embeds what the store does not have, and removes what is gone; [`watch`] does that
//! again whenever something changes; [`export`] writes lines that [`ingest`] reads back. What a file is and how it is
//! split is `documents`' business, what happens to an entry `knowledge`'s; no SQL stands here.
//!
//! Nothing but the store says how far a run came: a document's hash is written when all its entries are there, so a run
//! that was killed is gone on with by running it again.

mod error;
mod export;
mod line;
mod lookup;
mod options;
mod progress;
mod read;
mod report;
mod run;
mod watch;
mod write;

pub use agent_turbo_documents::{DEFAULT_CHARS, MIN_CHARS, Skip};
pub use error::{Error, Result};
pub use export::{Exported, export};
pub use options::Options;
pub use progress::Progress;
pub use report::{ChunkCounts, DocumentCounts, Rejected, Report, SkippedFile};
pub use run::ingest;
pub use watch::{Heard, watch};
