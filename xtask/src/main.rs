//! Chores of this workspace: verification, tests, soak, layers.

mod clients;
mod layers;
mod program;
mod soak;
mod test;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of this workspace")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prove a phase, or all, against DATABASE_URL or the embedded default, and leave the database as it was.
    Verify(verify::Verify),
    /// Let agents work while everything breaks, and check that nothing acknowledged is lost.
    Soak(soak::Args),
    /// One process of a soak's agents.
    #[command(hide = true)]
    SoakWorker(soak::Worker),
    /// Prove the servers with clients that others wrote.
    Clients(clients::Clients),
    /// Run everything that CI runs.
    Test(test::Test),
    /// Fail on a dependency between crates that the architecture does not allow.
    Layers,
}

fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::Verify(command) => command.run(),
        Command::Soak(command) => command.run(),
        Command::SoakWorker(command) => command.run(),
        Command::Test(command) => return command.run(),
        Command::Clients(command) => command.run(),
        Command::Layers => layers::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let (red, reset) = (anstyle::AnsiColor::Red.on_default().bold(), anstyle::Reset);
            anstream::eprintln!("{red}TASK FAILED:{reset} {error:#}");
            ExitCode::FAILURE
        }
    }
}
