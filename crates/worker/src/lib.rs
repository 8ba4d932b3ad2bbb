//! Runs a command for each task of a role: an agent's program in print mode, or any script.
//!
//! One loop claims; each task then has a session and a lease of its own, a process group, bounded output, and a task
//! of the runtime that shows signs of life for it. What happens is told to an observer. Knows neither SQL nor the
//! screen.

mod attempt;
mod child;
mod control;
mod error;
mod event;
mod heart;
mod options;
mod output;
mod preset;
mod prompt;
mod settle;
mod template;
mod verify;
mod worker;

pub use control::Control;
pub use error::{Error, Result};
pub use event::{Event, Outcome, Report, Summary};
pub use options::Options;
pub use preset::Preset;
pub use worker::work;
