//! The `agent-turbo` program of this source, for what needs to run it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

/// Builds it in the profile that this program itself was built in; says where it is.
pub(crate) fn build() -> Result<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "agent-turbo-cli"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let status = cargo.status()?;
    if !status.success() {
        bail!("agent-turbo cannot be built: {status}");
    }
    let program = std::env::current_exe()?.with_file_name("agent-turbo");
    if !program.is_file() {
        bail!("agent-turbo was built, but not as {}", program.display());
    }
    Ok(program)
}

/// As root, PostgreSQL runs as another user, who must reach the folder.
pub(crate) fn open_to_all(dir: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755))?)
}
