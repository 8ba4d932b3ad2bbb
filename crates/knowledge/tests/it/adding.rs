use std::sync::Arc;

use agent_turbo_knowledge::{EntryRef, Error, NewEntry, Outcome, Project};
use serde_json::json;
use tokio::sync::Barrier;

use crate::support::{Fixture, THREE};

#[tokio::test]
async fn an_added_text_is_a_row_with_a_vector_of_the_models_size() {
    let fixture = Fixture::new().await;
    let added = fixture.store.add(NewEntry::new(THREE[0])).await.unwrap();
    assert_eq!(added.outcome, Outcome::Added);
    let row = fixture
        .database
        .client()
        .await
        .unwrap()
        .query_one(
            "SELECT content, vector_dims(embedding) AS dims, embedding_model, project, knowledge_type
             FROM agent_knowledge WHERE content_hash = $1",
            &[&added.content_hash.as_str()],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, String>("content"), THREE[0]);
    assert_eq!(row.get::<_, i32>("dims"), 384);
    assert_eq!(row.get::<_, String>("embedding_model"), "all-MiniLM-L6-v2");
    assert_eq!(row.get::<_, String>("project"), "default");
    assert_eq!(row.get::<_, String>("knowledge_type"), "general");
}

#[tokio::test]
async fn everything_said_about_a_text_is_kept() {
    let fixture = Fixture::new().await;
    let project: Project = "Größe / 100% \"quoted\"; DROP TABLE x".parse().unwrap();
    let entry = NewEntry {
        content: "kept".to_owned(),
        project: project.clone(),
        knowledge_type: Some("decision".to_owned()),
        category: Some("db".to_owned()),
        tags: vec!["a".to_owned(), "b, with 'quotes' {and} \\ more".to_owned()],
        metadata: json!({"n": 1, "nested": {"x": [1, null]}}).as_object().unwrap().clone(),
        source_session: Some("claude_executor_0011aabb".to_owned()),
        source_agent_platform: Some("claude".to_owned()),
        ..NewEntry::default()
    };
    for (content, batch) in [("kept", false), ("kept by a batch", true)] {
        let entry = NewEntry { content: content.to_owned(), ..entry.clone() };
        let added = if batch {
            fixture.store.add_batch(vec![entry.clone()]).await.unwrap().remove(0).unwrap()
        } else {
            fixture.store.add(entry.clone()).await.unwrap()
        };
        let stored =
            fixture.store.get(&project, &EntryRef::from(&added.content_hash)).await.unwrap().unwrap();
        assert_eq!(stored.content, content);
        assert_eq!(stored.project, project.as_str());
        assert_eq!(stored.knowledge_type, "decision");
        assert_eq!(stored.category.as_deref(), Some("db"));
        assert_eq!(stored.tags, entry.tags);
        assert_eq!(stored.metadata, serde_json::Value::Object(entry.metadata));
        assert_eq!(stored.source_session, entry.source_session);
        assert_eq!(stored.source_agent_platform, entry.source_agent_platform);
    }
}

#[tokio::test]
async fn a_known_text_is_a_duplicate_in_its_project_only() {
    let fixture = Fixture::new().await;
    let first = fixture.store.add(NewEntry::new("the same text")).await.unwrap();
    let again = fixture.store.add(NewEntry::new("\r\n the same text  \r\n")).await.unwrap();
    assert_eq!((again.outcome, again.content_hash), (Outcome::Duplicate, first.content_hash.clone()));
    let elsewhere = NewEntry { project: "other".parse().unwrap(), ..NewEntry::new("the same text") };
    let elsewhere = fixture.store.add(elsewhere).await.unwrap();
    assert_eq!((elsewhere.outcome, elsewhere.content_hash), (Outcome::Added, first.content_hash));
}

#[tokio::test]
async fn many_who_add_one_text_at_once_leave_one_row_and_one_is_told_so() {
    let fixture = Fixture::new().await;
    let other = fixture.second_process().await;
    let barrier = Arc::new(Barrier::new(16));
    let mut adding = tokio::task::JoinSet::new();
    for number in 0..16 {
        let store = if number % 2 == 0 { fixture.store.clone() } else { other.clone() };
        let barrier = Arc::clone(&barrier);
        adding.spawn(async move {
            barrier.wait().await;
            let entry = NewEntry::new("raced for");
            if number % 4 < 2 {
                store.add(entry).await.unwrap().outcome
            } else {
                store.add_batch(vec![entry]).await.unwrap().remove(0).unwrap().outcome
            }
        });
    }
    let outcomes = adding.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Added).count(), 1, "{outcomes:?}");
    assert_eq!(fixture.store.stats(None).await.unwrap().entries, 1);
}

