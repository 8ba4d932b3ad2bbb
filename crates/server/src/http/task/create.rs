use agent_turbo_orchestrator::{
    Dependency, GraphTask, MAX_GRAPH, NewTask, OnFailure, Priority, SessionId, TaskId,
};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::caller::Caller;
use crate::fault::Fault;
use crate::http::extract::{Body, Seed, json};
use crate::http::problem::{Problem, Problems};
use crate::http::schema;
use crate::http::state::{Shared, State};

/// A task to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct TaskToMake {
    /// What is to be done.
    description: String,
    /// The session that makes it.
    #[schema(value_type = Option<String>)]
    session_id: Option<SessionId>,
    /// The project; the usual one, when left out.
    project: Option<String>,
    /// What kind of work it is [default: general].
    task_type: Option<String>,
    /// How urgent it is, 1 to 10; 10 comes first [default: 5].
    #[serde(default)]
    #[schema(value_type = i32, minimum = 1, maximum = 10)]
    priority: Priority,
    /// Who may do it; anybody, when left out.
    role: Option<String>,
    /// On which platform; on any, when left out.
    platform: Option<String>,
    /// What must be completed before.
    #[serde(default)]
    depends_on: Vec<DependsOn>,
    /// What one must know to do it.
    required_context: Option<Value>,
    /// What it works on.
    input: Option<Value>,
    /// Making a task with a key that its project knows finds the one that is there.
    idempotency_key: Option<String>,
    /// Not to be begun before.
    #[schema(value_type = Option<String>, format = DateTime)]
    run_after: Option<Timestamp>,
    /// Worthless after.
    #[schema(value_type = Option<String>, format = DateTime)]
    deadline: Option<Timestamp>,
    /// How often it may be begun [default: 3].
    #[schema(minimum = 1, maximum = 100)]
    max_attempts: Option<i32>,
    /// Anything else.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// A task that must be completed before.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DependsOn {
    /// The prerequisite.
    #[schema(value_type = String)]
    task_id: TaskId,
    /// What its failure does [default: block].
    #[schema(value_type = Option<schema::OnFailure>)]
    on_failure: Option<OnFailure>,
}

/// Tasks that depend on each other.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Graph {
    /// All of them are made, or none.
    #[schema(max_items = 10000)]
    tasks: Vec<GraphNode>,
}

/// A task of a graph.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct GraphNode {
    /// What the other tasks of the graph call it.
    key: String,
    /// The keys of tasks in the same graph that must be completed before.
    #[serde(default)]
    after: Vec<After>,
    /// The task.
    task: TaskToMake,
}

/// A task of the same graph that must be completed before.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct After {
    /// Its key.
    key: String,
    /// What its failure does [default: block].
    #[schema(value_type = Option<schema::OnFailure>)]
    on_failure: Option<OnFailure>,
}

impl TaskToMake {
    /// With `seed` and place as the key, where the caller chose none, so that a repeated request finds what was made.
    async fn new_task(
        self,
        shared: &Shared,
        caller: &Caller,
        seed: Option<Uuid>,
        place: usize,
    ) -> Result<NewTask, Problem> {
        shared.sees_session(caller, self.session_id.as_ref()).await?;
        for before in &self.depends_on {
            shared.sees_task(caller, &before.task_id).await?;
        }
        let depends_on = self.depends_on.into_iter().map(|before| Dependency {
            task_id: before.task_id,
            on_failure: before.on_failure.unwrap_or(OnFailure::Block),
        });
        Ok(NewTask {
            session_id: self.session_id,
            project: Some(shared.project(caller, self.project)?),
            task_type: self.task_type,
            description: self.description,
            priority: self.priority,
            role: self.role,
            platform: self.platform,
            depends_on: depends_on.collect(),
            required_context: self.required_context,
            input: self.input,
            idempotency_key: self
                .idempotency_key
                .or_else(|| seed.map(|seed| format!("request:{seed}:{place}"))),
            run_after: self.run_after,
            deadline: self.deadline,
            max_attempts: self.max_attempts,
            metadata: self.metadata.map(Value::Object),
        })
    }
}

/// Makes a task.
#[utoipa::path(
    post, path = "/tasks", tag = "tasks", request_body = TaskToMake,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")),
    responses(
        Problems,
        (status = 201, description = "It is new.", body = schema::CreatedTask),
        (status = 200, description = "Its idempotency key has found one that is there.", body = schema::CreatedTask)
    )
)]
pub(in crate::http) async fn create(
    axum::extract::State(shared): State,
    caller: Caller,
    Seed(seed): Seed,
    Body(task): Body<TaskToMake>,
) -> Result<Response, Problem> {
    let task = task.new_task(&shared, &caller, seed, 0).await?;
    let created = shared.app.orchestrator.create_task(task).await?;
    json(if created.created { StatusCode::CREATED } else { StatusCode::OK }, &created)
}

/// Makes tasks that depend on each other: all or none.
#[utoipa::path(
    post, path = "/tasks/graph", tag = "tasks", request_body = Graph,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")),
    responses(Problems, (status = 201, description = "They are made.", body = schema::CreatedGraph))
)]
pub(in crate::http) async fn create_graph(
    axum::extract::State(shared): State,
    caller: Caller,
    Seed(seed): Seed,
    Body(graph): Body<Graph>,
) -> Result<Response, Problem> {
    if graph.tasks.len() > MAX_GRAPH {
        let why = format!("{} tasks are more than {MAX_GRAPH}", graph.tasks.len());
        return Err(Fault::bad_input("the graph", why).into());
    }
    let mut nodes = Vec::with_capacity(graph.tasks.len());
    for (place, node) in graph.tasks.into_iter().enumerate() {
        let after = node.after.into_iter();
        nodes.push(GraphTask {
            key: node.key,
            after: after.map(|after| (after.key, after.on_failure.unwrap_or(OnFailure::Block))).collect(),
            task: node.task.new_task(&shared, &caller, seed, place).await?,
        });
    }
    json(StatusCode::CREATED, &shared.app.orchestrator.create_graph(nodes).await?)
}
