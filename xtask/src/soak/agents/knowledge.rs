use std::time::Duration;

use agent_turbo_knowledge::{Filter, NewEntry, Outcome, Project, Query};
use rand::RngExt as _;

use super::{Agent, PROJECT, REMEMBERED};
use crate::soak::event::{Fact, Op, now};
use crate::soak::outcome::Trouble;

const WORDS: [&str; 40] = [
    "pool",
    "lease",
    "token",
    "index",
    "vector",
    "retry",
    "backoff",
    "queue",
    "session",
    "trail",
    "chain",
    "digest",
    "socket",
    "buffer",
    "cache",
    "planner",
    "worker",
    "server",
    "client",
    "memory",
    "disk",
    "commit",
    "rollback",
    "deadlock",
    "migration",
    "schema",
    "trigger",
    "cursor",
    "latency",
    "throughput",
    "parser",
    "compiler",
    "linker",
    "kernel",
    "thread",
    "mutex",
    "channel",
    "future",
    "stream",
    "packet",
];
/// For so long all agents mean the same moment.
const MOMENT: Duration = Duration::from_millis(500);

impl Agent {
    /// A text that nobody else has, where nobody else writes.
    pub(super) async fn add_own(&mut self) {
        let text = format!("{} {}", self.unique(), self.words());
        if self.add(&text, self.process.own.clone()).await {
            self.added.push_back(text);
            if self.added.len() > REMEMBERED {
                self.added.pop_front();
            }
        }
    }

    /// A text that other agents add in the same moment.
    pub(super) async fn add_shared(&mut self) {
        let moment = now() / u64::try_from(MOMENT.as_micros()).unwrap_or(1);
        let Ok(project) = PROJECT.parse() else { return };
        self.add(&format!("what all agents found out in moment {moment}"), project).await;
    }

    async fn add(&self, text: &str, project: Project) -> bool {
        let entry = NewEntry { project, ..NewEntry::new(text) };
        let store = &self.process.store;
        let added = self.insist(Op::Add, None, || async { Ok(store.add(entry.clone()).await?) }).await;
        let Some(added) = added else { return false };
        self.sink.fact(Fact::Added {
            project: added.project.to_string(),
            hash: added.content_hash.to_string(),
            is_new: added.outcome == Outcome::Added,
        });
        true
    }

    /// What was acknowledged is found by its own words, at once.
    pub(super) async fn ask_own(&mut self) {
        if self.added.is_empty() {
            return;
        }
        let text = self.added[self.random.random_range(0..self.added.len())].clone();
        let query =
            Query { filter: Filter::project(self.process.own.clone()), limit: 5, ..Query::new(&text) };
        let Some(found) = self.ask(&query).await else { return };
        if !found.contains(&text) {
            self.sink.violation(format!("an acknowledged entry is not found by its own text: {text}"));
        }
    }

    /// A question that many ask.
    pub(super) async fn ask_shared(&mut self) {
        let number = self.random.random_range(0..SHARED_QUESTIONS);
        self.ask(&shared_question(number)).await;
    }

    /// An answer by words alone is an answer; that it was not what was asked for is told like a failure of the service.
    async fn ask(&self, query: &Query) -> Option<Vec<String>> {
        let mut found = None;
        let asked = async {
            let answer = self.process.store.query(query).await?;
            found = Some(answer.hits.iter().map(|hit| hit.entry.content.clone()).collect());
            answer.degraded.map_or(Ok(()), |why| Err(Trouble::Degraded(why)))
        };
        let _ = self.once(Op::Query, None, asked).await;
        found
    }

    fn words(&mut self) -> String {
        (0..8).map(|_| WORDS[self.random.random_range(0..WORDS.len())]).collect::<Vec<_>>().join(" ")
    }
}

/// How many questions all agents share.
pub(in crate::soak) const SHARED_QUESTIONS: usize = 20;

/// One of them.
pub(in crate::soak) fn shared_question(number: usize) -> Query {
    let project = PROJECT.parse().ok();
    let text = format!("what was found out about {} and {}", WORDS[number], WORDS[number + SHARED_QUESTIONS]);
    Query { filter: Filter { project, ..Filter::default() }, ..Query::new(text) }
}
