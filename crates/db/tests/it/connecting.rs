use std::time::Duration;

use agent_turbo_db::{Config, ConnectionUrl, Database, Error, migrate};
use agent_turbo_test_support::TestDatabase;

use crate::support::{dead_port, everything_shown, execute, soon, with_parameter};

const PASSWORD: &str = "correct-horse-battery";

/// What both ways to the server say, which must be the same.
async fn refusals(url: &ConnectionUrl) -> [Error; 2] {
    let config = Config::new(url.clone());
    assert!(!format!("{config:?}").contains(PASSWORD));
    let (connected, migrated) =
        soon(async { tokio::join!(Database::connect(config.clone()), migrate(&config)) }).await;
    [connected.unwrap_err(), migrated.unwrap_err()]
}

/// The database's address with another user and password.
async fn as_somebody(database: &TestDatabase, user: &str) -> ConnectionUrl {
    let url = database.tcp_url().await.unwrap();
    let (_, server) = url.expose().split_once('@').unwrap();
    ConnectionUrl::new(format!("postgres://{user}:{PASSWORD}@{server}"))
}

#[tokio::test]
async fn nobody_listening_is_said_with_host_and_port_and_without_the_password() {
    let port = dead_port();
    for url in [
        format!("postgres://somebody:{PASSWORD}@127.0.0.1:{port}/database"),
        format!("host=127.0.0.1 port={port} user=somebody password='{PASSWORD}' dbname=database"),
        format!("postgres://somebody:{PASSWORD}@127.0.0.1:{port}/database?sslmode=require"),
    ] {
        for error in refusals(&ConnectionUrl::new(url)).await {
            assert!(matches!(&error, Error::Unreachable { .. }), "{error:?}");
            assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
            assert!(error.hint().is_some_and(|hint| hint.contains("DATABASE_URL")));
            assert!(!everything_shown(&error).contains(PASSWORD), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_host_that_has_no_address_is_unreachable() {
    let url = ConnectionUrl::new("postgres://u@no-such-host.invalid/d");
    for error in refusals(&url).await {
        assert!(
            matches!(&error, Error::Unreachable { target, .. } if target == "no-such-host.invalid:5432"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_wrong_or_missing_password_an_unknown_user_or_an_unknown_database_is_refused() {
    let database = TestDatabase::empty().await.unwrap();
    let url = database.url().expose();
    let unknown_database = url.replace("/t_", "/no_such_");
    assert_ne!(unknown_database, url);
    let tcp_url = database.tcp_url().await.unwrap();
    let (_, server) = tcp_url.expose().split_once('@').unwrap();
    for url in [
        ConnectionUrl::new(format!("postgres://agent_turbo@{server}")),
        as_somebody(&database, "agent_turbo").await,
        as_somebody(&database, "nobody").await,
        ConnectionUrl::new(unknown_database),
    ] {
        for error in refusals(&url).await {
            assert!(matches!(&error, Error::Refused { .. }), "{error:?}");
            assert!(error.hint().is_some());
            assert!(!everything_shown(&error).contains(PASSWORD), "{error:?}");
        }
    }
}

#[tokio::test]
async fn an_open_pool_shows_no_password() {
    let database = TestDatabase::empty().await.unwrap();
    let db = Database::connect(database.config()).await.unwrap();
    let (user_and_password, _) = database.url().expose().split_once('@').unwrap();
    let (_, password) = user_and_password.rsplit_once(':').unwrap();
    assert!(password.len() > 8);
    for shown in [format!("{db:?}"), format!("{:?}", db.config()), format!("{:?}", database.url())] {
        assert!(!shown.contains(password), "{shown}");
    }
}

/// The database's address with a dead host before the live one.
async fn after_a_dead_host(database: &TestDatabase) -> ConnectionUrl {
    let url = database.tcp_url().await.unwrap();
    let both = url.expose().replace("@127.0.0.1:", &format!("@127.0.0.1:{},127.0.0.1:", dead_port()));
    with_parameter(&ConnectionUrl::new(both), "target_session_attrs=read-write")
}

#[tokio::test]
async fn of_several_hosts_the_one_that_lives_and_writes_is_used() {
    let database = TestDatabase::empty().await.unwrap();
    let config = Config::new(after_a_dead_host(&database).await);
    migrate(&config).await.unwrap();
    let db = Database::connect(config).await.unwrap();
    let inserted = db.run_tx("insert", |tx| async move {
        execute(&tx, "INSERT INTO system_nodes (node_name) VALUES ('here')").await
    });
    assert_eq!(inserted.await.unwrap(), 1);
}

#[tokio::test]
async fn of_several_hosts_none_that_writes_is_an_error_that_says_so() {
    let database = TestDatabase::empty().await.unwrap();
    let read_only = "ALTER DATABASE {} SET default_transaction_read_only = on";
    let client = database.client().await.unwrap();
    let name: String = client.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    client.batch_execute(&read_only.replace("{}", &name)).await.unwrap();
    for error in refusals(&after_a_dead_host(&database).await).await {
        assert!(matches!(&error, Error::Unreachable { .. }), "{error:?}");
        assert!(everything_shown(&error).contains("does not allow writes"), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://u@{}/d", silent.local_addr().unwrap());
    let config =
        Config { connect_timeout: Duration::from_millis(100), ..Config::new(ConnectionUrl::new(url)) };
    let (connected, migrated) =
        soon(async { tokio::join!(Database::connect(config.clone()), migrate(&config)) }).await;
    assert!(matches!(connected, Err(Error::Timeout { .. })), "{connected:?}");
    assert!(matches!(migrated, Err(Error::Timeout { .. })), "{migrated:?}");
}
