use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// The process group of a command: itself and everything that it started, unless that made a group of its own. Killed
/// when this is dropped, so that nothing is left behind whatever happens.
#[derive(Debug)]
pub(super) struct Group(Option<Pid>);

impl Group {
    /// The group whose leader has just been started.
    pub(super) fn of(leader: Option<u32>) -> Self {
        Self(leader.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw))
    }

    /// Whether any process of it is left. Its number stays taken for as long.
    pub(super) fn exists(&self) -> bool {
        self.0.is_some_and(|group| test_kill_process_group(group).is_ok())
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(group) = self.0
            && let Err(error) = kill_process_group(group, signal)
        {
            tracing::debug!(%error, group = group.as_raw_nonzero().get(), "the signal was not delivered");
        }
    }

    /// It is gone: its number may be somebody else's from now on.
    pub(super) fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.0.is_some() {
            self.signal(Signal::KILL);
        }
    }
}
