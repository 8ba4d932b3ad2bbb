//! Writes the configuration by which agent programs find Agent Turbo, and takes it out again.
//!
//! A [`Part`] is one file of a [`Client`] and what belongs into it; [`Part::connect`] and [`Part::disconnect`] say what
//! would become of the file, and [`Change::apply`] does it. Files belong to their users: everything that is not ours
//! stays as it is, byte for byte, because texts are cut and joined at places that a parser names, and never written anew.
//! What was inserted is noted in a [`Records`] folder, by which it is taken out again exactly.
//!
//! Knows no database and nothing of what is done once the connection is there.

mod change;
mod client;
mod error;
mod file;
mod fragment;
mod hooks;
mod json;
mod part;
mod record;
mod server;
mod splice;
mod toml;

pub use change::{Change, Outcome};
pub use client::{Client, Places, Scope};
pub use error::{Error, Result};
pub use hooks::Hooks;
pub use part::{Part, parts};
pub use record::Records;
pub use server::{SERVER_NAME, Server};
