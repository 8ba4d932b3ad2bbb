use std::collections::{BTreeMap, HashMap, VecDeque};

use agent_turbo_db::{Client, RowExt};
use serde::Serialize;
use serde_json::json;

use crate::ids::TaskId;
use crate::task::create::unknown_session;
use crate::task::refusal::explained;
use crate::task::{NewTask, OnFailure};
use crate::{Error, Orchestrator, Result};

/// Tasks that one graph may have.
pub const MAX_GRAPH: usize = 10_000;
/// How often one is tried when others make parts of it at the same time, or an answer was lost.
const MAX_ATTEMPTS: usize = 5;

/// A task of a graph: known by a key within it, on which others may depend.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphTask {
    /// What the other tasks of the graph call it.
    pub key: String,
    /// The keys of tasks in the same graph that must be completed before.
    pub after: Vec<(String, OnFailure)>,
    /// The task; its own `depends_on` names tasks that exist already.
    pub task: NewTask,
}

/// What a graph became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CreatedGraph {
    /// The ids, by key.
    pub tasks: BTreeMap<String, TaskId>,
    /// How many of them this call made; idempotency keys may have found the others.
    pub created: usize,
}

impl Orchestrator {
    /// Makes all tasks of a graph, or none: in one transaction, prerequisites first.
    ///
    /// # Errors
    /// [`Error::DependencyCycle`] names the tasks of a cycle, [`Error::UnknownDependencies`] what is nowhere.
    #[tracing::instrument(name = "orchestrator.create_graph", skip_all, fields(tasks = graph.len()))]
    pub async fn create_graph(&self, graph: Vec<GraphTask>) -> Result<CreatedGraph> {
        if graph.is_empty() {
            return Ok(CreatedGraph { tasks: BTreeMap::new(), created: 0 });
        }
        let order = graph_order(&graph)?;
        // Chosen before the first attempt: an attempt whose answer was lost is found again by these ids.
        let ids: Vec<TaskId> = graph.iter().map(|_| TaskId::generate()).collect();
        let (graph, order, ids) = (&graph, &order, &ids);
        let attempt = async || {
            self.changing()
                .run_tx("create_graph", async |client| create(&client, graph, order, ids).await)
                .await
        };
        let mut outcome = explained(attempt().await);
        for _ in 1..MAX_ATTEMPTS {
            match outcome {
                // It may have been committed, and is then found; or somebody else made some of it, which is now there.
                Err(Error::Database(agent_turbo_db::Error::CommitUnknown { .. }) | Error::Raced(_)) => {}
                // Ours were not made, because somebody else took their keys: that is no fault of the graph.
                Err(Error::UnknownDependencies(ref unknown))
                    if ids.iter().any(|id| unknown.contains(id.as_str())) => {}
                done => return done,
            }
            outcome = explained(attempt().await);
        }
        outcome
    }
}

