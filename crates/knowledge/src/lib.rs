//! What agents know: adding, finding, changing and counting entries.
//!
//! Owns `agent_knowledge`, the tables `knowledge_*`, `embedding_models`, `documents` and `document_chunks`. Knows nothing of
//! sessions, tasks or commands; a [`Store`] takes a
//! [`Database`](agent_turbo_db::Database) opened with [`session_settings`] and a
//! [`Client`](agent_turbo_embed::Client) of the embedding service.

mod access;
mod add;
mod content;
mod delete;
mod documents;
mod entry;
mod error;
mod filter;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod get;
mod hash;
mod import;
mod list;
mod merge;
mod near;
mod postings;
mod project;
mod purge;
mod quarantine;
mod query;
mod reembed;
mod restored;
mod scan;
mod state;
mod stats;
mod store;
mod supersede;
mod update;
mod versions;

pub use add::{Added, NewEntry, Outcome};
pub use agent_turbo_redact::{Redacted, redact};
pub use documents::{ChunkPlace, DOCUMENT_TYPE, Finished, Location, NewDocument, StoredDocument};
pub use entry::Entry;
pub use error::{Error, Result};
pub use filter::{Filter, States, check_label};
pub use hash::{ContentHash, EntryRef};
pub use import::{Candidate, Embedded, Fingerprint, FingerprintPage, History, NamedLock, Provenance};
pub use list::Page;
pub use near::{Near, NearDuplicate};
pub use project::Project;
pub use purge::Purger;
pub use query::{Answer, Hit, MAX_LIMIT, Match, Mode, Query, Ranking, Recall, RecallGauge, Share, Why};
pub use reembed::{ReembedProgress, Reembedded, Reembedding};
pub use restored::settle_restored;
pub use scan::{Finding, Place, Remedy, Scan, ScanCursor};
pub use state::State;
pub use stats::{Count, Stats};
pub use store::{Options, Store, session_settings};
pub use update::Patch;
pub use versions::{Version, Versions};
