//! What is printed, where, and in which form.

use std::process::Stdio;

use agent_turbo_test_support::TestDatabase;

use crate::support::{Fixture, Program, Ran, SOON, THREE, folder, members};

const ENTRY: [&str; 20] = [
    "access_count",
    "category",
    "content",
    "content_hash",
    "created_at",
    "embedding_model",
    "expires_at",
    "id",
    "knowledge_type",
    "last_accessed",
    "metadata",
    "project",
    "quarantine_reason",
    "quarantined_at",
    "source_agent_platform",
    "source_session",
    "superseded_by",
    "tags",
    "tokens",
    "updated_at",
];

const COMMANDS: [&str; 32] = [
    "up",
    "down",
    "status",
    "doctor",
    "url",
    "migrate",
    "embedder",
    "add",
    "query",
    "eval",
    "get",
    "list",
    "update",
    "delete",
    "revert",
    "supersede",
    "quarantine",
    "approve",
    "scan-secrets",
    "stats",
    "node",
    "service",
    "session",
    "context",
    "task",
    "plan",
    "action",
    "history",
    "audit",
    "reap",
    "demo",
    "completions",
];

#[tokio::test]
async fn add_says_what_it_added_and_what_was_there_before() {
    let fixture = Fixture::new().await;
    let first = fixture.run(&["add", THREE[0]]).await;
    let hash = "✅ Added knowledge: ".to_owned() + &first.done()["✅ Added knowledge: ".len()..][..8] + "\n";
    assert_eq!(first.stdout, hash);
    let again = fixture.run(&["add", THREE[0]]).await;
    let whole = again.done().strip_prefix("⚠️  Duplicate knowledge: ").unwrap().strip_suffix('\n').unwrap();
    assert!(whole.len() == 64 && whole.bytes().all(|byte| byte.is_ascii_hexdigit()), "{whole}");
    assert!(first.stdout.contains(&whole[..8]));
    assert_eq!(fixture.rows().await, 1);
}

#[tokio::test]
async fn every_result_is_one_json_document_with_the_same_members_every_time() {
    let fixture = Fixture::new().await;
    let added = fixture.json(&["add", THREE[0], "--tag", "db"]).await;
    let names = [
        "content_hash",
        "merged",
        "near_duplicates",
        "outcome",
        "project",
        "redacted",
        "state",
        "superseded",
        "truncated",
    ];
    assert_eq!(members(&added), names);
    let hash = added["content_hash"].as_str().unwrap();
    let duplicate = fixture.json(&["add", THREE[0]]).await;
    assert_eq!((members(&duplicate), &duplicate["outcome"]), (members(&added), &"duplicate".into()));

    let answer = fixture.json(&["query", "database"]).await;
    assert_eq!(members(&answer), ["degraded", "elapsed_ms", "mode", "query", "results"]);
    let mut hit = [&ENTRY[..], &["score", "similarity", "text_score"]].concat();
    hit.sort_unstable();
    assert_eq!(members(&answer["results"][0]), hit);

    let page = fixture.json(&["list"]).await;
    assert_eq!(members(&page), ["entries", "next"]);
    assert_eq!(members(&page["entries"][0]), ENTRY);
    assert_eq!(members(&fixture.json(&["get", hash]).await), ENTRY);
    assert_eq!(members(&fixture.json(&["update", hash, "--type", "fact"]).await), ENTRY);

    let stats = fixture.json(&["stats"]).await;
    let names = [
        "accesses",
        "current",
        "disk_bytes",
        "embedded",
        "entries",
        "knowledge_types",
        "models",
        "newest",
        "projects",
        "recall",
        "tokens",
    ];
    assert_eq!(members(&stats), names);
    assert_eq!(members(&fixture.json(&["delete", hash]).await), ENTRY);

    assert_eq!(members(&fixture.json(&["migrate"]).await), ["version"]);
    let url = fixture.json(&["url"]).await;
    assert_eq!(url, serde_json::json!({ "url": fixture.database.url().expose() }));
    let up = fixture.json(&["up"]).await;
    assert_eq!(members(&up), ["database", "embedding", "entries", "node"]);
    assert_eq!(members(&up["database"]), ["embedded", "name", "pgvector", "place", "version"]);
    assert_eq!(members(&up["embedding"]), ["dimensions", "model", "url"]);
    let doctor = fixture.json(&["doctor"]).await;
    assert_eq!((members(&doctor), &doctor["ok"]), (vec!["checks", "ok"], &true.into()));
    assert_eq!(members(&doctor["checks"][0]), ["fix", "found", "name", "ok"]);
    let running = fixture.json(&["status"]).await;
    assert_eq!(members(&running), ["data_bytes", "embedders", "home", "own_database", "postgres"]);
    assert_eq!(members(&fixture.json(&["down"]).await), ["embedders", "postgres"]);
}

#[tokio::test]
async fn an_entry_that_is_not_there_is_no_error_and_has_its_own_exit_code() {
    let fixture = Fixture::new().await;
    for arguments in [&["get", "abcd"][..], &["delete", "abcd"], &["update", "abcd", "--type", "x"]] {
        let ran = fixture.run(arguments).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(3), ""), "{ran:?}");
        assert_eq!(ran.stdout, "No entry abcd in project default.\n");
        let ran = fixture.run(&[arguments, &["--json"]].concat()).await;
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(3), "null\n", ""), "{ran:?}");
    }
}