/// The tasks' indexes, each after those that it depends on: what can be said of a graph without a database.
///
/// # Errors
/// [`Error::DependencyCycle`], [`Error::UnknownDependencies`] for keys that are not there, [`Error::BadInput`] for two
/// equal keys and for what no task may be.
pub fn graph_order(graph: &[GraphTask]) -> Result<Vec<usize>> {
    if graph.len() > MAX_GRAPH {
        return Err(Error::bad_input(
            "the graph",
            format!("{} tasks are more than {MAX_GRAPH}", graph.len()),
        ));
    }
    let mut by_key = HashMap::new();
    for (index, node) in graph.iter().enumerate() {
        node.task.check().map_err(|error| in_task(&node.key, error))?;
        if by_key.insert(node.key.as_str(), index).is_some() {
            return Err(Error::bad_input("the graph", format!("two tasks have the key {:?}", node.key)));
        }
    }
    let mut unknown = Vec::new();
    let mut waiting_for = vec![0_usize; graph.len()];
    let mut dependents = vec![Vec::new(); graph.len()];
    for (index, node) in graph.iter().enumerate() {
        for (key, _) in &node.after {
            match by_key.get(key.as_str()) {
                Some(before) => {
                    dependents[*before].push(index);
                    waiting_for[index] += 1;
                }
                None => unknown.push(key.as_str()),
            }
        }
    }
    if !unknown.is_empty() {
        unknown.sort_unstable();
        unknown.dedup();
        return Err(Error::UnknownDependencies(unknown.join(", ")));
    }
    let mut free: VecDeque<usize> = (0..graph.len()).filter(|index| waiting_for[*index] == 0).collect();
    let mut order = Vec::with_capacity(graph.len());
    while let Some(index) = free.pop_front() {
        order.push(index);
        for dependent in &dependents[index] {
            waiting_for[*dependent] -= 1;
            if waiting_for[*dependent] == 0 {
                free.push_back(*dependent);
            }
        }
    }
    if order.len() < graph.len() {
        return Err(Error::DependencyCycle(cycle(graph, &by_key, &waiting_for)));
    }
    Ok(order)
}

/// Says of which task of many the error tells.
fn in_task(key: &str, error: Error) -> Error {
    match error {
        Error::BadInput { what, why } => Error::BadInput { what, why: format!("{why} (task {key:?})") },
        other => other,
    }
}

/// One cycle among the tasks that still wait, as `a → b → a`. Each of them waits for another of them, so whoever
/// follows that comes back.
fn cycle(graph: &[GraphTask], by_key: &HashMap<&str, usize>, waiting_for: &[usize]) -> String {
    let mut path: Vec<usize> = Vec::new();
    let mut next = waiting_for.iter().position(|count| *count > 0);
    while let Some(index) = next {
        if let Some(start) = path.iter().position(|seen| *seen == index) {
            let names: Vec<&str> =
                path[start..].iter().chain([&index]).map(|index| graph[*index].key.as_str()).collect();
            return names.join(" → ");
        }
        path.push(index);
        next = graph[index]
            .after
            .iter()
            .filter_map(|(key, _)| by_key.get(key.as_str()).copied())
            .find(|before| waiting_for[*before] > 0);
    }
    String::new()
}

async fn create(
    client: &Client,
    graph: &[GraphTask],
    order: &[usize],
    ids: &[TaskId],
) -> Result<CreatedGraph> {
    let mut ids: Vec<TaskId> = ids.to_vec();
    let known = known(client, graph, &mut ids).await?;
    let by_key: HashMap<&str, usize> =
        graph.iter().enumerate().map(|(index, node)| (node.key.as_str(), index)).collect();
    let mut rows = Vec::new();
    let (mut failing, mut failing_with) = (Vec::new(), Vec::new());
    for index in order.iter().copied().filter(|index| !known[*index]) {
        let node = &graph[index];
        let within = node.after.iter().map(|(key, policy)| (&ids[by_key[key.as_str()]], *policy));
        let outside =
            node.task.depends_on.iter().map(|dependency| (&dependency.task_id, dependency.on_failure));
        let mut depends_on = Vec::new();
        for (before, on_failure) in within.chain(outside) {
            depends_on.push(before.as_str());
            if on_failure == OnFailure::Fail {
                failing.push(ids[index].as_str());
                failing_with.push(before.as_str());
            }
        }
        rows.push(row(rows.len(), &ids[index], &node.task, &depends_on));
    }
    let created = insert(client, &graph[order[0]].task, &rows).await?;
    if created != rows.len() {
        // Somebody else took a key meanwhile: the next call finds it.
        return Err(Error::Raced("create_graph"));
    }
    if !failing.is_empty() {
        client
            .change(
                "fail_graph_with_dependencies",
                "-- fail_graph_with_dependencies
                 UPDATE task_dependencies d SET on_failure = 'fail'
                 FROM unnest($1::text[], $2::text[]) AS pair (task_id, depends_on)
                 WHERE d.task_id = pair.task_id AND d.depends_on = pair.depends_on",
                &[&failing, &failing_with],
            )
            .await?;
    }
    let tasks = graph.iter().zip(ids).map(|(node, id)| (node.key.clone(), id)).collect();
    Ok(CreatedGraph { tasks, created })
}

