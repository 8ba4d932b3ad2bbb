//! As root: PostgreSQL runs as somebody else.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use agent_turbo_stack::{Error, Home, PostgresOptions, ensure_postgres, quiet};

use crate::program::{described, ensure_in, process};
use crate::support::{TestHome, connect, folder, wheels};

/// The number that systems give to nobody.
const NOBODY: u32 = 65534;

/// Makes a process an ordinary user's.
pub(crate) fn as_nobody(command: &mut Command) {
    command.uid(NOBODY).gid(NOBODY);
}

crate::register!(
    the_server_is_not_roots,
    an_ordinary_user_runs_everything_himself,
    a_home_that_the_server_cannot_reach_is_refused,
);

/// Whether this root may mount file systems; one in a container often may not.
pub(crate) fn may_mount() -> bool {
    Disk::mount("1m").is_some()
}

async fn the_server_is_not_roots() {
    let test = TestHome::new();
    let postgres = test.ensure().await;
    let owner = owner_of(postgres.pid());
    assert_ne!(owner, 0);
    assert_eq!(fs::metadata(postgres.data_dir()).unwrap().uid(), owner);
    let groups = fs::read_to_string(format!("/proc/{}/status", postgres.pid())).unwrap();
    let groups = groups.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap();
    assert!(!groups.split_whitespace().any(|group| group == "0"), "{groups}");
}

async fn an_ordinary_user_runs_everything_himself() {
    let folder = folder();
    let mine = folder.path().join("mine");
    fs::create_dir(&mine).unwrap();
    chown(&mine, Some(NOBODY), Some(NOBODY)).unwrap();
    // He may read the packages that root keeps, not add to them.
    TestHome::new().ensure().await;
    let test = TestHome { home: Home::at(mine.join("home")), dir: folder };
    let mut first = process("ensure-postgres", &test.home, &wheels());
    as_nobody(&mut first);
    let got = ensure_in(first).unwrap();
    assert_eq!(owner_of(got.pid), NOBODY);
    assert_eq!(fs::metadata(test.home.path()).unwrap().mode() & 0o777, 0o700);
    let mut second = process("ensure-postgres", &test.home, &wheels());
    as_nobody(&mut second);
    assert_eq!(ensure_in(second).unwrap(), got);
    // Root may pass through the folders of others.
    connect(&got.url).await;
}

async fn a_home_that_the_server_cannot_reach_is_refused() {
    let folder = folder();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let home = Home::at(closed.join("home")).with_wheels(wheels());
    let error = ensure_postgres(&home, &PostgresOptions::default(), &quiet).await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { dir, .. } if *dir == closed), "{error}");
    assert!(described(&error).contains("AGENT_TURBO_HOME=/var/lib/agent-turbo"));
}

pub(crate) async fn a_full_disk_is_told_and_the_next_try_works() {
    let disk = Disk::mount("16m").unwrap();
    let test = TestHome { home: Home::at(disk.path.join("home")).with_wheels(wheels()), dir: folder() };
    let options = PostgresOptions::default();
    // Too small for the programs, then too small for the data.
    let error = ensure_postgres(&test.home, &options, &quiet).await.unwrap_err();
    assert!(matches!(error, Error::DiskFull { .. }), "{error}");
    assert!(described(&error).contains("Free some space"), "{}", described(&error));
    disk.resize("64m");
    let error = ensure_postgres(&test.home, &options, &quiet).await.unwrap_err();
    assert!(
        matches!(error, Error::Initialise { .. } | Error::NotStarted { .. } | Error::DiskFull { .. }),
        "{error}"
    );
    assert!(described(&error).contains("Free some space"), "{}", described(&error));
    disk.resize("400m");
    connect(&test.ensure().await.url().expose()).await;
}

fn owner_of(pid: u32) -> u32 {
    fs::metadata(format!("/proc/{pid}")).unwrap().uid()
}

/// A file system of a size of one's choice.
struct Disk {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Disk {
    fn mount(size: &str) -> Option<Self> {
        let folder = folder();
        let path = folder.path().to_owned();
        let options = format!("size={size},mode=0755");
        mount(&["-t", "tmpfs", "-o", &options, "tmpfs"], &path).then_some(Self { path, _folder: folder })
    }

    fn resize(&self, size: &str) {
        assert!(mount(&["-o", &format!("remount,size={size}")], &self.path));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}

fn mount(arguments: &[&str], path: &Path) -> bool {
    let output = Command::new("mount").args(arguments).arg(path).output();
    output.is_ok_and(|output| output.status.success())
}
