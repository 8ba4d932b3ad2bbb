use std::time::Duration;

use agent_turbo_orchestrator::{Latency, OperationPerformance, PerformanceFilter};
use anyhow::Result;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use jiff::Timestamp;
use serde_json::json;

use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::{DIM, Output, headline, moment};
use crate::when;

const FIVE_MINUTES: Duration = Duration::from_mins(5);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// Up to so many buckets are drawn in a row; the latest ones.
const WIDTH: usize = 48;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

#[derive(Debug, clap::Args)]
pub(super) struct Timings {
    /// Show how long operations took: percentiles in milliseconds, and p95 over time.
    #[arg(long, conflicts_with = "project")]
    performance: bool,
    /// From then on: a time, or how long ago, up to 30 days.
    #[arg(long, value_name = "TIME", default_value = "24h", requires = "performance")]
    since: String,
    /// This operation alone, such as knowledge.query.
    #[arg(long, value_name = "NAME", requires = "performance")]
    operation: Option<String>,
    /// A line for each hour or day, in UTC, in which there was any.
    #[arg(long, requires = "performance")]
    by: Option<By>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum By {
    Hour,
    Day,
}

impl Timings {
    pub(super) fn is_asked_for(&self) -> bool {
        self.performance
    }

    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let since = when::ago("the time since when", &self.since)?;
        let every = match self.by {
            Some(By::Hour) => HOUR,
            Some(By::Day) => DAY,
            None => fitting(since),
        };
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let filter = PerformanceFilter { since, operation: self.operation, every };
        let operations = orchestrator.performance(&filter).await?;
        if operations.is_empty() {
            out.line("Nothing was measured.");
        } else if self.by.is_some() {
            out.line(by_time(&operations));
        } else {
            out.line(overview(&operations, since, every));
            let length = every.as_secs() / 60;
            let since = moment(since);
            out.line(format_args!(
                "{DIM}In ms, since {since}; p95 over time in steps of {length} min{DIM:#}"
            ));
        }
        out.print(&json!({
            "since": since,
            "bucket_seconds": every.as_secs(),
            "max_relative_error": 0.032,
            "operations": operations,
        }))?;
        Ok(Exit::Done)
    }
}

/// Steps of which neither few nor very many have passed.
fn fitting(since: Timestamp) -> Duration {
    match Timestamp::now().duration_since(since).as_hours() {
        ..=3 => FIVE_MINUTES,
        4..=48 => HOUR,
        _ => DAY,
    }
}

fn overview(operations: &[OperationPerformance], since: Timestamp, every: Duration) -> Table {
    let mut table = table(&["Operation"], &["p95 over time"]);
    for operation in operations {
        let mut row = vec![headline(&operation.operation, 60)];
        row.extend(cells(&operation.total));
        row.push(sparkline(operation, since, every));
        table.add_row(row);
    }
    table
}

fn by_time(operations: &[OperationPerformance]) -> Table {
    let mut table = table(&["Operation", "From"], &[]);
    for operation in operations {
        for bucket in &operation.over_time {
            let mut row = vec![headline(&operation.operation, 60), moment(bucket.start)];
            row.extend(cells(&bucket.latency));
            table.add_row(row);
        }
    }
    table
}

fn table(before: &[&str], after: &[&str]) -> Table {
    let numbers = ["Count", "p50", "p95", "p99", "Max"];
    let mut table = Table::new();
    table.load_style(NOTHING).set_header([before, &numbers, after].concat());
    for column in before.len()..before.len() + numbers.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn cells(latency: &Latency) -> [String; 5] {
    let Latency { count, p50_ms, p95_ms, p99_ms, max_ms } = *latency;
    [count.to_string(), ms(p50_ms), ms(p95_ms), ms(p99_ms), ms(max_ms)]
}

/// With three digits that count: more would not be true.
fn ms(value: f64) -> String {
    let decimals = match value {
        ..0.01 => 5,
        ..1.0 => 3,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

/// p95 of each step, as a share of the highest; a gap where nothing was measured.
fn sparkline(operation: &OperationPerformance, since: Timestamp, every: Duration) -> String {
    let step = |time: Timestamp| time.as_second().div_euclid(every.as_secs().cast_signed());
    let last = step(Timestamp::now());
    let first = step(since).max(last - WIDTH as i64 + 1);
    let highest = operation.over_time.iter().map(|bucket| bucket.latency.p95_ms).fold(0.0, f64::max);
    let mut line: Vec<char> = (first..=last).map(|_| ' ').collect();
    for bucket in &operation.over_time {
        let place = usize::try_from(step(bucket.start) - first).ok().and_then(|place| line.get_mut(place));
        if let Some(place) = place {
            let height = (bucket.latency.p95_ms / highest * BARS.len() as f64).ceil() as usize;
            *place = BARS[height.clamp(1, BARS.len()) - 1];
        }
    }
    line.into_iter().collect()
}
