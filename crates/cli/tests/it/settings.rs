//! Where settings come from, and what becomes of wrong ones.

use std::path::PathBuf;

use crate::support::{Fixture, dead_port};

impl Fixture {
    /// A configuration file of this text.
    fn config(&self, text: &str) -> PathBuf {
        let path = self.dir.path().join("settings.toml");
        std::fs::write(&path, text).unwrap();
        path
    }
}

#[tokio::test]
async fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let fixture = Fixture::new().await;
    let file = fixture.config("project = 'of the file'\nmax_content_bytes = 30");
    let file = file.to_str().unwrap();
    let project = async |program: crate::support::Program, arguments: &[&str]| {
        let arguments = [arguments, &["--config", file, "--json"]].concat();
        program.run(&arguments).await.json()["project"].as_str().unwrap().to_owned()
    };
    assert_eq!(project(fixture.program(), &["add", "a"]).await, "of the file");
    let with_env = || fixture.program().env("AGENT_TURBO_PROJECT", "of the environment");
    assert_eq!(project(with_env(), &["add", "a"]).await, "of the environment");
    assert_eq!(project(with_env(), &["add", "a", "-p", "of the flag"]).await, "of the flag");
    let named = fixture.program().env("AGENT_TURBO_CONFIG", file).run(&["add", "b", "--json"]).await.json();
    assert_eq!(named["project"], "of the file");

    let nowhere = format!("http://127.0.0.1:{}", dead_port());
    fixture.run(&["add", "c", "--embed-url", &nowhere]).await.failed(4, &[&nowhere]);
    fixture
        .program()
        .env("AGENT_TURBO_EMBED_URL", &nowhere)
        .run(&["add", "c", "--embed-url", fixture.embed_url()])
        .await
        .done();
}

#[tokio::test]
async fn the_usual_file_is_read_without_being_named() {
    let fixture = Fixture::new().await;
    let folder = fixture.dir.path().join("user/config/agent-turbo");
    std::fs::create_dir_all(&folder).unwrap();
    let text = format!("database_url = '{}'\nproject = 'usual'", fixture.database.url().expose());
    std::fs::write(folder.join("config.toml"), text).unwrap();
    let added = fixture.program().without("DATABASE_URL").run(&["add", "a", "--json"]).await.json();
    assert_eq!(added["project"], "usual");
    // Set to nothing is not set.
    let added = fixture.program().env("DATABASE_URL", "").env("AGENT_TURBO_PROJECT", "").run(&["list"]).await;
    assert_eq!(added.done().lines().count(), 1);
}

#[tokio::test]
async fn the_limit_of_a_text_is_a_setting() {
    let fixture = Fixture::new().await;
    let too_long = ["10", "split it, or raise max_content_bytes"];
    let small = || fixture.program().env("AGENT_TURBO_MAX_CONTENT_BYTES", "10");
    small().run(&["add", "12345678901"]).await.failed(2, &too_long);
    small().stdin("x".repeat(200_000)).run(&["add", "-"]).await.failed(2, &too_long);
    small().run(&["add", "  1234567890 \r\n"]).await.done();
    let file = fixture.config("max_content_bytes = 10");
    let file = file.to_str().unwrap();
    fixture.run(&["add", "12345678901", "--config", file]).await.failed(2, &too_long);
    for absurd in ["0", "9223372036854775807"] {
        let ran = fixture
            .program()
            .env("AGENT_TURBO_MAX_CONTENT_BYTES", absurd)
            .stdin("text")
            .run(&["add", "-"])
            .await;
        assert_eq!(ran.code, Some(if absurd == "0" { 2 } else { 0 }), "{ran:?}");
    }
}

#[tokio::test]
async fn a_setting_that_is_none_is_refused_and_named() {
    let fixture = Fixture::new().await;
    let cases = [
        ("pool_maks = 3", "pool_maks"),
        ("[database]\nurl = 'x'", "database"),
        ("pool_max = 'many'", "pool_max"),
        ("max_content_bytes = -1", "max_content_bytes"),
        ("pool_min = 0", "pool_min is 0"),
        ("pool_min = 11", "pool_min is 11, pool_max is 10"),
        ("redact_secrets = 'perhaps'", "redact_secrets"),
        ("project = ' '", "the project"),
        ("no toml at all", "settings.toml"),
    ];
    for (text, name) in cases {
        let file = fixture.config(text);
        fixture.run(&["query", "x", "--config", file.to_str().unwrap()]).await.failed(2, &[name]);
    }
    let variables = [
        ("AGENT_TURBO_POOL_MAX", "many"),
        ("AGENT_TURBO_MAX_CONTENT_BYTES", "-1"),
        ("AGENT_TURBO_MAX_CONTENT_BYTES", "99999999999999999999"),
        ("AGENT_TURBO_REDACT_SECRETS", "perhaps"),
    ];
    for (variable, value) in variables {
        fixture.program().env(variable, value).run(&["add", "x"]).await.failed(2, &[variable]);
    }
    fixture.run(&["query", "x", "--embed-url", "ftp://x"]).await.failed(2, &["ftp://x", "http://host:port"]);
    assert_eq!(fixture.rows().await, 0);
}

#[tokio::test]
async fn a_named_file_has_to_be_there_and_to_be_readable() {
    let fixture = Fixture::new().await;
    fixture
        .run(&["list", "--config", "/nonexistent.toml"])
        .await
        .failed(2, &["/nonexistent.toml", "no such file"]);
    let program = fixture.program().env("AGENT_TURBO_CONFIG", "/nonexistent.toml");
    program.run(&["list"]).await.failed(2, &["/nonexistent.toml"]);
    let folder = fixture.dir.path().to_str().unwrap();
    fixture.run(&["list", "--config", folder]).await.failed(2, &[folder, "directory"]);
}

#[tokio::test]
async fn a_schema_of_ones_own_keeps_its_entries_to_itself() {
    let fixture = Fixture::empty().await;
    fixture.run(&["add", "in the usual schema"]).await.done();
    for _ in 0..2 {
        fixture.run(&["--schema", "Team \"A\"", "add", "in a schema of its own"]).await.done();
    }
    let own = fixture.json(&["list", "--schema", "Team \"A\""]).await;
    assert_eq!(own["entries"].as_array().unwrap().len(), 1);
    assert_eq!(fixture.rows().await, 1);
}
