use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use agent_turbo_db::tokio_postgres::error::SqlState;
use agent_turbo_db::{Config, Error, Result, RowExt, Transaction};
use tokio::sync::{Barrier, Notify};

use crate::support::{Fixture, execute, pid, soon};

const INSERT: &str = "INSERT INTO numbers VALUES (1, 1)";

async fn one_connection() -> Fixture {
    Fixture::with(|config| Config { pool_min: 1, pool_max: 1, ..config }).await
}

/// Runs `statement` in a transaction; its outcome and how often it was tried.
async fn attempts_of(fixture: &Fixture, statement: &'static str) -> (Result<u64>, u32) {
    let attempts = AtomicU32::new(0);
    let outcome = soon(fixture.db.run_tx("test", |tx| {
        attempts.fetch_add(1, Ordering::SeqCst);
        async move { execute(&tx, statement).await }
    }))
    .await;
    (outcome, attempts.into_inner())
}

/// The next user of the pool's only connection finds no transaction on it, and can write.
async fn assert_usable(fixture: &Fixture) {
    let client = fixture.db.client().await.unwrap();
    execute(&client, "SAVEPOINT s").await.expect_err("a savepoint needs a transaction");
    drop(client);
    fixture.db.run_tx("after", |tx| async move { execute(&tx, INSERT).await }).await.unwrap();
    assert_eq!(fixture.rows().await, 1);
}

#[tokio::test]
async fn what_is_committed_is_seen_by_others_and_not_before() {
    let fixture = one_connection().await;
    let observer = &fixture;
    let inserted = fixture.db.run_tx("insert", |tx| async move {
        let inserted = execute(&tx, INSERT).await?;
        assert_eq!(observer.rows().await, 0);
        Ok::<_, Error>(inserted)
    });
    assert_eq!(inserted.await.unwrap(), 1);
    assert_eq!(fixture.rows().await, 1);
}

#[tokio::test]
async fn an_error_rolls_back() {
    let fixture = one_connection().await;
    let before = pid(&fixture.db.client().await.unwrap()).await.unwrap();
    let outcome: Result<()> = fixture
        .db
        .run_tx("insert", |tx| async move {
            execute(&tx, INSERT).await?;
            Err(Error::Config("the caller's own reason".to_owned()))
        })
        .await;
    assert!(matches!(outcome, Err(Error::Config(_))));
    assert_eq!(fixture.rows().await, 0);
    assert_eq!(pid(&fixture.db.client().await.unwrap()).await.unwrap(), before, "the connection is kept");
    assert_usable(&fixture).await;
}

#[tokio::test]
async fn dropping_it_in_the_middle_rolls_back() {
    let fixture = one_connection().await;
    let inserted = Notify::new();
    let work = fixture.db.run_tx("insert", |tx| {
        let inserted = &inserted;
        async move {
            execute(&tx, INSERT).await?;
            inserted.notify_one();
            std::future::pending::<Result<()>>().await
        }
    });
    tokio::select! {
        _ = work => unreachable!("it waits for ever"),
        () = inserted.notified() => {}
    }
    assert_eq!(fixture.rows().await, 0);
    assert_usable(&fixture).await;
}

#[tokio::test]
async fn a_panic_in_the_middle_rolls_back_and_gives_the_connection_back() {
    let fixture = one_connection().await;
    let db = fixture.db.clone();
    let work = tokio::spawn(async move {
        db.run_tx("insert", |tx| async move {
            execute(&tx, INSERT).await?;
            panic!("the caller's own mistake");
            #[expect(unreachable_code, reason = "it tells the compiler the type")]
            Ok::<_, Error>(())
        })
        .await
    });
    assert!(work.await.unwrap_err().is_panic());
    assert_usable(&fixture).await;
}