#[tokio::test]
async fn up_and_status_and_doctor_say_what_is_used_without_the_password() {
    let fixture = Fixture::new().await;
    let url = fixture.database.tcp_url().await.unwrap();
    let password = password(url.expose());
    for command in ["up", "status", "doctor", "migrate", "stats", "list"] {
        let ran = fixture.program().env("DATABASE_URL", url.expose()).run(&[command, "-vv"]).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(&password), "{command} shows the password");
    }
    let doctor = fixture.program().env("DATABASE_URL", url.expose()).run(&["doctor"]).await;
    assert!(doctor.done().lines().all(|line| line.starts_with('✔')), "{doctor:?}");
    assert!(doctor.stdout.contains("the server of DATABASE_URL answers at 127.0.0.1:"), "{doctor:?}");
    let up = fixture.run(&["up"]).await;
    for part in [
        "with pgvector",
        "the server of DATABASE_URL",
        "all-MiniLM-L6-v2 (384 dimensions)",
        fixture.embed_url(),
    ] {
        assert!(up.done().contains(part), "{up:?}");
    }
}

/// The password of a URL.
fn password(url: &str) -> String {
    url.split_once("://").unwrap().1.split_once('@').unwrap().0.split_once(':').unwrap().1.to_owned()
}

#[tokio::test]
async fn a_reader_that_has_enough_is_not_a_failure() {
    let fixture = Fixture::new().await;
    fixture.add(&THREE).await;
    let commands = [
        &["query", "database"][..],
        &["list", "--json"],
        &["stats"],
        &["add", "more"],
        &["completions", "bash"],
        &["--help"],
    ];
    for arguments in commands {
        let mut child = fixture.program().spawn(arguments);
        drop(child.stdout.take());
        let output = tokio::time::timeout(SOON, child.wait_with_output()).await.unwrap().unwrap();
        let ran = Ran::from(output);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_result_that_cannot_be_written_is_a_failure_that_says_so() {
    let fixture = Fixture::new().await;
    for arguments in [&["list"][..], &["list", "--json"], &["completions", "zsh"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut program = fixture.program();
        program.command.args(arguments).stdin(Stdio::null()).stdout(full).stderr(Stdio::piped());
        let child = program.command.spawn().unwrap();
        let ran = Ran::from(child.wait_with_output().await.unwrap());
        ran.failed(1, &["failed to write to stdout: "]);
    }
}

#[tokio::test]
async fn a_stderr_that_takes_nothing_does_not_change_how_a_failure_ends() {
    let fixture = Fixture::new().await;
    let mut child = fixture.program().spawn(&["get", "not a hash"]);
    drop(child.stderr.take());
    let status = tokio::time::timeout(SOON, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(2));
    let mut program = fixture.program();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    program.command.args(["get", "not a hash"]).stderr(full);
    assert_eq!(program.command.status().await.unwrap().code(), Some(2));
}

#[tokio::test]
async fn help_explains_every_command_the_exit_codes_and_the_environment() {
    let dir = folder();
    let help = Program::new(dir.path()).run(&["--help"]).await;
    let parts =
        ["Exit codes:", "4  the database or the embedding service", "DATABASE_URL", "AGENT_TURBO_EMBED_URL"];
    for part in parts.iter().chain(&COMMANDS) {
        assert!(help.done().contains(part), "{part}");
    }
    for command in COMMANDS {
        let help = Program::new(dir.path()).run(&[command, "--help"]).await;
        assert!(help.done().contains(&format!("Usage: agent-turbo {command}")), "{help:?}");
    }
    let version = Program::new(dir.path()).run(&["--version"]).await;
    assert_eq!(version.done(), format!("agent-turbo {}\n", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn completions_know_the_commands_and_need_no_configuration() {
    let dir = folder();
    for shell in ["bash", "zsh", "fish"] {
        // A broken setting must not break the shell that reads this at its start.
        let program = Program::new(dir.path()).env("AGENT_TURBO_POOL_MAX", "many");
        let script = program.run(&["completions", shell]).await;
        for word in COMMANDS.iter().chain(&["agent-turbo", "--json"]) {
            let word = if shell == "fish" { word.trim_start_matches("--") } else { word };
            assert!(script.done().contains(word), "{shell} does not know {word}");
        }
    }
}

#[tokio::test]
async fn migrate_makes_the_schema_and_may_be_repeated() {
    let fixture = Fixture::empty().await;
    let first = fixture.run(&["migrate"]).await;
    assert!(first.done().starts_with("The schema is at version "), "{first:?}");
    assert_eq!(fixture.run(&["migrate"]).await.done(), first.stdout);
    assert_eq!(fixture.rows().await, 0);
}

#[tokio::test]
async fn doctor_starts_and_changes_nothing_and_tells_the_way_out() {
    let fixture = Fixture::empty().await;
    let ran = fixture.run(&["doctor"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("✘ schema") && ran.stdout.contains("→ run `agent-turbo migrate`"), "{ran:?}");
    let client = fixture.database.client().await.unwrap();
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(client.query_one(tables, &[]).await.unwrap().get::<_, i64>(0), 0);

    let dir = folder();
    let ran = Program::new(dir.path()).run(&["doctor"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("✘ database") && ran.stdout.contains("→ run `agent-turbo up`"), "{ran:?}");
    assert!(!dir.path().join("home/postgres").exists());
}

#[tokio::test]
async fn the_first_command_on_a_new_database_makes_its_schema_and_registers_the_machine() {
    let database = TestDatabase::empty().await.unwrap();
    let client = database.client().await.unwrap();
    let fixture = Fixture::new().await;
    let ran = fixture.program().env("DATABASE_URL", database.url().expose()).run(&["list"]).await;
    assert_eq!(ran.done(), "Nothing is stored here.\n");
    let nodes = client.query_one("SELECT count(*) FROM system_nodes", &[]).await.unwrap();
    assert_eq!(nodes.get::<_, i64>(0), 1);
}
