//! Runs that are cut off at any point: nothing twice, nothing missing, everything counted.

use agent_turbo_knowledge::NewEntry;
use agent_turbo_migrator::import;

use crate::support::{ENTRIES, Fixture, StopAfter, fill};

#[tokio::test]
async fn whatever_an_interrupted_run_left_is_told_apart_from_true_duplicates() {
    let fixture = Fixture::new().await;
    let mut source = fixture.source("entries.db", ENTRIES);
    fixture.store.add(NewEntry::new("was there")).await.unwrap();
    fill(&mut source, 300);
    source
        .execute_batch(
            "INSERT INTO entries (text) SELECT text FROM entries WHERE id <= 50;
             INSERT INTO entries (text) VALUES ('was there'), (NULL)",
        )
        .unwrap();
    let mut done = 0;
    // Cut off a little later each time.
    for stop in [1, 100, 200, 1000] {
        let report =
            import(&fixture.store, &fixture.options("entries.db"), &StopAfter::rows(stop)).await.unwrap();
        let counts = report.counts;
        assert_eq!(counts.read, counts.done());
        assert_eq!(report.stopped, stop < 1000);
        assert!(counts.resumed <= done, "{counts:?} after {done}");
        done += counts.imported;
        assert_eq!(fixture.entries().await.len() as u64, done + 1);
        if stop == 1000 {
            assert!(report.is_verified(), "{report:?}");
            let found = (
                counts.imported + counts.resumed,
                counts.duplicate_in_source,
                counts.duplicate_in_target,
                counts.rejected,
            );
            assert_eq!(found, (300, 50, 1, 1));
        }
    }
    assert_eq!(done, 300);
}

#[tokio::test]
async fn a_run_that_is_dropped_at_any_moment_is_gone_on_with() {
    let fixture = Fixture::new().await;
    let mut source = fixture.source("entries.db", ENTRIES);
    fill(&mut source, 700);
    let client = fixture.database.client().await.unwrap();
    for part in 1..=4 {
        let options = fixture.options("entries.db");
        let begun = import(&fixture.store, &options, &());
        let reached = async {
            // Seen from outside: so many rows are committed.
            let count = "SELECT count(*) FROM agent_knowledge";
            while client.query_one(count, &[]).await.unwrap().get::<_, i64>(0) < 130 * part {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            // The lock of the one before may be a moment away from its end.
            _ = begun => {}
            () = reached => {}
        }
    }
    let report = loop {
        match fixture.import("entries.db").await {
            Err(agent_turbo_migrator::Error::AlreadyRunning) => tokio::task::yield_now().await,
            report => break report.unwrap(),
        }
    };
    assert!(report.is_verified(), "{report:?}");
    assert_eq!(report.counts.imported + report.counts.resumed, 700);
    assert!(report.counts.resumed > 0);
    assert_eq!(fixture.entries().await.len(), 700);
}

#[tokio::test]
async fn a_source_that_grew_is_imported_further_and_one_that_was_moved_keeps_its_name() {
    let fixture = Fixture::new().await;
    let mut source = fixture.source("entries.db", ENTRIES);
    fill(&mut source, 5);
    fixture.imported("entries.db").await;
    source.execute("INSERT INTO entries (text) VALUES ('new since')", []).unwrap();
    let counts = fixture.imported("entries.db").await.counts;
    assert_eq!((counts.imported, counts.resumed), (1, 5));
    drop(source);
    let old = std::fs::canonicalize(fixture.path("entries.db")).unwrap();
    std::fs::rename(&old, fixture.path("moved.db")).unwrap();
    let counts = fixture.imported("moved.db").await.counts;
    assert_eq!(
        (counts.imported, counts.duplicate_in_target),
        (0, 6),
        "another file, as far as anybody knows"
    );
    let mut options = fixture.options("moved.db");
    options.source_name = Some(old.to_str().unwrap().to_owned());
    let report = import(&fixture.store, &options, &()).await.unwrap();
    assert!(report.is_verified());
    assert_eq!(report.counts.resumed, 6);
}
