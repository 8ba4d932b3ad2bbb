//! How good what is stored is, and what becomes of it: commands about versions, expiry, successors, trust and secrets.

use serde_json::{Value, json};

use crate::support::{Fixture, THREE};

const NEARLY: [&str; 2] =
    ["PostgreSQL is a powerful relational database", "PostgreSQL is a powerful relational database!"];

fn hash(value: &Value) -> String {
    value["content_hash"].as_str().unwrap().to_owned()
}

async fn listed(fixture: &Fixture, state: &str) -> Vec<String> {
    let page = fixture.json(&["list", "--state", state]).await;
    let entries = page["entries"].as_array().unwrap().iter();
    entries.map(|entry| entry["content"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn near_duplicates_are_told_of_and_merged_on_request() {
    let fixture = Fixture::new().await;
    let first = fixture.json(&["add", NEARLY[0], "--tag", "old"]).await;
    let first = hash(&first);
    let told = fixture.run(&["add", NEARLY[1]]).await;
    let line = format!("   Nearly the same: {} ", &first[..8]);
    assert!(told.done().lines().any(|told| told.starts_with(&line) && told.ends_with(NEARLY[0])), "{told:?}");
    let second = hash(&fixture.json(&["get", &hash(&fixture.json(&["add", NEARLY[1]]).await)]).await);
    fixture.run(&["delete", &second]).await.done();
    let merged = fixture.json(&["add", NEARLY[1], "--merge", "--tag", "new"]).await;
    assert_eq!((&merged["outcome"], &merged["merged"]), (&json!("merged"), &json!(first)));
    assert_eq!(fixture.rows().await, 1);
    assert_eq!(fixture.json(&["get", &second]).await["tags"], json!(["old", "new"]));
    let apart = fixture.json(&["add", &format!("{} ", NEARLY[0]), "--near", "1"]).await;
    assert_eq!((&apart["outcome"], &apart["near_duplicates"]), (&json!("added"), &json!([])));
    fixture.run(&["add", "x", "--near", "2"]).await.failed(2, &["similarity", "between 0 and 1"]);
    let both = fixture.run(&["add", "x", "--merge", "--supersedes", &second]).await;
    assert!(both.code == Some(2) && both.stderr.contains("cannot be used with"), "{both:?}");
}

#[tokio::test]
async fn an_entry_shows_what_it_was_and_becomes_it_again() {
    let fixture = Fixture::new().await;
    let first = fixture.add(&THREE[..1]).await.remove(0);
    let second = hash(&fixture.json(&["update", &first, "--content", THREE[1], "--tag", "new"]).await);
    let shown = fixture.run(&["history", &second[..8]]).await;
    for part in [&second, THREE[1], "version 2, 1 version before it", &first[..8], THREE[0]] {
        assert!(shown.done().contains(part), "{part}: {shown:?}");
    }
    let history = fixture.json(&["history", &first]).await;
    assert_eq!((&history["current"], &history["versions"][0]["version"]), (&json!(2), &json!(1)));
    assert_eq!(history["versions"][0]["content_hash"], first.as_str());
    let ran = fixture.run(&["revert", &second]).await;
    assert_eq!(ran.done(), format!("✅ Reverted knowledge: {}\n", &first[..8]));
    assert_eq!(fixture.json(&["get", &first]).await["tags"], json!([]));
    let again = fixture.json(&["revert", &first, "--to", "2"]).await;
    assert_eq!((&again["content"], &again["tags"]), (&json!(THREE[1]), &json!(["new"])));
    fixture
        .run(&["revert", &second, "--to", "9"])
        .await
        .failed(3, &["find version 9 of", "→ agent-turbo history"]);
    for arguments in
        [&["history", "ffff"][..], &["revert", "ffff"], &["approve", "ffff"], &["quarantine", "ffff"]]
    {
        let ran = fixture.run(arguments).await;
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(3), "No entry ffff in project default.\n"),
            "{ran:?}"
        );
    }
    let session = fixture.run(&["session", "start", "--role", "executor", "--id-only"]).await;
    let history = fixture.json(&["history", session.done().trim()]).await;
    assert!(history["session"].is_object(), "{history}");
}

#[tokio::test]
async fn an_entry_takes_anothers_place_and_gives_it_back() {
    let fixture = Fixture::new().await;
    let hashes = fixture.add(&["old", "new"]).await;
    let ran = fixture.run(&["supersede", &hashes[0], "--by", &hashes[1]]).await;
    assert_eq!(ran.done(), format!("✅ Superseded knowledge: {} by {}\n", &hashes[0][..8], &hashes[1][..8]));
    assert_eq!(listed(&fixture, "current").await, ["new"]);
    assert_eq!(listed(&fixture, "superseded").await, ["old"]);
    let shown = fixture.run(&["get", &hashes[0]]).await;
    assert!(shown.done().contains(&format!("superseded by {}", &hashes[1][..8])), "{shown:?}");
    let all = fixture.run(&["list", "--state", "all"]).await;
    assert!(all.done().contains("[superseded] old"), "{all:?}");
    let all = fixture.run(&["query", "old", "--state", "all"]).await;
    assert!(all.done().contains("[superseded] old"), "{all:?}");
    let refused = fixture.run(&["supersede", &hashes[1], "--by", &hashes[0]]).await;
    refused.failed(1, &["take the place of", "superseded by it"]);
    fixture.run(&["supersede", &hashes[0], "--undo"]).await.done();
    assert_eq!(listed(&fixture, "current").await, ["new", "old"]);
    let added =
        fixture.json(&["add", "newest", "--supersedes", &hashes[0], "--supersedes", &hashes[1][..8]]).await;
    assert_eq!(added["superseded"], json!(hashes));
    assert_eq!(listed(&fixture, "current").await, ["newest"]);
    let stats = fixture.run(&["stats"]).await;
    assert!(stats.done().starts_with("3 entries (2 not found"), "{stats:?}");
    let alone = fixture.run(&["supersede", &hashes[0]]).await;
    assert!(alone.code == Some(2) && alone.stderr.contains("--by"), "{alone:?}");
    fixture.run(&["list", "--state", "odd"]).await.failed(2, &["\"odd\"", "quarantined"]);
}

#[tokio::test]
async fn entries_expire_and_are_removed_by_the_reaper() {
    let fixture = Fixture::new().await;
    let added = fixture.json(&["add", "for a while", "--expires-in", "30d"]).await;
    let shown = fixture.run(&["get", &hash(&added)]).await;
    assert!(shown.done().contains("expires 2"), "{shown:?}");
    let changed = fixture.json(&["update", &hash(&added), "--expires-at", "2020-01-31T12:00:00Z"]).await;
    assert_eq!(changed["expires_at"], "2020-01-31T12:00:00Z");
    assert_eq!(listed(&fixture, "current").await, Vec::<String>::new());
    assert_eq!(listed(&fixture, "expired").await, ["for a while"]);
    fixture.run(&["update", &hash(&added), "--never-expires"]).await.done();
    assert_eq!(listed(&fixture, "current").await, ["for a while"]);
    assert_eq!(fixture.json(&["reap"]).await["expired_entries"], 0);
    fixture.run(&["update", &hash(&added), "--expires-at", "2020-01-31T12:00:00Z"]).await.done();
    assert_eq!(fixture.json(&["reap"]).await["expired_entries"], 1);
    assert_eq!(fixture.rows().await, 0);
    fixture.run(&["add", "x", "--expires-at", "2020-01-31T12:00:00Z"]).await.failed(2, &["it is over"]);
    fixture.run(&["add", "x", "--expires-in", "soon"]).await.failed(2, &["the time of expiry", "\"soon\""]);
}

#[tokio::test]
async fn what_is_not_trusted_waits_for_approval() {
    let fixture = Fixture::new().await;
    let said = fixture.run(&["add", "from the web", "--untrusted"]).await;
    assert!(said.done().contains("Not found before it is approved: agent-turbo approve "), "{said:?}");
    let add = ["add", "from a bot", "--platform", "WebBot"];
    let program = fixture.program().env("AGENT_TURBO_UNTRUSTED_PLATFORMS", "other, webbot");
    let added = program.run(&[&add[..], &["--json"]].concat()).await.json();
    assert_eq!(added["state"], "quarantined");
    assert_eq!(listed(&fixture, "current").await, Vec::<String>::new());
    assert_eq!(listed(&fixture, "quarantined").await, ["from a bot", "from the web"]);
    let shown = fixture.run(&["get", &hash(&added)]).await;
    assert!(shown.done().contains("(from the untrusted platform WebBot)"), "{shown:?}");
    fixture.run(&["approve", &hash(&added)]).await.done();
    assert_eq!(listed(&fixture, "current").await, ["from a bot"]);
    let back = fixture.json(&["quarantine", &hash(&added), "--reason", "wrong after all"]).await;
    assert_eq!(back["quarantine_reason"], "wrong after all");
    assert_eq!(listed(&fixture, "current").await, Vec::<String>::new());
}

#[tokio::test]
async fn secrets_that_are_stored_already_are_found_and_replaced() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.run(&["scan-secrets"]).await.code, Some(0));
    let client = fixture.database.client().await.unwrap();
    client
        .batch_execute(
            r#"INSERT INTO agent_knowledge (content) VALUES ('DB_PASSWORD=correcthorse');
               UPDATE agent_knowledge SET content = 'no more';
               INSERT INTO agent_knowledge (project, content, metadata)
                   VALUES ('other', 'notes', '{"password": "correcthorse"}')"#,
        )
        .await
        .unwrap();
    let found = fixture.run(&["scan-secrets"]).await;
    assert_eq!(found.code, Some(1));
    assert!(found.stdout.contains("version 1 default 1 × password"), "{found:?}");
    assert!(found.stderr.contains("TASK FAILED:") && found.stderr.contains("--fix"), "{found:?}");
    let all = fixture.run(&["scan-secrets", "--all-projects", "--json"]).await;
    assert_eq!(all.code, Some(1));
    let report: Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!(
        (&report["entries"], &report["versions"], &report["remaining"]),
        (&json!(2), &json!(1), &json!(2))
    );
    for ran in [&found, &all] {
        assert!(!format!("{ran:?}").contains("correcthorse"));
    }
    let fixed = fixture.json(&["scan-secrets", "--all-projects", "--fix"]).await;
    assert_eq!((&fixed["remaining"], fixed["findings"].as_array().unwrap().len()), (&json!(0), 2));
    let clean = fixture.run(&["scan-secrets", "--all-projects"]).await;
    assert_eq!(clean.done(), "Looked through 2 entries and 1 version: 0 with secrets, 0 left\n");
}
