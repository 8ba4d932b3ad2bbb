//! Plans for several agents: a planner's session and its prompt, tasks handed over one by one or as a whole plan from a
//! file, audits of their results, and what a session came to.
//!
//! Everything is kept by the orchestrator; no SQL here.

mod prompt;

pub use prompt::{Formatted, LeftOut, estimate_tokens, format_landing_context};
