//! The planner: plan, delegate, do, audit, revise, sum up.

use std::time::Duration;

use agent_turbo_db::RowExt;
use agent_turbo_orchestrator::{
    Error as OrchestratorError, NewAction, NewSession, Orchestrator, SessionId, Task, TaskId, TaskStatus,
    Verdict,
};
use agent_turbo_planner::{Error, Format, Plan, Planner, format_landing_context};
use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::World;
use super::report::Report;
use super::scratch::Scratch;

const BUDGET: usize = 400;
const LEASE: Duration = Duration::from_mins(1);

const PLAN: &str = "
id: verification
title: Verification
tasks:
  - key: design
    description: Design the cache
    role: executor
    priority: 8
  - key: build
    description: Build the cache
    role: executor
    priority: 9
    after: [design]
";

pub(super) async fn verify(world: &World, report: &mut Report) -> Result<()> {
    let scratch = Scratch::open(world).await?;
    let outcome = workflow(&scratch.orchestrator, report).await;
    let cleaned = scratch.close().await.context("clean-up");
    outcome.and(cleaned)
}

async fn workflow(orchestrator: &Orchestrator, report: &mut Report) -> Result<()> {
    let planner = Planner::new(orchestrator.clone());
    let session = report
        .check("planning session", async {
            let started = planner.start_planning_session("claude", "default", None).await?;
            let id = started.session.session_id.clone();
            ensure!(id.as_str().starts_with("claude_planner_"), "it is {id}");
            let prompt = format_landing_context(&started.context, BUDGET);
            ensure!(prompt.tokens <= BUDGET, "its context takes {} tokens", prompt.tokens);
            ensure!(!prompt.text.is_empty(), "its context is empty");
            Ok((format!("{id}; its context takes {} of {BUDGET} tokens", prompt.tokens), id))
        })
        .await?;
    let (design, build) = report
        .check("plan loaded, twice", async {
            let plan = Plan::parse(PLAN, Format::Yaml)?;
            let loaded = planner.load_plan(&session, &plan).await?;
            let again = planner.load_plan(&session, &plan).await?;
            ensure!((loaded.created, again.created) == (2, 0), "{} and {}", loaded.created, again.created);
            let id = |key: &str| {
                let task = loaded.tasks.iter().find(|task| task.key == key);
                task.map(|task| task.task_id.clone()).with_context(|| format!("{key} was not made"))
            };
            Ok(("2 tasks made, then none".to_owned(), (id("design")?, id("build")?)))
        })
        .await?;
    let delegated = report
        .check("task delegated", async {
            let new = agent_turbo_orchestrator::NewTask::new("Write it down").for_role("executor");
            let task = planner.create_delegated_task(&session, new).await?.task;
            ensure!(task.session_id.as_ref() == Some(&session), "it is {:?}'s", task.session_id);
            Ok((task.task_id.to_string(), task.task_id))
        })
        .await?;
    let executor = start(orchestrator, "executor", &session).await?;
    let validator = start(orchestrator, "validator", &session).await?;
    report
        .check("executor does them in order", async {
            let order = [&design, &build, &delegated];
            for expected in order {
                let done = work(orchestrator, &executor, "first").await?;
                ensure!(done.task_id == *expected, "{} came before {expected}", done.task_id);
            }
            Ok(("design, build, what was delegated".to_owned(), ()))
        })
        .await?;
    report
        .check("own work is not approved", async {
            let own = planner.audit_task_results(&design, Verdict::Approved, None, &executor).await;
            let Err(Error::Orchestrator(error @ OrchestratorError::OwnWork)) = own else {
                anyhow::bail!("it answered {own:?}")
            };
            Ok((format!("failed to {error}"), ()))
        })
        .await?;
    report
        .check(
            "approve, reject, revise",
            audits(&planner, &validator, &executor, [&design, &build, &delegated]),
        )
        .await?;
    report
        .check("summary", async {
            let summary = planner.session_summary(&session).await?;
            let text = serde_json::to_string(&summary)?;
            ensure!(text.contains("executor"), "it is {text}");
            Ok((headline(&text), ()))
        })
        .await?;
    report.check("session ⋈ tasks ⋈ actions", join(orchestrator, &session)).await?;
    report.criterion("plan, delegate, audit", "one trail that joins", "session, tasks and actions joined");
    report
        .check("audit trail intact", async {
            let chains = orchestrator.verify_chain(None).await?;
            ensure!(chains.is_intact(), "broken: {:?}", chains.broken);
            Ok((format!("{} chains, {} actions", chains.chains, chains.actions), ()))
        })
        .await
}

