use std::time::Duration;

use agent_turbo_db::{Row, RowExt as _};
use agent_turbo_metrics::Histogram;
use jiff::Timestamp;
use serde::Serialize;

use crate::{Error, Orchestrator, Result};

/// What of the past counts.
#[derive(Debug, Clone)]
pub struct PerformanceFilter {
    /// From then on; the five minutes around it count whole.
    pub since: Timestamp,
    /// This operation alone.
    pub operation: Option<String>,
    /// How long one bucket is; at least five minutes. Buckets are aligned to UTC.
    pub every: Duration,
}

/// How long an operation took.
#[derive(Debug, Clone, Serialize)]
pub struct OperationPerformance {
    /// Its name.
    pub operation: String,
    /// In all the time.
    #[serde(flatten)]
    pub total: Latency,
    /// In each bucket in which there was any, in order.
    pub over_time: Vec<PerformanceBucket>,
}

/// How long an operation took in a part of the time.
#[derive(Debug, Clone, Serialize)]
pub struct PerformanceBucket {
    /// When the part begins.
    pub start: Timestamp,
    /// How long.
    #[serde(flatten)]
    pub latency: Latency,
}

/// Percentiles in milliseconds, at most 3.2 % wrong; count and maximum are exact, except that of an operation that came
/// more than 1,000 times in 10 s one of 16 was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// How many there were.
    pub count: u64,
    /// Half of them took no longer.
    pub p50_ms: f64,
    /// 95 of 100 took no longer.
    pub p95_ms: f64,
    /// 99 of 100 took no longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Latency {
    pub(super) fn of(histogram: &Histogram) -> Self {
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        Self {
            count: histogram.count(),
            p50_ms: ms(histogram.quantile(0.5)),
            p95_ms: ms(histogram.quantile(0.95)),
            p99_ms: ms(histogram.quantile(0.99)),
            max_ms: ms(histogram.max()),
        }
    }
}

impl Orchestrator {
    /// How long operations took, by name; of all processes together.
    #[tracing::instrument(name = "orchestrator.performance", skip_all)]
    pub async fn performance(&self, filter: &PerformanceFilter) -> Result<Vec<OperationPerformance>> {
        if filter.every < Duration::from_mins(5) {
            return Err(Error::bad_input("the length of a bucket", "at least 5 minutes are needed"));
        }
        let rows = self
            .db
            .query(
                "performance",
                "-- performance
                 SELECT metric_name, start, array_agg(middle) AS middles, array_agg(n) AS counts,
                     max(longest) AS longest
                 FROM (
                     SELECT m.metric_name, h.key::bigint AS middle, sum(h.value::bigint)::bigint AS n,
                         date_bin(make_interval(secs => $2), m.recorded_at, 'epoch'::timestamptz) AS start,
                         max((m.labels->>'max')::float8) AS longest
                     FROM agent_performance_metrics AS m
                     CROSS JOIN LATERAL jsonb_each_text(
                         CASE jsonb_typeof(m.labels->'histogram') WHEN 'object' THEN m.labels->'histogram' END
                     ) AS h
                     WHERE m.id <= -(floor(extract(epoch FROM $1::timestamptz) / 300)::bigint << 32)
                         AND ($3::text IS NULL OR m.metric_name = $3)
                     GROUP BY m.metric_name, start, middle
                 ) AS bucket
                 GROUP BY metric_name, start
                 ORDER BY metric_name, start",
                &[&filter.since, &filter.every.as_secs_f64(), &filter.operation],
            )
            .await?;
        let mut operations: Vec<(OperationPerformance, Histogram)> = Vec::new();
        for row in &rows {
            let operation: &str = row.column("metric_name")?;
            if operations.last().is_none_or(|(last, _)| last.operation != operation) {
                let total = Latency::of(&Histogram::default());
                let begun =
                    OperationPerformance { operation: operation.to_owned(), total, over_time: vec![] };
                operations.push((begun, Histogram::default()));
            }
            let Some((performance, all)) = operations.last_mut() else { continue };
            let histogram = histogram(row)?;
            all.merge(&histogram);
            let latency = Latency::of(&histogram);
            performance.over_time.push(PerformanceBucket { start: row.column("start")?, latency });
        }
        let finished = operations
            .into_iter()
            .map(|(performance, all)| OperationPerformance { total: Latency::of(&all), ..performance });
        Ok(finished.collect())
    }
}

fn histogram(row: &Row) -> Result<Histogram> {
    let (middles, counts): (Vec<i64>, Vec<i64>) = (row.column("middles")?, row.column("counts")?);
    let longest = row.column::<Option<f64>>("longest")?.unwrap_or_default();
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    let buckets = middles.into_iter().map(unsigned).zip(counts.into_iter().map(unsigned));
    let longest = Duration::try_from_secs_f64(longest / 1e3).unwrap_or_default();
    Ok(Histogram::from_buckets(buckets, longest))
}
