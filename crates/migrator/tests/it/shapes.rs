use agent_turbo_knowledge::NewEntry;
use agent_turbo_migrator::{Error, Options, import, parse_mapping};
use jiff::Timestamp;
use rusqlite::params;
use serde_json::json;

use crate::support::{ENTRIES, Fixture};

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[tokio::test]
async fn the_knowledge_store_comes_with_everything_but_its_vectors() {
    let fixture = Fixture::new().await;
    let source = fixture.source(
        "knowledge.db",
        "CREATE TABLE knowledge (id TEXT PRIMARY KEY, timestamp REAL, content TEXT, embedding BLOB,
             token_count INTEGER, category TEXT, ref_ids JSON, usage_count INTEGER, last_accessed REAL, extra TEXT)",
    );
    // A pickle that would run a program if it were read as one.
    let pickle = b"\x80\x04cos\nsystem\n(S'exit 1'\ntR.".to_vec();
    source
        .execute(
            "INSERT INTO knowledge VALUES ('k_1', 1769860800.5, 'The cache is warmed by the loader', ?1, 7, 'ops',
                 '[\"k_0\"]', 12, 1769947200.0, 'left over')",
            params![pickle],
        )
        .unwrap();
    source
        .execute_batch(
            "INSERT INTO knowledge VALUES ('k_2', 'soon', 'Bare', NULL, NULL, NULL, '[\"k_0', -3, 0, NULL)",
        )
        .unwrap();
    let report = fixture.imported("knowledge.db").await;
    assert_eq!((report.counts.imported, report.counts.read), (2, 2));
    assert_eq!(report.tables[0].shape, "knowledge");

    let entry = fixture.entry("The cache is warmed by the loader").await;
    assert_eq!(entry.created_at, time("2026-01-31T12:00:00.5Z"));
    assert_eq!(entry.last_accessed, Some(time("2026-02-01T12:00:00Z")));
    assert_eq!((entry.access_count, entry.category.as_deref()), (12, Some("ops")));
    assert_eq!(entry.knowledge_type, "general");
    assert_eq!(entry.embedding_model.as_deref(), Some("all-MiniLM-L6-v2"));
    let file = std::fs::canonicalize(fixture.path("knowledge.db")).unwrap();
    let provenance = json!({ "file": file.to_str().unwrap(), "table": "knowledge", "row": "k_1" });
    assert_eq!(
        entry.metadata,
        json!({ "id": "k_1", "token_count": 7, "ref_ids": ["k_0"], "extra": "left over", "import": provenance })
    );
    // What makes no sense where it stands is kept as it is written.
    let bare = fixture.entry("Bare").await;
    assert_eq!((bare.access_count, bare.last_accessed, bare.category), (0, None, None));
    let kept = &bare.metadata;
    assert_eq!((&kept["timestamp"], &kept["ref_ids"]), (&json!("soon"), &json!("[\"k_0")));
    assert_eq!((&kept["usage_count"], &kept["last_accessed"]), (&json!(-3), &json!(0.0)));
}