async fn start(orchestrator: &Orchestrator, role: &str, parent: &SessionId) -> Result<SessionId> {
    let new = NewSession { parent: Some(parent.clone()), ..NewSession::new("codex", role) };
    Ok(orchestrator.initialize_agent_session(new).await?.session.session_id)
}

/// Claims the next task, says what it does, and completes it.
async fn work(orchestrator: &Orchestrator, executor: &SessionId, version: &str) -> Result<Task> {
    let claimant = orchestrator.claimant(executor).await?;
    let claimed = orchestrator.claim_task(&claimant, LEASE).await?.context("nothing to claim")?;
    let task = &claimed.task.task_id;
    let action = NewAction {
        task_id: Some(task.clone()),
        changed_files: vec!["cache.rs".to_owned()],
        commands: vec!["cargo test".to_owned()],
        duration: Some(Duration::from_millis(12)),
        ..NewAction::new(Some(executor.clone()), "edit")
    };
    orchestrator.log_agent_action(action).await?;
    Ok(orchestrator.complete_task(task, claimed.lease.token, Some(json!({ "version": version }))).await?)
}

async fn audits(
    planner: &Planner,
    validator: &SessionId,
    executor: &SessionId,
    [approved, rejected, revised]: [&TaskId; 3],
) -> Result<(String, ())> {
    let audit = async |task: &TaskId, verdict, notes| {
        planner.audit_task_results(task, verdict, notes, validator).await
    };
    let task = audit(approved, Verdict::Approved, None).await?;
    ensure!(task.output_data == Some(json!({ "version": "first" })), "the result is {:?}", task.output_data);
    let task = audit(rejected, Verdict::Rejected, Some("not what was asked for")).await?;
    ensure!(task.output_data == Some(json!({ "version": "first" })), "the result is {:?}", task.output_data);
    let task = audit(revised, Verdict::NeedsRevision, Some("shorter, please")).await?;
    ensure!(task.status == TaskStatus::Pending, "it is {}", task.status);
    let redone = work(planner.orchestrator(), executor, "second").await?;
    ensure!(redone.task_id == *revised, "{} came before the revision", redone.task_id);
    ensure!(redone.review_notes.as_deref() == Some("shorter, please"), "the notes are gone");
    ensure!((redone.round, redone.attempts) == (2, 2), "round {}, attempt {}", redone.round, redone.attempts);
    let task = audit(revised, Verdict::Approved, None).await?;
    ensure!(task.output_data == Some(json!({ "version": "second" })), "the result is {:?}", task.output_data);
    Ok(("results untouched; the revision came back with its notes and was done again".to_owned(), ()))
}

/// What people ask the tables themselves.
async fn join(orchestrator: &Orchestrator, session: &SessionId) -> Result<(String, ())> {
    let row = orchestrator
        .database()
        .query_opt(
            "verify",
            "SELECT s.session_id, count(DISTINCT t.task_id) AS tasks, count(DISTINCT a.action_id) AS actions
             FROM agent_sessions s
             LEFT JOIN agent_tasks t ON t.session_id = s.session_id
             LEFT JOIN agent_actions a ON a.session_id = s.session_id
             WHERE s.session_id = $1
             GROUP BY s.session_id",
            &[&session.as_str()],
        )
        .await?
        .context("the session is not there")?;
    let (tasks, actions): (i64, i64) = (row.column("tasks")?, row.column("actions")?);
    // Its start, and the creation of each of its tasks.
    ensure!(tasks == 3 && actions == 4, "{tasks} tasks, {actions} actions");
    Ok((format!("{session}: {tasks} tasks, {actions} actions"), ()))
}

/// The beginning of a long text.
fn headline(text: &str) -> String {
    const CHARS: usize = 120;
    let mut line: String = text.chars().take(CHARS).collect();
    if text.chars().nth(CHARS).is_some() {
        line.push('…');
    }
    line
}
