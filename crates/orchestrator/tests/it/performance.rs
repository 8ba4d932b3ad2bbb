use std::time::Duration;

use agent_turbo_metrics::{Histogram, Measured};
use agent_turbo_orchestrator::{OperationPerformance, Orchestrator, PerformanceFilter};
use agent_turbo_test_support::TestDatabase;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::orchestrator;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

fn measured(operation: &'static str, ms: impl IntoIterator<Item = u64>) -> Measured {
    let mut histogram = Histogram::default();
    ms.into_iter().for_each(|ms| histogram.record(Duration::from_millis(ms), 1));
    Measured { operation, histogram }
}

async fn since(orchestrator: &Orchestrator, days: i64, every: Duration) -> Vec<OperationPerformance> {
    let since = Timestamp::now() - SignedDuration::from_hours(24 * days);
    orchestrator.performance(&PerformanceFilter { since, operation: None, every }).await.unwrap()
}

fn close(told: f64, truth: f64) -> bool {
    (told - truth).abs() <= 0.05 * truth
}

/// The time of the rows of `slots` slots ago, and the ids that they have.
async fn in_the_past(client: &tokio_postgres::Client, slots: i64) {
    let moved = "UPDATE agent_performance_metrics SET id = id + ($1 << 32),
                 recorded_at = recorded_at - make_interval(secs => $1 * 300) WHERE id < 0";
    client.execute_typed(moved, &[(&slots, tokio_postgres::types::Type::INT8)]).await.unwrap();
}

#[tokio::test]
async fn processes_that_write_at_the_same_time_add_up_in_one_row() {
    let (database, one) = orchestrator().await;
    let other = Orchestrator::new(database.connect(vec![]).await.unwrap());
    let client = database.client().await.unwrap();
    let row = loop {
        client.execute("DELETE FROM agent_performance_metrics", &[]).await.unwrap();
        let write = async |orchestrator: &Orchestrator, first: u64| {
            for part in 0..10 {
                let ms = (1..=50).map(|ms| first + 50 * part + ms);
                let measured = [measured("b.verb", ms), measured("a.verb", [part + 1])];
                orchestrator.record_performance("cli", &measured).await.unwrap();
            }
        };
        tokio::join!(write(&one, 0), write(&other, 500));
        let rows = client
            .query("SELECT metric_value, unit, labels FROM agent_performance_metrics WHERE metric_name = 'b.verb'", &[])
            .await
            .unwrap();
        // Unless five minutes ended just now.
        if let [row] = rows.as_slice() {
            break (row.get::<_, f64>(0), row.get::<_, String>(1), row.get::<_, Value>(2));
        }
    };
    let (median, unit, labels) = row;
    assert_eq!((unit.as_str(), &labels["count"], &labels["process"]), ("ms", &json!(1000), &json!("cli")));
    assert!((labels["max"].as_f64().unwrap() - 1000.0).abs() < 1e-6, "{labels}");
    for (told, truth) in
        [(&json!(median), 500.0), (&labels["p50"], 500.0), (&labels["p95"], 950.0), (&labels["p99"], 990.0)]
    {
        assert!(close(told.as_f64().unwrap(), truth), "{told} for {truth}");
    }

    let operations = since(&one, 1, HOUR).await;
    let [a, b] = operations.as_slice() else { panic!("{operations:?}") };
    assert_eq!(
        (a.operation.as_str(), a.total.count, b.operation.as_str(), b.total.count),
        ("a.verb", 20, "b.verb", 1000)
    );
    assert!(
        close(b.total.p50_ms, 500.0) && close(b.total.p95_ms, 950.0) && close(b.total.p99_ms, 990.0),
        "{b:?}"
    );
}

