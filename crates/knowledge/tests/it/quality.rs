//! How long an entry holds, what takes its place, who is trusted, and what says nearly the same.

use std::time::Duration;

use agent_turbo_knowledge::{
    Added, ContentHash, EntryRef, Error, Filter, Mode, Near, NewEntry, Options, Outcome, Patch, Project,
    Query, State, States, Store, session_settings,
};
use agent_turbo_test_support::embedding_client;
use jiff::Timestamp;
use serde_json::json;

use crate::support::{Fixture, THREE, add_all, query, texts};

const NEARLY: [&str; 2] =
    ["PostgreSQL is a powerful relational database", "PostgreSQL is a powerful relational database!"];

async fn add(store: &Store, text: &str) -> ContentHash {
    store.add(NewEntry::new(text)).await.unwrap().content_hash
}

async fn supersede(store: &Store, old: &ContentHash, by: &ContentHash) -> Result<(), Error> {
    let superseded = store.supersede(&Project::default(), &old.into(), &by.into()).await?;
    assert!(superseded.is_some());
    Ok(())
}

/// The texts that are found, by any of the ways, and by a list.
async fn found(store: &Store) -> Vec<String> {
    let page = store.list(&Filter::default(), 100, None).await.unwrap();
    let mut listed: Vec<String> = page.entries.into_iter().map(|entry| entry.content).collect();
    listed.sort();
    for mode in [Mode::Vector, Mode::Hybrid] {
        let answer = store.query(&Query { mode, ..query("anything", 100) }).await.unwrap();
        let mut found = texts(&answer);
        found.sort_unstable();
        assert_eq!(found, listed, "{mode}");
    }
    listed
}

async fn state(store: &Store, hash: &ContentHash) -> State {
    let entry = store.get(&Project::default(), &hash.into()).await.unwrap();
    entry.unwrap().state(Timestamp::now())
}

async fn in_state(store: &Store, states: States) -> Vec<String> {
    let filter = Filter { states, ..Filter::default() };
    let page = store.list(&filter, 100, None).await.unwrap();
    page.entries.into_iter().map(|entry| entry.content).collect()
}

/// Says that an entry's time is over, as its author could have some time ago.
async fn expire(fixture: &Fixture, hash: &ContentHash) {
    let client = fixture.database.client().await.unwrap();
    let sql = "UPDATE agent_knowledge SET expires_at = now() - interval '1 second' WHERE content_hash = $1";
    assert_eq!(client.execute(sql, &[&hash.as_str()]).await.unwrap(), 1);
}

#[tokio::test]
async fn what_hides_an_entry_hides_it_from_every_way_of_looking_and_it_stays_readable() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let project = Project::default();
    let expired = add(store, "expired").await;
    let superseded = add(store, "superseded").await;
    let quarantined = add(store, "quarantined").await;
    let current = add(store, "current").await;
    expire(&fixture, &expired).await;
    supersede(store, &superseded, &current).await.unwrap();
    store.quarantine(&project, &(&quarantined).into(), Some("odd")).await.unwrap().unwrap();
    assert_eq!(found(store).await, ["current"]);
    for text in ["expired", "superseded", "quarantined"] {
        let words = Query { mode: Mode::Text, ..query(text, 10) };
        assert!(store.query(&words).await.unwrap().hits.is_empty(), "{text}");
    }
    for (hash, expected) in [
        (&expired, State::Expired),
        (&superseded, State::Superseded),
        (&quarantined, State::Quarantined),
        (&current, State::Current),
    ] {
        assert_eq!(state(store, hash).await, expected);
    }
    assert_eq!(in_state(store, States::Expired).await, ["expired"]);
    assert_eq!(in_state(store, States::Superseded).await, ["superseded"]);
    assert_eq!(in_state(store, States::Quarantined).await, ["quarantined"]);
    assert_eq!(in_state(store, States::All).await.len(), 4);
    let stats = store.stats(None).await.unwrap();
    assert_eq!((stats.entries, stats.current), (4, 1));
    // Landing contexts see knowledge by this view.
    let client = fixture.database.client().await.unwrap();
    let rows = client.query("SELECT content FROM chunks", &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), ["current"]);
    let all = Query { filter: Filter { states: States::All, ..Filter::default() }, ..query("anything", 10) };
    assert_eq!(store.query(&all).await.unwrap().hits.len(), 4);
}

