//! The agent-turbo program.

use std::process::ExitCode;

use agent_turbo_cli::{Args, report, run};
use clap::Parser;

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(run(args));
            // What still waits in the background must not keep the program from ending.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(error.into()),
    };
    report(outcome).into()
}
