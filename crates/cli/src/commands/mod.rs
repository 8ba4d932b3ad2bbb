//! One file a command.

pub(crate) mod action;
pub(crate) mod add;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod completions;
pub(crate) mod context;
pub(crate) mod delete;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod embedder;
pub(crate) mod eval;
pub(crate) mod expiry;
pub(crate) mod export;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod hook;
pub(crate) mod import;
pub(crate) mod ingest;
pub(crate) mod list;
pub(crate) mod mcp;
pub(crate) mod migrate;
pub(crate) mod node;
pub(crate) mod plan;
pub(crate) mod quarantine;
pub(crate) mod query;
pub(crate) mod reap;
pub(crate) mod reembed;
pub(crate) mod restore;
pub(crate) mod revert;
pub(crate) mod scan_secrets;
pub(crate) mod serve;
pub(crate) mod service;
pub(crate) mod session;
pub(crate) mod setup;
pub(crate) mod show;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod supersede;
pub(crate) mod task;
pub(crate) mod token;
pub(crate) mod up;
pub(crate) mod update;
pub(crate) mod url;
pub(crate) mod versions;
pub(crate) mod worker;

use std::env;
use std::sync::Arc;

use agent_turbo_metrics::{self as metrics, Recorder};
use anyhow::Result;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::args::{Args, Command};
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::metering::{self, Metering};
use crate::output::Output;
use crate::settings::{Overrides, Settings};

/// Runs the command that was asked for.
pub async fn run(args: Args) -> Result<Exit> {
    if let Command::Completions(command) = &args.command {
        return command.run();
    }
    let event = match &args.command {
        Command::Hook(command) => Some(command.event()),
        _ => None,
    };
    match (event, run_command(args).await) {
        // Whatever it is, the settings included: nothing of ours stops an agent's work.
        (Some(event), Err(error)) => Ok(hook::excuse(event, &error)),
        (_, outcome) => outcome,
    }
}

async fn run_command(args: Args) -> Result<Exit> {
    let overrides = Overrides {
        config: args.global.config,
        embed_url: args.global.embed_url,
        schema: args.global.schema,
    };
    let settings = Settings::resolve(overrides, |name| env::var_os(name))?;
    let (recorder, one_of) = (settings.metrics.then(metering::recorder), settings.metrics_one_of);
    log(args.global.verbose, recorder.as_ref());
    let deployment = Deployment::of_this_program(settings)?;
    let metering = recorder.map(|recorder| Metering::start(recorder, deployment.opened(), one_of));
    let (out, verbose) = (Output::new(args.global.json), args.global.verbose > 0);
    let outcome = dispatch(args.command, &deployment, out, verbose).await;
    if let Some(metering) = metering {
        metering.finish().await;
    }
    outcome
}

async fn dispatch(command: Command, deployment: &Deployment, out: Output, verbose: bool) -> Result<Exit> {
    match command {
        Command::Up(command) => command.run(deployment, out).await,
        Command::Down(command) => command.run(deployment, out).await,
        Command::Status(command) => command.run(deployment, out).await,
        Command::Doctor(command) => command.run(deployment, out).await,
        Command::Url(command) => command.run(deployment, out).await,
        Command::Migrate(command) => command.run(deployment, out).await,
        Command::Backup(command) => command.run(deployment, out).await,
        Command::Restore(command) => command.run(deployment, out).await,
        Command::Embedder(command) => command.run(deployment).await,
        Command::Serve(command) => command.run(deployment, out).await,
        Command::Token(command) => command.run(deployment, out).await,
        Command::Add(command) => command.run(deployment, out).await,
        Command::Query(command) => command.run(deployment, out).await,
        Command::Eval(command) => command.run(deployment, out).await,
        Command::Get(command) => command.run(deployment, out).await,
        Command::List(command) => command.run(deployment, out).await,
        Command::Update(command) => command.run(deployment, out).await,
        Command::Delete(command) => command.run(deployment, out).await,
        Command::Revert(command) => command.run(deployment, out).await,
        Command::Supersede(command) => command.run(deployment, out).await,
        Command::Quarantine(command) => command.run(deployment, out).await,
        Command::Approve(command) => command.run(deployment, out).await,
        Command::ScanSecrets(command) => command.run(deployment, out).await,
        Command::Stats(command) => command.run(deployment, out).await,
        Command::Import(command) => command.run(deployment, out).await,
        Command::Ingest(command) => command.run(deployment, out).await,
        Command::Export(command) => command.run(deployment, out).await,
        Command::Reembed(command) => command.run(deployment, out).await,
        Command::Node(command) => command.run(deployment, out).await,
        Command::Service(command) => command.run(deployment, out).await,
        Command::Session(command) => command.run(deployment, out).await,
        Command::Context(command) => command.run(deployment, out).await,
        Command::Plan(command) => command.run(deployment, out).await,
        Command::Action(command) => command.run(deployment, out).await,
        Command::History(command) => command.run(deployment, out).await,
        Command::Audit(command) => command.run(deployment, out).await,
        Command::Reap(command) => command.run(deployment, out).await,
        Command::Task(command) => command.run(deployment, out).await,
        Command::Mcp(command) => command.run(deployment).await,
        Command::Worker(command) => command.run(deployment, out, verbose).await,
        Command::Demo(command) => command.run(deployment, out).await,
        Command::Setup(command) => command.run(deployment, out),
        Command::Hook(command) => command.run(deployment).await,
        Command::Completions(command) => command.run(),
    }
}

/// Logs go to stderr: stdout is for results. What is logged and what is timed do not depend on each other.
fn log(verbose: u8, recorder: Option<&Arc<Recorder>>) {
    let usual = match verbose {
        // What an answer says of itself is not logged as well.
        0 => "warn,agent_turbo_knowledge::query=error,rmcp=error",
        1 => "info,agent_turbo=debug",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("AGENT_TURBO_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let colours = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(colours)
        .with_writer(std::io::stderr)
        .with_target(verbose > 0);
    let logged = tracing_subscriber::registry().with(lines.with_filter(filter));
    let _ = match recorder {
        Some(recorder) => logged.with(metrics::layer(recorder)).try_init(),
        None => logged.try_init(),
    };
}
