//! Servers that are not there, refuse, or are not what they were: exit code 4, and nothing half-written.

use agent_turbo_test_support::{Behaviour, Misbehaving};

use crate::support::{Fixture, Program, THREE, dead_port, folder};

/// Looks like a password to whoever sees it.
const PASSWORD: &str = "hunter2";

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_named_with_the_way_out() {
    let fixture = Fixture::new().await;
    let port = dead_port();
    let url = format!("postgresql://ann:{PASSWORD}@127.0.0.1:{port}/d");
    for arguments in [&["add", "x"][..], &["query", "x"], &["list"], &["up"], &["migrate"], &["stats", "-vv"]]
    {
        let ran = fixture.program().env("DATABASE_URL", &url).run(arguments).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(4), ""), "{ran:?}");
        let report = format!("TASK FAILED: failed to reach the database at 127.0.0.1:{port}: ");
        assert!(ran.stderr.contains(&report) && ran.stderr.contains("→ is the server running"), "{ran:?}");
        assert!(!ran.stderr.contains(PASSWORD) && !ran.stderr.contains("panicked"), "{ran:?}");
    }
    let doctor = fixture.program().env("DATABASE_URL", &url).run(&["doctor"]).await;
    assert_eq!(doctor.code, Some(1));
    assert!(
        doctor.stdout.contains("✘ database") && doctor.stdout.contains("→ is the server running"),
        "{doctor:?}"
    );
}

#[tokio::test]
async fn a_wrong_password_or_database_is_refused_without_showing_the_password() {
    let fixture = Fixture::new().await;
    let right = fixture.database.tcp_url().await.unwrap();
    let right = right.expose();
    let (scheme, rest) = right.split_once("://").unwrap();
    let (login, place) = rest.split_once('@').unwrap();
    let user = login.split_once(':').unwrap().0;
    let (server, _) = place.split_once('/').unwrap();
    let cases = [
        (format!("{scheme}://{user}:{PASSWORD}@{place}"), "password authentication failed"),
        (format!("{scheme}://nobody:{PASSWORD}@{place}"), "nobody"),
        (format!("{scheme}://{login}@{server}/no_such_database"), "no_such_database"),
    ];
    for (url, reason) in cases {
        let ran = fixture.program().env("DATABASE_URL", &url).run(&["add", "x"]).await;
        let stderr =
            ran.failed(4, &["log in to the database at 127.0.0.1:", reason, "→ check user, password"]);
        assert!(!stderr.contains(PASSWORD) && !stderr.contains(login), "{stderr}");
    }
    let none =
        fixture.program().env("DATABASE_URL", format!("{scheme}://{user}@{place}")).run(&["add", "x"]).await;
    none.failed(4, &["password missing"]);
    assert_eq!(fixture.rows().await, 0);
}

#[tokio::test]
async fn a_connection_string_that_is_none_is_bad_input() {
    let dir = folder();
    for url in
        ["nonsense hunter2", "postgresql://ann:hunter2@h:port/d", "mysql://ann:hunter2@h/d", "user=ann"]
    {
        let ran = Program::new(dir.path()).env("DATABASE_URL", url).run(&["list"]).await;
        let stderr = ran.failed(2, &["→ DATABASE_URL looks like postgresql://"]);
        assert!(!stderr.contains("hunter2"), "{stderr}");
    }
}

#[tokio::test]
async fn a_read_only_server_answers_questions_and_refuses_writes() {
    let fixture = Fixture::new().await;
    let hash = fixture.add(&THREE).await.remove(0);
    let client = fixture.database.client().await.unwrap();
    let name: String = client.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    client
        .batch_execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"))
        .await
        .unwrap();
    let names = ["write on a read-only server", "→ connect to the primary"];
    fixture.run(&["add", "new"]).await.failed(4, &names);
    fixture.run(&["delete", &hash]).await.failed(4, &names);
    fixture.run(&["update", &hash, "--type", "x"]).await.failed(4, &names);
    assert_eq!(fixture.rows().await, 3);
    // Counting what was found is all that a question writes: it can do without.
    let answer = fixture.run(&["query", "database", "--limit", "1"]).await;
    assert!(answer.code == Some(0) && answer.stdout.contains(THREE[0]), "{answer:?}");
    assert!(fixture.run(&["add", THREE[0]]).await.done().starts_with("⚠️  Duplicate"));
    assert_eq!(fixture.json(&["get", &hash]).await["content"], THREE[0]);
    let doctor = fixture.run(&["doctor"]).await;
    assert!(
        doctor.stdout.contains("✘ writing") && doctor.stdout.contains("→ connect to the primary"),
        "{doctor:?}"
    );
}

