//! The `agent-turbo` program as a whole process, as people and their agents start it, in a scratch home.
//!
//! Each figure is from the start of the process to its end. The packages are already downloaded; texts are new each
//! time, so nothing but the model makes their vectors.

use std::cell::{Cell, LazyCell};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use agent_turbo_benches::{Report, Times, run, sure, texts};
use agent_turbo_test_support::{PrivateCluster, home, model_dir};
use anyhow::{Context, Result, ensure};
use criterion::{Criterion, SamplingMode};
use tempfile::TempDir;

fn main() {
    run("program", bench);
}

fn bench(criterion: &mut Criterion, report: &Report) {
    // Built and started by the first bench that is not filtered out.
    let program = LazyCell::new(|| sure(Program::build()));
    let running = LazyCell::new(|| sure(Running::start(&program)));
    let mut group = criterion.benchmark_group("program");
    group.sampling_mode(SamplingMode::Flat).warm_up_time(Duration::from_millis(100));

    let process = Times::default();
    group.bench_function("version", |bencher| {
        let version = || program.run(&running.home, &["--version"]).map(drop);
        bencher.iter_custom(|calls| sure(process.time(calls, version)));
    });

    let query = Times::default();
    group.bench_function("query", |bencher| {
        bencher.iter_custom(|calls| sure(query.time(calls, || running.ask())));
    });
    report.median("query, whole process", &query);
    report.figure("of it starting a process that does nothing", &process);

    let memory = Cell::new(None);
    group.bench_function("at rest", |bencher| {
        bencher.iter_custom(|calls| {
            let start = Instant::now();
            memory.set(Some(sure(running.at_rest())));
            start.elapsed() * u32::try_from(calls).unwrap_or(u32::MAX)
        });
    });
    if let Some(bytes) = memory.get() {
        let what = "reap --every, after its first work".to_owned();
        report.value("memory of a long-lived process at rest", bytes / 1e6, what);
    }

    group.sample_size(10).measurement_time(Duration::from_secs(20));
    let second = Times::default();
    group.bench_function("second start", |bencher| {
        bencher.iter_custom(|calls| sure(running.restart(calls, &second)));
    });
    report.median("second start", &second);

    let first = Times::default();
    group.bench_function("first start", |bencher| {
        bencher.iter_custom(|calls| sure(first_starts(calls, &program, &first)));
    });
    report.median("first start, downloads in place", &first);
}

/// The program's file, of the same profile as this bench.
struct Program {
    file: PathBuf,
    wheels: PathBuf,
}

/// A folder for everything that the program leaves behind.
struct Home(TempDir);

/// A home whose services run and which knows something.
struct Running<'a> {
    program: &'a Program,
    home: Home,
}

impl Program {
    /// What is already up to date is not built again.
    fn build() -> Result<Self> {
        // target/<profile>/deps/<this bench>
        let this = env::current_exe()?;
        let profile = this.ancestors().nth(2).context("the folder of this bench's profile")?;
        let target = profile.parent().context("the target folder")?;
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package", "agent-turbo-cli", "--bin", "agent-turbo"]);
        build.args((!cfg!(debug_assertions)).then_some("--release")).arg("--target-dir").arg(target);
        ensure!(
            build.current_dir(env!("CARGO_MANIFEST_DIR")).status()?.success(),
            "the program cannot be built"
        );

        // Whatever the program will want to download, by the tests' own ways.
        tokio::runtime::Runtime::new()?.block_on(async {
            PrivateCluster::start().await?;
            model_dir().await
        })?;
        Ok(Self { file: profile.join("agent-turbo"), wheels: home().path().join("wheels") })
    }

    /// Runs it to its end; what it wrote to stderr.
    fn run(&self, home: &Home, args: &[&str]) -> Result<String> {
        let done = self.command(home, args).stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "agent-turbo {args:?} says {}: {said}", done.status);
        Ok(said.into_owned())
    }

    /// The program with nothing of the user's own about it.
    fn command(&self, home: &Home, args: &[&str]) -> Command {
        let mut command = Command::new(&self.file);
        for (name, _) in env::vars_os() {
            if name == "DATABASE_URL" || name.to_string_lossy().starts_with("AGENT_TURBO_") {
                command.env_remove(name);
            }
        }
        let set = [("AGENT_TURBO_HOME", "home"), ("AGENT_TURBO_CONFIG", "config.toml")];
        command.envs(set.map(|(name, file)| (name, home.0.path().join(file))));
        command.env("AGENT_TURBO_WHEEL_DIR", &self.wheels);
        command.args(args);
        command
    }
}

impl Home {
    fn new() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("at-bench-").tempdir()?;
        // As root, PostgreSQL runs as another user, who must reach it.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        // Nobody's own configuration counts here.
        fs::write(dir.path().join("config.toml"), "")?;
        Ok(Self(dir))
    }
}

impl<'a> Running<'a> {
    fn start(program: &'a Program) -> Result<Self> {
        // Made first: its services are stopped even if one of them does not start.
        let running = Self { program, home: Home::new()? };
        program.run(&running.home, &["up"])?;
        ensure!(
            running.home.0.path().join("home/embedders").is_dir(),
            "there is an embedding service on the usual port, so that ours is not used: stop it first"
        );
        for _ in 0..5 {
            program.run(&running.home, &["add", &texts::entry()])?;
        }
        Ok(running)
    }

    fn ask(&self) -> Result<()> {
        let warning = self.program.run(&self.home, &["query", &texts::question(), "--limit", "5"])?;
        ensure!(warning.is_empty(), "something else was measured: {warning}");
        Ok(())
    }

    /// Resident bytes of a process that stays, when it has done something and has nothing more to do.
    fn at_rest(&self) -> Result<f64> {
        self.program.run(&self.home, &["task", "create", "never begun", "--deadline", "1s"])?;
        let mut child =
            self.program.command(&self.home, &["reap", "--every", "100ms"]).stdout(Stdio::piped()).spawn()?;
        let measured = (|| {
            let mut line = String::new();
            BufReader::new(child.stdout.take().context("its output")?).read_line(&mut line)?;
            ensure!(line.starts_with("Tasks:"), "reap says {line:?}");
            let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
            let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"));
            Ok(resident.context("VmRSS")?.trim().parse::<f64>()? * 1024.0)
        })();
        child.kill()?;
        child.wait()?;
        measured
    }

    /// Only the starting is timed.
    fn restart(&self, calls: u64, times: &Times) -> Result<Duration> {
        (0..calls)
            .map(|_| {
                self.program.run(&self.home, &["down"])?;
                times.time(1, || self.program.run(&self.home, &["up"]).map(drop))
            })
            .sum()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.program.run(&self.home, &["down"]);
    }
}

/// Each in a home of its own; only the starting is timed.
fn first_starts(calls: u64, program: &Program, times: &Times) -> Result<Duration> {
    (0..calls)
        .map(|_| {
            let running = Running { program, home: Home::new()? };
            times.time(1, || program.run(&running.home, &["up"]).map(drop))
        })
        .sum()
}