#[tokio::test]
async fn an_answer_in_memory_ends_with_the_first_of_its_entries() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    add_all(store, &THREE[1..]).await;
    let expires_at = Timestamp::now() + Duration::from_secs(4);
    store.add(NewEntry { expires_at: Some(expires_at), ..NewEntry::new(THREE[0]) }).await.unwrap();
    let question = query("database", 3);
    let mut was_cached = false;
    while Timestamp::now() < expires_at {
        let answer = store.query(&question).await.unwrap();
        if Timestamp::now() < expires_at {
            assert_eq!(answer.hits.len(), 3);
            was_cached |= answer.cached;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(was_cached, "nothing came from memory in time");
    let answer = store.query(&question).await.unwrap();
    assert_eq!((answer.hits.len(), answer.cached), (2, false));
    // What stays is remembered again.
    assert!(store.query(&question).await.unwrap().cached);
}

#[tokio::test]
async fn a_time_of_expiry_can_be_given_changed_and_taken_back() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let project = Project::default();
    let past = Some(Timestamp::now() - Duration::from_secs(1));
    let result = store.add(NewEntry { expires_at: past, ..NewEntry::new("late") }).await;
    assert!(matches!(result, Err(Error::BadInput { .. })), "{result:?}");
    let later = Timestamp::now() + Duration::from_hours(1);
    for batch in [false, true] {
        let entry = NewEntry { expires_at: Some(later), ..NewEntry::new(format!("later {batch}")) };
        let added = if batch {
            store.add_batch(vec![entry]).await.unwrap().remove(0).unwrap()
        } else {
            store.add(entry).await.unwrap()
        };
        let hash: EntryRef = (&added.content_hash).into();
        let stored = store.get(&project, &hash).await.unwrap().unwrap();
        assert_eq!(stored.expires_at.unwrap().as_second(), later.as_second());
        let over = Patch { expires_at: Some(past), ..Patch::default() };
        let changed = store.update(&project, &hash, over).await.unwrap().unwrap();
        assert_eq!(changed.state(Timestamp::now()), State::Expired);
        let never = Patch { expires_at: Some(None), ..Patch::default() };
        assert_eq!(store.update(&project, &hash, never).await.unwrap().unwrap().expires_at, None);
    }
    assert_eq!(found(store).await, ["later false", "later true"]);
    let versions = store.versions(&project, &(&add(store, "later true").await).into(), 10, None).await;
    assert_eq!(versions.unwrap().unwrap().versions, [], "how long it holds is no version");
}

#[tokio::test]
async fn an_expired_text_can_be_added_again() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    for batch in [false, true] {
        let hash = add(store, THREE[0]).await;
        expire(&fixture, &hash).await;
        let entry = NewEntry::new(THREE[0]);
        let added = if batch {
            store.add_batch(vec![entry]).await.unwrap().remove(0).unwrap()
        } else {
            store.add(entry).await.unwrap()
        };
        assert_eq!((added.outcome, added.state), (Outcome::Added, State::Current));
        assert_eq!(found(store).await, [THREE[0]]);
    }
}

