use std::time::Duration;

use agent_turbo_orchestrator::{Claimant, SilenceLimits};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::time::Instant;

use crate::soak::agents::{PROJECT, ROLE};
use crate::soak::process::Process;

const LIMIT: Duration = Duration::from_mins(2);
const LEASE: Duration = Duration::from_secs(30);
const AT_ONCE: usize = 50;

/// A last pass: every task that is still open is done, none is stuck.
pub(super) async fn finish(process: &Process) -> Result<String> {
    let until = Instant::now() + LIMIT;
    let mut done = 0;
    loop {
        process.orchestrator.reap(SilenceLimits::default()).await?;
        let finished = finish_some(process).await?;
        done += finished;
        let left = open(process).await?;
        if left == 0 {
            return Ok(format!("{done} tasks"));
        }
        ensure!(Instant::now() < until, "{left} tasks are stuck after {LIMIT:?}");
        if finished == 0 {
            // Leases of workers that are gone are waited for.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn finish_some(process: &Process) -> Result<usize> {
    let mut done = 0;
    for (project, role) in [(PROJECT, ROLE), ("probe", "prober")] {
        let claimant =
            Claimant { session_id: None, project: project.to_owned(), role: role.to_owned(), platform: None };
        for claimed in process.orchestrator.claim_tasks(&claimant, AT_ONCE, LEASE).await? {
            let lease = claimed.lease;
            let output = Some(json!({ "by": lease.task_id, "nonce": "the last pass" }));
            process
                .orchestrator
                .complete_task(&lease.task_id, lease.token, output)
                .await
                .with_context(|| format!("finish {}", lease.task_id))?;
            done += 1;
        }
    }
    Ok(done)
}

async fn open(process: &Process) -> Result<i64> {
    let row = process
        .database
        .query_opt(
            "open_tasks",
            "SELECT count(*) AS open FROM agent_tasks WHERE status NOT IN ('completed', 'failed', 'cancelled')",
            &[],
        )
        .await?;
    Ok(row.context("a count")?.get("open"))
}