#[tokio::test]
async fn a_batch_answers_each_text_in_its_place() {
    let fixture = Fixture::new().await;
    fixture.store.add(NewEntry::new("known")).await.unwrap();
    let entries = ["new", "  ", "known", "new", "nul \0 byte"].map(NewEntry::new).to_vec();
    let results = fixture.store.add_batch(entries).await.unwrap();
    let outcome = |index: usize| results[index].as_ref().unwrap().outcome;
    assert_eq!(outcome(0), Outcome::Added);
    assert!(matches!(results[1], Err(Error::BadInput { .. })));
    assert_eq!(outcome(2), Outcome::Duplicate);
    assert_eq!(outcome(3), Outcome::Duplicate);
    assert!(matches!(results[4], Err(Error::BadInput { .. })));
    assert_eq!(fixture.store.stats(None).await.unwrap().entries, 2);
}

#[tokio::test]
async fn bad_input_is_refused_with_its_reason_and_nothing_is_written() {
    let fixture = Fixture::new().await;
    let long = NewEntry::new("x".repeat((1 << 20) + 1));
    let nul = json!({"a": ["b\0"]}).as_object().unwrap().clone();
    let cases = [
        (NewEntry::new(""), "empty"),
        (NewEntry::new(" \n\t\u{feff} "), "empty"),
        (NewEntry::new("a\0b"), "NUL"),
        (long, "1048577 bytes"),
        (NewEntry { knowledge_type: Some(" ".to_owned()), ..NewEntry::new("x") }, "empty"),
        (NewEntry { tags: vec![String::new()], ..NewEntry::new("x") }, "empty"),
        (NewEntry { category: Some("a\nb".to_owned()), ..NewEntry::new("x") }, "control"),
        (NewEntry { metadata: nul, ..NewEntry::new("x") }, "NUL"),
    ];
    for (entry, reason) in cases {
        let error = fixture.store.add(entry).await.unwrap_err();
        assert!(matches!(error, Error::BadInput { .. }) && error.to_string().contains(reason), "{error}");
    }
    for name in ["", " x", "a\0b", "a\nb", &"x".repeat(129)] {
        assert!(name.parse::<Project>().is_err(), "{name:?}");
    }
    assert_eq!(fixture.store.stats(None).await.unwrap().entries, 0);
}

#[tokio::test]
async fn the_longest_text_is_stored_whole_and_its_beginning_is_found() {
    let fixture = Fixture::new().await;
    // All words differ: the lexemes of this text do not fit a tsvector.
    let mut text: String = (0..)
        .map(|number| format!("w{number:x} "))
        .scan(0, |size, word| {
            *size += word.len();
            (*size < 1 << 20).then_some(word)
        })
        .collect();
    text.insert_str(0, "armadillo ");
    let text = text[..1 << 20].trim_end();
    let added = fixture.store.add(NewEntry::new(text)).await.unwrap();
    assert!(added.truncated, "the model reads 256 tokens of it");
    let stored =
        fixture.store.get(&Project::default(), &(&added.content_hash).into()).await.unwrap().unwrap();
    assert_eq!(stored.content, text);
    let mut query = crate::support::query("armadillo", 1);
    query.mode = agent_turbo_knowledge::Mode::Text;
    assert_eq!(fixture.store.query(&query).await.unwrap().hits.len(), 1);
}

#[tokio::test]
async fn secrets_are_replaced_before_anything_is_stored() {
    let fixture = Fixture::new().await;
    let token = format!("ghp_{}", "aB3".repeat(12));
    let added = fixture.store.add(NewEntry::new(format!("push with {token} please"))).await.unwrap();
    assert_eq!(added.redacted, ["github-token"]);
    let client = fixture.database.client().await.unwrap();
    let row = client.query_one("SELECT content, lexemes::text FROM agent_knowledge", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "push with [redacted: github-token] please");
    assert!(!row.get::<_, String>(1).contains("ab3ab3"));
}

#[tokio::test]
async fn rows_of_other_programs_get_hash_model_and_words_from_the_database() {
    let fixture = Fixture::new().await;
    fixture.store.add(NewEntry::new(THREE[1])).await.unwrap();
    let client = fixture.database.client().await.unwrap();
    client
        .execute(
            "INSERT INTO agent_knowledge (content, embedding, tokens, source_session, knowledge_type)
             SELECT $1, embedding, 5, 'py', 'fact' FROM agent_knowledge",
            &[&"written by the predecessor"],
        )
        .await
        .unwrap();
    let answer = fixture.store.query(&crate::support::query("predecessor", 1)).await.unwrap();
    let entry = &answer.hits[0].entry;
    assert_eq!(entry.content, "written by the predecessor");
    assert_eq!(entry.embedding_model.as_deref(), Some("all-MiniLM-L6-v2"));
    assert_eq!(entry.content_hash.as_str().len(), 64);
    let again = fixture.store.add(NewEntry::new("written by the predecessor")).await.unwrap();
    assert_eq!(again.outcome, Outcome::Duplicate);
    let wrong = client
        .execute("INSERT INTO agent_knowledge (content, embedding) VALUES ('x', '[1,2,3]')", &[])
        .await
        .unwrap_err();
    assert!(wrong.as_db_error().unwrap().message().contains("3 dimensions"), "{wrong:?}");
}
