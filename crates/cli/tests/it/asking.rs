//! Texts in, answers out.

use crate::support::{Fixture, THREE};

#[tokio::test]
async fn what_fits_best_comes_first_with_the_highest_similarity() {
    let fixture = Fixture::new().await;
    fixture.add(&THREE).await;
    let ran = fixture.run(&["query", "database", "--limit", "2"]).await;
    let lines: Vec<&str> =
        ran.done().lines().filter(|line| line.trim_start().starts_with(['1', '2', '3'])).collect();
    assert_eq!(lines.len(), 2, "{ran:?}");
    let similarity = |line: &str| line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap();
    assert!(lines[0].ends_with(THREE[0]), "{ran:?}");
    assert!(similarity(lines[0]) > similarity(lines[1]) && similarity(lines[0]) > 0.3, "{ran:?}");
}

#[tokio::test]
async fn each_mode_looks_in_its_own_way() {
    let fixture = Fixture::new().await;
    fixture.add(&THREE).await;
    let by_meaning = fixture.json(&["query", "where are rows kept?", "--mode", "vector", "-l", "1"]).await;
    assert_eq!(
        (&by_meaning["mode"], &by_meaning["results"][0]["content"]),
        (&"vector".into(), &THREE[0].into())
    );
    let by_words = fixture.json(&["query", "programming", "--mode", "text"]).await;
    assert_eq!((&by_words["mode"], &by_words["results"][0]["content"]), (&"text".into(), &THREE[1].into()));
    assert_eq!(by_words["results"].as_array().unwrap().len(), 1);
    assert!(by_words["results"][0]["similarity"].is_null());
    assert_eq!(fixture.json(&["query", "database"]).await["mode"], "hybrid");
    let nothing = fixture.run(&["query", "armadillo", "--mode", "text"]).await;
    assert_eq!(nothing.done(), "Nothing was found.\n");
}

#[tokio::test]
async fn stdin_is_a_text_too_and_line_ends_do_not_make_another_one() {
    let fixture = Fixture::new().await;
    let added = fixture.program().stdin("first\r\nsecond\r\n").run(&["add", "-", "--json"]).await.json();
    let hash = added["content_hash"].as_str().unwrap();
    assert_eq!(fixture.json(&["get", hash]).await["content"], "first\nsecond");
    let again = fixture.program().stdin("\u{feff}first\nsecond").run(&["add", "-"]).await;
    assert!(again.done().starts_with("⚠️  Duplicate"), "{again:?}");
    let found =
        fixture.program().stdin("second\r\n").run(&["query", "-", "--mode", "text", "--json"]).await.json();
    assert_eq!(found["results"][0]["content_hash"], hash);
    let changed = fixture
        .program()
        .stdin("third\r\nline")
        .run(&["update", hash, "--content", "-", "--json"])
        .await
        .json();
    assert_eq!(changed["content"], "third\nline");
}

#[tokio::test]
async fn texts_that_look_like_options_or_sql_are_texts() {
    let fixture = Fixture::new().await;
    for text in
        ["--verbose is a flag", "-1", "'; DROP TABLE agent_knowledge; --", "100% of $1 \\ {} \u{1f980}"]
    {
        let added = fixture.json(&["add", text]).await;
        let hash = added["content_hash"].as_str().unwrap();
        assert_eq!(fixture.json(&["get", hash]).await["content"], text);
        assert_eq!(fixture.json(&["query", text, "--limit", "1"]).await["results"][0]["content"], text);
    }
}

#[tokio::test]
async fn secrets_are_replaced_and_it_is_said_unless_switched_off() {
    let fixture = Fixture::new().await;
    let token = format!("ghp_{}", "aB3".repeat(12));
    let ran = fixture.run(&["add", &format!("push with {token}")]).await;
    assert!(ran.done().contains("Replaced before storing: github-token"), "{ran:?}");
    let listed = fixture.run(&["list", "--json"]).await;
    assert!(!listed.done().contains(&token));
    let program = fixture.program().env("AGENT_TURBO_REDACT_SECRETS", "off");
    program.run(&["add", &format!("push with {token}")]).await.done();
    assert!(fixture.run(&["list", "--json"]).await.done().contains(&token));
}

#[tokio::test]
async fn what_was_found_is_counted_before_the_program_ends() {
    let fixture = Fixture::new().await;
    let hash = fixture.add(&THREE[..1]).await.remove(0);
    for _ in 0..2 {
        fixture.run(&["query", "database"]).await.done();
    }
    assert_eq!(fixture.json(&["get", &hash]).await["access_count"], 2);
}
