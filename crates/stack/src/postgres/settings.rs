//! The server's settings, fit to the machine.

use std::fmt::Write as _;
use std::path::Path;

use crate::postgres::Durability;

/// Why so low: the password is 32 random bytes, which no stretching makes harder to guess, and every process that
/// connects pays for the iterations.
pub(crate) const SCRAM_ITERATIONS: u32 = 1;

const MB: u64 = 1024 * 1024;

/// What a server is started with.
pub(crate) struct Settings<'a> {
    pub(crate) port: u16,
    pub(crate) socket_dir: &'a Path,
    pub(crate) log_dir: &'a Path,
    pub(crate) durability: Durability,
    /// Bytes of memory that this machine (or container) has.
    pub(crate) memory: u64,
}

impl Settings<'_> {
    /// The contents of agent-turbo.conf, which is written anew at each start.
    pub(crate) fn render(&self) -> String {
        let megabytes = |bytes: u64| format!("{}MB", bytes / MB);
        let full = self.durability == Durability::Full;
        // A quarter, as PostgreSQL's manual says, up to what a million entries take. It is only used as far as there are data.
        let most = if full { 8192 * MB } else { 1024 * MB };
        let buffers = (self.memory / 4).clamp(64 * MB, most);
        let on = if full { "on" } else { "off" };
        let settings: &[(&str, String)] = &[
            ("listen_addresses", "127.0.0.1".into()),
            ("port", self.port.to_string()),
            ("unix_socket_directories", format!("\"{}\"", self.socket_dir.display())),
            ("unix_socket_permissions", "0700".into()),
            ("max_connections", "200".into()),
            ("password_encryption", "scram-sha-256".into()),
            ("scram_iterations", SCRAM_ITERATIONS.to_string()),
            ("shared_buffers", megabytes(buffers)),
            ("huge_pages", "try".into()),
            ("effective_cache_size", megabytes((self.memory / 2).max(128 * MB))),
            ("maintenance_work_mem", megabytes((self.memory / 32).clamp(64 * MB, 512 * MB))),
            ("work_mem", megabytes((self.memory / 1024).clamp(4 * MB, 16 * MB))),
            ("random_page_cost", "1.1".into()),
            ("jit", "off".into()),
            ("wal_compression", "on".into()),
            ("max_wal_size", "2GB".into()),
            // A queue's index has its dead entries where the next claim begins: they go soon.
            ("autovacuum_naptime", "5s".into()),
            ("fsync", on.into()),
            ("full_page_writes", on.into()),
            ("synchronous_commit", on.into()),
            ("timezone", "UTC".into()),
            ("log_timezone", "UTC".into()),
            ("lc_messages", "C".into()),
            // A file per day of the week, begun anew when its day comes round again.
            ("logging_collector", "on".into()),
            ("log_directory", self.log_dir.display().to_string()),
            ("log_filename", "postgres-%a.log".into()),
            ("log_rotation_age", "1d".into()),
            ("log_rotation_size", "0".into()),
            ("log_truncate_on_rotation", "on".into()),
            ("log_checkpoints", "off".into()),
            // Statements hold people's texts, and perhaps their secrets: they stay out of the log.
            ("log_statement", "none".into()),
            ("log_min_error_statement", "panic".into()),
            ("log_parameter_max_length_on_error", "0".into()),
        ];
        settings.iter().fold(HEADER.to_owned(), |mut text, (name, value)| {
            let _ = writeln!(text, "{name} = '{}'", value.replace('\\', "\\\\").replace('\'', "''"));
            text
        })
    }
}

const HEADER: &str = "# Written by Agent Turbo at each start: changes here are lost. \
                      Put your own settings at the end of data/postgresql.conf.\n";

/// What initdb's postgresql.conf gets at its end.
pub(crate) const INCLUDE: &str = "\n# Agent Turbo's settings. Yours go below this line and win over them.\n\
                                  include_if_exists = '../agent-turbo.conf'\n";

/// The memory of this machine or, where that is less, of the container that we are in.
pub(crate) fn memory() -> u64 {
    const FALLBACK: u64 = 1024 * MB;
    let limit = |path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let physical = physical_memory().unwrap_or(FALLBACK);
    let container =
        limit("/sys/fs/cgroup/memory.max").or_else(|| limit("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    container.map_or(physical, |container| container.min(physical))
}

#[cfg(target_os = "linux")]
#[expect(clippy::unnecessary_wraps, reason = "other systems may have no answer")]
fn physical_memory() -> Option<u64> {
    let info = rustix::system::sysinfo();
    // `c_ulong` and `c_uint`, whose widths differ between targets.
    #[allow(clippy::useless_conversion)]
    Some(u64::from(info.totalram) * u64::from(info.mem_unit))
}

#[cfg(not(target_os = "linux"))]
fn physical_memory() -> Option<u64> {
    let output = std::process::Command::new("sysctl").args(["-n", "hw.memsize"]).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(memory: u64, durability: Durability) -> String {
        let (socket_dir, log_dir) = (Path::new("/run/it's, here"), Path::new("/logs"));
        Settings { port: 5433, socket_dir, log_dir, durability, memory }.render()
    }

    #[test]
    fn memory_settings_stay_within_their_bounds() {
        assert!(settings(256 * MB, Durability::Full).contains("shared_buffers = '64MB'"));
        assert!(settings(4096 * MB, Durability::Full).contains("shared_buffers = '1024MB'"));
        assert!(settings(1 << 40, Durability::Full).contains("shared_buffers = '8192MB'"));
        assert!(settings(1 << 40, Durability::None).contains("shared_buffers = '1024MB'"));
        assert!(memory() >= 64 * MB);
    }

    #[test]
    fn only_throw_away_clusters_give_up_durability() {
        assert!(settings(MB, Durability::Full).contains("fsync = 'on'"));
        assert!(settings(MB, Durability::None).contains("synchronous_commit = 'off'"));
    }

    #[test]
    fn odd_paths_are_quoted() {
        let text = settings(MB, Durability::Full);
        assert!(text.contains("unix_socket_directories = '\"/run/it''s, here\"'"), "{text}");
    }
}
