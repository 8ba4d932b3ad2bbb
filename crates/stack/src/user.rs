//! As whom PostgreSQL runs. It refuses to run as root, so root needs an unprivileged user for it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::error::Error;

/// Users that may already be there for this purpose, best first, and the one that is made when none is.
const KNOWN: [&str; 2] = ["postgres", OURS];
const OURS: &str = "agent-turbo";

/// The unprivileged user that root runs PostgreSQL as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    name: String,
    uid: u32,
    gid: u32,
}

impl User {
    /// The user to change to: the owner of the data, if there is some. `None` for an ordinary user, who runs
    /// everything as himself.
    pub(crate) fn for_postgres(data: Option<&Path>) -> Result<Option<Self>, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        if let Some(data) = data {
            let meta = fs::metadata(data).map_err(Error::io("inspect", data))?;
            if meta.uid() != 0 {
                return Ok(Some(Self {
                    name: format!("number {}", meta.uid()),
                    uid: meta.uid(),
                    gid: meta.gid(),
                }));
            }
        }
        if let Some(user) = KNOWN.iter().find_map(|name| Self::named(name)) {
            return Ok(Some(user));
        }
        let reason = make()?;
        match Self::named(OURS) {
            Some(user) => Ok(Some(user)),
            None => Err(Error::NoUser { reason }),
        }
    }

    fn named(name: &str) -> Option<Self> {
        // `id` rather than /etc/passwd: it also knows the users of directory services.
        let id = |flag| -> Option<u32> {
            let output = Command::new("id").args([flag, name]).output().ok()?;
            String::from_utf8_lossy(&output.stdout).trim().parse().ok()
        };
        let user = Self { name: name.to_owned(), uid: id("-u")?, gid: id("-g")? };
        (user.uid != 0).then_some(user)
    }

    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    /// Gives the user a file or folder (not what is in it).
    pub(crate) fn give(&self, path: &Path) -> Result<(), Error> {
        chown(path, Some(self.uid), Some(self.gid)).map_err(Error::io("change the owner of", path))
    }

    /// Makes `command` run as this user. Setting the uid as root also drops root's supplementary groups.
    pub(crate) fn run(&self, command: &mut Command) {
        command.gid(self.gid).uid(self.uid);
    }

    /// Checks that the user may enter `target` and every folder on the way there, for a clear error instead of PostgreSQL's.
    pub(crate) fn check_reach(&self, target: &Path) -> Result<(), Error> {
        let target = fs::canonicalize(target).map_err(Error::io("resolve", target))?;
        for dir in target.ancestors() {
            let meta = fs::metadata(dir).map_err(Error::io("inspect", dir))?;
            let bit = match () {
                () if meta.uid() == self.uid => 0o100,
                () if meta.gid() == self.gid => 0o010,
                () => 0o001,
            };
            if meta.mode() & bit == 0 {
                return Err(Error::Unreachable {
                    user: self.name.clone(),
                    target: target.clone(),
                    dir: dir.to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// Makes our system user; what the tools said, if they did not.
fn make() -> Result<String, Error> {
    let useradd: &[&str] =
        &["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", OURS];
    let adduser: &[&str] = &["adduser", "-S", "-D", "-H", "-s", "/bin/false", OURS];
    let mut said = Vec::new();
    for command in [useradd, adduser] {
        match Command::new(command[0]).args(&command[1..]).output() {
            Ok(output) if output.status.success() => {
                tracing::info!(user = OURS, "made a system user to run PostgreSQL as");
                return Ok(String::new());
            }
            Ok(output) => {
                said.push(format!("{}: {}", command[0], String::from_utf8_lossy(&output.stderr).trim()));
            }
            Err(error) => said.push(format!("{}: {error}", command[0])),
        }
    }
    Err(Error::NoUser { reason: said.join("; ") })
}
