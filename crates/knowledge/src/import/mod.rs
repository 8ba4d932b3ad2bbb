//! The steps of adding one by one, for who brings many entries from elsewhere: while one batch is embedded, the next
//! is looked up and the last one is written.

mod candidate;
mod fingerprint;
mod insert;
mod lock;

pub use candidate::{Candidate, History, Provenance};
pub use fingerprint::{Fingerprint, FingerprintPage};
pub use insert::Embedded;
pub use lock::NamedLock;
