//! Plans for several agents: a planner's session and its prompt, tasks handed over one by one or as a whole plan from a
//! file, audits of their results, and what a session came to.
//!
//! Everything is kept by the orchestrator; no SQL here.

mod audit;
mod delegate;
mod error;
mod plan;
mod planner;
mod prompt;
mod start;
mod summary;

pub use agent_turbo_orchestrator::{Reviews, SessionSummary, TaskTally};
pub use audit::ToAudit;
pub use error::{Error, Result};
pub use plan::{After, Format, LoadedPlan, LoadedTask, MAX_PLAN_BYTES, Plan, PlannedTask};
pub use planner::Planner;
pub use prompt::{Formatted, LeftOut, estimate_tokens, format_landing_context};
pub use start::PLANNER_ROLE;