#[tokio::test]
async fn what_is_over_is_removed_for_good_and_takes_along_what_it_superseded() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let (old, new, other) = (add(store, "old").await, add(store, "new").await, add(store, "other").await);
    supersede(store, &old, &new).await.unwrap();
    expire(&fixture, &new).await;
    let (first, second) = tokio::join!(store.purge_expired(), store.purge_expired());
    let third = store.purge_expired().await.unwrap();
    assert_eq!(first.unwrap() + second.unwrap() + third, 2);
    assert_eq!(found(store).await, ["other"]);
    assert_eq!(store.purge_expired().await.unwrap(), 0);
    assert_eq!(state(store, &other).await, State::Current);
    let client = fixture.database.client().await.unwrap();
    client
        .batch_execute(
            "INSERT INTO agent_knowledge (content, expires_at)
             SELECT 'note ' || n, now() - interval '1 hour' FROM generate_series(1, 1203) AS n",
        )
        .await
        .unwrap();
    assert_eq!(store.purge_expired().await.unwrap(), 1203);
}

#[tokio::test]
async fn an_entry_takes_the_place_of_others_in_the_moment_it_is_added() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let olds = [add(store, "old one").await, add(store, "old two").await];
    let entry = NewEntry { supersedes: olds.iter().map(EntryRef::from).collect(), ..NewEntry::new("new") };
    let added = store.add(entry.clone()).await.unwrap();
    assert_eq!(added.superseded, olds);
    assert_eq!(found(store).await, ["new"]);
    let read = store.get(&Project::default(), &(&olds[0]).into()).await.unwrap().unwrap();
    assert_eq!(read.superseded_by.as_ref(), Some(&added.content_hash));
    // Who did not hear the answer asks again.
    let again = store.add(entry).await.unwrap();
    assert_eq!((again.outcome, again.superseded), (Outcome::Duplicate, vec![]));
    assert_eq!(found(store).await, ["new"]);
    let missing = NewEntry { supersedes: vec!["ffff".parse().unwrap()], ..NewEntry::new("never") };
    let result = store.add_batch(vec![missing]).await.unwrap().remove(0);
    assert!(matches!(result, Err(Error::BadInput { .. })), "{result:?}");
    assert_eq!(found(store).await, ["new"], "what cannot take its place is not added");
}

#[tokio::test]
async fn a_known_text_takes_the_place_of_others_too() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let (old, known) = (add(store, "old").await, add(store, "known").await);
    let entry = NewEntry { supersedes: vec![(&old).into()], ..NewEntry::new("known") };
    let added = store.add_batch(vec![entry]).await.unwrap().remove(0).unwrap();
    assert_eq!((added.outcome, added.content_hash, added.superseded), (Outcome::Duplicate, known, vec![old]));
    assert_eq!(found(store).await, ["known"]);
}

#[tokio::test]
async fn who_is_superseded_again_has_the_end_of_its_chain_superseded_and_circles_are_refused() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let mut hashes = Vec::new();
    for name in ["a", "b", "c", "d"] {
        hashes.push(add(store, name).await);
    }
    let [a, b, c, d] = &hashes[..] else { unreachable!() };
    supersede(store, a, b).await.unwrap();
    supersede(store, a, c).await.unwrap();
    assert_eq!(found(store).await, ["c", "d"]);
    let of = async |hash: &ContentHash| {
        store.get(&Project::default(), &hash.into()).await.unwrap().unwrap().superseded_by
    };
    assert_eq!((of(a).await.as_ref(), of(b).await.as_ref()), (Some(b), Some(c)));
    // Done already.
    supersede(store, a, c).await.unwrap();
    for (old, by) in [(c, a), (c, b), (c, c), (a, b), (b, a)] {
        let result = supersede(store, old, by).await;
        let is_refused = matches!(result, Err(Error::SupersedesItself { .. }));
        assert!(is_refused, "{old} by {by}: {result:?}");
    }
    assert_eq!(found(store).await, ["c", "d"]);
    supersede(store, b, d).await.unwrap();
    assert_eq!(found(store).await, ["d"]);
    // The chain closes over an entry that goes, and ends with the last one.
    let project = Project::default();
    store.delete(&project, &b.into()).await.unwrap().unwrap();
    assert_eq!(of(a).await.as_ref(), Some(c));
    store.delete(&project, &d.into()).await.unwrap().unwrap();
    assert_eq!(found(store).await, ["c"]);
    store.reinstate(&project, &a.into()).await.unwrap().unwrap();
    assert_eq!(found(store).await, ["a", "c"]);
}

