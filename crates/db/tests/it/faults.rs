use std::time::{Duration, Instant};

use agent_turbo_db::{Config, Database, Error, migrate};
use agent_turbo_test_support::PrivateCluster;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{execute, pid, soon};

/// A process that is stopped until this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn new(pid: i32) -> Self {
        let pid = Pid::from_raw(pid).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// How much later than the configured limits a server that hangs may be given up.
const GRACE: Duration = Duration::from_secs(4);

#[tokio::test]
async fn a_server_process_that_hangs_is_given_up_and_another_one_takes_over() {
    let cluster = PrivateCluster::start().await.unwrap();
    let limits = Config {
        pool_min: 1,
        statement_timeout: Duration::from_millis(200),
        ..Config::new(cluster.url().await.unwrap())
    };
    let db = Database::connect(limits).await.unwrap();
    let stopped = Stopped::new(pid(&db.client().await.unwrap()).await.unwrap());
    let started = Instant::now();
    let outcome = soon(db.run_tx("hang", |tx| async move { execute(&tx, "SELECT 1").await })).await;
    assert!(matches!(outcome, Err(Error::Timeout { name: "hang", .. })), "{outcome:?}");
    assert!(started.elapsed() < GRACE);
    let outcome = soon(db.run("go on", |client| async move { execute(&client, "SELECT 1").await })).await;
    assert_eq!(outcome.unwrap(), 1);
    drop(stopped);
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_while_connecting() {
    let cluster = PrivateCluster::start().await.unwrap();
    let postgres = cluster.postgres().await.unwrap();
    let config =
        Config { connect_timeout: Duration::from_millis(300), ..Config::new(cluster.url().await.unwrap()) };
    let stopped = Stopped::new(i32::try_from(postgres.pid()).unwrap());
    let started = Instant::now();
    let (connected, migrated) = tokio::join!(Database::connect(config.clone()), migrate(&config));
    assert!(matches!(connected, Err(Error::Timeout { .. })), "{connected:?}");
    assert!(matches!(migrated, Err(Error::Timeout { .. })), "{migrated:?}");
    assert!(started.elapsed() < GRACE);
    drop(stopped);
    Database::connect(config).await.unwrap();
}

#[tokio::test]
async fn work_waits_for_a_killed_server_to_come_back_and_what_was_committed_is_there() {
    let cluster = PrivateCluster::start().await.unwrap();
    let db = Database::connect(Config::new(cluster.url().await.unwrap())).await.unwrap();
    let insert = |id: i32| {
        db.run_tx("insert", move |tx| async move {
            execute(&tx, "CREATE TABLE IF NOT EXISTS numbers (id integer PRIMARY KEY)").await?;
            execute(&tx, &format!("INSERT INTO numbers VALUES ({id}) ON CONFLICT DO NOTHING")).await
        })
    };
    // A process that has lost its server may still take the commit and die before it answers: then the write, which is
    // safe to repeat, is repeated.
    let insert_for_sure = async |id: i32| {
        loop {
            match insert(id).await {
                Err(Error::CommitUnknown { .. }) => {}
                outcome => break outcome,
            }
        }
    };
    insert(1).await.unwrap();
    cluster.kill().await.unwrap();
    let (restarted, inserted) = tokio::join!(cluster.postgres(), soon(insert_for_sure(2)));
    restarted.unwrap();
    inserted.unwrap();
    let rows = db.run("rows", |client| async move { execute(&client, "SELECT id FROM numbers").await });
    assert_eq!(rows.await.unwrap(), 2);
}

#[tokio::test]
async fn a_server_that_stays_away_is_an_error_after_a_bounded_while() {
    let cluster = PrivateCluster::start().await.unwrap();
    let db = Database::connect(Config::new(cluster.url().await.unwrap())).await.unwrap();
    cluster.kill().await.unwrap();
    let error = soon(async {
        loop {
            // Server processes that have not noticed yet may still answer.
            let outcome = db.run("away", |client| async move { execute(&client, "SELECT 1").await }).await;
            if let Err(error) = outcome {
                break error;
            }
        }
    })
    .await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.is_unavailable() && error.hint().is_some());
}
