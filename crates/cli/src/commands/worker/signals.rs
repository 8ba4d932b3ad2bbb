use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agent_turbo_worker::Control;
use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use crate::output::tell;

/// SIGTERM and Ctrl-C: the first drains, the second stops.
pub(super) struct Signals {
    stopped: Arc<AtomicBool>,
    hearing: JoinHandle<()>,
}

impl Signals {
    pub(super) fn hear(control: &Control) -> Result<Self> {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let stopped = Arc::new(AtomicBool::new(false));
        let (control, noted) = (control.clone(), Arc::clone(&stopped));
        let hearing = tokio::spawn(async move {
            for number in 0.. {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if number == 0 {
                    control.drain();
                    tell("Finishing what was begun; once more stops it.");
                } else {
                    noted.store(true, Ordering::Relaxed);
                    control.stop();
                }
            }
        });
        Ok(Self { stopped, hearing })
    }

    pub(super) fn told_to_stop(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.hearing.abort();
    }
}