#[tokio::test]
async fn a_failure_that_the_body_hides_is_not_taken_for_a_commit() {
    let fixture = one_connection().await;
    let outcome = fixture
        .db
        .run_tx("insert", |tx| async move {
            execute(&tx, INSERT).await?;
            let _ = execute(&tx, "SELECT 1/0").await;
            Ok::<_, Error>(())
        })
        .await;
    assert_eq!(outcome.unwrap_err().sqlstate(), Some(&SqlState::IN_FAILED_SQL_TRANSACTION));
    assert_usable(&fixture).await;
}

#[tokio::test]
async fn a_duplicate_is_a_conflict_and_is_not_tried_again() {
    let fixture = Fixture::new().await;
    fixture.observer.batch_execute(INSERT).await.unwrap();
    let (outcome, attempts) = attempts_of(&fixture, INSERT).await;
    assert!(matches!(outcome, Err(Error::Conflict { name: "test", .. })), "{outcome:?}");
    assert_eq!(attempts, 1);
}

#[tokio::test]
async fn values_that_the_server_refuses_are_bad_input_and_are_not_tried_again() {
    let fixture = Fixture::new().await;
    for statement in [
        "INSERT INTO numbers VALUES (1, -1)",
        "INSERT INTO numbers VALUES (1, NULL)",
        "INSERT INTO numbers VALUES (1, '99999999999')",
    ] {
        let (outcome, attempts) = attempts_of(&fixture, statement).await;
        assert!(matches!(outcome, Err(Error::BadInput { .. })), "{outcome:?}");
        assert_eq!(attempts, 1);
    }
}

