use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use agent_turbo_setup::{Change, Client, Error, Hooks, Outcome, Part, Places, Records, Scope, Server, parts};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = "/opt/agent turbo/bin/agent-turbo";

/// A home directory and a project, with nothing in them.
pub(crate) struct Desk {
    pub(crate) dir: TempDir,
    pub(crate) records: Records,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::at(dir.path().join("turbo/setup"));
        Self { dir, records }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn parts(&self, client: Client, server: Server) -> Vec<Part> {
        let home = self.path("home");
        let places = Places { home, project: self.path("project"), ..Places::default() };
        let hooks = (client == Client::ClaudeCode).then(|| Hooks {
            program: PROGRAM.to_owned(),
            args: vec!["--role".to_owned(), "coder".to_owned()],
            env: BTreeMap::new(),
        });
        parts(client, Scope::User, &places, server, hooks).unwrap()
    }

    /// The part with the server of a client.
    pub(crate) fn server(&self, client: Client) -> Part {
        self.parts(client, stdio(client, "agent")).remove(0)
    }

    /// The part with hooks.
    pub(crate) fn hooks(&self) -> Part {
        self.parts(Client::ClaudeCode, stdio(Client::ClaudeCode, "agent")).remove(1)
    }

    pub(crate) fn connect(&self, part: &Part) -> Result<Outcome, Error> {
        self.done(part.connect(&self.records)?)
    }

    pub(crate) fn disconnect(&self, part: &Part) -> Result<Outcome, Error> {
        self.done(part.disconnect(&self.records)?)
    }

    fn done(&self, change: Change) -> Result<Outcome, Error> {
        let outcome = change.outcome;
        change.apply(&self.records).map(|()| outcome)
    }

    /// Forgets what was inserted.
    pub(crate) fn forget(&self) {
        let _ = fs::remove_dir_all(self.path("turbo"));
    }
}

pub(crate) fn stdio(client: Client, role: &str) -> Server {
    let args = ["mcp", "--platform", client.name(), "--role", role];
    let env = [("AGENT_TURBO_HOME".to_owned(), "/srv/turbo".to_owned())].into();
    Server::Stdio { program: PROGRAM.to_owned(), args: args.map(str::to_owned).to_vec(), env }
}

pub(crate) fn put(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

pub(crate) fn text(path: &Path) -> String {
    String::from_utf8(fs::read(path).unwrap()).unwrap()
}

/// What a JSON text says, comments left aside.
pub(crate) fn meaning(text: &str) -> Value {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default()).unwrap();
    parsed.value.map(Value::from).unwrap_or_default()
}
