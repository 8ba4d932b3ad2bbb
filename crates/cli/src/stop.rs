use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::output::tell;

/// Whether long work is to stop where it can be gone on with.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Sender<bool>);

impl Stop {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// From now on the first Ctrl-C, or a request to terminate, wants it to stop, and `first` is told. The second one tells
    /// `last` and ends the program: what is committed stays, as after a kill.
    pub(crate) fn hear_signals(&self, first: &'static str, last: Option<String>) -> Result<()> {
        let stop = self.clone();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(async move {
            for is_last in [false, true] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if is_last {
                    if let Some(last) = last {
                        tell(last);
                    }
                    std::process::exit(130);
                }
                stop.want();
                tell(format_args!("{first}; once more to stop at once"));
            }
        });
        Ok(())
    }

    pub(crate) fn want(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn is_wanted(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when it is wanted.
    pub(crate) fn wanted(&self) -> impl Future<Output = ()> + use<> {
        let mut wanted = self.0.subscribe();
        async move {
            // Fails only when nobody is left who could want it.
            if wanted.wait_for(|wanted| *wanted).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