#[tokio::test]
async fn a_read_only_server_without_the_schema_is_told_as_such() {
    let fixture = Fixture::empty().await;
    let client = fixture.database.client().await.unwrap();
    let name: String = client.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    client
        .batch_execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"))
        .await
        .unwrap();
    for arguments in [&["list"][..], &["migrate"], &["add", "x"]] {
        fixture.run(arguments).await.failed(4, &["read-only", "→ connect to the primary"]);
    }
}

#[tokio::test]
async fn a_schema_of_a_newer_program_and_a_foreign_table_are_left_alone() {
    let fixture = Fixture::new().await;
    let client = fixture.database.client().await.unwrap();
    client
        .batch_execute(
            "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
             SELECT 9999, 'from_the_future', applied_on, checksum FROM refinery_schema_history LIMIT 1",
        )
        .await
        .unwrap();
    fixture.run(&["add", "x"]).await.failed(4, &["9999", "→ update agent-turbo"]);
    assert_eq!(fixture.rows().await, 0);

    let fixture = Fixture::empty().await;
    let client = fixture.database.client().await.unwrap();
    client.batch_execute("CREATE TABLE agent_knowledge (mine text)").await.unwrap();
    fixture
        .run(&["add", "x"])
        .await
        .failed(4, &["agent_knowledge exists and is not ours", "AGENT_TURBO_SCHEMA"]);
    client.query("SELECT mine FROM agent_knowledge", &[]).await.unwrap();
}

#[tokio::test]
async fn without_the_embedding_service_words_answer_and_nothing_is_added() {
    let fixture = Fixture::new().await;
    fixture.add(&THREE).await;
    let nowhere = format!("http://127.0.0.1:{}", dead_port());
    let program = || fixture.program().env("AGENT_TURBO_EMBED_URL", &nowhere);
    let answer = program().run(&["query", "database", "--json"]).await;
    assert_eq!(answer.code, Some(0));
    assert!(
        answer.stderr.contains("searched by words alone") && answer.stderr.contains(&nowhere),
        "{answer:?}"
    );
    assert_eq!(answer.stderr.lines().count(), 1, "it is said once: {answer:?}");
    let answer: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!((&answer["mode"], &answer["results"][0]["content"]), (&"text".into(), &THREE[0].into()));
    assert!(answer["degraded"].as_str().unwrap().contains(&nowhere));

    let way_out = [nowhere.as_str(), "reach the embedding service", "→ is the service running"];
    program().run(&["query", "database", "--mode", "vector"]).await.failed(4, &way_out);
    program().run(&["add", "new"]).await.failed(4, &way_out);
    let hash = fixture.json(&["list"]).await["entries"][0]["content_hash"].as_str().unwrap().to_owned();
    program().run(&["update", &hash, "--content", "other"]).await.failed(4, &way_out);
    assert_eq!(fixture.rows().await, 3);
    assert_eq!(fixture.json(&["get", &hash]).await["content"], THREE[2]);

    program().run(&["query", "database", "--mode", "text"]).await.done();
    assert!(program().run(&["add", THREE[0]]).await.done().starts_with("⚠️  Duplicate"));
    for arguments in [&["list"][..], &["get", &hash], &["update", &hash, "--type", "x"], &["stats"]] {
        program().run(arguments).await.done();
    }
}

