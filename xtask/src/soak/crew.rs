//! The agents of one process.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::agents::Agent;
use super::event::Sink;
use super::process::Process;

#[derive(Default)]
pub(super) struct Crew {
    stop: watch::Sender<bool>,
    agents: JoinSet<()>,
}

impl Crew {
    /// `size` agents, at work from now on.
    pub(super) fn start(process: &Arc<Process>, size: u64, sink: &Sink, seed: u64) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut agents = JoinSet::new();
        for number in 0..size {
            let name = format!("{}-{number}", process.name);
            let agent = Agent::new(name, Arc::clone(process), sink.clone(), seed.wrapping_add(number));
            agents.spawn(agent.work(stopped.clone()));
        }
        Self { stop, agents }
    }

    /// Each ends what it is at; a panic of one is a violation.
    pub(super) async fn stop(mut self, sink: &Sink) {
        self.stop.send_replace(true);
        while let Some(ended) = self.agents.join_next().await {
            if let Err(error) = ended {
                sink.violation(format!("an agent broke down: {error}"));
            }
        }
    }
}
