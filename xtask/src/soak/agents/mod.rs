//! What an agent does all day: sessions, and in them everything else, at random.

mod actions;
mod attempt;
mod knowledge;
mod sessions;
mod tasks;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use agent_turbo_orchestrator::SessionId;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;

use super::event::Sink;
use super::process::Process;

pub(super) use knowledge::{SHARED_QUESTIONS, shared_question};
pub(super) use sessions::scope;
pub(super) use tasks::{PROJECT, ROLE};

/// Texts that an agent remembers having added.
const REMEMBERED: usize = 50;

pub(super) struct Agent {
    name: String,
    process: Arc<Process>,
    sink: Sink,
    random: StdRng,
    /// So that nothing is called the same twice.
    count: u64,
    added: VecDeque<String>,
}

impl Agent {
    pub(super) fn new(name: String, process: Arc<Process>, sink: Sink, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self { name, process, sink, random, count: 0, added: VecDeque::new() }
    }

    /// Works until `stop` says so; ends in the middle of nothing.
    pub(super) async fn work(mut self, stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let Some(session) = self.start_session().await else { continue };
            for _ in 0..self.random.random_range(20..80) {
                if *stop.borrow() {
                    return;
                }
                self.something(&session).await;
                tokio::time::sleep(Duration::from_millis(self.random.random_range(0..60))).await;
            }
            self.end_session(&session).await;
        }
    }

    async fn something(&mut self, session: &SessionId) {
        match self.random.random_range(0..100) {
            0..15 => self.add_own().await,
            15..19 => self.add_shared().await,
            19..35 => self.ask_own().await,
            35..42 => self.ask_shared().await,
            42..54 => self.create_task(session).await,
            54..57 => self.create_graph(session).await,
            57..80 => self.do_a_task(session).await,
            80..87 => self.log_one(session).await,
            87..91 => self.log_batch(session).await,
            91..96 => self.touch(session).await,
            _ => self.look_around().await,
        }
    }

    /// A word that nobody else says.
    fn unique(&mut self) -> String {
        self.count += 1;
        format!(
            "{}n{}x{:08x}",
            self.name.replace(|c: char| !c.is_alphanumeric(), ""),
            self.count,
            self.random.random::<u32>()
        )
    }
}
