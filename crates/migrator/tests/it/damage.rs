use agent_turbo_migrator::{Error, parse_mapping};
use rusqlite::params;

use crate::support::{ENTRIES, Fixture, fill};

#[tokio::test]
async fn what_is_no_database_is_refused_with_its_reason() {
    let fixture = Fixture::new().await;
    let mut valid = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    valid.truncate(1 << 20);
    let mut header_only = b"SQLite format 3\0".to_vec();
    header_only.resize(100, 0xff);
    let files: [(&str, &[u8]); 5] = [
        ("empty.db", b""),
        (
            "text.db",
            b"not a database at all, but long enough for a header of a hundred bytes, or so one would think",
        ),
        ("program.db", &valid),
        ("short.db", b"SQLite format 3\0"),
        ("header.db", &header_only),
    ];
    for (name, bytes) in files {
        std::fs::write(fixture.path(name), bytes).unwrap();
        let error = fixture.import(name).await.unwrap_err();
        assert!(matches!(error, Error::BadSource { .. } | Error::Sqlite { .. }), "{name}: {error:?}");
    }
    for missing in ["nothing.db", "."] {
        let error = fixture.import(missing).await.unwrap_err();
        assert!(matches!(error, Error::BadSource { .. }), "{missing}: {error:?}");
    }
    assert!(!fixture.path("nothing.db").exists());
}

#[tokio::test]
async fn a_truncated_file_fails_and_what_it_still_had_is_kept() {
    let fixture = Fixture::new().await;
    let mut source = fixture.source("cut.db", ENTRIES);
    fill(&mut source, 1500);
    drop(source);
    let bytes = std::fs::read(fixture.path("cut.db")).unwrap();
    std::fs::write(fixture.path("cut.db"), &bytes[..bytes.len() * 2 / 3]).unwrap();
    let error = fixture.import("cut.db").await.unwrap_err();
    assert!(matches!(error, Error::Sqlite { .. }), "{error:?}");
    // Mended, the rest follows.
    std::fs::write(fixture.path("cut.db"), &bytes).unwrap();
    let report = fixture.imported("cut.db").await;
    assert_eq!(report.counts.imported + report.counts.resumed, 1500);
}

#[tokio::test]
async fn rows_that_cannot_be_imported_are_rejected_with_their_reasons_and_the_others_come() {
    let fixture = Fixture::new().await;
    let source = fixture.source("entries.db", ENTRIES);
    source
        .execute_batch(
            "INSERT INTO entries VALUES (1, 9e999, 'a time without end', NULL, NULL);
             INSERT INTO entries VALUES (2, 0, NULL, NULL, NULL);
             INSERT INTO entries VALUES (3, 0, '  ', NULL, NULL);
             INSERT INTO entries VALUES (4, 0, CAST(x'666f80' AS TEXT), NULL, NULL);
             INSERT INTO entries VALUES (5, 0, x'8004950300', NULL, NULL);
             INSERT INTO entries VALUES (6, 0, x'627974657320746861742061726520746578740a', NULL, NULL);
             INSERT INTO entries VALUES (7, 0, 'a' || char(0) || 'b', NULL, NULL);
             INSERT INTO entries VALUES (8, 0, 42, 7, 'not json');
             INSERT INTO entries VALUES (9, 0, 'NUL beside it', 'x' || char(0), '{\"a\": \"\\u0000\"}')",
        )
        .unwrap();
    let long = "word ".repeat(210_000);
    source.execute("INSERT INTO entries (id, text) VALUES (10, ?1)", [&long]).unwrap();
    source.execute("INSERT INTO entries (id, text) VALUES (11, zeroblob(200000000))", []).unwrap();
    let report = fixture.imported("entries.db").await;
    let rejects = fixture.rejects();
    let reasons: Vec<(u64, &str)> = rejects
        .iter()
        .map(|line| (line["row"].as_u64().unwrap(), line["reason"].as_str().unwrap()))
        .collect();
    let expected = [
        (2, "is NULL"),
        (3, "no text"),
        (4, "not UTF-8 from byte 2"),
        (5, "BLOB of 5 bytes"),
        (7, "NUL"),
        (10, "1049999 bytes"),
        (11, "200000000 bytes"),
    ];
    assert_eq!(reasons.len(), expected.len(), "{reasons:?}");
    for ((row, reason), (expected_row, part)) in reasons.iter().zip(expected) {
        assert!(*row == expected_row && reason.contains(part), "{row}: {reason}");
    }
    assert_eq!((report.counts.imported, report.counts.rejected), (4, 7));
    assert_eq!(report.rejects.unwrap(), fixture.path("rejects.jsonl"));
    assert_eq!(fixture.entry("a time without end").await.metadata["ts"], "inf");
    assert_eq!(fixture.entry("bytes that are text").await.metadata["ts"], 0.0);
    let number = fixture.entry("42").await;
    assert_eq!((number.tags, &number.metadata["metadata"]), (vec!["7".to_owned()], &"not json".into()));
    let nul = fixture.entry("NUL beside it").await;
    assert_eq!(nul.metadata["metadata"], "{\"a\": \"\\u0000\"}");
    assert_eq!(nul.metadata["tags"]["hex"], "7800");
}

#[tokio::test]
async fn texts_of_a_utf16_database_are_read() {
    let fixture = Fixture::new().await;
    let source = fixture.source("wide.db", &format!("PRAGMA encoding = 'UTF-16le'; {ENTRIES}"));
    source.execute("INSERT INTO entries (text) VALUES (?1)", params!["größer als λ 🦀"]).unwrap();
    fixture.imported("wide.db").await;
    fixture.entry("größer als λ 🦀").await;
}

#[tokio::test]
async fn names_that_need_quotes_and_columns_that_hide_the_rows_numbers_are_no_obstacle() {
    let fixture = Fixture::new().await;
    fixture.source(
        "odd.db",
        "CREATE TABLE \"a \"\"b\"\"; --\" (rowid TEXT, \"the \"\"text\"\"\" TEXT, [import] TEXT);
         INSERT INTO \"a \"\"b\"\"; --\" VALUES ('r', 'oddly named', 'theirs')",
    );
    let mut options = fixture.options("odd.db");
    options.table = Some("a \"b\"; --".to_owned());
    options.mapping = Some(parse_mapping("content=\"the \"\"text\"\"\"").unwrap());
    let report = agent_turbo_migrator::import(&fixture.store, &options, &()).await.unwrap();
    assert!(report.is_verified(), "{report:?}");
    let entry = fixture.entry("oddly named").await;
    assert_eq!(entry.metadata["source.import"], "theirs");
    assert_eq!((&entry.metadata["rowid"], &entry.metadata["import"]["row"]), (&"r".into(), &1.into()));
}
