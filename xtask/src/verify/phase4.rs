//! The orchestrator: sessions with their landing context, tasks claimed in order and by one claimant each.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use agent_turbo_db::{Database, RowExt};
use agent_turbo_orchestrator::{
    Claimant, ContextScope, Dependency, Error, LandingContext, NewSession, NewTask, OnFailure, Orchestrator,
    Priority,
};
use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;

use super::World;
use super::report::Report;
use super::scratch::Scratch;

const KEYS: [&str; 6] = [
    "system_nodes",
    "active_services",
    "documentation_sources",
    "database_stats",
    "recent_tasks",
    "generated_at",
];
/// What is required of a cached context, and what we hold ourselves to, across processes and within one.
const CACHED: Duration = Duration::from_millis(100);
const SHARED_BAR: Duration = Duration::from_millis(1);
const MEMORY_BAR: Duration = Duration::from_micros(20);
const LEASE: Duration = Duration::from_mins(1);
/// For what another process or task brings about.
const PATIENCE: Duration = Duration::from_secs(10);
const CONTENDED: usize = 100;

pub(super) async fn verify(world: &World, report: &mut Report) -> Result<()> {
    let live = world.deployment.database().await?;
    report.check("live landing context", live_context(&live)).await?;
    let scratch = Scratch::open(world).await?;
    let outcome = checks(&scratch, report).await;
    let cleaned = scratch.close().await.context("clean-up");
    outcome.and(cleaned)
}

/// The real tables, only read.
async fn live_context(live: &Database) -> Result<(String, ())> {
    let context =
        Orchestrator::new(live.clone()).generate_landing_context(&ContextScope::project("default")).await?;
    has_keys(&context)?;
    let stats = &context.database_stats;
    let size = stats.total_size_mb.unwrap_or(0.0);
    ensure!(size > 0.0, "the database has {size} MB");
    let count = |count: Option<i64>| count.map_or("?".to_owned(), |count| count.to_string());
    let text = format!(
        "{size:.1} MB, {} sessions, {} tasks, {} entries, {} actions, {} machines",
        count(stats.sessions),
        count(stats.tasks),
        count(stats.knowledge),
        count(stats.actions),
        count(stats.nodes)
    );
    Ok((text, ()))
}

fn has_keys(context: &LandingContext) -> Result<()> {
    let document: serde_json::Value = serde_json::from_str(context.json())?;
    for key in KEYS {
        ensure!(document.get(key).is_some_and(|section| !section.is_null()), "{key} is missing");
    }
    ensure!(context.errors.is_empty(), "sections failed: {:?}", context.errors);
    Ok(())
}

async fn checks(scratch: &Scratch, report: &mut Report) -> Result<()> {
    let orchestrator = &scratch.orchestrator;
    let db = orchestrator.database();
    let session = report
        .check("session, read back by SQL", async {
            let started = orchestrator.initialize_agent_session(NewSession::new("claude", "executor")).await?;
            let id = started.session.session_id.clone();
            let row = one(
                db,
                "SELECT agent_platform, agent_role, status, session_id ~ '^claude_executor_[0-9a-f]{8}$' AS named,
                        landing_context ->> 'generated_at' AS generated_at,
                        (SELECT count(*) FROM agent_actions a
                         WHERE a.session_id = s.session_id AND action_type = 'session_started') AS logged
                 FROM agent_sessions s",
            )
            .await?;
            let status: &str = row.column("status")?;
            ensure!(row.column::<bool>("named")?, "its id is {id}");
            ensure!(status == "active", "its status is {status}");
            ensure!(row.column::<i64>("logged")? == 1, "its start is not in the audit trail");
            ensure!(row.column::<Option<&str>>("generated_at")?.is_some(), "it has no landing context");
            Ok((format!("{id} is {status}, with its landing context and its action"), id))
        })
        .await?;
    contexts(scratch, report).await?;
    tasks(orchestrator, report).await?;
    report.check("two claimants never get one", contention(orchestrator)).await?;
    report
        .check("a lost lease changes nothing", async {
            let made = orchestrator.create_task(NewTask::new("slow").for_role("sleeper")).await?.task.task_id;
            let sleeper = claimant("sleeper");
            let slow = orchestrator.claim_task(&sleeper, LEASE).await?.context("nothing to claim")?;
            db.execute(
                "verify_expire",
                "UPDATE agent_tasks SET lease_expires_at = now() - interval '1 second' WHERE task_id = $1",
                &[&made.as_str()],
            )
            .await?;
            let reaped = orchestrator.look_after_tasks().await?;
            ensure!(reaped.requeued == 1, "the reaper returned {} tasks", reaped.requeued);
            let late = orchestrator.complete_task(&made, slow.lease.token, None).await;
            let Err(Error::LostLease { now, .. }) = late else { anyhow::bail!("it answered {late:?}") };
            Ok((format!("the late completion was refused: the task is {now}"), ()))
        })
        .await?;
    report
        .check("audit trail intact", async {
            let chains = orchestrator.verify_chain(None).await?;
            ensure!(chains.is_intact(), "broken: {:?}", chains.broken);
            ensure!(chains.actions > 0, "there are no actions");
            Ok((format!("{} chains, {} actions; {session}'s among them", chains.chains, chains.actions), ()))
        })
        .await
}

