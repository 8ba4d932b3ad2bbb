use std::time::{Duration, Instant};

use agent_turbo_db::RowExt;
use agent_turbo_knowledge::{Filter, NewEntry, Outcome, Query, Store};
use agent_turbo_orchestrator::{NewSession, SessionId};
use anyhow::{Result, ensure};
use futures_util::future::try_join_all;

use super::stalls::{Span, Stalls, withheld};
use crate::verify::World;
use crate::verify::report::Report;
use crate::verify::scratch::Scratch;

const CALLS: usize = 100;
/// What is required of each call, and what we hold the median to.
const ADD: Duration = Duration::from_millis(50);
const ADD_BAR: Duration = Duration::from_millis(10);
const QUERY: Duration = Duration::from_millis(100);
const QUERY_BAR: Duration = Duration::from_millis(15);
const WORKERS: usize = 10;
/// Our own bar: ten thousand starts take six seconds.
const STARTS_PER_SECOND: f64 = 10_000.0 / 6.0;

/// New texts and new questions, one after another, none known to any cache.
pub(super) async fn entries(world: &World, report: &mut Report, store: &Store) -> Result<()> {
    let run: u16 = rand::random();
    let stalls = Stalls::watch()?;
    let mut adds = Vec::with_capacity(CALLS);
    for n in 0..CALLS {
        let text = format!("worker {n} of run {run} dropped its lease");
        let entry = NewEntry { project: world.project.clone(), ..NewEntry::new(text) };
        let start = Instant::now();
        let added = store.add(entry).await?;
        adds.push((start, Instant::now()));
        ensure!(added.outcome == Outcome::Added, "note {n} is {:?}", added.outcome);
    }
    judge(report, "100 adds", &adds, &stalls.end()?, ADD, ADD_BAR)?;
    let stalls = Stalls::watch()?;
    let mut queries = Vec::with_capacity(CALLS);
    for n in 0..CALLS {
        let text = format!("which lease did worker {n} of {run} drop?");
        let query = Query { limit: 5, filter: Filter::project(world.project.clone()), ..Query::new(text) };
        let start = Instant::now();
        let answer = store.query(&query).await?;
        queries.push((start, Instant::now()));
        ensure!(
            !answer.cached && answer.degraded.is_none(),
            "question {n} was not answered anew and in full"
        );
        ensure!(answer.hits.len() == 5, "question {n} found {} entries", answer.hits.len());
    }
    judge(report, "100 queries", &queries, &stalls.end()?, QUERY, QUERY_BAR)
}

/// Fails if the slowest call took what is required or longer, while the machine did not stand still.
fn judge(
    report: &mut Report,
    name: &'static str,
    calls: &[Span],
    stalls: &[Span],
    required: Duration,
    bar: Duration,
) -> Result<()> {
    let mut times: Vec<Duration> = calls.iter().map(|(from, to)| *to - *from).collect();
    let total = times.iter().sum();
    times.sort_unstable();
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    let of_ours = calls.iter().map(|call| (call.1 - call.0).saturating_sub(withheld(stalls, *call)));
    let slowest = of_ours.max().unwrap_or_default();
    let met = if median <= bar { "meets" } else { "misses" };
    let but = if slowest < longest {
        format!(" ({slowest:.1?} without the times when the machine stood still)")
    } else {
        String::new()
    };
    let figures = format!("slowest {longest:.1?}{but}, median {median:.1?}");
    report.note(
        name,
        format!("{figures}; required < {required:?} each, the median {met} our {bar:?}"),
        total,
    );
    ensure!(slowest < required, "{name}: the slowest took {slowest:?}, less than {required:?} is required");
    report.criterion(name, &format!("< {required:?} each"), &figures);
    Ok(())
}

/// Sessions by ten workers at once over a pool of ten: fifty, a hundred, a thousand.
pub(super) async fn sessions(report: &mut Report, scratch: &Scratch) -> Result<()> {
    let pool = scratch.orchestrator.database().status().max;
    for count in [50, 100, 1000] {
        let name = format!("{count} sessions, {WORKERS} workers, pool {pool}");
        let (rate, figures) = report
            .check(&name, async {
                let start = Instant::now();
                let workers = (0..WORKERS).map(|worker| {
                    let orchestrator = scratch.orchestrator.clone();
                    tokio::spawn(async move {
                        // Each worker's sessions begin together.
                        let new = || NewSession::new("verify", format!("worker{worker}"));
                        try_join_all(
                            (0..count / WORKERS).map(|_| orchestrator.initialize_agent_session(new())),
                        )
                        .await
                    })
                });
                let mut ids = Vec::with_capacity(count);
                for started in try_join_all(workers).await? {
                    ids.extend(started?.into_iter().map(|started| started.session.session_id));
                }
                let took = start.elapsed();
                let kept = kept(scratch, &ids).await?;
                ensure!(kept == ids.len() && kept == count, "{kept} of {count} are in the database");
                let rate = count as f64 / took.as_secs_f64();
                let figures = format!("all persisted in {took:.0?}, {rate:.0} a second");
                Ok((figures.clone(), (rate, figures)))
            })
            .await?;
        let met = if rate >= STARTS_PER_SECOND { "meets" } else { "misses" };
        report.criterion(
            &format!("{count} concurrent sessions"),
            "all persisted, no error",
            &format!("{figures} ({met} our {STARTS_PER_SECOND:.0})"),
        );
    }
    Ok(())
}

/// How many of these the database has, each with its landing context and its first action.
async fn kept(scratch: &Scratch, ids: &[SessionId]) -> Result<usize> {
    let ids: Vec<&str> = ids.iter().map(SessionId::as_str).collect();
    let row = scratch
        .orchestrator
        .database()
        .client()
        .await?
        .query_one(
            "SELECT count(*) AS kept FROM agent_sessions s
             WHERE session_id = ANY ($1) AND landing_context IS NOT NULL
                 AND EXISTS (SELECT FROM agent_actions a
                             WHERE a.session_id = s.session_id AND a.action_type = 'session_started')",
            &[&ids],
        )
        .await?;
    Ok(usize::try_from(row.column::<i64>("kept")?)?)
}