#[tokio::test]
async fn percentiles_of_all_the_time_are_those_of_all_values_not_a_mean() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    // Many fast ones an hour ago, a few slow ones now.
    orchestrator.record_performance("cli", &[measured("a.verb", [1; 990])]).await.unwrap();
    in_the_past(&client, 12).await;
    orchestrator.record_performance("server", &[measured("a.verb", [1000; 10])]).await.unwrap();
    let operations = since(&orchestrator, 1, HOUR).await;
    let [a] = operations.as_slice() else { panic!("{operations:?}") };
    assert_eq!((a.total.count, a.over_time.len()), (1000, 2));
    assert!(
        close(a.total.p95_ms, 1.0) && close(a.total.p99_ms, 1.0) && close(a.total.max_ms, 1000.0),
        "{a:?}"
    );
    let (then, now) = (&a.over_time[0], &a.over_time[1]);
    assert!(then.start < now.start && then.start.as_second() % 3600 == 0, "{a:?}");
    assert!(close(then.latency.p50_ms, 1.0) && close(now.latency.p50_ms, 1000.0), "{a:?}");

    let of = |operation: &str| PerformanceFilter {
        since: Timestamp::now() - SignedDuration::from_mins(10),
        operation: Some(operation.to_owned()),
        every: DAY,
    };
    assert_eq!(orchestrator.performance(&of("a.verb")).await.unwrap()[0].total.count, 10);
    assert!(orchestrator.performance(&of("a")).await.unwrap().is_empty());
    let too_short = PerformanceFilter { every: Duration::from_secs(1), ..of("a.verb") };
    assert!(orchestrator.performance(&too_short).await.unwrap_err().to_string().contains("5 minutes"));
}

#[tokio::test]
async fn rows_that_others_wrote_are_neither_read_nor_removed() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    client
        .batch_execute(
            "INSERT INTO agent_performance_metrics (metric_name, metric_value, recorded_at)
                 VALUES ('theirs', 1, now() - interval '1 year');
             INSERT INTO agent_performance_metrics (id, metric_name, metric_value, labels)
                 VALUES (-1, 'odd', 1, '{}'), (-9000000000000000000, 'odder', 1, '{\"histogram\": 7}')",
        )
        .await
        .unwrap();
    orchestrator.record_performance("cli", &[measured("a.verb", [1])]).await.unwrap();
    let operations = since(&orchestrator, 30, DAY).await;
    assert_eq!(operations.iter().map(|of| of.operation.as_str()).collect::<Vec<_>>(), ["a.verb"]);
    let rows: i64 =
        client.query_one("SELECT count(*) FROM agent_performance_metrics", &[]).await.unwrap().get(0);
    assert_eq!(rows, 4);
}

#[tokio::test]
async fn old_rows_go_in_small_batches_by_an_index() {
    let database = TestDatabase::migrated().await.unwrap();
    let client = database.client().await.unwrap();
    // 20,000 slots up to now: 69 days.
    client
        .batch_execute(
            "INSERT INTO agent_performance_metrics (id, metric_name, metric_value, labels, recorded_at)
             SELECT -(slot << 32), 'a.verb', 1, '{\"histogram\": {\"1000000\": 1}, \"max\": 1}', to_timestamp(slot * 300)
             FROM (SELECT floor(extract(epoch FROM now()) / 300)::bigint - back AS slot
                   FROM generate_series(1, 20000) AS back) AS slots",
        )
        .await
        .unwrap();
    client.batch_execute("VACUUM ANALYZE agent_performance_metrics").await.unwrap();
    let scans = async || {
        let sql =
            "SELECT seq_scan, n_tup_del FROM pg_stat_user_tables WHERE relname = 'agent_performance_metrics'";
        let row = client.query_one(sql, &[]).await.unwrap();
        (row.get::<_, i64>(0), row.get::<_, i64>(1))
    };
    let (before, _) = scans().await;
    let oldest = "SELECT min(recorded_at) FROM agent_performance_metrics";
    let first: Timestamp = client.query_one(oldest, &[]).await.unwrap().get(0);
    let db = database.connect(vec![]).await.unwrap();
    let orchestrator = Orchestrator::new(db.clone());
    for _ in 0..2 {
        orchestrator.record_performance("cli", &[measured("b.verb", [1])]).await.unwrap();
    }
    // The oldest ones went.
    let second: Timestamp = client.query_one(oldest, &[]).await.unwrap().get(0);
    assert_eq!(second.duration_since(first), SignedDuration::from_secs(200 * 300));
    // A connection that ends tells what it did.
    drop(orchestrator);
    db.close();
    drop(db);
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let (now, deleted) = scans().await;
        if deleted == 200 {
            // `min` above is this test's own, and has no index.
            assert!(now <= before + 2, "{now} scans of the table, {before} before");
            break;
        }
        assert!(Instant::now() < deadline, "{deleted} rows are told to be deleted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
