//! Starting services that outlive us, and telling whether a process is the one we think it is.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::error::Error;

/// How often a condition that is waited for is looked at.
pub(crate) const INTERVAL: Duration = Duration::from_millis(4);

/// A service that was just started. It belongs to a session of its own: neither the terminal's ^C nor the end of
/// the command that started it reaches it.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
}

impl Service {
    /// Starts `command` from `/`, without input, and with its output in the file `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Self, Error> {
        let program = PathBuf::from(command.get_program());
        let log = open_log(log).map_err(Error::io("write", log))?;
        let copy = log.try_clone().map_err(|source| Error::Run { program: program.clone(), source })?;
        command.current_dir("/").stdin(Stdio::null()).stdout(log).stderr(copy);
        #[expect(
            unsafe_code,
            reason = "setsid is one async-signal-safe system call, as pre_exec demands; there is no safe way to ask for it"
        )]
        // SAFETY: the closure allocates nothing and takes no lock.
        unsafe {
            command.pre_exec(|| rustix::process::setsid().map(drop).map_err(Into::into));
        }
        let child = command.spawn().map_err(|source| Error::Run { program, source })?;
        Ok(Self { child })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Leaves it running. While this process lives it has to collect the service's exit status, or a service that
    /// ends would stay in the process table; one sleeping thread does that.
    pub(crate) fn detach(mut self) {
        let reaper = thread::Builder::new().name("stack-reaper".to_owned()).stack_size(64 * 1024);
        if let Err(error) = reaper.spawn(move || self.child.wait()) {
            tracing::debug!(%error, "no thread to collect the service's exit status");
        }
    }
}

fn open_log(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Whether the process `pid` runs and has `argument` on its command line.
///
/// A number alone proves nothing: after a crash or a reboot it may belong to anybody, and a dead process that nobody
/// has collected yet still has it (but no command line).
#[cfg(target_os = "linux")]
pub(crate) fn runs(pid: u32, argument: &str) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| line.split(|&byte| byte == 0).any(|given| given == argument.as_bytes()))
}

/// The same where there is no `/proc`: `ps` gives the arguments as one line.
#[cfg(not(target_os = "linux"))]
pub(crate) fn runs(pid: u32, argument: &str) -> bool {
    let listing = Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output();
    listing.is_ok_and(|listing| String::from_utf8_lossy(&listing.stdout).contains(argument))
}

/// Sends a signal; a process that is already gone is fine.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw)
        && let Err(error) = rustix::process::kill_process(pid, signal)
    {
        tracing::debug!(%error, pid = pid.as_raw_nonzero().get(), "the signal was not delivered");
    }
}

/// Waits until `condition` holds; `false` when it did not within `limit`.
pub(crate) fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(INTERVAL);
    }
}
