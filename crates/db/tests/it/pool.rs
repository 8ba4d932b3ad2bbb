use std::time::Duration;

use agent_turbo_db::{Config, ConnectionUrl, Database, Error, PoolStatus, RowExt};

use crate::support::{Fixture, execute, pid, soon, with_parameter};

/// How many of the pool's connections wait for the observer's lock.
const WAITING: &str = "SELECT count(*) = 10 FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'advisory'";

#[tokio::test]
async fn sizes_that_make_no_sense_are_refused() {
    for (pool_min, pool_max) in [(0, 10), (11, 10), (0, 0)] {
        let config = Config { pool_min, pool_max, ..Config::new(ConnectionUrl::new("host=/nowhere user=u")) };
        let error = Database::connect(config).await.unwrap_err();
        assert!(matches!(&error, Error::Config(_)), "{error:?}");
        assert!(error.to_string().contains(&format!("pool_min is {pool_min}")), "{error}");
    }
}

#[tokio::test]
async fn waiting_too_long_for_a_connection_is_an_error_that_names_the_bound() {
    let wait_timeout = Duration::from_millis(50);
    let fixture = Fixture::with(|config| Config { pool_min: 1, pool_max: 1, wait_timeout, ..config }).await;
    let held = fixture.db.client().await.unwrap();
    let error = soon(fixture.db.client()).await.unwrap_err();
    assert!(matches!(&error, Error::PoolTimeout { max: 1, waited } if *waited == wait_timeout), "{error:?}");
    assert!(error.to_string().contains("1 connections") && error.hint().is_some(), "{error}");
    drop(held);
    fixture.db.client().await.unwrap();
}

#[tokio::test]
async fn it_opens_two_connections_and_grows_to_ten_and_never_past_it() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.backends().await, 2);
    assert_eq!(fixture.db.status(), PoolStatus { open: 2, idle: 2, max: 10 });
    fixture.observer.batch_execute("SELECT pg_advisory_lock(1)").await.unwrap();
    let queries: Vec<_> = (0..64)
        .map(|_| {
            let db = fixture.db.clone();
            tokio::spawn(async move {
                db.run("hold", |client| async move {
                    execute(&client, "SELECT pg_advisory_xact_lock_shared(1)").await
                })
                .await
            })
        })
        .collect();
    fixture.until(WAITING).await;
    assert_eq!(fixture.backends().await, 10);
    assert_eq!(fixture.db.status(), PoolStatus { open: 10, idle: 0, max: 10 });
    fixture.observer.batch_execute("SELECT pg_advisory_unlock(1)").await.unwrap();
    while queries.iter().any(|query| !query.is_finished()) {
        assert_eq!(fixture.backends().await, 10);
    }
    for query in queries {
        query.await.unwrap().unwrap();
    }
    assert_eq!(fixture.backends().await, 10);
}

#[tokio::test]
async fn work_goes_on_after_idle_connections_were_terminated() {
    let fixture = Fixture::new().await;
    for round in 0..10 {
        fixture.terminate_all().await;
        let insert = format!("INSERT INTO numbers VALUES ({round}, 1)");
        fixture
            .db
            .run_tx("insert", |tx| {
                let insert = insert.clone();
                async move { execute(&tx, &insert).await }
            })
            .await
            .unwrap();
    }
    assert_eq!(fixture.rows().await, 10);
}

#[tokio::test]
async fn warming_replaces_connections_that_the_server_has_closed() {
    let fixture = Fixture::new().await;
    fixture.terminate_all().await;
    let gone = |client| async move { pid(&client).await };
    // The pool learns that a connection is closed when it is used.
    for _ in 0..2 {
        fixture.db.run("notice", gone).await.unwrap();
    }
    fixture.db.warm().await.unwrap();
    assert_eq!(fixture.backends().await, 2);
    let held = fixture.db.client().await.unwrap();
    fixture.db.warm().await.unwrap();
    assert_eq!(fixture.backends().await, 2, "a connection in use counts");
    drop(held);
}

#[tokio::test]
async fn a_closed_pool_says_so() {
    let fixture = Fixture::new().await;
    fixture.db.close();
    assert!(matches!(fixture.db.client().await.unwrap_err(), Error::Config(_)));
    fixture.until(
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await;
}

#[tokio::test]
async fn rows_come_by_column_name_and_an_unfit_column_is_named() {
    let fixture = Fixture::new().await;
    let client = fixture.db.client().await.unwrap();
    let row = client.query_one("SELECT 1 AS number, 'x' AS word, NULL::text AS nothing", &[]).await.unwrap();
    assert_eq!(row.column::<i32>("number").unwrap(), 1);
    assert_eq!(row.column::<&str>("word").unwrap(), "x");
    assert_eq!(row.column::<Option<&str>>("nothing").unwrap(), None);
    let missing = row.column::<i32>("numbers").unwrap_err();
    let mistyped = row.column::<i64>("number").unwrap_err();
    let null = row.column::<String>("nothing").unwrap_err();
    for (error, name) in [(missing, "numbers"), (mistyped, "number"), (null, "nothing")] {
        assert!(matches!(&error, Error::CorruptRow { column, .. } if column == name), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[tokio::test]
async fn every_connection_has_the_settings_and_those_of_the_connection_string_win() {
    let fixture = Fixture::with(|config| Config {
        url: with_parameter(&config.url, "options=-c%20work_mem%3D9MB&application_name=mine"),
        schema: Some("odd \\ \"name".to_owned()),
        statement_timeout: Duration::from_millis(1500),
        session_settings: vec![("work_mem", "5MB".to_owned()), ("maintenance_work_mem", "7MB".to_owned())],
        ..config
    })
    .await;
    let client = fixture.db.client().await.unwrap();
    for (name, expected) in [
        ("statement_timeout", "1500ms"),
        ("idle_in_transaction_session_timeout", "1500ms"),
        ("search_path", "\"odd \\ \"\"name\",public"),
        ("work_mem", "9MB"),
        ("maintenance_work_mem", "7MB"),
        ("application_name", "mine"),
    ] {
        let row = client.query_one(&format!("SHOW {name}"), &[]).await.unwrap();
        assert_eq!(row.column::<&str>(name).unwrap(), expected);
    }
}

#[tokio::test]
async fn a_statement_that_is_given_up_does_not_hold_up_the_next_one() {
    let fixture = Fixture::with(|config| Config { pool_min: 1, pool_max: 1, ..config }).await;
    fixture.observer.batch_execute("SELECT pg_advisory_lock(1)").await.unwrap();
    let wait = |client| async move { execute(&client, "SELECT pg_advisory_xact_lock(1)").await };
    let one_waits = WAITING.replace("= 10", "= 1");
    tokio::select! {
        _ = fixture.db.run("wait", wait) => unreachable!("the observer has the lock"),
        () = fixture.until(&one_waits) => {}
    }
    soon(fixture.db.run("next", |client| async move { pid(&client).await })).await.unwrap();
}