#[tokio::test]
async fn transactions_that_cannot_be_serialized_are_repeated_until_both_succeed() {
    let fixture = Fixture::new().await;
    let both_have_read = Arc::new(Barrier::new(2));
    let attempts = Arc::new(AtomicU32::new(0));
    let count_then_insert = |id: i32| {
        let (db, both_have_read, attempts) =
            (fixture.db.clone(), Arc::clone(&both_have_read), Arc::clone(&attempts));
        tokio::spawn(async move {
            let mut first = true;
            db.run_tx("count", |tx: Transaction| {
                let meet = std::mem::take(&mut first).then(|| Arc::clone(&both_have_read));
                attempts.fetch_add(1, Ordering::SeqCst);
                async move {
                    execute(&tx, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").await?;
                    let statement = |error| Error::of_statement("count", error);
                    let row =
                        tx.query_one("SELECT count(*) AS n FROM numbers", &[]).await.map_err(statement)?;
                    if let Some(barrier) = meet {
                        barrier.wait().await;
                    }
                    let n = row.column::<i64>("n")? as i32;
                    tx.execute("INSERT INTO numbers VALUES ($1, $2)", &[&id, &n]).await.map_err(statement)
                }
            })
            .await
        })
    };
    let (one, other) = (count_then_insert(1), count_then_insert(2));
    soon(one).await.unwrap().unwrap();
    soon(other).await.unwrap().unwrap();
    assert!(attempts.load(Ordering::SeqCst) > 2);
    let counts: Vec<i32> = fixture.ask("SELECT array_agg(n ORDER BY n) FROM numbers").await;
    assert_eq!(counts, [0, 1], "as if one had come after the other");
}

#[tokio::test]
async fn transactions_that_lock_each_other_out_are_repeated_until_both_succeed() {
    let fixture = Fixture::with(|config| Config {
        session_settings: vec![("deadlock_timeout", "20ms".to_owned())],
        ..config
    })
    .await;
    fixture.observer.batch_execute("INSERT INTO numbers VALUES (1, 0), (2, 0)").await.unwrap();
    let both_hold_one = Arc::new(Barrier::new(2));
    let attempts = Arc::new(AtomicU32::new(0));
    let lock_in_order = |ids: [i32; 2]| {
        let (db, both_hold_one, attempts) =
            (fixture.db.clone(), Arc::clone(&both_hold_one), Arc::clone(&attempts));
        tokio::spawn(async move {
            let mut first = true;
            db.run_tx("lock", |tx: Transaction| {
                let meet = std::mem::take(&mut first).then(|| Arc::clone(&both_hold_one));
                attempts.fetch_add(1, Ordering::SeqCst);
                async move {
                    execute(&tx, &format!("UPDATE numbers SET n = n + 1 WHERE id = {}", ids[0])).await?;
                    if let Some(barrier) = meet {
                        barrier.wait().await;
                    }
                    execute(&tx, &format!("UPDATE numbers SET n = n + 1 WHERE id = {}", ids[1])).await
                }
            })
            .await
        })
    };
    let (one, other) = (lock_in_order([1, 2]), lock_in_order([2, 1]));
    soon(one).await.unwrap().unwrap();
    soon(other).await.unwrap().unwrap();
    assert!(attempts.load(Ordering::SeqCst) > 2);
    assert_eq!(fixture.ask::<Vec<i32>>("SELECT array_agg(n) FROM numbers").await, [2, 2]);
}

#[tokio::test]
async fn a_conflict_that_never_ends_is_given_up() {
    let fixture = Fixture::new().await;
    let always = "DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = 'serialization_failure'; END $$";
    let (outcome, attempts) = attempts_of(&fixture, always).await;
    assert!(matches!(outcome, Err(Error::Conflict { .. })), "{outcome:?}");
    assert_eq!(attempts, 10);
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_commit_is_replaced_and_the_work_repeated() {
    let fixture = Fixture::new().await;
    let (attempts, observer) = (AtomicU32::new(0), &fixture);
    let outcome = soon(fixture.db.run_tx("insert", |tx| {
        let attempt = attempts.fetch_add(1, Ordering::SeqCst);
        async move {
            execute(&tx, INSERT).await?;
            if attempt == 0 {
                observer.terminate_all().await;
            }
            execute(&tx, "INSERT INTO numbers VALUES (2, 2)").await
        }
    }))
    .await;
    assert_eq!(outcome.unwrap(), 1);
    assert_eq!(attempts.into_inner(), 2);
    assert_eq!(fixture.rows().await, 2);
}

/// Makes every commit of an insert do `statement` at its end.
async fn at_commit(fixture: &Fixture, statement: &str) {
    fixture
        .observer
        .batch_execute(&format!(
            "CREATE SEQUENCE commits;
             CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN {statement}; RETURN NULL; END $$;
             CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON numbers
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()"
        ))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_connection_that_breaks_during_the_commit_leaves_its_outcome_unknown_and_is_not_tried_again() {
    let fixture = one_connection().await;
    at_commit(&fixture, "PERFORM pg_terminate_backend(pg_backend_pid())").await;
    let (outcome, attempts) = attempts_of(&fixture, INSERT).await;
    let error = outcome.unwrap_err();
    assert!(matches!(error, Error::CommitUnknown { name: "test", .. }), "{error:?}");
    assert!(error.hint().is_some());
    assert_eq!(attempts, 1);
    fixture.observer.batch_execute("DROP TRIGGER at_commit ON numbers").await.unwrap();
    assert_usable(&fixture).await;
}

#[tokio::test]
async fn a_commit_that_cannot_be_serialized_is_repeated() {
    let fixture = Fixture::new().await;
    at_commit(
        &fixture,
        "IF nextval('commits') < 3 THEN RAISE EXCEPTION 'no' USING ERRCODE = 'serialization_failure'; END IF",
    )
    .await;
    let (outcome, attempts) = attempts_of(&fixture, INSERT).await;
    assert_eq!(outcome.unwrap(), 1);
    assert_eq!(attempts, 3);
    assert_eq!(fixture.rows().await, 1);
}

#[tokio::test]
async fn a_statement_over_its_time_is_stopped_by_the_server() {
    let statement_timeout = Duration::from_millis(50);
    let fixture =
        Fixture::with(|config| Config { pool_min: 1, pool_max: 1, statement_timeout, ..config }).await;
    let (outcome, attempts) = attempts_of(&fixture, "SELECT pg_sleep(60)").await;
    assert_eq!(outcome.unwrap_err().sqlstate(), Some(&SqlState::QUERY_CANCELED));
    assert_eq!(attempts, 1);
    assert_usable(&fixture).await;
}
