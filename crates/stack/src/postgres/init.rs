//! Making a new, empty cluster, and the password of an existing one.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::blocking::{Report, tell};
use crate::error::Error;
use crate::hex::hex;
use crate::home::Home;
use crate::postgres::choose::Server;
use crate::postgres::settings::{INCLUDE, SCRAM_ITERATIONS};
use crate::postgres::{DATABASE, Durability, USER};
use crate::progress::Step;
use crate::user::User;
use crate::{files, logs};

/// Makes the data directory. An interrupted attempt leaves nothing that a later one could take for a cluster.
pub(crate) fn init(
    home: &Home,
    server: &Server,
    user: Option<&User>,
    durability: Durability,
    report: &Report,
) -> Result<(), Error> {
    let target = home.data_dir();
    tell(report, Step::InitialisingDatabase { data_dir: target.clone() });
    files::remove_unfinished(&target);
    let folder = files::unfinished(&target);
    let result =
        fill(home, server, user, durability, &folder).and_then(|()| files::publish(&folder, &target));
    result.map_err(|error| {
        files::remove(&folder);
        match error {
            Error::Initialise { log, .. } => Error::Initialise { path: target, log },
            error => error,
        }
    })
}

fn fill(
    home: &Home,
    server: &Server,
    user: Option<&User>,
    durability: Durability,
    folder: &Path,
) -> Result<(), Error> {
    files::create_dir(folder, 0o700)?;
    // initdb reads the password from a file, as the user that it runs as.
    let password = password();
    let password_file = files::unfinished(&home.password());
    files::replace(&password_file, password.as_bytes(), 0o600)?;
    let given = match user {
        Some(user) => user.give(folder).and_then(|()| user.give(&password_file)),
        None => Ok(()),
    };
    let made = given.and_then(|()| initdb(server, user, durability, folder, &password_file));
    files::remove(&password_file);
    made?;
    single(server, user, folder, "template1", &format!("CREATE DATABASE {DATABASE}"))?;
    let conf = folder.join("postgresql.conf");
    OpenOptions::new()
        .append(true)
        .open(&conf)
        .and_then(|mut file| file.write_all(INCLUDE.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(Error::io("write", &conf))?;
    files::replace(&home.password(), password.as_bytes(), 0o600)
}

fn initdb(
    server: &Server,
    user: Option<&User>,
    durability: Durability,
    folder: &Path,
    password_file: &Path,
) -> Result<(), Error> {
    let run = |locale: &str| {
        let mut command = program(server, "initdb", user);
        command.arg("-D").arg(folder).arg("--pwfile").arg(password_file);
        command.args([
            "-U",
            USER,
            "--auth=scram-sha-256",
            "--data-checksums",
            "--encoding=UTF8",
            "--no-instructions",
        ]);
        command.args(["--lc-messages=C", &format!("--locale={locale}"), "--text-search-config=english"]);
        command.arg(format!("-cscram_iterations={SCRAM_ITERATIONS}"));
        if server.major() >= 17 {
            // PostgreSQL's own collation: the same on every system, whatever happens to its C library.
            command.args(["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]);
        }
        if durability == Durability::None {
            command.arg("--no-sync");
        }
        execute(command, "")
    };
    let output = run("C.UTF-8")?;
    // Systems without that locale in their C library have "C".
    let output = if output.contains("invalid locale name") { run("C")? } else { output };
    if fs::exists(folder.join("PG_VERSION")).unwrap_or(false) && output.is_empty() {
        return Ok(());
    }
    Err(Error::Initialise { path: folder.to_owned(), log: output })
}

/// Gives the superuser of a stopped cluster a new password: for when the file that keeps it is lost.
pub(crate) fn reset_password(home: &Home, server: &Server, user: Option<&User>) -> Result<(), Error> {
    tracing::warn!(path = %home.password().display(), "the database's password file is missing; making a new one");
    let password = password();
    let statement = format!("ALTER ROLE {USER} PASSWORD '{password}'");
    single(server, user, &home.data_dir(), "template1", &statement)?;
    files::replace(&home.password(), password.as_bytes(), 0o600)
}

/// Runs one statement in single-user mode, which needs neither a running server nor a password.
fn single(
    server: &Server,
    user: Option<&User>,
    data_dir: &Path,
    database: &str,
    statement: &str,
) -> Result<(), Error> {
    let mut command = program(server, "postgres", user);
    command.arg("--single").arg("-D").arg(data_dir).args([
        "-c",
        "log_min_messages=error",
        "-c",
        "log_checkpoints=off",
    ]);
    command.args(["-c", "log_statement=none", "-c", "log_min_error_statement=panic", database]);
    let output = execute(command, &format!("{statement}\n"))?;
    // It carries on after an error and ends successfully all the same.
    if output.is_empty() { Ok(()) } else { Err(Error::Initialise { path: data_dir.to_owned(), log: output }) }
}

/// Runs a program to its end; the result is what it complained about, empty when it succeeded.
fn execute(mut command: Command, input: &str) -> Result<String, Error> {
    let program = command.get_program().to_owned();
    let run = |source| Error::Run { program: program.clone().into(), source };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(run)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends before it has read everything says why on stderr.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(run)?;
    let complaint = logs::last_lines(&output.stderr);
    let failed = !output.status.success() || complaint.contains("ERROR:") || complaint.contains("FATAL:");
    Ok(match (failed, complaint.is_empty()) {
        (false, _) => String::new(),
        (true, false) => complaint,
        (true, true) => output.status.to_string(),
    })
}

/// One of the server's programs, run as the server's user and untouched by the caller's environment.
pub(crate) fn program(server: &Server, name: &str, user: Option<&User>) -> Command {
    let mut command = Command::new(server.bin.join(name));
    command.current_dir("/").env_clear().env("LC_ALL", "C").env("TZ", "UTC");
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    if let Some(user) = user {
        user.run(&mut command);
    }
    command
}

fn password() -> String {
    hex(&rand::random::<[u8; 32]>())
}
