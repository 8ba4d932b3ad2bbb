//! Requests that carry a key: each is done once, and whoever asks the same again is told what it came to.

mod begin;
mod finish;
mod remove;

use uuid::Uuid;

/// Whose key it is: keys of different callers never meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The caller.
    pub scope: String,
    /// What he calls the request.
    pub key: String,
}

/// A request that carries a key, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is to be done now, by the caller of [`begin_request`](crate::Orchestrator::begin_request).
    Now(RequestClaim),
    /// It was done.
    Before {
        /// The status that was answered.
        status: u16,
        /// What was answered.
        body: Vec<u8>,
    },
    /// Somebody is at it.
    InProgress,
    /// The key stands for another request.
    OtherRequest,
}

/// The right to answer a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestClaim {
    pub(crate) key: RequestKey,
    pub(crate) claim: Uuid,
    /// What ids are to be made of: the same for whoever takes the request over.
    pub seed: Uuid,
}