async fn contexts(scratch: &Scratch, report: &mut Report) -> Result<()> {
    let orchestrator = &scratch.orchestrator;
    let scope = ContextScope::project("default");
    let fresh = report
        .check("context: keys and real counts", async {
            let fresh = orchestrator.generate_landing_context(&scope).await?;
            has_keys(&fresh)?;
            let row = one(
                orchestrator.database(),
                "SELECT (SELECT count(*) FROM agent_sessions) AS sessions, (SELECT count(*) FROM agent_tasks) AS tasks,
                        (SELECT count(*) FROM agent_knowledge) AS knowledge, (SELECT count(*) FROM agent_actions) AS actions",
            )
            .await?;
            let stats = &fresh.database_stats;
            for (name, counted) in [
                ("sessions", stats.sessions),
                ("tasks", stats.tasks),
                ("knowledge", stats.knowledge),
                ("actions", stats.actions),
            ] {
                let real: i64 = row.column(name)?;
                ensure!(counted == Some(real), "{name}: it says {counted:?}, and there are {real}");
            }
            Ok((format!("{}; the counts are the tables' own", KEYS.join(", ")), fresh))
        })
        .await?;
    drop(fresh);
    let start = Instant::now();
    orchestrator.generate_landing_context(&scope).await?;
    report.note("context, fresh", "generated in one round trip", start.elapsed());
    orchestrator.get_cached_landing_context(&scope).await?;

    // Each with an empty memory, as another process has it, on connections that know the statement.
    let pool = Database::connect(scratch.config.clone()).await?;
    let mut times = Vec::new();
    for _ in 0..9 {
        let newcomer = Orchestrator::new(pool.clone());
        let start = Instant::now();
        let shared = newcomer.get_cached_landing_context(&scope).await?;
        times.push(start.elapsed());
        has_keys(&shared)?;
    }
    times.sort_unstable();
    let took = times[times.len() / 2];
    ensure!(took < CACHED, "it took {took:?}");
    report.note("context, cached by another", against(took, SHARED_BAR), took);
    report.criterion("a cached landing context", "< 100 ms", &format!("{took:.0?}"));
    let other = Orchestrator::new(pool);

    // From memory as soon as its listener hears.
    let start = Instant::now();
    let took = loop {
        // The median of some: one call alone, after a pause, times the processor's caches.
        let mut times = Vec::new();
        for _ in 0..64 {
            let call = Instant::now();
            other.get_cached_landing_context(&scope).await?;
            times.push(call.elapsed());
        }
        times.sort_unstable();
        let took = times[times.len() / 2];
        if took < MEMORY_BAR {
            break took;
        }
        ensure!(start.elapsed() < PATIENCE, "a call still takes {took:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    report.note("context, cached in process", against(took, MEMORY_BAR), took);
    report
        .check("a change elsewhere is seen", async {
            let made = orchestrator.create_task(NewTask::new("news").for_role("nobody")).await?.task.task_id;
            let start = Instant::now();
            loop {
                let context = other.get_cached_landing_context(&scope).await?;
                if context.recent_tasks.iter().any(|task| task.task_id == made) {
                    break;
                }
                ensure!(start.elapsed() < PATIENCE, "it is not");
            }
            Ok((format!("after {:.1} ms, by another pool", start.elapsed().as_secs_f64() * 1000.0), ()))
        })
        .await
}

fn against(took: Duration, bar: Duration) -> String {
    let verdict = if took <= bar { "within" } else { "beyond" };
    format!("{took:.0?}; required < {CACHED:?}, {verdict} our bar of {bar:?}")
}

async fn tasks(orchestrator: &Orchestrator, report: &mut Report) -> Result<()> {
    let db = orchestrator.database();
    report
        .check("task, read back by SQL", async {
            let new = NewTask {
                task_type: Some("review".to_owned()),
                priority: Priority::try_from(7)?,
                input: Some(serde_json::json!({ "file": "a.rs" })),
                ..NewTask::new("read it back").for_role("reader")
            };
            let made = orchestrator.create_task(new).await?.task.task_id;
            let row = one(
                db,
                "SELECT task_type, task_priority, assigned_to_role, status, input_data ->> 'file' AS file
                 FROM agent_tasks WHERE task_description = 'read it back'",
            )
            .await?;
            let stored: (&str, i32, &str, &str, &str) = (
                row.column("task_type")?,
                row.column("task_priority")?,
                row.column("assigned_to_role")?,
                row.column("status")?,
                row.column("file")?,
            );
            ensure!(stored == ("review", 7, "reader", "pending", "a.rs"), "it is {stored:?}");
            Ok((format!("{made}: priority 7, for readers, pending"), ()))
        })
        .await?;
    report
        .check("claims: priority, role, dependency", async {
            let make = async |name: &str, priority: i32, role: &str, after: Vec<Dependency>| {
                let priority = Priority::try_from(priority)?;
                let new = NewTask { priority, depends_on: after, ..NewTask::new(name).for_role(role) };
                anyhow::Ok(orchestrator.create_task(new).await?.task.task_id)
            };
            let low = make("low", 1, "worker", Vec::new()).await?;
            let high = make("high", 10, "worker", Vec::new()).await?;
            make("for others", 10, "other", Vec::new()).await?;
            let after_low = vec![Dependency { task_id: low.clone(), on_failure: OnFailure::Block }];
            let last = make("after low", 10, "worker", after_low).await?;
            let worker = claimant("worker");
            let mut order = Vec::new();
            while let Some(claimed) = orchestrator.claim_task(&worker, LEASE).await? {
                order.push(claimed.task.task_description.clone());
                ensure!(order.len() < 10, "more tasks than were made: {order:?}");
                let id = &claimed.task.task_id;
                let waits = orchestrator.get_task(&last).await?.context("a task is gone")?;
                ensure!(*id == last || !waits.is_ready || *id == low, "a dependent was ready too early");
                orchestrator.complete_task(id, claimed.lease.token, None).await?;
            }
            ensure!(order == ["high", "low", "after low"], "the order was {order:?}");
            ensure!(
                orchestrator.get_task(&high).await?.is_some_and(|task| task.status.is_final()),
                "unfinished"
            );
            Ok((order.join(", "), ()))
        })
        .await
}

/// Ten claimants at a hundred tasks, all at once.
async fn contention(orchestrator: &Orchestrator) -> Result<(String, ())> {
    for index in 0..CONTENDED {
        orchestrator.create_task(NewTask::new(index.to_string()).for_role("rival")).await?;
    }
    let rival = claimant("rival");
    let claims = try_join_all((0..10).map(async |_| {
        let mut got = Vec::new();
        while let Some(claimed) = orchestrator.claim_task(&rival, LEASE).await? {
            got.push(claimed.task.task_id);
        }
        anyhow::Ok(got)
    }))
    .await?;
    let all: Vec<_> = claims.into_iter().flatten().collect();
    let distinct: BTreeSet<_> = all.iter().collect();
    ensure!(
        all.len() == CONTENDED && distinct.len() == CONTENDED,
        "{} claims of {} tasks",
        all.len(),
        distinct.len()
    );
    Ok((format!("10 claimants, {CONTENDED} tasks, {} claims, {} distinct", all.len(), distinct.len()), ()))
}

fn claimant(role: &str) -> Claimant {
    Claimant { session_id: None, project: "default".to_owned(), role: role.to_owned(), platform: None }
}

async fn one(db: &Database, sql: &str) -> Result<agent_turbo_db::Row> {
    db.query_opt("verify", sql, &[]).await?.context("there is no such row")
}
