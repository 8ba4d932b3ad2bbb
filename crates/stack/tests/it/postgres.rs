//! The database: starting, finding again, stopping.

use std::time::Duration;

use agent_turbo_stack::{Durability, Error, Home, PostgresOptions, down, ensure_postgres, quiet, status};

use crate::program::{Got, ensure_in, process};
use crate::register;
use crate::support::{Steps, TestHome, connect, files_below, is_alive, raw, show, wheels};

register!(
    the_first_start_gives_a_real_server_with_pgvector,
    the_password_shows_nowhere,
    a_second_ensure_returns_the_same_server_and_does_nothing,
    processes_that_start_at_once_get_one_server,
    the_server_outlives_the_process_that_started_it,
    down_stops_the_server_and_a_second_start_finds_the_data,
    status_and_down_start_nothing,
    settings_of_ones_own_stay_and_win,
    throw_away_clusters_do_without_durability,
    a_long_home_gets_a_short_socket_directory,
    data_of_another_major_version_is_refused,
);

async fn the_first_start_gives_a_real_server_with_pgvector() {
    let test = TestHome::new();
    let steps = Steps::default();
    let postgres =
        ensure_postgres(&test.home, &PostgresOptions::default(), &|step| steps.note(step)).await.unwrap();
    assert!(steps.all().iter().any(|step| step.to_string().starts_with("initialising the database")));

    for url in [postgres.url(), postgres.tcp_url()] {
        let client = connect(&url.expose()).await;
        client.batch_execute("CREATE EXTENSION IF NOT EXISTS vector").await.unwrap();
        let row = client.query_one("SELECT '[1,2]'::vector <-> '[1,4]'::vector", &[]).await.unwrap();
        assert!((row.get::<_, f64>(0) - 2.0).abs() < 1e-9);
        assert!(show(&client, "server_version").await.starts_with(postgres.version()));
        for (setting, value) in [
            ("data_checksums", "on"),
            ("fsync", "on"),
            ("full_page_writes", "on"),
            ("synchronous_commit", "on"),
            ("server_encoding", "UTF8"),
            ("listen_addresses", "127.0.0.1"),
            ("password_encryption", "scram-sha-256"),
            ("timezone", "UTC"),
            ("jit", "off"),
            ("max_connections", "200"),
        ] {
            assert_eq!(show(&client, setting).await, value, "{setting}");
        }
        assert_eq!(show(&client, "port").await, postgres.port().to_string());
        let row = client.query_one("SELECT lower('ÄÖ'), current_database()", &[]).await.unwrap();
        assert_eq!((row.get(0), row.get(1)), ("äö", "agent_turbo"));
    }

    let wrong = postgres.tcp_url().expose().replace("agent_turbo:", "agent_turbo:0");
    assert!(tokio_postgres::connect(&wrong, tokio_postgres::NoTls).await.is_err());
    assert!(postgres.bin_dir().join("psql").is_file());
    assert!(postgres.data_dir().starts_with(test.home.path()));
}

async fn the_password_shows_nowhere() {
    let test = TestHome::new();
    let postgres = test.ensure().await;
    let client = connect(&postgres.url().expose()).await;
    client.batch_execute("SELECT this is an error").await.unwrap_err();
    let kept = test.join("postgres/password");
    let password = std::fs::read_to_string(&kept).unwrap();
    assert_eq!(password.len(), 64);
    assert!(postgres.url().expose().contains(&password));
    let status = status(&test.home);
    for text in [
        format!("{postgres:?}"),
        postgres.url().to_string(),
        format!("{:?}", postgres.tcp_url()),
        format!("{status:?}"),
    ] {
        assert!(!text.contains(&password), "{text}");
        assert!(text.contains("***"), "{text}");
    }
    for file in files_below(test.home.path()) {
        // Sockets and files that the server removes meanwhile cannot be read.
        let Ok(contents) = std::fs::read(&file) else {
            continue;
        };
        let found = contents.windows(password.len()).any(|part| part == password.as_bytes());
        assert_eq!(found, file == kept, "{}", file.display());
    }
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&kept).unwrap());
    assert_eq!(mode & 0o777, 0o600);
}

async fn a_second_ensure_returns_the_same_server_and_does_nothing() {
    let test = TestHome::new();
    let first = test.ensure().await;
    let lock = std::fs::File::open(test.join("locks/postgres")).unwrap();
    lock.lock().unwrap();
    let steps = Steps::default();
    let options = PostgresOptions { patience: Duration::ZERO, ..PostgresOptions::default() };
    // The lock is held here: what runs is found without it.
    let second = ensure_postgres(&test.home, &options, &|step| steps.note(step)).await.unwrap();
    assert_eq!((first.pid(), first.url()), (second.pid(), second.url()));
    assert_eq!(steps.all(), []);
}

