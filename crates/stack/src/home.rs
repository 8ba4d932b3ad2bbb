//! Where everything of the embedded default is kept.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The folder under which the embedded default lives: programs, data, models, logs, locks.
///
/// ```text
/// <home>/
///   wheels/                 downloaded packages (elsewhere with AGENT_TURBO_WHEEL_DIR)
///   software/<package>-<v>/ unpacked programs
///   models/<name>/          unpacked models
///   postgres/               data/, run/ (socket), password, state.json, agent-turbo.conf
///   embedders/<model>.json  a running embedding service per model
///   logs/                   postgres/, embedder-<model>.log
///   locks/                  who starts what
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
    wheels: PathBuf,
}

impl Home {
    /// `AGENT_TURBO_HOME`, or else the place that is usual on this system: as root `/var/lib/agent-turbo`,
    /// otherwise `agent-turbo` in the user's data directory (`$XDG_DATA_HOME` or `~/.local/share`; on macOS
    /// `~/Library/Application Support`).
    ///
    /// `AGENT_TURBO_WHEEL_DIR` names a folder for the downloaded packages; a machine without network access
    /// needs nothing else once the packages are in there.
    pub fn from_env() -> Result<Self, Error> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = match set("AGENT_TURBO_HOME") {
            Some(home) => home,
            None if rustix::process::geteuid().is_root() => PathBuf::from("/var/lib/agent-turbo"),
            None => data_dir(set("XDG_DATA_HOME"), set("HOME"))?.join("agent-turbo"),
        };
        let home = Self::at(root);
        Ok(match set("AGENT_TURBO_WHEEL_DIR") {
            Some(wheels) => home.with_wheels(wheels),
            None => home,
        })
    }

    /// A home in a folder of the caller's choice, which needn't exist yet. As root, the user that runs PostgreSQL
    /// must be able to reach it (a `0700` folder of root's is refused with [`Error::Unreachable`]).
    pub fn at(root: impl Into<PathBuf>) -> Self {
        let root = absolute(root.into());
        Self { wheels: root.join("wheels"), root }
    }

    /// The same home with its downloaded packages in another folder (shared by several homes, or filled by hand
    /// on a machine without network access).
    #[must_use]
    pub fn with_wheels(self, wheels: impl Into<PathBuf>) -> Self {
        Self { wheels: absolute(wheels.into()), ..self }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Makes the folder. Root's can be entered by others, because PostgreSQL runs as one of them; what is secret in
    /// it has permissions of its own.
    pub(crate) fn create(&self) -> Result<(), Error> {
        crate::files::create_dir(&self.root, if rustix::process::geteuid().is_root() { 0o755 } else { 0o700 })
    }

    pub(crate) fn wheels(&self) -> &Path {
        &self.wheels
    }

    pub(crate) fn software(&self) -> PathBuf {
        self.root.join("software")
    }

    pub(crate) fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    pub(crate) fn postgres(&self) -> PathBuf {
        self.root.join("postgres")
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.postgres().join("data")
    }

    pub(crate) fn password(&self) -> PathBuf {
        self.postgres().join("password")
    }

    pub(crate) fn postgres_state(&self) -> PathBuf {
        self.postgres().join("state.json")
    }

    pub(crate) fn postgres_conf(&self) -> PathBuf {
        self.postgres().join("agent-turbo.conf")
    }

    pub(crate) fn embedders(&self) -> PathBuf {
        self.root.join("embedders")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    pub(crate) fn postgres_logs(&self) -> PathBuf {
        self.logs().join("postgres")
    }

    pub(crate) fn lock(&self, name: &str) -> PathBuf {
        self.root.join("locks").join(name)
    }
}

fn data_dir(xdg: Option<PathBuf>, home: Option<PathBuf>) -> Result<PathBuf, Error> {
    // The XDG specification: a relative path is invalid and to be ignored.
    if let Some(xdg) = xdg.filter(|path| path.is_absolute()) {
        return Ok(xdg);
    }
    let home = home.ok_or(Error::NoHome)?;
    Ok(home.join(if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" }))
}

/// Services are started from `/`, so every path they are given has to be absolute.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_xdg_directory_wins_unless_it_is_relative() {
        let home = Some(PathBuf::from("/home/ann"));
        assert_eq!(data_dir(Some("/data".into()), home.clone()).unwrap(), Path::new("/data"));
        let fallback = data_dir(Some("data".into()), home).unwrap();
        assert!(fallback.starts_with("/home/ann") && fallback != Path::new("/home/ann"));
        assert!(matches!(data_dir(None, None), Err(Error::NoHome)));
    }
}