#[tokio::test]
async fn of_those_that_close_a_circle_at_once_one_is_refused() {
    let fixture = Fixture::new().await;
    let (one, other) = (fixture.store.clone(), fixture.second_process().await);
    for round in 0..8 {
        let a = add(&one, &format!("a {round}")).await;
        let b = add(&one, &format!("b {round}")).await;
        let (first, second) = tokio::join!(supersede(&one, &a, &b), supersede(&other, &b, &a));
        let refused = [&first, &second].iter().filter(|result| result.is_err()).count();
        assert_eq!(refused, 1, "{first:?} {second:?}");
    }
    assert_eq!(found(&one).await.len(), 8);
}

#[tokio::test]
async fn many_that_supersede_one_entry_make_one_chain() {
    let fixture = Fixture::new().await;
    let old = add(&fixture.store, "old").await;
    let adding = (0..6).map(|number| {
        let (store, old) = (fixture.store.clone(), EntryRef::from(&old));
        let entry = NewEntry { supersedes: vec![old], ..NewEntry::new(format!("new {number}")) };
        tokio::spawn(async move { store.add(entry).await.unwrap() })
    });
    for added in adding.collect::<Vec<_>>() {
        assert_eq!(added.await.unwrap().superseded.len(), 1);
    }
    assert_eq!(found(&fixture.store).await.len(), 1);
    assert_eq!(in_state(&fixture.store, States::Superseded).await.len(), 6);
}

#[tokio::test]
async fn plain_sql_cannot_supersede_across_projects_or_in_a_circle() {
    let fixture = Fixture::new().await;
    let client = fixture.database.client().await.unwrap();
    client
        .batch_execute(
            "INSERT INTO agent_knowledge (id, project, content, superseded_by)
             VALUES (-1, 'one', 'a', NULL), (-2, 'one', 'b', -1), (-3, 'two', 'c', NULL)",
        )
        .await
        .unwrap();
    for statement in [
        "UPDATE agent_knowledge SET superseded_by = -3 WHERE id = -1",
        "UPDATE agent_knowledge SET superseded_by = -2 WHERE id = -1",
        "UPDATE agent_knowledge SET superseded_by = -1 WHERE id = -1",
        "UPDATE agent_knowledge SET project = 'two' WHERE id = -1",
        "UPDATE agent_knowledge SET project = 'two' WHERE id = -2",
        "INSERT INTO agent_knowledge (project, content, superseded_by) VALUES ('two', 'd', -1)",
    ] {
        let error = client.batch_execute(statement).await.unwrap_err();
        let code = error.code().map(tokio_postgres::error::SqlState::code);
        assert_eq!(code, Some("23514"), "{statement}");
    }
    // Together they may go, and all of them may be deleted at once.
    client.batch_execute("UPDATE agent_knowledge SET project = 'two' WHERE project = 'one'").await.unwrap();
    client.batch_execute("UPDATE agent_knowledge SET superseded_by = -2 WHERE id = -3").await.unwrap();
    client.batch_execute("DELETE FROM agent_knowledge").await.unwrap();
}