/// Which tasks are there already, by key or from an attempt whose answer was lost; their ids take the place of ours.
async fn known(client: &Client, graph: &[GraphTask], ids: &mut [TaskId]) -> Result<Vec<bool>> {
    let own: Vec<&str> = ids.iter().map(TaskId::as_str).collect();
    let projects: Vec<&str> = graph.iter().map(|node| node.task.project()).collect();
    let keys: Vec<Option<&str>> = graph.iter().map(|node| node.task.idempotency_key.as_deref()).collect();
    let rows = client
        .rows(
            "known_graph_tasks",
            "-- known_graph_tasks
             SELECT given.place, t.task_id
             FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY
                 AS given (task_id, project, idempotency_key, place)
             JOIN LATERAL (
                 SELECT task_id FROM agent_tasks WHERE task_id = given.task_id
                 UNION ALL
                 SELECT task_id FROM agent_tasks
                     WHERE project = given.project AND idempotency_key = given.idempotency_key
             ) t ON true",
            &[&own, &projects, &keys],
        )
        .await?;
    let mut known = vec![false; graph.len()];
    for row in rows {
        let place: i64 = row.column("place")?;
        let index = usize::try_from(place - 1).unwrap_or_default();
        known[index] = true;
        ids[index] = TaskId::stored(row.column("task_id")?);
    }
    Ok(known)
}

fn row(place: usize, id: &TaskId, task: &NewTask, depends_on: &[&str]) -> serde_json::Value {
    json!({
        "place": place,
        "task_id": id,
        "session_id": task.session_id,
        "project": task.project(),
        "task_type": task.task_type.as_deref().unwrap_or("general"),
        "task_description": task.description,
        "task_priority": task.priority,
        "assigned_to_role": task.role,
        "assigned_to_platform": task.platform,
        "depends_on_tasks": depends_on,
        "required_context": task.required_context,
        "input_data": task.input,
        "idempotency_key": task.idempotency_key,
        "run_after": task.run_after,
        "deadline": task.deadline,
        "max_attempts": task.max_attempts.unwrap_or(3),
        "metadata": task.metadata.as_ref().unwrap_or(&json!({})),
    })
}

/// One statement for all, in the order of their places.
async fn insert(client: &Client, first: &NewTask, rows: &[serde_json::Value]) -> Result<usize> {
    let inserted = client
        .change(
            "create_graph",
            "-- create_graph
             INSERT INTO agent_tasks
                 (task_id, session_id, project, task_type, task_description, task_priority, assigned_to_role,
                  assigned_to_platform, depends_on_tasks, required_context, input_data, idempotency_key, run_after,
                  deadline, max_attempts, metadata)
             SELECT task_id, session_id, project, task_type, task_description, task_priority, assigned_to_role,
                    assigned_to_platform, depends_on_tasks, required_context, input_data, idempotency_key, run_after,
                    deadline, max_attempts, metadata
             FROM jsonb_to_recordset($1) AS t
                 (place integer, task_id text, session_id text, project text, task_type text, task_description text,
                  task_priority integer, assigned_to_role text, assigned_to_platform text, depends_on_tasks text[],
                  required_context jsonb, input_data jsonb, idempotency_key text, run_after timestamptz,
                  deadline timestamptz, max_attempts integer, metadata jsonb)
             ORDER BY place
             ON CONFLICT DO NOTHING",
            &[&serde_json::Value::Array(rows.to_vec())],
        )
        .await
        .map_err(unknown_session(first))?;
    Ok(usize::try_from(inserted).unwrap_or(usize::MAX))
}
