//! A graph of tasks as a JSON document. What is wrong with it is told with the task and the member.

use std::collections::HashSet;

use agent_turbo_orchestrator::{Dependency, GraphTask, NewTask, OnFailure, Priority};
use anyhow::Result;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::input::bad;
use crate::members::Members;
use crate::when;

const GRAPH: &str = "the graph";

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

pub(crate) fn parse(text: &str) -> Result<Vec<GraphTask>> {
    let Document { tasks } = serde_json::from_str(text).map_err(|error| bad(GRAPH, error.to_string()))?;
    let mut keyed = Vec::with_capacity(tasks.len());
    for (place, members) in (1..).zip(tasks) {
        let mut members = Members::new(GRAPH, format!("task number {place}"), members);
        let key: String = members.needed("key")?;
        let members = members.named(format!("task {key:?}"));
        keyed.push((key, members));
    }
    let keys: HashSet<String> = keyed.iter().map(|(key, _)| key.clone()).collect();
    keyed.into_iter().map(|(key, members)| graph_task(key, members, &keys)).collect()
}

fn graph_task(key: String, mut members: Members, keys: &HashSet<String>) -> Result<GraphTask> {
    let mut task = NewTask {
        description: members.needed("description")?,
        task_type: members.take("type")?,
        role: members.take("role")?,
        platform: members.take("platform")?,
        priority: members.take::<Priority>("priority")?.unwrap_or_default(),
        required_context: members.take("context")?,
        input: members.take("input")?,
        idempotency_key: members.take("idempotency_key")?,
        run_after: time(&mut members, "run_after")?,
        deadline: time(&mut members, "deadline")?,
        max_attempts: members.take("max_attempts")?,
        metadata: members.take::<Map<_, _>>("metadata")?.map(Value::Object),
        ..NewTask::default()
    };
    let mut after = Vec::new();
    for before in members.take::<Vec<After>>("after")?.unwrap_or_default() {
        let (before, on_failure) = match before {
            After::Task(task) => (task, OnFailure::Block),
            After::Or { task, on_failure } => (task, on_failure),
        };
        if keys.contains(&before) {
            after.push((before, on_failure));
        } else {
            let task_id = before.parse().map_err(|error| members.wrong("after", error))?;
            task.depends_on.push(Dependency { task_id, on_failure });
        }
    }
    members.end()?;
    Ok(GraphTask { key, after, task })
}

fn time(members: &mut Members, member: &'static str) -> Result<Option<Timestamp>> {
    let text: Option<String> = members.take(member)?;
    text.map(|text| when::ahead(member, &text)).transpose().map_err(|error| members.wrong(member, error))
}
