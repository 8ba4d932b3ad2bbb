//! Bad input: refused with its reason and exit code 2, and nothing is written.

use crate::support::{Fixture, dead_port};

#[tokio::test]
async fn texts_that_cannot_be_kept_are_refused() {
    let fixture = Fixture::new().await;
    let mebibyte = "word ".repeat((1 << 20) / 5 + 1);
    let far_too_long = "x".repeat(3 << 20);
    let cases: [(&[u8], &[&str]); 8] = [
        (b"", &["accept the text", "empty"]),
        (b" \r\n\t \xef\xbb\xbf", &["empty or white space only"]),
        (b"a\0b", &["NUL byte at position 1", "PostgreSQL cannot store"]),
        (b"caf\xe9", &["stdin is not UTF-8 from byte 3", "iconv"]),
        (b"\xff\xfe\0a", &["stdin is not UTF-8 from byte 0"]),
        (b"cut off \xf0\x9f\xa6", &["stdin is not UTF-8 from byte 8"]),
        (mebibyte.as_bytes(), &["1048576", "split it, or raise max_content_bytes"]),
        (far_too_long.as_bytes(), &["1048576", "split it, or raise max_content_bytes"]),
    ];
    for (text, names) in cases {
        fixture.program().stdin(text).run(&["add", "-"]).await.failed(2, names);
        fixture.program().stdin(text).run(&["query", "-"]).await.failed(2, &names[1..]);
    }
    fixture.run(&["add", ""]).await.failed(2, &["accept the text", "empty"]);
    fixture.run(&["query", "  "]).await.failed(2, &["accept the question", "empty"]);
    assert_eq!(fixture.rows().await, 0);
}

#[tokio::test]
async fn what_is_said_about_a_text_has_to_make_sense() {
    let fixture = Fixture::new().await;
    let long = "x".repeat(257);
    let deep = "[".repeat(100_000);
    let cases: [(&[&str], &[&str]); 15] = [
        (&["--metadata", "{"], &["accept the metadata", "not JSON"]),
        (&["--metadata", ""], &["accept the metadata", "not JSON"]),
        (&["--metadata", "[1]"], &["accept the metadata", "not an object"]),
        (&["--metadata", "null"], &["accept the metadata", "not an object"]),
        (&["--metadata", r#"{"a": "\u0000"}"#], &["accept the metadata", "NUL"]),
        (&["--metadata", r#"{"a": "\ud800"}"#], &["accept the metadata", "not JSON"]),
        (&["--metadata", &deep], &["accept the metadata", "not JSON"]),
        (&["--project", ""], &["accept the project", "not empty"]),
        (&["--project", " x"], &["accept the project", "space"]),
        (&["--project", "a\nb"], &["accept the project", "control"]),
        (&["--project", &long], &["accept the project", "128 bytes"]),
        (&["--type", ""], &["accept the type", "empty"]),
        (&["--category", "a\tb"], &["accept the category", "control"]),
        (&["--tag", "ok", "--tag", " "], &["accept a tag", "empty"]),
        (&["--tag", &long], &["accept a tag", "256 bytes"]),
    ];
    for (arguments, names) in cases {
        fixture.run(&[&["add", "text"], arguments].concat()).await.failed(2, names);
    }
    assert_eq!(fixture.rows().await, 0);
}

#[tokio::test]
async fn odd_names_that_are_names_are_taken_to_the_letter() {
    let fixture = Fixture::new().await;
    for project in ["%", "_", "a'b\"; DROP TABLE x", "../../etc", "🦀", "A", "-p"] {
        let project = format!("--project={project}");
        fixture.run(&["add", "the same text everywhere", &project]).await.done();
        assert_eq!(fixture.json(&["list", &project]).await["entries"].as_array().unwrap().len(), 1);
    }
    assert_eq!(fixture.json(&["list", "--project", "a"]).await["entries"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn questions_and_filters_that_make_no_sense_are_refused() {
    let fixture = Fixture::new().await;
    for limit in ["0", "1001", "18446744073709551615"] {
        fixture
            .run(&["query", "x", "--limit", limit])
            .await
            .failed(2, &["accept the limit", "between 1 and 1000"]);
        fixture.run(&["list", "--limit", limit]).await.failed(2, &["accept the limit", "between 1 and 1000"]);
    }
    let cases: [(&[&str], &[&str]); 6] = [
        (&["--mode", "fuzzy"], &["accept the mode", "vector, text, hybrid"]),
        (&["--mode", ""], &["accept the mode", "vector, text, hybrid"]),
        (&["--type", ""], &["accept a type filter", "empty"]),
        (&["--category", " "], &["accept a category filter", "empty"]),
        (&["--tag", ""], &["accept a tag filter", "empty"]),
        (&["--metadata", "tags"], &["accept the metadata", "not JSON"]),
    ];
    for (arguments, names) in cases {
        fixture.run(&[&["query", "x"], arguments].concat()).await.failed(2, names);
    }
    for hash in ["", "abc", "ghij", "ab cd", "%%%%", &"a".repeat(65)] {
        fixture.run(&["get", hash]).await.failed(2, &["accept the entry", "4 to 64 digits"]);
    }
}

#[tokio::test]
async fn arguments_that_are_none_are_explained_with_the_usage() {
    let fixture = Fixture::new().await;
    let cases: [(&[&str], &str); 8] = [
        (&["query", "x", "--limit", "-1"], "--limit"),
        (&["query", "x", "--limit", "99999999999999999999"], "--limit"),
        (&["query", "x", "--limit", "many"], "--limit"),
        (&["list", "--before", "yesterday"], "--before"),
        (&["query"], "<TEXT>"),
        (&["list", "--project", "a", "--all-projects"], "--all-projects"),
        (&["completions", "cobol"], "cobol"),
        (&["remember"], "remember"),
    ];
    for (arguments, names) in cases {
        let ran = fixture.run(arguments).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(names), "{ran:?}");
    }
    // No text for Rust, but an argument that a shell can pass.
    let mut program = fixture.program();
    program
        .command
        .arg("add")
        .arg(std::os::unix::ffi::OsStrExt::from_bytes(&b"\xff"[..]) as &std::ffi::OsStr);
    let ran = program.run(&[]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("UTF-8") && !ran.stderr.contains("panicked"), "{ran:?}");
    assert_eq!(fixture.rows().await, 0);
}

#[tokio::test]
async fn bad_input_is_bad_input_also_where_nothing_answers() {
    let fixture = Fixture::new().await;
    let nowhere = format!("http://127.0.0.1:{}", dead_port());
    let program = || fixture.program().env("AGENT_TURBO_EMBED_URL", &nowhere);
    program().run(&["add", " "]).await.failed(2, &["empty"]);
    program().run(&["query", "x", "--limit", "0"]).await.failed(2, &["the limit"]);
    program().run(&["query", "x", "--mode", "vector", "--tag", ""]).await.failed(2, &["a tag filter"]);
}
