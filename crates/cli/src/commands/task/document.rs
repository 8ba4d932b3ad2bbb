//! A graph of tasks as a JSON document. What is wrong with it is told with the task and the member.

use std::collections::HashSet;
use std::fmt;

use agent_turbo_orchestrator::{Dependency, GraphTask, NewTask, OnFailure, Priority};
use anyhow::Result;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::input::bad;
use crate::when;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    tasks: Vec<Map<String, Value>>,
}

/// The key of another task, or the id of one that exists; what its failure does.
#[derive(Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "neither a key nor {\"task\": …, \"on_failure\": \"block|fail\"}"
)]
enum After {
    Task(String),
    Or { task: String, on_failure: OnFailure },
}

/// A task of the document, of which every member is taken by its name.
struct Members {
    task: String,
    left: Map<String, Value>,
}

pub(super) fn parse(text: &str) -> Result<Vec<GraphTask>> {
    let Document { tasks } =
        serde_json::from_str(text).map_err(|error| bad("the graph", error.to_string()))?;
    let mut keyed = Vec::with_capacity(tasks.len());
    for (place, left) in (1..).zip(tasks) {
        let mut members = Members { task: format!("number {place}"), left };
        let key: String = members.needed("key")?;
        members.task = format!("{key:?}");
        keyed.push((key, members));
    }
    let keys: HashSet<String> = keyed.iter().map(|(key, _)| key.clone()).collect();
    keyed.into_iter().map(|(key, members)| members.task(key, &keys)).collect()
}

impl Members {
    fn task(mut self, key: String, keys: &HashSet<String>) -> Result<GraphTask> {
        let mut task = NewTask {
            description: self.needed("description")?,
            task_type: self.take("type")?,
            role: self.take("role")?,
            platform: self.take("platform")?,
            priority: self.take::<Priority>("priority")?.unwrap_or_default(),
            required_context: self.take("context")?,
            input: self.take("input")?,
            idempotency_key: self.take("idempotency_key")?,
            run_after: self.time("run_after")?,
            deadline: self.time("deadline")?,
            max_attempts: self.take("max_attempts")?,
            metadata: self.take::<Map<_, _>>("metadata")?.map(Value::Object),
            ..NewTask::default()
        };
        let mut after = Vec::new();
        for before in self.take::<Vec<After>>("after")?.unwrap_or_default() {
            let (before, on_failure) = match before {
                After::Task(task) => (task, OnFailure::Block),
                After::Or { task, on_failure } => (task, on_failure),
            };
            if keys.contains(&before) {
                after.push((before, on_failure));
            } else {
                let task_id = before.parse().map_err(|error| self.wrong("after", error))?;
                task.depends_on.push(Dependency { task_id, on_failure });
            }
        }
        match self.left.keys().next() {
            Some(unknown) => Err(self.wrong(unknown, "a task has no such member")),
            None => Ok(GraphTask { key, after, task }),
        }
    }

    /// Nothing, when it is left out or null.
    fn take<T: DeserializeOwned>(&mut self, member: &str) -> Result<Option<T>> {
        let value = self.left.remove(member).unwrap_or_default();
        serde_json::from_value(value).map_err(|error| self.wrong(member, error))
    }

    fn needed<T: DeserializeOwned>(&mut self, member: &str) -> Result<T> {
        self.take(member)?.ok_or_else(|| self.wrong(member, "it is left out"))
    }

    fn time(&mut self, member: &'static str) -> Result<Option<Timestamp>> {
        let text: Option<String> = self.take(member)?;
        text.map(|text| when::ahead(member, &text)).transpose().map_err(|error| self.wrong(member, error))
    }

    fn wrong(&self, member: &str, why: impl fmt::Display) -> anyhow::Error {
        bad("the graph", format!("{member:?} of task {}: {why}", self.task))
    }
}
