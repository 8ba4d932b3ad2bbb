use agent_turbo_knowledge::{EntryRef, Error, Filter, Mode, NewEntry, Patch, Project, Query};
use serde_json::json;

use crate::support::{Fixture, THREE, add_all, query, texts};

#[tokio::test]
async fn a_changed_text_is_found_by_its_new_meaning_and_words() {
    let fixture = Fixture::new().await;
    let project = Project::default();
    let added = fixture.store.add(NewEntry::new("Bananas are yellow")).await.unwrap();
    add_all(&fixture.store, &THREE[1..]).await;
    let patch = Patch { content: Some(THREE[0].to_owned()), ..Patch::default() };
    let updated =
        fixture.store.update(&project, &(&added.content_hash).into(), patch).await.unwrap().unwrap();
    assert_ne!(updated.content_hash, added.content_hash);
    for mode in [Mode::Vector, Mode::Text, Mode::Hybrid] {
        let answer = fixture.store.query(&Query { mode, ..query("database", 1) }).await.unwrap();
        assert_eq!(texts(&answer), [THREE[0]], "{mode}");
    }
    let old = fixture.store.get(&project, &EntryRef::from(&added.content_hash)).await.unwrap();
    assert_eq!(old, None);
}

#[tokio::test]
async fn a_change_touches_only_what_it_names() {
    let fixture = Fixture::new().await;
    let project = Project::default();
    let entry = NewEntry {
        tags: vec!["old".to_owned()],
        category: Some("c".to_owned()),
        metadata: json!({"keep": 1, "drop": 2}).as_object().unwrap().clone(),
        ..NewEntry::new(THREE[0])
    };
    let added = fixture.store.add(entry).await.unwrap();
    let patch = Patch {
        tags: Some(vec!["new".to_owned()]),
        metadata: json!({"drop": null, "more": [3]}).as_object().unwrap().clone(),
        ..Patch::default()
    };
    let entry = EntryRef::from(&added.content_hash);
    let updated = fixture.store.update(&project, &entry, patch).await.unwrap().unwrap();
    assert_eq!(updated.content, THREE[0]);
    assert_eq!(updated.tags, ["new"]);
    assert_eq!(updated.category.as_deref(), Some("c"));
    assert_eq!(updated.metadata, json!({"keep": 1, "more": [3]}));
    assert!(updated.updated_at > updated.created_at);
    let patch = Patch { category: Some(None), ..Patch::default() };
    assert_eq!(fixture.store.update(&project, &entry, patch).await.unwrap().unwrap().category, None);
}

#[tokio::test]
async fn a_change_that_cannot_be_leaves_everything_as_it_was() {
    let fixture = Fixture::new().await;
    let project = Project::default();
    let added = fixture.store.add(NewEntry::new(THREE[0])).await.unwrap();
    fixture.store.add(NewEntry::new(THREE[1])).await.unwrap();
    let entry = EntryRef::from(&added.content_hash);
    let before = fixture.store.get(&project, &entry).await.unwrap();
    let text = |content: &str| Patch { content: Some(content.to_owned()), ..Patch::default() };
    let result = fixture.store.update(&project, &entry, text(THREE[1])).await;
    assert!(matches!(result, Err(Error::Exists(_))), "{result:?}");
    for patch in
        [Patch::default(), text(" "), text("\0"), Patch { tags: Some(vec![" ".into()]), ..Patch::default() }]
    {
        let result = fixture.store.update(&project, &entry, patch).await;
        assert!(matches!(result, Err(Error::BadInput { .. })), "{result:?}");
    }
    assert_eq!(fixture.store.get(&project, &entry).await.unwrap(), before);
}

#[tokio::test]
async fn entries_are_named_by_enough_of_their_hash() {
    let fixture = Fixture::new().await;
    let project = Project::default();
    let client = fixture.database.client().await.unwrap();
    client
        .batch_execute(
            "INSERT INTO agent_knowledge (content_hash, content)
             VALUES ('abcd1' || repeat('0', 59), 'one'), ('abcd2' || repeat('0', 59), 'two')",
        )
        .await
        .unwrap();
    let get = async |text: &str| fixture.store.get(&project, &text.parse().unwrap()).await;
    assert_eq!(get("abcd1").await.unwrap().unwrap().content, "one");
    assert_eq!(get("ABCD2").await.unwrap().unwrap().content, "two");
    assert!(matches!(get("abcd").await, Err(Error::Ambiguous(_))));
    assert_eq!(get("ffff").await.unwrap(), None);
    let elsewhere = fixture.store.get(&"other".parse().unwrap(), &"abcd1".parse().unwrap()).await.unwrap();
    assert_eq!(elsewhere, None);
    for text in ["abc", "", "xyzw", "abcd%", &"a".repeat(65)] {
        assert!(text.parse::<EntryRef>().is_err(), "{text:?}");
    }
}

