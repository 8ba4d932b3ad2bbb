//! The way of an import: read, look up, embed, write, each at the same time as the others, then verify.

mod classify;
mod dry_run;
mod lookup;
mod read;
mod rejects;
mod run;
mod write;

pub(crate) use classify::{Fate, fate_of};
pub(crate) use dry_run::known;
pub(crate) use read::{Item, Origin, read};
pub use run::import;
pub(crate) use run::open;