#[tokio::test]
async fn all_known_stores_of_a_file_are_imported_and_the_rest_is_named() {
    let fixture = Fixture::new().await;
    fixture.source(
        "all.db",
        "CREATE TABLE patterns (pattern_hash TEXT PRIMARY KEY, pattern TEXT, solution TEXT, frequency INTEGER,
             last_used TEXT);
         INSERT INTO patterns VALUES ('p1', 'Tests hang', 'Look for a lock', 5, '2026-01-31 12:00:00');
         INSERT INTO patterns VALUES ('p2', 'No solution yet', NULL, NULL, NULL);
         CREATE TABLE entries (id INTEGER PRIMARY KEY, ts TEXT, text TEXT, tags JSON, metadata JSON);
         INSERT INTO entries VALUES (7, '2026-01-31T12:00:00+01:00', 'A note on vacuum', '[\"pg\", \"ops\"]',
             '{\"by\": \"me\", \"import\": 1, \"id\": 2}');
         INSERT INTO entries VALUES (8, NULL, 'A note with broken JSON', '[\"pg\"', '{\"by\": ');
         CREATE VIRTUAL TABLE entries_fts USING fts5(text, content='entries', content_rowid='id');
         INSERT INTO entries_fts (rowid, text) SELECT id, text FROM entries;
         CREATE VIEW recent AS SELECT * FROM entries;
         CREATE TABLE settings (key TEXT, value TEXT);
         INSERT INTO settings VALUES ('theme', 'dark')",
    );
    let report = fixture.imported("all.db").await;
    assert_eq!(report.counts.imported, 4);
    let tables: Vec<(&str, &str, u64)> = report
        .tables
        .iter()
        .map(|table| (table.table.as_str(), table.shape, table.counts.imported))
        .collect();
    assert_eq!(tables, [("entries", "entries", 2), ("patterns", "patterns", 2)]);
    let skipped: Vec<&str> = report.skipped.iter().map(|skipped| skipped.table.as_str()).collect();
    assert!(
        ["entries_fts", "entries_fts_data", "recent", "settings"].iter().all(|name| skipped.contains(name))
    );

    let pattern = fixture.entry("Tests hang\n\nLook for a lock").await;
    assert_eq!((pattern.knowledge_type.as_str(), pattern.access_count), ("pattern", 5));
    assert_eq!(pattern.last_accessed, Some(time("2026-01-31T12:00:00Z")));
    assert_eq!(pattern.metadata["pattern_hash"], "p1");
    assert_eq!(fixture.entry("No solution yet").await.knowledge_type, "pattern");
    let note = fixture.entry("A note on vacuum").await;
    assert_eq!(
        (note.created_at, note.tags),
        (time("2026-01-31T11:00:00Z"), vec!["pg".to_owned(), "ops".to_owned()])
    );
    assert_eq!((&note.metadata["by"], &note.metadata["id"]), (&json!("me"), &json!(2)));
    assert_eq!((&note.metadata["source.import"], &note.metadata["import"]["row"]), (&json!(1), &json!(7)));
    let broken = fixture.entry("A note with broken JSON").await;
    assert_eq!(
        (&broken.metadata["tags"], &broken.metadata["metadata"]),
        (&json!("[\"pg\""), &json!("{\"by\": "))
    );
    assert!(broken.tags.is_empty());
}

#[tokio::test]
async fn the_hashed_store_keeps_sessions_types_and_counts() {
    let fixture = Fixture::new().await;
    fixture.source(
        "hashed.db",
        "CREATE TABLE knowledge (content_hash TEXT PRIMARY KEY, content TEXT NOT NULL, tokens INTEGER,
             created_at TEXT DEFAULT CURRENT_TIMESTAMP, source_session TEXT, knowledge_type TEXT, access_count INTEGER)
             WITHOUT ROWID;
         INSERT INTO knowledge VALUES ('abc', 'Migrations are add-only', 5, '2026-01-31 12:00:00', 'claude_planner_1',
             'decision', 3);
         INSERT INTO knowledge VALUES ('def', 'Labels have bounds', 5, 'x', 's' || char(10), '', 3)",
    );
    fixture.imported("hashed.db").await;
    let entry = fixture.entry("Migrations are add-only").await;
    assert_eq!(entry.source_session.as_deref(), Some("claude_planner_1"));
    assert_eq!((entry.knowledge_type.as_str(), entry.access_count), ("decision", 3));
    assert_eq!(entry.created_at, time("2026-01-31T12:00:00Z"));
    assert_eq!(entry.metadata["import"]["row"], "abc");
    assert_eq!((&entry.metadata["content_hash"], &entry.metadata["tokens"]), (&json!("abc"), &json!(5)));
    let bounds = fixture.entry("Labels have bounds").await;
    assert_eq!((bounds.source_session.as_deref(), bounds.knowledge_type.as_str()), (Some("s"), "general"));
    assert_eq!(
        (&bounds.metadata["created_at"], &bounds.metadata["knowledge_type"]),
        (&json!("x"), &json!(""))
    );
}