#[tokio::test]
async fn what_comes_from_untrusted_sources_waits_for_approval() {
    let fixture = Fixture::new().await;
    let options = Options { untrusted_platforms: vec!["Web".to_owned()], ..Options::default() };
    let db = fixture.database.connect(session_settings()).await.unwrap();
    let store = Store::open(db, embedding_client().await.unwrap(), options).await.unwrap();
    let project = Project::default();
    let trusted = store.add(NewEntry::new("trusted")).await.unwrap();
    let web = |text: &str| NewEntry { source_agent_platform: Some("web".to_owned()), ..NewEntry::new(text) };
    let said = NewEntry { quarantine: true, ..NewEntry::new("said to be untrusted") };
    let mut waiting = vec![store.add(web("from there")).await.unwrap(), store.add(said).await.unwrap()];
    waiting.push(store.add_batch(vec![web("from there, too")]).await.unwrap().remove(0).unwrap());
    assert!(waiting.iter().all(|added| added.state == State::Quarantined), "{waiting:?}");
    assert_eq!(found(&store).await, ["trusted"]);
    let entry = store.get(&project, &(&waiting[0].content_hash).into()).await.unwrap().unwrap();
    assert_eq!(entry.quarantine_reason.as_deref(), Some("from the untrusted platform web"));
    // It changes nothing that is trusted.
    let take_over = NewEntry { supersedes: vec![(&trusted.content_hash).into()], ..web("take over") };
    let merge = NewEntry { near: Near::Merged, ..web("trusted!") };
    for entry in [take_over, merge] {
        let result = store.add(entry).await;
        assert!(matches!(result, Err(Error::BadInput { .. })), "{result:?}");
    }
    let result = supersede(&store, &trusted.content_hash, &waiting[0].content_hash).await;
    assert!(matches!(result, Err(Error::BadInput { .. })), "{result:?}");
    let again = store.add(NewEntry::new("from there")).await.unwrap();
    assert_eq!((again.outcome, again.state), (Outcome::Duplicate, State::Quarantined));
    let approved = store.approve(&project, &(&waiting[0].content_hash).into()).await.unwrap().unwrap();
    assert_eq!((approved.quarantined_at, approved.quarantine_reason), (None, None));
    assert_eq!(found(&store).await, ["from there", "trusted"]);
}

async fn add_nearly(store: &Store, near: Near) -> Added {
    let entry = NewEntry {
        near,
        tags: vec!["new".to_owned()],
        metadata: json!({"b": 2}).as_object().unwrap().clone(),
        ..NewEntry::new(NEARLY[1])
    };
    store.add(entry).await.unwrap()
}

#[tokio::test]
async fn near_duplicates_are_reported_where_it_is_asked_for() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    add_all(store, &THREE[1..]).await;
    let old = add(store, NEARLY[0]).await;
    let elsewhere = NewEntry { project: "elsewhere".parse().unwrap(), ..NewEntry::new(NEARLY[0]) };
    store.add(elsewhere).await.unwrap();
    let added = add_nearly(store, Near::Reported).await;
    assert_eq!(added.outcome, Outcome::Added);
    let near = &added.near_duplicates;
    assert_eq!(near.iter().map(|near| &near.content_hash).collect::<Vec<_>>(), [&old], "{near:?}");
    assert!((0.95..=1.0).contains(&near[0].similarity) && near[0].headline == NEARLY[0], "{near:?}");
    let again = add_nearly(store, Near::Reported).await;
    assert_eq!((again.outcome, again.near_duplicates), (Outcome::Duplicate, vec![]));
    // Less is similar enough for who says so, and nobody looks where nobody asks.
    let far = NewEntry {
        near: Near::Reported,
        near_similarity: Some(0.3),
        ..NewEntry::new("PostgreSQL stores rows in a database")
    };
    assert_eq!(store.add(far).await.unwrap().near_duplicates.len(), 2);
    let other = store.add(NewEntry::new("PostgreSQL is a powerful relational database?")).await.unwrap();
    assert_eq!(other.near_duplicates, []);
    let odd = NewEntry { near_similarity: Some(f32::NAN), ..NewEntry::new("x") };
    assert!(matches!(store.add(odd).await, Err(Error::BadInput { .. })));
}

#[tokio::test]
async fn hidden_entries_are_nobodys_near_duplicates() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let hidden = NewEntry { quarantine: true, ..NewEntry::new(NEARLY[0]) };
    store.add(hidden).await.unwrap();
    let added = add_nearly(store, Near::Merged).await;
    assert_eq!((added.outcome, added.near_duplicates), (Outcome::Added, vec![]));
}

