use agent_turbo_planner::{SessionSummary, TaskTally};
use anyhow::Result;

use super::planner;
use crate::acting::Meant;
use crate::commands::session::print;
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::output::{BOLD, DIM, Output, PLAIN, columns, count, headline};

/// Show what a session came to, with the sessions that it started: tasks, time taken, tokens, audits.
#[derive(Debug, clap::Args)]
pub(super) struct Summary {
    #[command(flatten)]
    meant: Meant,
}

impl Summary {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let session = self.meant.session()?;
        let summary = planner(deployment).await?.session_summary(&session).await?;
        print::heading(&mut out, &summary.session);
        for line in lines(&summary) {
            out.line(line);
        }
        out.print(&summary)?;
        Ok(Exit::Done)
    }
}

/// A summary on the screen.
pub(crate) fn lines(summary: &SessionSummary) -> Vec<String> {
    let number = |number: i64, what| count(number.unsigned_abs(), what);
    let states = summary.by_status.iter().map(|(status, tasks)| format!("{tasks} {status}"));
    let states = states.collect::<Vec<_>>().join(", ");
    let reviews = summary.reviews;
    let reviews = format!(
        "{} approved, {} rejected, sent back {}, {} to audit",
        reviews.approved,
        reviews.rejected,
        number(reviews.revisions, "time"),
        reviews.to_audit,
    );
    let failed = match summary.failed_actions {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    let begun = format!(", begun {}", number(summary.tasks.attempts, "time"));
    let parts = [
        ("Time", duration(summary.seconds)),
        ("Sessions", summary.sessions.to_string()),
        ("Used", format!("{}, {}", number(summary.tokens_used, "token"), number(summary.api_calls, "call"))),
        ("Actions", format!("{}{failed}", summary.actions)),
        ("Audits", reviews),
        ("Tasks", if states.is_empty() { "none".to_owned() } else { states + &begun }),
    ];
    let mut lines: Vec<String> =
        parts.into_iter().map(|(name, value)| format!("{DIM}{name:<10}{DIM:#} {value}")).collect();
    let rows: Vec<_> = summary.by_role.iter().map(|(role, tally)| row(role, tally)).collect();
    lines.extend(columns(&rows, [BOLD, PLAIN, DIM]).iter().map(|line| format!("  {line}")));
    lines
}

fn row(role: &str, tally: &TaskTally) -> [String; 3] {
    let took = match (tally.mean_seconds, tally.max_seconds) {
        (Some(mean), Some(max)) => {
            let [total, mean, max] = [tally.total_seconds, mean, max].map(duration);
            format!("took {total} together, {mean} on average, {max} at most")
        }
        _ => String::new(),
    };
    [headline(role, 40), format!("{} of {} completed", tally.completed, tally.count), took]
}

/// Seconds, as people say them.
fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..10 => format!("{seconds:.2} s"),
        10..120 => format!("{whole} s"),
        120..7200 => format!("{} min", whole / 60),
        7200..172_800 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}