#[tokio::test]
async fn an_unknown_table_is_proposed_first_and_imported_when_somebody_says_how() {
    let fixture = Fixture::new().await;
    fixture.source(
        "other.db",
        "CREATE TABLE \"my notes\" (n INTEGER, title TEXT, body TEXT, \"when\" TEXT, labels TEXT, vector BLOB,
             PRIMARY KEY (n, title)) WITHOUT ROWID;
         INSERT INTO \"my notes\" VALUES (1, 'Locks', 'Take them in one order', '2026-01-31T12:00:00Z', 'a, b', x'00');
         CREATE TABLE small (id INTEGER, word TEXT); INSERT INTO small VALUES (1, 'x')",
    );
    let Err(Error::Unrecognised { proposals, .. }) = fixture.import("other.db").await else {
        panic!("nobody said what it is")
    };
    assert!(fixture.entries().await.is_empty());
    assert_eq!(proposals[0].table, "my notes");
    assert_eq!(proposals[0].mapping.to_string(), "content=body,tags=labels,ignore=vector");
    assert_eq!(proposals[1].mapping.to_string(), "content=word");

    let options = Options {
        table: Some("My Notes".to_owned()),
        mapping: Some(parse_mapping("content=title+body,created_at=when,tags=labels,ignore=vector").unwrap()),
        ..fixture.options("other.db")
    };
    let report = import(&fixture.store, &options, &()).await.unwrap();
    assert!(report.is_verified(), "{report:?}");
    let entry = fixture.entry("Locks\n\nTake them in one order").await;
    assert_eq!(
        (entry.tags, entry.created_at),
        (vec!["a".to_owned(), "b".to_owned()], time("2026-01-31T12:00:00Z"))
    );
    assert_eq!((&entry.metadata["import"]["row"], &entry.metadata["n"]), (&json!([1, "Locks"]), &json!(1)));
    assert!(entry.metadata.get("vector").is_none());

    for (table, mapping) in [("my notes", "content=nothing"), ("nothing", "content=body")] {
        let options = Options {
            table: Some(table.to_owned()),
            mapping: Some(parse_mapping(mapping).unwrap()),
            ..fixture.options("other.db")
        };
        assert!(matches!(import(&fixture.store, &options, &()).await, Err(Error::BadInput { .. })));
    }
}

#[tokio::test]
async fn duplicates_are_told_apart_and_secrets_do_not_come_along() {
    let fixture = Fixture::new().await;
    fixture.store.add(NewEntry::new("known before")).await.unwrap();
    let source = fixture.source("entries.db", ENTRIES);
    let token = format!("ghp_{}", "aB3".repeat(12));
    for text in ["once", " once\r\n", "known before", &format!("push with {token}")] {
        let metadata = json!({ "api_key": "hunter2hunter2" }).to_string();
        source
            .execute("INSERT INTO entries (text, metadata) VALUES (?1, ?2)", params![text, metadata])
            .unwrap();
    }
    let report = fixture.imported("entries.db").await;
    let counts = report.counts;
    assert_eq!((counts.imported, counts.duplicate_in_source, counts.duplicate_in_target), (2, 1, 1));
    assert_eq!((report.redacted["github-token"], report.redacted["password"]), (1, 2));
    let entry = fixture.entry("push with [redacted: github-token]").await;
    assert_eq!(entry.metadata["api_key"], "[redacted: password]");
    let classes: Vec<(&str, u64, u64)> = report
        .verification
        .unwrap()
        .classes
        .iter()
        .map(|class| (class.class, class.source_rows, class.target_rows))
        .collect();
    assert_eq!(
        classes,
        [
            ("imported", 2, 2),
            ("duplicate_in_source", 1, 1),
            ("duplicate_in_target", 1, 1),
            ("rejected", 0, 0),
            ("missing", 0, 0),
        ]
    );
}

#[tokio::test]
async fn a_dry_run_counts_the_same_and_writes_nothing() {
    let fixture = Fixture::new().await;
    fixture.store.add(NewEntry::new("known before")).await.unwrap();
    let source = fixture.source("entries.db", ENTRIES);
    for text in [Some("once"), Some("once"), Some("known before"), None, Some("twice")] {
        source.execute("INSERT INTO entries (text) VALUES (?1)", [text]).unwrap();
    }
    // It needs no service either.
    let store = fixture.with_service("http://127.0.0.1:9").await;
    let options = Options { dry_run: true, ..fixture.options("entries.db") };
    let dry = import(&store, &options, &()).await.unwrap();
    assert_eq!((fixture.entries().await.len(), fixture.rejects().len()), (1, 0));
    assert_eq!(dry.samples.len(), 3);
    assert_eq!(dry.samples[0].entry["content"], "once");
    let report = fixture.imported("entries.db").await;
    assert_eq!(dry.counts, report.counts);
    let counts = report.counts;
    let expected = (2, 1, 1, 1);
    let found = (counts.imported, counts.duplicate_in_source, counts.duplicate_in_target, counts.rejected);
    assert_eq!(found, expected);
}
