//! Several programs at once, and programs that are killed.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;

use crate::support::{Fixture, SOON, until};

#[tokio::test]
async fn of_many_programs_that_add_one_text_one_adds_it() {
    let fixture = Fixture::new().await;
    let ran = join_all((0..8).map(|_| fixture.run(&["add", "raced for"]))).await;
    let added = ran.iter().filter(|ran| ran.done().starts_with("✅ Added")).count();
    let duplicates = ran.iter().filter(|ran| ran.done().starts_with("⚠️  Duplicate")).count();
    assert_eq!((added, duplicates), (1, 7), "{ran:?}");
    assert_eq!(fixture.rows().await, 1);
}

#[tokio::test]
async fn many_programs_may_be_the_first_on_a_new_database() {
    let fixture = Fixture::empty().await;
    let texts: Vec<String> = (0..8).map(|number| format!("text number {number}")).collect();
    let ran = join_all(texts.iter().map(|text| async { fixture.run(&["add", text]).await })).await;
    assert!(ran.iter().all(|ran| ran.done().starts_with("✅ Added")), "{ran:?}");
    assert_eq!(fixture.rows().await, 8);
}

/// Moments of an `add`, as the database sees them: the last statement of the program's connection.
const MOMENTS: [Option<&str>; 5] = [
    None,
    Some("true"),
    Some("query LIKE '%is_known%'"),
    Some("query LIKE '%INSERT INTO agent_knowledge%'"),
    Some("state = 'idle'"),
];

#[tokio::test]
async fn a_killed_program_leaves_the_whole_entry_or_none() {
    let fixture = Fixture::new().await;
    let client = fixture.database.client().await.unwrap();
    let (count, whole) = (AtomicUsize::new(0), AtomicUsize::new(0));
    for moment in MOMENTS.iter().cycle().take(2 * MOMENTS.len()) {
        let text = format!("killed in time {}", count.fetch_add(1, Ordering::Relaxed));
        let mut child = fixture.program().spawn(&["add", &text]);
        if let Some(condition) = moment {
            let seen = format!(
                "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'agent-turbo' AND {condition}"
            );
            until("the moment has come, or the program was faster", async || {
                let seen: i64 = client.query_one(&seen, &[]).await.unwrap().get(0);
                seen > 0 || child.try_wait().unwrap().is_some()
            })
            .await;
        }
        let _ = child.start_kill();
        tokio::time::timeout(SOON, child.wait()).await.unwrap().unwrap();
        until("its connections are gone", async || {
            let left = "SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND application_name = 'agent-turbo'";
            client.query_one(left, &[]).await.unwrap().get::<_, i64>(0) == 0
        })
        .await;
        let row = client
            .query_opt(
                "SELECT embedding IS NOT NULL AND lexemes IS NOT NULL AND embedding_model IS NOT NULL
                 FROM agent_knowledge WHERE content = $1",
                &[&text],
            )
            .await
            .unwrap();
        assert!(row.as_ref().is_none_or(|row| row.get(0)), "half an entry is left of {text:?}");
        whole.fetch_add(usize::from(row.is_some()), Ordering::Relaxed);
        let outcome = if row.is_some() { "duplicate" } else { "added" };
        assert_eq!(fixture.json(&["add", &text]).await["outcome"], outcome);
    }
    let (count, whole) = (count.into_inner(), whole.into_inner());
    assert!(whole < count, "not one of them was killed in time");
    assert_eq!(fixture.rows().await, i64::try_from(count).unwrap());
}
