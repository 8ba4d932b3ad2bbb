use agent_turbo_db::types::Type;
use agent_turbo_metrics::{Histogram, Measured};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{KEPT_DAYS, Latency};
use crate::{Orchestrator, Result};

impl Orchestrator {
    /// Adds what was measured to the current five minutes' rows of this kind of process, and removes up to 100 rows that
    /// are older than 30 days. Not tried again: who measures can afford to lose some, and must not count any twice.
    #[tracing::instrument(name = "orchestrator.record_performance", skip_all, fields(operations = measured.len()))]
    pub async fn record_performance(&self, process: &str, measured: &[Measured]) -> Result<()> {
        let mut rows: Vec<_> = measured
            .iter()
            .filter(|measured| measured.histogram.count() > 0)
            .map(|Measured { operation, histogram }| {
                let labels = labels(process, histogram);
                (key(operation, process), *operation, Latency::of(histogram).p50_ms, labels)
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        // One order for all writers: two of them never wait for each other in a circle.
        rows.sort_unstable_by_key(|row| row.0);
        let (mut keys, mut names, mut medians, mut labels) = (vec![], vec![], vec![], vec![]);
        for row in rows {
            keys.push(row.0);
            names.push(row.1);
            medians.push(row.2);
            labels.push(row.3);
        }
        let client = self.db.client().await?;
        client
            .change_once(
                "record_performance",
                "-- record_performance
                 WITH quick AS MATERIALIZED (
                     -- Not worth a flush to disk.
                     SELECT set_config('synchronous_commit', 'off', true)
                 ), slot AS (
                     SELECT floor(extract(epoch FROM now()) / 300)::bigint AS number
                 ), old AS (
                     DELETE FROM agent_performance_metrics WHERE id IN (
                         SELECT id FROM agent_performance_metrics
                         WHERE id < 0 AND labels ? 'histogram'
                             AND id > -(floor(extract(epoch FROM now() - make_interval(days => $5)) / 300)
                                 ::bigint << 32)
                         ORDER BY id DESC LIMIT 100 FOR UPDATE SKIP LOCKED)
                 )
                 INSERT INTO agent_performance_metrics AS m
                     (id, metric_name, metric_value, unit, labels, recorded_at)
                 SELECT -((slot.number << 32) + u.key), u.name, u.median, 'ms', u.labels,
                     to_timestamp(slot.number * 300)
                 FROM quick, slot, unnest($1::bigint[], $2::text[], $3::float8[], $4::jsonb[])
                     AS u (key, name, median, labels)
                 ON CONFLICT (id) DO UPDATE SET (metric_value, labels) = (
                     SELECT least(p50, longest), m.labels || jsonb_build_object(
                         'count', total, 'p50', least(p50, longest), 'p95', least(p95, longest),
                         'p99', least(p99, longest), 'max', longest, 'histogram', histogram)
                     FROM (
                         SELECT max(total)::bigint AS total,
                             (min(middle) FILTER (WHERE upto >= total * 0.5) / 1e6)::float8 AS p50,
                             (min(middle) FILTER (WHERE upto >= total * 0.95) / 1e6)::float8 AS p95,
                             (min(middle) FILTER (WHERE upto >= total * 0.99) / 1e6)::float8 AS p99,
                             greatest((m.labels->>'max')::float8, (EXCLUDED.labels->>'max')::float8) AS longest,
                             jsonb_object_agg(middle, n) AS histogram
                         FROM (
                             SELECT middle, sum(n)::bigint AS n, sum(sum(n)) OVER (ORDER BY middle) AS upto,
                                 sum(sum(n)) OVER () AS total
                             FROM (
                                 SELECT key::bigint, value::bigint FROM jsonb_each_text(m.labels->'histogram')
                                 UNION ALL
                                 SELECT key::bigint, value::bigint FROM jsonb_each_text(EXCLUDED.labels->'histogram')
                             ) AS pair (middle, n)
                             GROUP BY middle
                         ) AS bucket
                     ) AS merged
                 )
                 WHERE m.metric_name = EXCLUDED.metric_name",
                &[
                    (&keys, Type::INT8_ARRAY),
                    (&names, Type::TEXT_ARRAY),
                    (&medians, Type::FLOAT8_ARRAY),
                    (&labels, Type::JSONB_ARRAY),
                    (&KEPT_DAYS, Type::INT4),
                ],
            )
            .await?;
        Ok(())
    }
}

/// What people's SQL can read, in ms, and what rows are merged by: a bucket's middle in ns, and how many are in it.
fn labels(process: &str, histogram: &Histogram) -> Value {
    let Latency { count, p50_ms, p95_ms, p99_ms, max_ms } = Latency::of(histogram);
    let buckets: Map<String, Value> =
        histogram.buckets().map(|(middle, count)| (middle.to_string(), count.into())).collect();
    json!({
        "process": process, "count": count, "p50": p50_ms, "p95": p95_ms, "p99": p99_ms, "max": max_ms,
        "histogram": buckets,
    })
}

/// 32 bits that stand for the operation of this kind of process.
fn key(operation: &str, process: &str) -> i64 {
    let digest = Sha256::digest(format!("{operation}\0{process}"));
    digest.iter().take(4).fold(0, |key, byte| key << 8 | i64::from(*byte))
}
