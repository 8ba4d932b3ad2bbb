use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

use crate::commands;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Shared memory for AI coding agents: one PostgreSQL in which they keep and find what they learned.
///
/// Without any configuration a private PostgreSQL with pgvector and an embedding service are started on first use.
/// DATABASE_URL and AGENT_TURBO_EMBED_URL point to one's own instead.
#[derive(Debug, Parser)]
#[command(name = "agent-turbo", version, styles = STYLES, propagate_version = true, after_long_help = AFTER_HELP)]
pub struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  failed
  2  bad input: arguments, text, configuration
  3  there is no such entry, machine, service, session or task; no task is ready
  4  the database or the embedding service cannot be used
  5  stop working on the task: it was cancelled, or is no longer yours (task heartbeat)
  6  some rows, files or lines were rejected, all others taken (import sqlite, ingest)

Environment:
  DATABASE_URL            a PostgreSQL 16 or newer with pgvector 0.8 or newer, instead of the embedded one
  AGENT_TURBO_EMBED_URL   an embedding service, instead of the embedded one
  AGENT_TURBO_HOME        where the embedded services and their data live
  AGENT_TURBO_CONFIG      a configuration file; every setting of it can be given as AGENT_TURBO_<SETTING>, too
  AGENT_TURBO_SESSION     the session that works, where --session is left out
  AGENT_TURBO_PLATFORM    the platform of sessions that are started, where --platform is left out
  AGENT_TURBO_LOG         what is logged to stderr, such as `debug` or `agent_turbo_db=trace`
  NO_COLOR                no colours";

/// What every command understands.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// Print one JSON document to stdout instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The configuration file [default: agent-turbo/config.toml in the user's configuration directory].
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The embedding service to use.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) embed_url: Option<String>,
    /// The database schema that holds the tables.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) schema: Option<String>,
    /// Say more on stderr; twice for much more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start what is needed and say what runs where.
    Up(commands::up::Up),
    /// Stop the embedded database and embedding service; data stays.
    Down(commands::down::Down),
    /// Show what runs, without starting anything.
    Status(commands::status::Status),
    /// Check everything that is needed, and say how to mend what is wrong.
    Doctor(commands::doctor::Doctor),
    /// Print the database's connection string, password included, for psql and other programs.
    Url(commands::url::Url),
    /// Bring the database's schema up to date.
    Migrate(commands::migrate::Migrate),
    /// Write everything into a file, from which `restore` brings it back.
    Backup(commands::backup::Backup),
    /// Bring back what `backup` wrote into a file.
    Restore(commands::restore::Restore),
    /// Serve a sentence model over HTTP.
    Embedder(commands::embedder::Embedder),
    Serve(commands::serve::Serve),
    Token(commands::token::Token),
    /// Add knowledge.
    Add(commands::add::Add),
    /// Find knowledge.
    Query(commands::query::Query),
    Eval(commands::eval::Eval),
    /// Show an entry.
    Get(commands::get::Get),
    /// List entries, newest first.
    List(commands::list::List),
    /// Change an entry; what it was before is kept.
    Update(commands::update::Update),
    /// Delete an entry.
    Delete(commands::delete::Delete),
    Revert(commands::revert::Revert),
    Supersede(commands::supersede::Supersede),
    Quarantine(commands::quarantine::Quarantine),
    Approve(commands::quarantine::Approve),
    ScanSecrets(commands::scan_secrets::ScanSecrets),
    /// Count what is stored.
    Stats(commands::stats::Stats),
    /// Bring knowledge from the stores that came before.
    Import(commands::import::Import),
    Ingest(commands::ingest::Ingest),
    Export(commands::export::Export),
    Reembed(commands::reembed::Reembed),
    /// The machines that take part.
    Node(commands::node::Node),
    /// The services that run on the machines.
    Service(commands::service::Service),
    /// The sessions of agents.
    Session(commands::session::Session),
    /// Show what an agent must know when it arrives.
    Context(commands::context::Context),
    /// Work that agents hand each other.
    Task(commands::task::Task),
    Worker(commands::worker::Worker),
    Plan(commands::plan::Plan),
    /// Write down what was done.
    Action(commands::action::Action),
    /// Show what a session did, or what an entry was before.
    History(commands::history::History),
    /// Check the record of what was done, hand it on, and shorten it.
    Audit(commands::audit::Audit),
    /// Draw the conclusions of leases, deadlines and silences that are over, and remove expired knowledge.
    Reap(commands::reap::Reap),
    Mcp(commands::mcp::Mcp),
    Demo(commands::demo::Demo),
    Setup(commands::setup::Setup),
    Hook(commands::hook::Hook),
    /// Print a completion script for a shell.
    Completions(commands::completions::Completions),
}
