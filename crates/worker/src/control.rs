use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Working,
    Draining,
    Stopping,
}

/// Tells a worker, from anywhere, that it is enough. Clones tell the same worker.
#[derive(Debug, Clone)]
pub struct Control(watch::Sender<Phase>);

impl Default for Control {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Working))
    }
}

impl Control {
    /// Finish what was begun, and begin nothing more.
    pub fn drain(&self) {
        self.reach(Phase::Draining);
    }

    /// Break off what was begun and give it back to the queue; the attempts do not count.
    pub fn stop(&self) {
        self.reach(Phase::Stopping);
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.0.borrow() >= Phase::Draining
    }

    pub(crate) async fn draining(&self) {
        self.reached(Phase::Draining).await;
    }

    pub(crate) async fn stopping(&self) {
        self.reached(Phase::Stopping).await;
    }

    fn reach(&self, phase: Phase) {
        self.0.send_if_modified(|current| {
            let further = phase > *current;
            *current = phase.max(*current);
            further
        });
    }

    async fn reached(&self, phase: Phase) {
        // It fails when the sender is gone, and this is one.
        let _ = self.0.subscribe().wait_for(|current| *current >= phase).await;
    }
}