#[tokio::test]
async fn a_deleted_entry_is_gone_and_can_be_added_again() {
    let fixture = Fixture::new().await;
    let project = Project::default();
    let added = fixture.store.add(NewEntry::new(THREE[0])).await.unwrap();
    let entry = EntryRef::from(&added.content_hash);
    assert_eq!(fixture.store.delete(&project, &entry).await.unwrap().unwrap().content, THREE[0]);
    assert_eq!(fixture.store.delete(&project, &entry).await.unwrap(), None);
    assert!(fixture.store.query(&query("database", 1)).await.unwrap().hits.is_empty());
    fixture.store.add(NewEntry::new(THREE[0])).await.unwrap();
    assert_eq!(fixture.store.query(&query("database", 1)).await.unwrap().hits.len(), 1);
}

#[tokio::test]
async fn a_deleted_project_is_gone_whole_and_the_others_stay() {
    let fixture = Fixture::new().await;
    let (doomed, other): (Project, Project) = ("doomed".parse().unwrap(), "doomed-not".parse().unwrap());
    // More than one statement deletes.
    let client = fixture.database.client().await.unwrap();
    client
        .batch_execute(
            "INSERT INTO agent_knowledge (project, content)
             SELECT project, 'entry ' || n FROM generate_series(1, 1203) AS n, (VALUES ('doomed'), ('doomed-not')) AS p (project)",
        )
        .await
        .unwrap();
    let of = |project: &Project| Query {
        mode: Mode::Text,
        filter: Filter { project: Some(project.clone()), ..Filter::default() },
        ..query("entry", 10)
    };
    // Somebody else remembers the answer, and hears that it is not true any more.
    let elsewhere = fixture.second_process().await;
    assert_eq!(elsewhere.query(&of(&doomed)).await.unwrap().hits.len(), 10);
    assert_eq!(fixture.store.query(&of(&doomed)).await.unwrap().hits.len(), 10);
    assert_eq!(fixture.store.delete_project(&doomed).await.unwrap(), 1203);
    assert_eq!(fixture.store.delete_project(&doomed).await.unwrap(), 0);
    assert!(fixture.store.query(&of(&doomed)).await.unwrap().hits.is_empty());
    while !elsewhere.query(&of(&doomed)).await.unwrap().hits.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.store.query(&of(&other)).await.unwrap().hits.len(), 10);
    assert_eq!(fixture.store.stats(None).await.unwrap().entries, 1203);
}

#[tokio::test]
async fn deleting_a_project_reads_no_other_one() {
    let fixture = Fixture::new().await;
    let client = fixture.database.client().await.unwrap();
    client
        .batch_execute(
            "INSERT INTO agent_knowledge (project, content)
             SELECT 'p' || n % 50, 'entry ' || n FROM generate_series(1, 5000) AS n;
             ANALYZE agent_knowledge",
        )
        .await
        .unwrap();
    let rows = client
        .query(
            "EXPLAIN DELETE FROM agent_knowledge WHERE id IN (
                 SELECT id FROM agent_knowledge WHERE project = 'p7' AND id <= 5000 ORDER BY id LIMIT 500 FOR UPDATE)",
            &[],
        )
        .await
        .unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(!plan.iter().any(|line| line.contains("Seq Scan")), "{plan:#?}");
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let fixture = Fixture::new().await;
    let many: Vec<String> = (0..25).map(|number| format!("entry {number}")).collect();
    add_all(&fixture.store, &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = fixture.store.list(&Filter::default(), 10, before).await.unwrap();
        seen.extend(page.entries.into_iter().map(|entry| entry.id));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 25);
    assert!(seen.is_sorted_by(|a, b| a > b));
}

#[tokio::test]
async fn the_statistics_are_the_real_counts() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &THREE).await;
    let elsewhere = NewEntry {
        project: "other".parse().unwrap(),
        knowledge_type: Some("fact".to_owned()),
        ..NewEntry::new("12345678")
    };
    fixture.store.add(elsewhere).await.unwrap();
    let stats = fixture.store.stats(None).await.unwrap();
    assert_eq!((stats.entries, stats.embedded), (4, 4));
    let counts = |counts: &[agent_turbo_knowledge::Count]| -> Vec<(String, i64)> {
        counts.iter().map(|count| (count.name.clone(), count.entries)).collect()
    };
    assert_eq!(counts(&stats.projects), [("default".to_owned(), 3), ("other".to_owned(), 1)]);
    assert_eq!(counts(&stats.knowledge_types), [("general".to_owned(), 3), ("fact".to_owned(), 1)]);
    assert_eq!(counts(&stats.models), [("all-MiniLM-L6-v2".to_owned(), 4)]);
    let other = fixture.store.stats(Some(&"other".parse().unwrap())).await.unwrap();
    assert_eq!((other.entries, other.tokens), (1, 2));
}
