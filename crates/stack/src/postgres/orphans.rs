//! Children of a server whose main process is gone.

use std::path::Path;

use rustix::process::Signal;

use crate::process::signal;

/// Kills what is left of a dead server, whose lock the caller holds: most children notice and end by themselves, but one
/// that stands still, or waits for a lock of another one that was killed, never does, and keeps the data from everybody.
/// None of them can commit anything any more.
pub(super) fn end(data_dir: &Path) {
    for pid in find(data_dir) {
        tracing::debug!(pid, "ending a child of a dead PostgreSQL");
        signal(pid, Signal::KILL);
    }
}

/// A server's processes, and nobody else, have the program's name and the data directory as their own.
#[cfg(target_os = "linux")]
fn find(data_dir: &Path) -> Vec<u32> {
    let Ok(data_dir) = data_dir.canonicalize() else { return Vec::new() };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_its = |process: &Path| {
        std::fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim() == "postgres")
            && std::fs::read_link(process.join("cwd")).is_ok_and(|dir| dir == data_dir)
    };
    entries
        .filter(|entry| is_its(&entry.path()))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Without `/proc`, they are waited for.
#[cfg(not(target_os = "linux"))]
fn find(_data_dir: &Path) -> Vec<u32> {
    Vec::new()
}