#[tokio::test]
async fn an_embedding_service_that_cannot_be_started_is_told_and_words_answer() {
    let fixture = Fixture::new().await;
    fixture.add(&THREE).await;
    let program = || {
        fixture.program().without("AGENT_TURBO_EMBED_URL").env("AGENT_TURBO_EMBED_MODEL", "/no/such/model")
    };
    program().run(&["add", "new"]).await.failed(4, &["/no/such/model"]);
    let asked = program().run(&["query", "database"]).await;
    assert!(asked.code == Some(0) && asked.stdout.contains(THREE[0]), "{asked:?}");
    assert!(asked.stderr.contains("/no/such/model") && !asked.stderr.contains('\x1b'), "{asked:?}");
    assert_eq!(fixture.rows().await, 3);
}

#[tokio::test]
async fn a_question_asked_before_needs_no_embedding_service() {
    let fixture = Fixture::new().await;
    fixture.add(&THREE).await;
    let before = fixture.json(&["query", "where are rows kept?"]).await;
    let nowhere = format!("http://127.0.0.1:{}", dead_port());
    let ran = fixture
        .program()
        .env("AGENT_TURBO_EMBED_URL", &nowhere)
        .run(&["query", "where are rows kept?", "--json"])
        .await;
    let after = ran.json();
    assert_eq!((&after["mode"], &after["degraded"]), (&"hybrid".into(), &serde_json::Value::Null));
    assert_eq!(after["results"][0]["similarity"], before["results"][0]["similarity"]);
}

#[tokio::test]
async fn a_service_with_another_model_or_with_garbage_changes_nothing() {
    let fixture = Fixture::new().await;
    fixture.add(&THREE).await;
    let other = format!(
        r#"{{"embedding":{:?},"model":"other","dimensions":768,"status":"healthy","model_loaded":true,
            "embedding_model":"other","embedding_dim":768}}"#,
        vec![0.1; 768]
    );
    let shorter = format!(r#"{{"embedding":{:?},"model":"all-MiniLM-L6-v2","dimensions":3}}"#, [0.1; 3]);
    let zero = format!(r#"{{"embedding":{:?},"model":"all-MiniLM-L6-v2","dimensions":384}}"#, [0.0; 384]);
    let service = Misbehaving::start(Behaviour::Answers(200, other)).await.unwrap();
    let program = || fixture.program().env("AGENT_TURBO_EMBED_URL", service.url());
    let names = ["use vectors of other", "beside those of all-MiniLM-L6-v2", "→ serve the model"];
    program().run(&["add", "new"]).await.failed(4, &names);
    program().run(&["query", "new", "--mode", "vector"]).await.failed(4, &names);
    for answer in [shorter, zero, "<html>".to_owned(), "{}".to_owned(), r#"{"embedding":[null]}"#.to_owned()]
    {
        service.behave(Behaviour::Answers(200, answer));
        program().run(&["add", "new"]).await.failed(4, &[service.url(), "→ "]);
        let asked = program().run(&["query", "database"]).await;
        assert!(asked.code == Some(0) && asked.stdout.contains(THREE[0]), "{asked:?}");
        assert!(asked.stderr.contains("searched by words alone"), "{asked:?}");
    }
    assert_eq!(fixture.rows().await, 3);
    let client = fixture.database.client().await.unwrap();
    let models = client.query_one("SELECT count(*) FROM embedding_models", &[]).await.unwrap();
    assert_eq!(models.get::<_, i64>(0), 1);
}

#[tokio::test]
async fn a_silent_service_is_given_up_in_time() {
    let fixture = Fixture::new().await;
    fixture.add(&THREE).await;
    let service = Misbehaving::start(Behaviour::Silent).await.unwrap();
    let program = || {
        fixture
            .program()
            .env("AGENT_TURBO_EMBED_URL", service.url())
            .env("AGENT_TURBO_EMBED_TIMEOUT_MS", "100")
    };
    program().run(&["add", "new"]).await.failed(4, &["within 100ms", "→ is the service running"]);
    let asked = program().run(&["query", "database"]).await;
    assert!(asked.code == Some(0) && asked.stdout.contains(THREE[0]), "{asked:?}");
    assert_eq!(fixture.rows().await, 3);
}
