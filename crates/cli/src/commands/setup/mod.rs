mod print;
mod program;

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use agent_turbo_setup::{Change, Client, Hooks, Part, Places, Records, Scope, Server, parts};
use anyhow::{Context, Result};

use crate::clients::create_home;
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::input::bad;
use crate::output::Output;

/// Connect an agent program: Claude Code, Codex, Gemini CLI or Cursor.
///
/// Its configuration gets an entry for the MCP server of this program, and that of Claude Code hooks as well: a session
/// starts with the landing context, tool use goes to the audit trail, and the end closes the session. Everything else in
/// the files stays as it is, and --undo takes out what was put in.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Setup {
    /// Which program.
    client: Named,
    /// For the user wherever he works, or for the project in the current folder and everybody who works on it.
    #[arg(long, default_value = "user")]
    scope: Where,
    /// What its agents are there for [default: agent].
    #[arg(long)]
    role: Option<String>,
    /// The project that its agents work in [default: that of the settings].
    #[arg(long, short)]
    project: Option<String>,
    /// The choice of tools that its agents are given.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// A server that runs already, such as http://127.0.0.1:7777/mcp, instead of one that the client starts.
    #[arg(long, value_name = "URL", conflicts_with = "profile")]
    url: Option<String>,
    /// The MCP server only, no hooks.
    #[arg(long)]
    no_hooks: bool,
    /// Take out what was put in.
    #[arg(long, conflicts_with_all = ["role", "project", "profile", "url", "no_hooks", "print"])]
    undo: bool,
    /// Print what belongs where, and write nothing.
    #[arg(long, conflicts_with = "dry_run")]
    print: bool,
    /// Show what would change, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Named {
    ClaudeCode,
    Codex,
    Gemini,
    Cursor,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Where {
    User,
    Project,
}

/// What passes on where everything is, without secrets. The client's own environment may say something else.
const PASSED_ON: [&str; 2] = ["AGENT_TURBO_HOME", "AGENT_TURBO_CONFIG"];

impl Setup {
    pub(crate) fn run(self, deployment: &Deployment, out: Output) -> Result<Exit> {
        let client = self.client();
        let parts = self.parts(client)?;
        if self.print {
            return print::snippets(out, client, &parts);
        }
        let records = Records::at(deployment.home.path().join("setup"));
        // All of them, before the first is done: a file that cannot be read keeps the others as they are, too.
        let change = |part: &Part| {
            let change = if self.undo { part.disconnect(&records) } else { part.connect(&records) };
            Ok((part.name(), change?))
        };
        let changes: Vec<(&str, Change)> = parts.iter().map(change).collect::<Result<_>>()?;
        let done = print::Done {
            client,
            scope: self.scope(),
            undo: self.undo,
            dry_run: self.dry_run,
            needs_database_url: self.needs_database_url(deployment),
        };
        let report = done.report(&changes);
        if !self.dry_run {
            create_home(deployment.home.path())
                .with_context(|| format!("make {}", deployment.home.path().display()))?;
            for (_, change) in changes {
                change.apply(&records)?;
            }
        }
        print::done(out, &report)
    }

    fn parts(&self, client: Client) -> Result<Vec<Part>> {
        let program = program::path()?;
        let program = utf8("the path of this program", &program)?;
        let env = passed_on()?;
        let named = |name: &str, value: &Option<String>| {
            value.iter().flat_map(|value| [name.to_owned(), value.clone()]).collect::<Vec<_>>()
        };
        let common = [named("--role", &self.role), named("--project", &self.project)].concat();
        let server = match &self.url {
            Some(url) if url.starts_with("http://") || url.starts_with("https://") => {
                Server::Http { url: url.clone() }
            }
            Some(url) => {
                return Err(bad("the server's address", format!("{url:?} is no http:// or https:// URL")));
            }
            None => {
                let start = ["mcp", "--platform", client.name()].map(str::to_owned).to_vec();
                let args = [start, common.clone(), named("--profile", &self.profile)].concat();
                Server::Stdio { program: program.clone(), args, env: env.clone() }
            }
        };
        let hooks =
            (client == Client::ClaudeCode && !self.no_hooks).then_some(Hooks { program, args: common, env });
        Ok(parts(client, self.scope(), &places()?, server, hooks)?)
    }

    fn client(&self) -> Client {
        match self.client {
            Named::ClaudeCode => Client::ClaudeCode,
            Named::Codex => Client::Codex,
            Named::Gemini => Client::Gemini,
            Named::Cursor => Client::Cursor,
        }
    }

    fn scope(&self) -> Scope {
        match self.scope {
            Where::User => Scope::User,
            Where::Project => Scope::Project,
        }
    }

    /// Whether this program found the database by its environment alone, which the client may not have.
    fn needs_database_url(&self, deployment: &Deployment) -> bool {
        let exported = env::var("DATABASE_URL").is_ok_and(|url| !url.is_empty());
        exported && !self.undo && deployment.settings.database_url().is_some()
    }
}

/// A folder that the environment names.
fn folder(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

fn places() -> Result<Places> {
    let missing = || bad("the environment", "HOME is not set".to_owned());
    Ok(Places {
        home: folder("HOME").ok_or_else(missing)?,
        project: env::current_dir().context("find the current folder")?,
        claude_config_dir: folder("CLAUDE_CONFIG_DIR"),
        codex_home: folder("CODEX_HOME"),
    })
}

fn passed_on() -> Result<BTreeMap<String, String>> {
    let named = PASSED_ON.iter().filter_map(|name| Some((*name, folder(name)?)));
    named
        .map(|(name, path)| {
            let path = std::path::absolute(&path).with_context(|| format!("find {}", path.display()))?;
            Ok((name.to_owned(), utf8(name, &path)?))
        })
        .collect()
}

/// JSON and TOML hold nothing else.
fn utf8(what: &str, path: &Path) -> Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| bad("a path", format!("{what} is not UTF-8: {}", path.display())))
}
