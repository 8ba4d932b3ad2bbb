mod play;
mod stage;

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use agent_turbo_orchestrator::{Orchestrator, SessionId};
use agent_turbo_planner::{Planner, SessionSummary};
use anyhow::{Context as _, Result, anyhow};
use serde_json::json;

use crate::commands::plan::summary;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::{BAD, BOLD, DIM, Output, count, headline};
use play::{Play, Traces};
use stage::Stage;

/// Long enough to read a line, short enough for the whole to take less than ten seconds.
const PAUSE: Duration = Duration::from_millis(320);
/// When it takes so long, something is wrong.
const LIMIT: Duration = Duration::from_mins(1);

/// See four agents work together: a planner, two executors and a validator on a small plan, live.
///
/// Sessions, tasks, leases, heartbeats, a failure that is tried again, a revision and approvals are real, in a project of
/// their own; only the models are missing. Afterwards the sessions are ended and the tasks removed; the audit trail of
/// what was done stays, as always. Exit code 1 when anything did not happen as it should.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Without pauses to watch.
    #[arg(long)]
    fast: bool,
}

/// What was left after the play.
struct Cleared {
    sessions: usize,
    tasks: u64,
    actions: u64,
    is_intact: bool,
}

impl Demo {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let planner = Planner::new(deployment.open_orchestrator(Lifetime::LongLived).await?);
        let stage = Stage::new(!out.is_json());
        let pause = if self.fast { Duration::ZERO } else { PAUSE };
        let project = format!("demo-{:08x}", RandomState::new().hash_one(()) as u32);
        stage.line(&format!(
            "Four agents in the project {BOLD}{project}{BOLD:#}. What they do is real; only the models are missing.\n"
        ));
        let play = Play { planner: &planner, stage: &stage, pause, project: project.clone() };
        let mut traces = Traces::default();
        let played = tokio::select! {
            played = tokio::time::timeout(LIMIT, play.run(&mut traces)) => {
                played.unwrap_or_else(|_| Err(anyhow!("come to an end within {} s", LIMIT.as_secs())))
            }
            _ = tokio::signal::ctrl_c() => Err(anyhow!("play on: interrupted")),
        };
        let cleared = clear(planner.orchestrator(), &planner, &traces).await;
        let seconds = stage.elapsed().as_secs_f64();
        played.context("play the demo")?;
        let (cleared, summary) = cleared.context("clear the stage")?;
        let problems = problems(&stage, &cleared, &summary);
        tell(&mut out, &summary, &cleared, &problems);
        let done = problems.is_empty();
        out.print(&json!({
            "project": project,
            "seconds": seconds,
            "events": stage.events(),
            "summary": summary,
            "audit": { "intact": cleared.is_intact, "actions": cleared.actions, "chains": cleared.sessions },
            "sessions_ended": cleared.sessions,
            "tasks_removed": cleared.tasks,
            "problems": problems,
        }))?;
        Ok(if done { Exit::Done } else { Exit::Failed })
    }
}

/// Ends the sessions, sums up, removes the tasks, and checks what was written down of it all.
async fn clear(
    orchestrator: &Orchestrator,
    planner: &Planner,
    traces: &Traces,
) -> Result<(Cleared, SessionSummary)> {
    let sessions: Vec<&SessionId> = traces.actors.iter().map(stage::Actor::id).collect();
    for session in sessions.iter().rev() {
        orchestrator.complete_session(session).await?;
    }
    let first = sessions.first().context("find the planner, who never started")?;
    let summary = planner.session_summary(first).await?;
    let tasks = orchestrator.remove_tasks(&traces.tasks, Some(first)).await?;
    let (mut actions, mut is_intact) = (0, true);
    for session in &sessions {
        let report = orchestrator.verify_chain(Some(session.as_str())).await?;
        actions += report.actions;
        is_intact &= report.is_intact() && report.chains == 1;
    }
    Ok((Cleared { sessions: sessions.len(), tasks, actions, is_intact }, summary))
}

/// What did not happen as it should.
fn problems(stage: &Stage, cleared: &Cleared, summary: &SessionSummary) -> Vec<String> {
    let reviews = summary.reviews;
    let expected = [
        ("sessions", cleared.sessions as i64, 4),
        ("tasks", summary.tasks.count, 6),
        ("completed tasks", summary.tasks.completed, 6),
        // One is tried again, one is sent back.
        ("attempts", summary.tasks.attempts, 8),
        ("approvals", reviews.approved, 6),
        ("revisions", reviews.revisions, 1),
        ("results to audit", reviews.to_audit, 0),
        ("failures", stage.count("fails") as i64, 1),
        ("refusals", stage.count("is refused") as i64, 1),
        ("removed tasks", cleared.tasks as i64, 6),
    ];
    let wrong = expected.into_iter().filter(|(_, found, expected)| found != expected);
    let mut problems: Vec<String> =
        wrong.map(|(what, found, expected)| format!("{what}: {found} instead of {expected}")).collect();
    if !cleared.is_intact {
        problems.push("the audit trail is not what was written".to_owned());
    }
    problems
}

fn tell(out: &mut Output, summary: &SessionSummary, cleared: &Cleared, problems: &[String]) {
    let id = headline(summary.session.session_id.as_str(), 100);
    out.line("");
    for line in summary::lines(summary) {
        out.line(line);
    }
    out.line("");
    for problem in problems {
        out.line(format_args!("{BAD}✘{BAD:#} {problem}"));
    }
    if cleared.is_intact {
        let chains = count(cleared.sessions as u64, "chain");
        out.line(format_args!(
            "✅ The audit trail is intact: {} in {chains}",
            count(cleared.actions, "action")
        ));
    }
    out.line(format_args!(
        "   {} ended, {} removed; what was done stays written down. The tokens were made up.",
        count(cleared.sessions as u64, "session"),
        count(cleared.tasks, "task"),
    ));
    out.line("\nNow yours:");
    for (command, what) in [
        (format!("agent-turbo history {id}"), "what the planner did"),
        ("agent-turbo plan start".to_owned(), "plan something yourself"),
        ("agent-turbo plan load --help".to_owned(), "how a plan looks"),
        ("agent-turbo task wait --help".to_owned(), "how an executor gets its work"),
    ] {
        out.line(format_args!("  {BOLD}{command}{BOLD:#}  {DIM}{what}{DIM:#}"));
    }
}
