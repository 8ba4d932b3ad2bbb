use agent_turbo_knowledge::{Error, Filter, Mode, Query};

use crate::support::{Fixture, THREE, add_all, query, texts};

#[tokio::test]
async fn the_entry_about_databases_comes_first_with_the_highest_similarity() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &THREE).await;
    for mode in [Mode::Hybrid, Mode::Vector] {
        let answer = fixture.store.query(&Query { mode, ..query("database", 2) }).await.unwrap();
        assert_eq!(answer.hits.len(), 2);
        assert_eq!(answer.hits[0].entry.content, THREE[0]);
        assert!(answer.hits[0].similarity > answer.hits[1].similarity, "{:?}", answer.hits);
        assert!(answer.hits[0].similarity.unwrap() > 0.4);
    }
    let answer = fixture.store.query(&Query { mode: Mode::Text, ..query("database", 2) }).await.unwrap();
    assert_eq!(texts(&answer), [THREE[0]]);
    assert_eq!(answer.hits[0].similarity, None);
}

#[tokio::test]
async fn as_many_results_come_as_are_asked_for_and_exist() {
    let fixture = Fixture::new().await;
    let many: Vec<String> = (0..300).map(|number| format!("note number {number} about things")).collect();
    add_all(&fixture.store, &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (limit, expected) in [(1, 1), (10, 10), (299, 299), (1000, 300)] {
        for mode in [Mode::Hybrid, Mode::Vector, Mode::Text] {
            let answer =
                fixture.store.query(&Query { mode, ..query("number of things", limit) }).await.unwrap();
            assert_eq!(answer.hits.len(), expected, "{mode} {limit}");
            let scores: Vec<f32> = answer.hits.iter().map(|hit| hit.score).collect();
            assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
        }
    }
}

#[tokio::test]
async fn an_empty_store_gives_an_honest_empty_answer() {
    let fixture = Fixture::new().await;
    for mode in [Mode::Hybrid, Mode::Vector, Mode::Text] {
        let answer = fixture.store.query(&Query { mode, ..query("anything", 5) }).await.unwrap();
        assert!(answer.hits.is_empty() && answer.degraded.is_none());
    }
}

#[tokio::test]
async fn no_question_becomes_an_sql_error() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &THREE).await;
    let long = "database and more ".repeat(20_000);
    let questions = [
        "& | ! <-> : * \" '",
        "the and of",
        "数据库",
        "a&b|c:*",
        "\\",
        "%_",
        "http://x/?a=1&b=2 well-known e-mail",
        &long,
    ];
    for question in questions {
        for mode in [Mode::Hybrid, Mode::Vector, Mode::Text] {
            let answer = fixture.store.query(&Query { mode, ..query(question, 3) }).await;
            assert!(answer.is_ok(), "{question:.40} {mode}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_question_that_cannot_be_asked_is_refused() {
    let fixture = Fixture::new().await;
    for (question, limit) in [("", 1), (" \n", 1), ("a\0", 1), ("x", 0), ("x", 1001), ("x", usize::MAX)] {
        let error = fixture.store.query(&query(question, limit)).await.unwrap_err();
        assert!(matches!(error, Error::BadInput { .. }), "{error}");
    }
    assert!("fuzzy".parse::<Mode>().unwrap_err().to_string().contains("vector, text, hybrid"));
}

#[tokio::test]
async fn what_is_found_is_counted_in_the_background() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &THREE).await;
    for _ in 0..3 {
        fixture.store.query(&query("database", 1)).await.unwrap();
    }
    fixture.store.flush().await.unwrap();
    let page = fixture.store.list(&Filter::default(), 10, None).await.unwrap();
    for entry in &page.entries {
        let found = if entry.content == THREE[0] { 3 } else { 0 };
        assert_eq!(
            (entry.access_count, entry.last_accessed.is_some()),
            (found, found > 0),
            "{}",
            entry.content
        );
    }
}

#[tokio::test]
async fn vector_and_words_are_found_through_their_indexes() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &THREE).await;
    let client = fixture.database.client().await.unwrap();
    // Rows enough that the planner has a reason to use an index, with vectors that spread.
    client
        .batch_execute(
            "INSERT INTO agent_knowledge (content, embedding)
             SELECT 'filler ' || n, (SELECT array_agg(sin(n * i))::vector FROM generate_series(1, 384) AS i)
             FROM generate_series(1, 3000) AS n;
             ANALYZE agent_knowledge;",
        )
        .await
        .unwrap();
    let plan = fixture.store.explain(&query("database", 10)).await.unwrap();
    for index in ["agent_knowledge_hnsw_", "agent_knowledge_lexemes"] {
        assert!(plan.contains(index), "{index} is not in\n{plan}");
    }
    let explain = async |condition: &str| -> String {
        let sql = format!("EXPLAIN SELECT id FROM agent_knowledge AS k WHERE {condition} LIMIT 50");
        let rows = client.query(&sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect()
    };
    for condition in [
        "k.project = 'default' AND k.content_hash = 'x'",
        "k.project = 'default' AND k.content_hash >= 'ab' AND k.content_hash < 'abg'",
        "k.project = 'x' AND k.id < 1000 ORDER BY k.id DESC",
        "k.id = ANY ('{1,2,3}')",
        "k.tags @> '{x}'",
        "k.metadata @> '{\"a\": 1}'",
        "k.project = 'default' AND k.metadata @> jsonb_build_object('document', jsonb_build_object('source', 'x'))",
    ] {
        let plan = explain(condition).await;
        assert!(plan.contains("Index") && !plan.contains("Seq Scan"), "{condition}: {plan}");
    }
}

/// An update that leaves its page adds the entry to every index again, that of the vectors above all.
#[tokio::test]
async fn counting_that_an_entry_was_found_leaves_it_in_its_page() {
    let fixture = Fixture::new().await;
    let notes: Vec<String> = (0..40)
        .map(|number| format!("Note {number}. {}", "The pool keeps connections. ".repeat(15)))
        .collect();
    add_all(&fixture.store, &notes.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let client = fixture.database.client().await.unwrap();
    let pages = async || {
        let sql = "SELECT id, split_part(ctid::text, ',', 1) AS page, access_count FROM agent_knowledge ORDER BY id";
        let rows = client.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect::<Vec<(i64, String, i64)>>()
    };
    let before = pages().await;
    for number in [3, 17, 31] {
        let asked = Query { mode: Mode::Text, ..query(&format!("note {number}"), 1) };
        fixture.store.query(&asked).await.unwrap();
        fixture.store.flush().await.unwrap();
    }
    let after = pages().await;
    let counted: i64 = after.iter().map(|(_, _, count)| count).sum();
    assert_eq!(counted, 3);
    for ((id, was, _), (_, is, _)) in before.iter().zip(&after) {
        assert_eq!(was, is, "the page of entry {id}");
    }
}
