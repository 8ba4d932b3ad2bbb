use crate::support::{ENTRIES, Fixture, fill};

#[tokio::test]
async fn what_is_changed_on_either_side_is_found_and_named() {
    let fixture = Fixture::new().await;
    let mut source = fixture.source("entries.db", ENTRIES);
    fill(&mut source, 200);
    fixture.imported("entries.db").await;
    let intact = fixture.verified("entries.db").await;
    assert!(intact.is_intact() && intact.entries == 200, "{intact:?}");
    let client = fixture.database.client().await.unwrap();
    let row = |number: i32| format!("metadata -> 'import' -> 'row' = '{number}'");

    // Target: one entry is gone, one has another text under its old hash, one has no vector.
    let (gone, changed, bare) = (row(11), row(12), row(13));
    client
        .batch_execute(&format!(
            "DELETE FROM agent_knowledge WHERE {gone};
             UPDATE agent_knowledge SET content = 'another text' WHERE {changed};
             UPDATE agent_knowledge SET embedding = NULL WHERE {bare}"
        ))
        .await
        .unwrap();
    let found = fixture.verified("entries.db").await;
    let rows: Vec<(i64, &str)> =
        found.problems.iter().map(|problem| (problem.row.as_i64().unwrap(), problem.what.as_str())).collect();
    assert_eq!(found.flaws, 3, "{found:?}");
    for ((row, what), (expected, part)) in rows.iter().zip([
        (11, "not in the target"),
        (12, "not the one that it is known by"),
        (13, "no vector"),
    ]) {
        assert!(*row == expected && what.contains(part), "{row}: {what}");
    }
    let class = |name: &str| found.classes.iter().find(|class| class.class == name).unwrap();
    assert!(!class("imported").matches && !class("missing").matches, "{found:?}");
    assert_eq!((class("imported").source_rows, class("missing").source_rows), (199, 1));
    // Another import mends what is missing, and says what it cannot mend.
    let report = fixture.import("entries.db").await.unwrap();
    assert_eq!((report.counts.imported, report.counts.resumed), (1, 199));
    assert_eq!(report.verification.unwrap().flaws, 2);
}

#[tokio::test]
async fn a_source_that_changed_since_is_found_and_named() {
    let fixture = Fixture::new().await;
    let mut source = fixture.source("entries.db", ENTRIES);
    fill(&mut source, 50);
    fixture.imported("entries.db").await;
    source
        .execute_batch("DELETE FROM entries WHERE id = 3; UPDATE entries SET text = 'rewritten' WHERE id = 4")
        .unwrap();
    let found = fixture.verified("entries.db").await;
    let problems: Vec<String> =
        found.problems.iter().map(|problem| format!("{} {}", problem.row, problem.what)).collect();
    assert_eq!(found.flaws, 3, "{found:?}");
    assert!(problems[0].starts_with("4 its text"), "{problems:?}");
    assert!(
        problems.iter().any(|problem| problem.starts_with("3 ") && problem.contains("no such row")),
        "{problems:?}"
    );
    assert!(
        problems.iter().any(|problem| problem.starts_with("4 ") && problem.contains("another text now")),
        "{problems:?}"
    );
    assert_eq!((found.classes[0].source_rows, found.entries), (48, 50));
}

#[tokio::test]
async fn it_writes_nothing_and_needs_no_service() {
    let fixture = Fixture::new().await;
    let mut source = fixture.source("entries.db", ENTRIES);
    fill(&mut source, 20);
    let store = fixture.with_service("http://127.0.0.1:9").await;
    let found = agent_turbo_migrator::verify(&store, &fixture.options("entries.db"), &()).await.unwrap();
    assert_eq!((found.flaws, found.entries), (20, 0));
    assert!(fixture.entries().await.is_empty() && fixture.rejects().is_empty());
}
