use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// Where this program will be found tomorrow: the name by which the search path knows it, which is often a link that
/// stays while its target changes with each version, else the file that runs.
pub(super) fn path() -> Result<PathBuf> {
    let running = env::current_exe().context("find this program's own file")?;
    let named = running.file_name().map(PathBuf::from).unwrap_or_default();
    let searched = env::var_os("PATH").unwrap_or_default();
    let same = |path: &PathBuf| path.is_absolute() && path.canonicalize().is_ok_and(|path| path == running);
    let known = env::split_paths(&searched).map(|folder| folder.join(&named)).find(same);
    Ok(known.unwrap_or(running))
}