#[tokio::test]
async fn a_near_duplicate_that_is_merged_becomes_the_next_version() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let project = Project::default();
    let first = NewEntry {
        tags: vec!["old".to_owned()],
        metadata: json!({"a": 1}).as_object().unwrap().clone(),
        expires_at: Some(Timestamp::now() + Duration::from_hours(1)),
        ..NewEntry::new(NEARLY[0])
    };
    let old = store.add(first).await.unwrap().content_hash;
    let added = add_nearly(store, Near::Merged).await;
    assert_eq!((added.outcome, added.merged.as_ref()), (Outcome::Merged, Some(&old)));
    let entry = store.get(&project, &(&added.content_hash).into()).await.unwrap().unwrap();
    assert_eq!(
        (entry.content.as_str(), &entry.tags[..]),
        (NEARLY[1], &["old".to_owned(), "new".to_owned()][..])
    );
    assert_eq!((entry.metadata, entry.expires_at), (json!({"a": 1, "b": 2}), None));
    let versions = store.versions(&project, &(&old).into(), 10, None).await.unwrap().unwrap();
    assert_eq!((versions.versions.len(), versions.versions[0].content.as_str()), (1, NEARLY[0]));
    assert_eq!(found(store).await, [NEARLY[1]]);
    let again = add_nearly(store, Near::Merged).await;
    assert_eq!(again.outcome, Outcome::Duplicate);
    let unlike = NewEntry { near: Near::Merged, ..NewEntry::new(THREE[1]) };
    assert_eq!(store.add(unlike).await.unwrap().outcome, Outcome::Added);
}

#[tokio::test]
async fn many_near_duplicates_that_are_merged_at_once_lose_no_version() {
    let fixture = Fixture::new().await;
    let old = add(&fixture.store, "PostgreSQL is a powerful relational database system").await;
    // However much the end of a text does.
    let entry = |text| NewEntry { near: Near::Merged, near_similarity: Some(0.8), ..NewEntry::new(text) };
    let adding = ["!", "?", ".", ";"].map(|end| {
        let store = fixture.store.clone();
        let text = format!("PostgreSQL is a powerful relational database system{end}");
        let entry = entry(text);
        tokio::spawn(async move { store.add(entry).await })
    });
    let mut merged = 0;
    for added in adding {
        match added.await.unwrap() {
            Ok(added) => {
                assert_eq!(added.outcome, Outcome::Merged);
                merged += 1;
            }
            Err(error) => assert!(matches!(error, Error::ChangedMeanwhile), "{error}"),
        }
    }
    let versions = fixture.store.versions(&Project::default(), &(&old).into(), 10, None).await;
    assert_eq!(versions.unwrap().unwrap().versions.len(), merged);
    assert!(merged > 0);
}

#[tokio::test]
async fn what_hides_an_entry_costs_no_call_and_near_duplicates_come_from_the_index() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    add_all(store, &THREE).await;
    let plan = store.explain(&query("database", 3)).await.unwrap();
    assert!(plan.contains("superseded_by IS NULL") && !plan.contains("knowledge_is_found"), "{plan}");
    let client = fixture.database.client().await.unwrap();
    client
        .batch_execute(
            "INSERT INTO agent_knowledge (content, embedding)
             SELECT k.content || ' ' || n, k.embedding FROM agent_knowledge AS k, generate_series(1, 3000) AS n;
             ANALYZE agent_knowledge",
        )
        .await
        .unwrap();
    let scans = async || -> i64 {
        let sql = "SELECT sum(idx_scan)::bigint FROM pg_stat_user_indexes WHERE indexrelname LIKE '%hnsw%'";
        client.query_one(sql, &[]).await.unwrap().get(0)
    };
    let before = scans().await;
    let entry = NewEntry { near: Near::Reported, ..NewEntry::new(format!("{}!", THREE[0])) };
    assert_eq!(store.add(entry).await.unwrap().near_duplicates.len(), 5);
    // A connection tells the statistics about its scans within a second or two.
    let told = async {
        while scans().await == before {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told).await.expect("the index is used");
}
