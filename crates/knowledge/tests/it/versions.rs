//! What entries were before they were changed.

use agent_turbo_knowledge::{Error, Mode, NewEntry, Patch, Project, Query, Versions};
use serde_json::json;

use crate::support::{Fixture, THREE, query, texts};

fn text(content: &str) -> Patch {
    Patch { content: Some(content.to_owned()), ..Patch::default() }
}

fn contents(versions: &Versions) -> Vec<(i32, &str)> {
    versions.versions.iter().map(|version| (version.version, version.content.as_str())).collect()
}

#[tokio::test]
async fn every_change_keeps_what_was_there_before_and_each_can_come_back() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let project = Project::default();
    let first = NewEntry {
        tags: vec!["one".to_owned()],
        metadata: json!({"n": 1}).as_object().unwrap().clone(),
        ..NewEntry::new(THREE[0])
    };
    let first = store.add(first).await.unwrap().content_hash;
    let second = store.update(&project, &(&first).into(), text(THREE[1])).await.unwrap().unwrap();
    let notes = Patch {
        tags: Some(vec!["two".to_owned()]),
        metadata: json!({"n": 2}).as_object().unwrap().clone(),
        ..Patch::default()
    };
    let third = store.update(&project, &(&second.content_hash).into(), notes).await.unwrap().unwrap();
    // A former hash names it, too.
    let versions = store.versions(&project, &(&first).into(), 10, None).await.unwrap().unwrap();
    assert_eq!((versions.entry.clone(), versions.current, versions.next), (third.clone(), 3, None));
    assert_eq!(contents(&versions), [(2, THREE[1]), (1, THREE[0])]);
    assert_eq!(
        (&versions.versions[1].tags[..], &versions.versions[1].content_hash),
        (&["one".to_owned()][..], &first)
    );
    let page = store.versions(&project, &(&first).into(), 1, None).await.unwrap().unwrap();
    assert_eq!((contents(&page), page.next), (vec![(2, THREE[1])], Some(2)));
    let page = store.versions(&project, &(&first).into(), 1, page.next).await.unwrap().unwrap();
    assert_eq!((contents(&page), page.next, page.current), (vec![(1, THREE[0])], None, 3));

    let back = store.revert(&project, &(&third.content_hash).into(), Some(1)).await.unwrap().unwrap();
    assert_eq!((&back.content_hash, back.content.as_str()), (&first, THREE[0]));
    assert_eq!((&back.tags[..], &back.metadata), (&["one".to_owned()][..], &json!({"n": 1})));
    for mode in [Mode::Vector, Mode::Text] {
        let answer = store.query(&Query { mode, ..query("database", 1) }).await.unwrap();
        assert_eq!(texts(&answer), [THREE[0]], "{mode}");
    }
    let similarity = store.query(&query(THREE[0], 1)).await.unwrap().hits[0].similarity.unwrap();
    assert!(similarity > 0.999, "it is embedded anew: {similarity}");
    // What was replaced is a version as well, and the newest is the one that comes back unasked.
    let again = store.revert(&project, &(&first).into(), None).await.unwrap().unwrap();
    assert_eq!((again.content.as_str(), &again.tags[..]), (THREE[1], &["two".to_owned()][..]));
    let versions = store.versions(&project, &(&first).into(), 10, None).await.unwrap().unwrap();
    assert_eq!((versions.versions.len(), versions.current), (4, 5));
}

#[tokio::test]
async fn what_is_not_there_cannot_come_back() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let project = Project::default();
    assert_eq!(store.revert(&project, &"ffff".parse().unwrap(), None).await.unwrap(), None);
    assert_eq!(store.versions(&project, &"ffff".parse().unwrap(), 1, None).await.unwrap(), None);
    let hash = store.add(NewEntry::new(THREE[0])).await.unwrap().content_hash;
    for version in [None, Some(0), Some(-1), Some(7)] {
        let result = store.revert(&project, &(&hash).into(), version).await;
        assert!(matches!(result, Err(Error::NoVersion { .. })), "{version:?}: {result:?}");
    }
    store.update(&project, &(&hash).into(), text(THREE[1])).await.unwrap().unwrap();
    // Meanwhile somebody else has stored that text.
    store.add(NewEntry::new(THREE[0])).await.unwrap();
    let changed = agent_turbo_knowledge::EntryRef::from(
        &store.query(&query(THREE[1], 1)).await.unwrap().hits[0].entry.content_hash,
    );
    let result = store.revert(&project, &changed, Some(1)).await;
    assert!(matches!(result, Err(Error::Exists(_))), "{result:?}");
}

#[tokio::test]
async fn plain_sql_keeps_versions_too_and_counting_makes_none() {
    let fixture = Fixture::new().await;
    let client = fixture.database.client().await.unwrap();
    let kept = async || -> i64 {
        client.query_one("SELECT count(*) FROM knowledge_versions", &[]).await.unwrap().get(0)
    };
    client.batch_execute("INSERT INTO agent_knowledge (content) VALUES ('one'), ('two')").await.unwrap();
    for (statement, versions) in [
        ("UPDATE agent_knowledge SET content = content || '!'", 2),
        ("UPDATE agent_knowledge SET access_count = access_count + 1, last_accessed = now()", 2),
        ("UPDATE agent_knowledge SET content = content, tags = tags", 2),
        ("UPDATE agent_knowledge SET tags = '{a}' WHERE content = 'one!'", 3),
        ("UPDATE agent_knowledge SET expires_at = now() + interval '1 day'", 3),
        ("DELETE FROM agent_knowledge WHERE content = 'two!'", 2),
        ("TRUNCATE agent_knowledge", 0),
    ] {
        client.batch_execute(statement).await.unwrap();
        assert_eq!(kept().await, versions, "{statement}");
    }
}

#[tokio::test]
async fn of_changes_at_once_each_is_a_version_or_is_told_so() {
    let fixture = Fixture::new().await;
    let project = Project::default();
    let hash = fixture.store.add(NewEntry::new("start")).await.unwrap().content_hash;
    let other = fixture.second_process().await;
    let mut expected = 0;
    for round in 0..6 {
        let newest = fixture.store.versions(&project, &(&hash).into(), 1, None).await.unwrap().unwrap();
        let entry = (&newest.entry.content_hash).into();
        let (one, two) = (format!("one {round}"), format!("two {round}"));
        let (first, second) = tokio::join!(
            fixture.store.update(&project, &entry, text(&one)),
            other.update(&project, &entry, text(&two))
        );
        for result in [first, second] {
            match result {
                Ok(Some(_)) => expected += 1,
                // The other one was done, and its entry has another hash.
                Ok(None) | Err(Error::ChangedMeanwhile) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
    let versions = fixture.store.versions(&project, &(&hash).into(), 100, None).await.unwrap().unwrap();
    assert_eq!(versions.versions.len(), expected);
    assert!(expected >= 6);
    let mut all: Vec<&str> = versions.versions.iter().map(|version| version.content.as_str()).collect();
    all.push(&versions.entry.content);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), expected + 1, "none is lost, none is kept twice");
}