async fn processes_that_start_at_once_get_one_server() {
    let test = TestHome::new();
    let starters: Vec<_> = (0..4)
        .map(|_| {
            let command = process("ensure-postgres", &test.home, &wheels());
            std::thread::spawn(move || ensure_in(command))
        })
        .collect();
    let here = test.ensure().await;
    let here = Got { pid: here.pid(), port: here.port(), url: here.url().expose() };
    for starter in starters {
        assert_eq!(starter.join().unwrap().unwrap(), here);
    }
}

async fn the_server_outlives_the_process_that_started_it() {
    let test = TestHome::new();
    let got = ensure_in(process("ensure-postgres", &test.home, &wheels())).unwrap();
    let client = connect(&got.url).await;
    assert_eq!(client.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
    // A session of its own: no terminal's ^C or hang-up reaches it.
    assert_eq!(rustix::process::getsid(Some(raw(got.pid))).unwrap(), raw(got.pid));
    assert_eq!(test.ensure().await.pid(), got.pid);
}

async fn down_stops_the_server_and_a_second_start_finds_the_data() {
    let test = TestHome::new();
    let first = test.ensure().await;
    connect(&first.url().expose()).await.batch_execute("CREATE TABLE kept AS SELECT 7 AS n").await.unwrap();
    let running = status(&test.home);
    let found = running.postgres.unwrap();
    assert_eq!((found.pid, found.port, found.version.as_str()), (first.pid(), first.port(), first.version()));
    assert!(running.data_bytes > 1_000_000);

    // An open connection does not hold it up.
    let idle = connect(&first.url().expose()).await;
    let report = down(&test.home).await.unwrap();
    assert_eq!(report.postgres.map(|stopped| (stopped.pid, stopped.forced)), Some((first.pid(), false)));
    assert!(!is_alive(first.pid()));
    assert!(status(&test.home).postgres.is_none());
    assert!(idle.batch_execute("SELECT 1").await.is_err());
    assert_eq!(down(&test.home).await.unwrap().postgres, None);

    let second = test.ensure().await;
    assert_eq!(second.port(), first.port());
    let client = connect(&second.url().expose()).await;
    assert_eq!(client.query_one("SELECT n FROM kept", &[]).await.unwrap().get::<_, i32>(0), 7);
}

async fn status_and_down_start_nothing() {
    let test = TestHome::new();
    let status = status(&test.home);
    assert!(status.postgres.is_none() && status.embedders.is_empty());
    assert_eq!((status.home.as_path(), status.data_bytes), (test.home.path(), 0));
    let report = down(&test.home).await.unwrap();
    assert_eq!(report, agent_turbo_stack::DownReport::default());
    assert!(!test.home.path().exists());
}

async fn settings_of_ones_own_stay_and_win() {
    let test = TestHome::new();
    let first = test.ensure().await;
    let conf = first.data_dir().join("postgresql.conf");
    let before = std::fs::read_to_string(&conf).unwrap();
    std::fs::write(&conf, format!("{before}work_mem = '33MB'\n")).unwrap();
    down(&test.home).await.unwrap();
    let client = connect(&test.ensure().await.url().expose()).await;
    assert_eq!(show(&client, "work_mem").await, "33MB");
    assert_eq!(show(&client, "jit").await, "off");
}

async fn throw_away_clusters_do_without_durability() {
    let test = TestHome::new();
    let options = PostgresOptions { durability: Durability::None, ..PostgresOptions::default() };
    let postgres = ensure_postgres(&test.home, &options, &quiet).await.unwrap();
    let client = connect(&postgres.url().expose()).await;
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        assert_eq!(show(&client, setting).await, "off");
    }
}

async fn a_long_home_gets_a_short_socket_directory() {
    let test = TestHome::new();
    let long = Home::at(test.dir.path().join("a".repeat(100))).with_wheels(wheels());
    let postgres = ensure_postgres(&long, &PostgresOptions::default(), &quiet).await.unwrap();
    assert!(!postgres.socket_dir().starts_with(long.path()));
    let client = connect(&postgres.url().expose()).await;
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(postgres.socket_dir()).unwrap());
    assert_eq!(mode & 0o777, 0o700);
    drop(client);
    down(&long).await.unwrap();
    std::fs::remove_dir(postgres.socket_dir()).unwrap();
}

async fn data_of_another_major_version_is_refused() {
    let test = TestHome::new();
    let postgres = test.ensure().await;
    down(&test.home).await.unwrap();
    std::fs::write(postgres.data_dir().join("PG_VERSION"), "9\n").unwrap();
    let error = ensure_postgres(&test.home, &PostgresOptions::default(), &quiet).await.unwrap_err();
    assert!(matches!(&error, Error::IncompatibleData { made_by, .. } if made_by == "9"), "{error}");
    assert!(error.hint().unwrap().contains("PostgreSQL 9"));
}
