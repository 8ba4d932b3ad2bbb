//! Whether everything works again: one operation of each kind.

use std::time::Duration;

use agent_turbo_knowledge::{Filter, NewEntry, Query};
use agent_turbo_orchestrator::{Claimant, ContextScope, NewAction, NewSession, NewTask, Usage};
use anyhow::{Context, Result, ensure};
use tokio::time::Instant;

use super::process::Process;

/// How long after a fault everything may fail.
const LIMIT: Duration = Duration::from_secs(30);
const PROJECT: &str = "probe";

/// Tries until every kind of operation succeeds; how long that took.
pub(super) async fn recovered(process: &Process, number: usize) -> Result<Duration> {
    let since = Instant::now();
    loop {
        let error = match tokio::time::timeout(LIMIT, everything(process, number)).await {
            Ok(Ok(())) => return Ok(since.elapsed()),
            Ok(Err(error)) => error,
            Err(_) => anyhow::anyhow!("one of them does not end"),
        };
        ensure!(since.elapsed() < LIMIT, "{LIMIT:?} after the fault operations still fail: {error:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn everything(process: &Process, number: usize) -> Result<()> {
    let orchestrator = &process.orchestrator;
    let new = NewSession { project: PROJECT.to_owned(), ..NewSession::new("probe", "prober") };
    let session =
        orchestrator.initialize_agent_session(new).await.context("start a session")?.session.session_id;
    orchestrator.touch_session(&session, Usage::default()).await.context("touch a session")?;
    orchestrator
        .log_agent_action(NewAction::new(Some(session.clone()), "probed"))
        .await
        .context("log an action")?;
    let text = format!("the probe after fault {number}: {:08x}", rand::random::<u32>());
    let entry = NewEntry { project: PROJECT.parse()?, ..NewEntry::new(&text) };
    process.store.add(entry).await.context("add an entry")?;
    let query = Query { filter: Filter::project(PROJECT.parse()?), ..Query::new(&text) };
    let answer = process.store.query(&query).await.context("ask")?;
    ensure!(answer.degraded.is_none(), "asking: {}", answer.degraded.unwrap_or_default());
    ensure!(
        answer.hits.iter().any(|hit| hit.entry.content == text),
        "asking does not find what was just added"
    );
    let task = NewTask { project: Some(PROJECT.to_owned()), ..NewTask::new(text) };
    let made = orchestrator.create_task(task).await.context("create a task")?.task.task_id;
    let claimant = Claimant {
        session_id: Some(session.clone()),
        project: PROJECT.to_owned(),
        role: "prober".to_owned(),
        platform: None,
    };
    let claimed =
        orchestrator.claim_task(&claimant, Duration::from_secs(30)).await.context("claim a task")?;
    let lease = claimed.with_context(|| format!("claim a task: {made} is not given out"))?.lease;
    orchestrator.complete_task(&lease.task_id, lease.token, None).await.context("complete a task")?;
    let scope = ContextScope::project(PROJECT);
    let context = orchestrator.get_cached_landing_context(&scope).await.context("get a landing context")?;
    ensure!(context.errors.is_empty(), "a landing context: {:?}", context.errors);
    orchestrator.complete_session(&session).await.context("end a session")?;
    Ok(())
}
