use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::exit::Exit;

/// Print a completion script for a shell.
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> Exit {
        clap_complete::generate(self.shell, &mut Args::command(), "agent-turbo", &mut std::io::stdout());
        Exit::Done
    }
}
