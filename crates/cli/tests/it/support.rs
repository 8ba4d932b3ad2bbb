use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use agent_turbo_test_support::{TestDatabase, embedder};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

/// By when everything that is waited for must have happened; a first start on a busy machine takes its time.
pub(crate) const SOON: Duration = Duration::from_mins(1);

/// The three texts of the acceptance test.
pub(crate) const THREE: [&str; 3] = [
    "PostgreSQL is a powerful database",
    "Python is a programming language",
    "MLX provides GPU acceleration",
];

/// A database and a home of the test's own, and the program pointed to them.
pub(crate) struct Fixture {
    pub(crate) database: TestDatabase,
    pub(crate) dir: TempDir,
    embed_url: String,
    metrics: &'static str,
}

/// The program before it is started.
pub(crate) struct Program {
    pub(crate) command: Command,
    stdin: Vec<u8>,
}

/// The program after it has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::on(TestDatabase::migrated().await.unwrap()).await
    }

    /// Whose programs measure themselves, each of them.
    pub(crate) async fn measuring() -> Self {
        Self { metrics: "true", ..Self::new().await }
    }

    /// On a database that nobody has used yet.
    pub(crate) async fn empty() -> Self {
        Self::on(TestDatabase::empty().await.unwrap()).await
    }

    async fn on(database: TestDatabase) -> Self {
        Self { database, dir: folder(), embed_url: embedder().await.unwrap(), metrics: "false" }
    }

    /// The program on this database and the shared embedding service.
    pub(crate) fn program(&self) -> Program {
        Program::new(self.dir.path())
            .env("DATABASE_URL", self.database.url().expose())
            .env("AGENT_TURBO_EMBED_URL", &self.embed_url)
            .env("AGENT_TURBO_METRICS", self.metrics)
            .env("AGENT_TURBO_METRICS_ONE_OF", "1")
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        self.program().run(arguments).await
    }

    /// Runs a command that succeeds; its result as JSON.
    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).await.json()
    }

    /// Adds texts to the default project; their hashes.
    pub(crate) async fn add(&self, texts: &[&str]) -> Vec<String> {
        let mut hashes = Vec::new();
        for text in texts {
            let added = self.json(&["add", text]).await;
            assert_eq!(added["outcome"], "added");
            hashes.push(added["content_hash"].as_str().unwrap().to_owned());
        }
        hashes
    }

    /// Stored entries, counted from outside.
    pub(crate) async fn rows(&self) -> i64 {
        let client = self.database.client().await.unwrap();
        client.query_one("SELECT count(*) FROM agent_knowledge", &[]).await.unwrap().get(0)
    }

    /// The embedding service's URL.
    pub(crate) fn embed_url(&self) -> &str {
        &self.embed_url
    }
}

impl Program {
    /// With nothing of the environment in which the tests run, and everything that it may write below `dir`.
    pub(crate) fn new(dir: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent-turbo"));
        command.env_clear().current_dir(dir).kill_on_drop(true);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", dir.join("user")).env("XDG_CONFIG_HOME", dir.join("user/config"));
        command.env("AGENT_TURBO_HOME", dir.join("home"));
        Self { command, stdin: Vec::new() }
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Starts it, with all three streams piped.
    pub(crate) fn spawn(mut self, arguments: &[&str]) -> Child {
        self.command.args(arguments);
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.command.spawn().unwrap()
    }

    /// Runs it to its end.
    pub(crate) async fn run(mut self, arguments: &[&str]) -> Ran {
        let input = std::mem::take(&mut self.stdin);
        let mut child = self.spawn(arguments);
        let mut stdin = child.stdin.take().unwrap();
        let feed = async move {
            // A program that refuses early does not read to the end.
            let _ = stdin.write_all(&input).await;
        };
        let (output, ()) = tokio::join!(timeout(SOON, child.wait_with_output()), feed);
        Ran::from(output.expect("the program ends").unwrap())
    }
}

impl From<std::process::Output> for Ran {
    fn from(output: std::process::Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Its stdout, when it did what was asked and had nothing to complain about.
    pub(crate) fn done(&self) -> &str {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        &self.stdout
    }

    /// Its stdout as the one JSON document that it has to be.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.done()).unwrap()
    }

    /// Checks how it failed: exit code, first line, what it names; returns its stderr.
    pub(crate) fn failed(&self, code: i32, names: &[&str]) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.starts_with("TASK FAILED: failed to "), "{self:?}");
        for name in names {
            assert!(self.stderr.contains(name), "{name:?} is not named: {self:?}");
        }
        assert!(!self.stderr.contains("panicked") && !self.stderr.contains('\x1b'), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        &self.stderr
    }
}

/// A folder that every user may enter, as the database's user has to.
pub(crate) fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("at-cli-")
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir()
        .unwrap()
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !condition().await {
        assert!(Instant::now() < deadline, "still not so: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A port that nobody listens on.
pub(crate) fn dead_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The names of an object's members.
pub(crate) fn members(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}
