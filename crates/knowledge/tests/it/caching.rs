use std::time::Duration;

use agent_turbo_knowledge::{EntryRef, Filter, NewEntry, Project, Query, Store};

use crate::support::{Fixture, THREE, add_all, query, texts};

/// Waits for a condition that another task brings about, and gives up loudly.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap_or_else(|_| panic!("{what}: not in 20 s"));
}

async fn live(store: &Store) {
    until("listening", async || store.is_caching()).await;
}

#[tokio::test]
async fn the_second_time_the_answer_comes_from_memory() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &THREE).await;
    live(&fixture.store).await;
    until("a cached answer", async || fixture.store.query(&query("database", 2)).await.unwrap().cached).await;
    let cached = fixture.store.query(&query("database", 2)).await.unwrap();
    assert_eq!(cached.hits[0].entry.content, THREE[0]);
    assert!(
        !fixture.store.query(&query("database", 1)).await.unwrap().cached,
        "another limit is another question"
    );
}

#[tokio::test]
async fn an_own_change_is_seen_by_the_very_next_query() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &THREE[1..]).await;
    live(&fixture.store).await;
    let project = Project::default();
    let question = Query { filter: Filter::project(project.clone()), ..query("database", 1) };
    until("a cached answer", async || fixture.store.query(&question).await.unwrap().cached).await;
    let added = fixture.store.add(NewEntry::new(THREE[0])).await.unwrap();
    assert_eq!(texts(&fixture.store.query(&question).await.unwrap()), [THREE[0]]);
    fixture.store.delete(&project, &EntryRef::from(&added.content_hash)).await.unwrap().unwrap();
    assert_ne!(texts(&fixture.store.query(&question).await.unwrap()), [THREE[0]]);
}

#[tokio::test]
async fn another_process_change_is_seen_through_its_notification() {
    let fixture = Fixture::new().await;
    let other = fixture.second_process().await;
    add_all(&fixture.store, &THREE[1..]).await;
    live(&fixture.store).await;
    until("a cached answer", async || fixture.store.query(&query("database", 1)).await.unwrap().cached).await;
    other.add(NewEntry::new(THREE[0])).await.unwrap();
    until("the other's entry", async || {
        texts(&fixture.store.query(&query("database", 1)).await.unwrap()) == [THREE[0]]
    })
    .await;
}

#[tokio::test]
async fn plain_sql_and_truncate_are_noticed_too() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &THREE).await;
    live(&fixture.store).await;
    let client = fixture.database.client().await.unwrap();
    until("a cached answer", async || fixture.store.query(&query("database", 1)).await.unwrap().cached).await;
    client.execute("UPDATE agent_knowledge SET content = content || '!'", &[]).await.unwrap();
    until("the update", async || {
        texts(&fixture.store.query(&query("database", 1)).await.unwrap())[0].ends_with("database!")
    })
    .await;
    client.execute("TRUNCATE agent_knowledge", &[]).await.unwrap();
    until("the truncation", async || {
        fixture.store.query(&query("database", 1)).await.unwrap().hits.is_empty()
    })
    .await;
}

#[tokio::test]
async fn counting_accesses_invalidates_nothing() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &THREE).await;
    live(&fixture.store).await;
    until("a cached answer", async || fixture.store.query(&query("database", 2)).await.unwrap().cached).await;
    fixture.store.flush().await.unwrap();
    // A notification that follows the flush has overtaken whatever the flush might have sent.
    let other = NewEntry { project: "elsewhere".parse().unwrap(), ..NewEntry::new("a marker") };
    let question = Query { filter: Filter::project(Project::default()), ..query("database", 2) };
    until("a cached answer", async || fixture.store.query(&question).await.unwrap().cached).await;
    fixture.store.flush().await.unwrap();
    fixture.second_process().await.add(other).await.unwrap();
    until("the marker", async || !fixture.store.query(&query("database", 2)).await.unwrap().cached).await;
    assert!(fixture.store.query(&question).await.unwrap().cached);
}

#[tokio::test]
async fn while_the_listener_is_down_nothing_comes_from_memory() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &THREE).await;
    live(&fixture.store).await;
    until("a cached answer", async || fixture.store.query(&query("database", 2)).await.unwrap().cached).await;
    let client = fixture.database.client().await.unwrap();
    client
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND query LIKE 'LISTEN%'",
            &[],
        )
        .await
        .unwrap();
    until("the loss", async || !fixture.store.is_caching()).await;
    assert!(!fixture.store.query(&query("database", 2)).await.unwrap().cached);
    live(&fixture.store).await;
    until("a cached answer again", async || fixture.store.query(&query("database", 2)).await.unwrap().cached)
        .await;
}
