use std::collections::HashSet;

use agent_turbo_orchestrator::{Dependency, Error as OrchestratorError, GraphTask, NewTask, graph_order};
use serde_json::{Value, json};

use super::{Plan, PlannedTask};
use crate::{Error, Result};

const MAX_NAME_BYTES: usize = 200;
const MAX_KEY_BYTES: usize = 100;
const MAX_GOAL_BYTES: usize = 2000;
/// As long as the orchestrator takes them.
const MAX_IDEMPOTENCY_KEY_BYTES: usize = 256;
/// Keys that are offered in place of an unknown one.
const MAX_SIMILAR: usize = 3;

impl Plan {
    /// The keys of its tasks, prerequisites first: all that can be found out without a database.
    ///
    /// # Errors
    /// [`Error::BadPlan`] names the task and what is wrong with it; the tasks of a cycle.
    pub fn check(&self) -> Result<Vec<String>> {
        Ok(self.graph()?.into_iter().map(|node| node.key).collect())
    }

    /// What it is known by, when it is loaded again.
    pub fn name(&self) -> Option<&str> {
        self.id.as_deref().or(self.title.as_deref())
    }

    /// Its tasks, prerequisites first.
    pub(super) fn graph(&self) -> Result<Vec<GraphTask>> {
        for (what, text) in [("id", &self.id), ("title", &self.title)] {
            if let Some(text) = text {
                one_line(what, text, MAX_NAME_BYTES)?;
            }
        }
        if let Some(goal) = self.goal.as_ref().filter(|goal| goal.len() > MAX_GOAL_BYTES) {
            return Err(Error::BadPlan(format!("goal: {} bytes are more than {MAX_GOAL_BYTES}", goal.len())));
        }
        if self.tasks.is_empty() {
            return Err(Error::BadPlan("tasks: there are none".to_owned()));
        }
        let mut keys = HashSet::new();
        for (index, task) in self.tasks.iter().enumerate() {
            let place = format!("tasks[{index}].key");
            one_line(&place, &task.key, MAX_KEY_BYTES)?;
            // Else two plans could have one idempotency key.
            if task.key.contains(|character: char| character == ':' || character.is_whitespace()) {
                return Err(Error::BadPlan(format!("{place}: {:?} holds a space or a colon", task.key)));
            }
            if !keys.insert(task.key.as_str()) {
                return Err(Error::BadPlan(format!("{place}: {:?} is the key of two tasks", task.key)));
            }
        }
        let graph = self.tasks.iter().map(|task| self.node(task, &keys)).collect::<Result<Vec<_>>>()?;
        let order = graph_order(&graph).map_err(|error| match error {
            OrchestratorError::BadInput { what, why } => Error::BadPlan(format!("{what}: {why}")),
            OrchestratorError::DependencyCycle(cycle) => {
                Error::BadPlan(format!("its tasks wait for each other: {cycle}"))
            }
            other => other.into(),
        })?;
        let mut graph: Vec<Option<GraphTask>> = graph.into_iter().map(Some).collect();
        Ok(order.into_iter().filter_map(|index| graph[index].take()).collect())
    }

    fn node(&self, planned: &PlannedTask, keys: &HashSet<&str>) -> Result<GraphTask> {
        let (mut after, mut depends_on) = (Vec::new(), Vec::new());
        for before in &planned.after {
            if keys.contains(before.task.as_str()) {
                after.push((before.task.clone(), before.on_failure));
            } else {
                let task_id = before.task.parse().map_err(|_| self.unknown(&planned.key, &before.task))?;
                depends_on.push(Dependency { task_id, on_failure: before.on_failure });
            }
        }
        let task = NewTask {
            session_id: None,
            project: self.project.clone(),
            task_type: planned.task_type.clone(),
            description: planned.description.clone(),
            priority: planned.priority,
            role: planned.role.clone(),
            platform: planned.platform.clone(),
            depends_on,
            required_context: planned.context.clone(),
            input: planned.input.clone(),
            idempotency_key: self.idempotency_key(planned)?,
            run_after: planned.run_after,
            deadline: planned.deadline,
            max_attempts: planned.max_attempts,
            metadata: Some(self.metadata(planned)),
        };
        Ok(GraphTask { key: planned.key.clone(), after, task })
    }

    fn idempotency_key(&self, task: &PlannedTask) -> Result<Option<String>> {
        if task.idempotency_key.is_some() {
            return Ok(task.idempotency_key.clone());
        }
        let Some(name) = self.name() else { return Ok(None) };
        let key = format!("plan:{name}:{}", task.key);
        if key.len() > MAX_IDEMPOTENCY_KEY_BYTES {
            let why =
                format!("{} bytes with the plan's name are more than {MAX_IDEMPOTENCY_KEY_BYTES}", key.len());
            return Err(Error::BadPlan(format!("task {:?}: {why}; give the plan a short id", task.key)));
        }
        Ok(Some(key))
    }

    /// The task's own, and where it comes from.
    fn metadata(&self, task: &PlannedTask) -> Value {
        let mut metadata = task.metadata.clone().unwrap_or_default();
        let origin = [("plan", self.name()), ("goal", self.goal.as_deref()), ("key", Some(&task.key))];
        let origin = origin.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
        metadata.insert("plan".to_owned(), Value::Object(origin.collect()));
        Value::Object(metadata)
    }

    /// What `after` names is nowhere.
    pub(super) fn unknown(&self, task: &str, after: &str) -> Error {
        let beginning = |text: &str| text.chars().take(2).collect::<String>().to_lowercase();
        let similar = self.tasks.iter().map(|task| task.key.clone());
        let similar = similar.filter(|key| key != task && beginning(key) == beginning(after));
        Error::UnknownReference {
            task: task.to_owned(),
            after: after.to_owned(),
            similar: similar.take(MAX_SIMILAR).collect(),
        }
    }
}

fn one_line(place: &str, text: &str, max_bytes: usize) -> Result<()> {
    let why = if text.trim().is_empty() {
        "it is empty".to_owned()
    } else if text.len() > max_bytes {
        format!("{} bytes are more than {max_bytes}", text.len())
    } else if text.chars().any(char::is_control) {
        format!("{text:?} holds control characters")
    } else if text.trim() != text {
        format!("{text:?} begins or ends with a space")
    } else {
        return Ok(());
    };
    Err(Error::BadPlan(format!("{place}: {why}")))
}
