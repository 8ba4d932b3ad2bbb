//! The `agent-turbo` program, and the composition of its layers for programs beside it.
//!
//! [`Settings`] says how; a [`Deployment`] finds or starts the database and the embedding service and opens a store on
//! them. Each command is a file of `commands`. No SQL here, and nothing that a layer below could do.

mod acting;
mod archive;
mod args;
mod clients;
mod commands;
mod deployment;
mod exit;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod input;
mod members;
mod metering;
mod output;
mod progress;
mod running;
mod served;
mod settings;
mod stop;
mod when;

pub use args::Args;
pub use clients::session_of_parent;
pub use commands::run;
pub use deployment::Deployment;
pub use exit::{Exit, report};
pub use output::Output;
pub use settings::Settings;
