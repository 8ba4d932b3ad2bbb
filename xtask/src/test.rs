use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use agent_turbo_stack::{self as stack, Home, PostgresOptions};
use anyhow::{Context, Result, bail};

/// Run everything that CI runs: format, lints, layers, tests, a smoke run of the benches, verification on the embedded
/// default and on a server of one's own, proofs with clients that others wrote, and a short soak. Nothing of the user's own
/// is touched: homes are temporary.
#[derive(clap::Args)]
pub(crate) struct Test {
    /// Only the tests themselves.
    #[arg(long)]
    quick: bool,
}

#[derive(Default)]
struct Count {
    passed: u64,
    failed: u64,
}

impl Test {
    pub(crate) fn run(&self) -> ExitCode {
        let mut count = Count::default();
        let outcome = self.steps(&mut count);
        if let Err(error) = &outcome {
            anstream::eprintln!("TASK FAILED: {error:#}");
        }
        // The line that CI counts tests by stands at the end, whatever happened.
        anstream::println!("{} passed, {} failed", count.passed, count.failed);
        if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn steps(&self, count: &mut Count) -> Result<()> {
        if !self.quick {
            step("format", cargo(&["fmt", "--all", "--check"]))?;
            step(
                "lints",
                cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]),
            )?;
            crate::layers::run()?;
        }
        tests(count, &["test", "--workspace", "--no-fail-fast"])?;
        if !self.quick {
            step(
                "benches, once each",
                cargo(&["test", "--quiet", "--package", "agent-turbo-benches", "--benches"]),
            )?;
            verification(count)?;
            count.passed += crate::clients::prove(None).context("clients that others wrote")?;
            step("a soak of 2 minutes", cargo(&["xtask", "soak", "--minutes", "2"]))?;
            count.passed += 1;
        }
        Ok(())
    }
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

fn step(name: &str, mut command: Command) -> Result<()> {
    let started = Instant::now();
    let status = command.status().with_context(|| format!("{name}: the command cannot be run"))?;
    if !status.success() {
        bail!("{name}: {status}");
    }
    anstream::println!("{name}: done in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// Runs tests and adds up what each test binary reports.
fn tests(count: &mut Count, arguments: &[&str]) -> Result<()> {
    let mut child = cargo(arguments).stdout(Stdio::piped()).spawn().context("the tests cannot be run")?;
    let stdout = child.stdout.take().context("the tests' output")?;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        if let Some((passed, failed)) = result_of(&line) {
            count.passed += passed;
            count.failed += failed;
        }
        anstream::println!("{line}");
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("tests: {status}, {} of them failed", count.failed);
    }
    if count.passed == 0 {
        bail!("tests: none was run");
    }
    Ok(())
}

/// `test result: ok. 3 passed; 1 failed; …`
fn result_of(line: &str) -> Option<(u64, u64)> {
    let rest = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let number = |word: &str| rest.split("; ").find_map(|part| part.strip_suffix(word)?.trim().parse().ok());
    Some((number("passed")?, number("failed")?))
}

/// All phases on the embedded default in an empty home, and again on a server of one's own.
fn verification(count: &mut Count) -> Result<()> {
    let dir = tempfile::Builder::new().prefix("agent-turbo-verify-").tempdir()?;
    crate::program::open_to_all(dir.path())?;
    let (embedded, own) = (dir.path().join("embedded"), dir.path().join("own"));
    let outcome = verification_in(count, &embedded, &own);
    let runtime = tokio::runtime::Runtime::new()?;
    for home in [embedded, own] {
        runtime.block_on(stack::down(&Home::at(home)))?;
    }
    outcome
}

fn verification_in(count: &mut Count, embedded: &Path, own: &Path) -> Result<()> {
    let mut verify = this_program(embedded);
    verify.env_remove("DATABASE_URL").env_remove("AGENT_TURBO_EMBED_URL");
    step("verification on the embedded default", verify)?;
    count.passed += 1;
    let runtime = tokio::runtime::Runtime::new()?;
    let options = PostgresOptions::default();
    let server = Home::at(own).with_wheels(embedded.join("wheels"));
    let postgres = runtime.block_on(stack::ensure_postgres(&server, &options, &stack::quiet))?;
    let mut verify = this_program(embedded);
    verify.env("DATABASE_URL", postgres.tcp_url().expose()).env_remove("AGENT_TURBO_EMBED_URL");
    step("verification on a server of one's own", verify)?;
    count.passed += 1;
    Ok(())
}

fn this_program(home: &Path) -> Command {
    let mut command = cargo(&["xtask", "verify", "all"]);
    command.env("AGENT_TURBO_HOME", home);
    command
}
