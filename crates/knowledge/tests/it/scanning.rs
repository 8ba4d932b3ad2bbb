//! Secrets that are stored already.

use agent_turbo_knowledge::{Place, Remedy, Scan, ScanCursor, Store};
use tokio_postgres::Client;

use crate::support::{Fixture, query, texts};

const SECRET: &str = "DB_PASSWORD=correcthorse";

/// All pages; the members of each kind together.
async fn scan(store: &Store, project: Option<&str>, fix: bool) -> Scan {
    let project = project.map(|name| name.parse().unwrap());
    let mut all = Scan { findings: Vec::new(), entries: 0, versions: 0, next: None };
    let mut after: Option<ScanCursor> = None;
    loop {
        let page = store.scan_secrets(project.as_ref(), after, fix).await.unwrap();
        all.findings.extend(page.findings);
        all.entries += page.entries;
        all.versions += page.versions;
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

/// Everything that is stored, as text.
async fn everything(client: &Client) -> String {
    let sql = "SELECT coalesce(string_agg(t, E'\\n'), '') FROM (
                   SELECT (to_jsonb(k) - 'embedding')::text FROM agent_knowledge AS k
                   UNION ALL SELECT to_jsonb(v)::text FROM knowledge_versions AS v
               ) AS rows (t)";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn secrets_are_found_wherever_they_are_and_replaced_on_request() {
    let fixture = Fixture::new().await;
    let client = fixture.database.client().await.unwrap();
    client
        .batch_execute(
            r#"INSERT INTO agent_knowledge (id, content) VALUES (1001, 'connect with DB_PASSWORD=correcthorse');
               UPDATE agent_knowledge SET content = 'connect with DB_PASSWORD=correcthorse twice' WHERE id = 1001;
               INSERT INTO agent_knowledge (id, content, metadata, tags, quarantined_at)
                   VALUES (1002, 'notes', '{"env": {"password": "correcthorse"}}', '{https://a:correcthorse@h}', now());
               INSERT INTO agent_knowledge (id, project, content) VALUES (1003, 'other', 'DB_PASSWORD=correcthorse');
               INSERT INTO agent_knowledge (content) SELECT 'note ' || n FROM generate_series(1, 250) AS n"#,
        )
        .await
        .unwrap();
    let store = &fixture.store;
    let found = scan(store, None, false).await;
    assert_eq!((found.entries, found.versions), (253, 1));
    let places: Vec<_> = found
        .findings
        .iter()
        .map(|finding| (finding.project.as_str(), finding.version, finding.places.as_slice()))
        .collect();
    assert_eq!(
        places,
        [
            ("default", None, &[Place::Content][..]),
            ("default", None, &[Place::Labels, Place::Metadata]),
            ("other", None, &[Place::Content]),
            ("default", Some(1), &[Place::Content]),
        ]
    );
    assert!(found.findings.iter().all(|finding| finding.remedy == Remedy::None && finding.now.is_none()));
    assert!(!serde_json::to_string(&found).unwrap().contains("correcthorse"));

    let fixed = scan(store, Some("default"), true).await;
    assert_eq!(fixed.findings.len(), 3);
    assert!(fixed.findings.iter().all(|finding| finding.remedy == Remedy::Redacted), "{fixed:?}");
    assert_ne!(fixed.findings[0].now.as_ref(), Some(&fixed.findings[0].content_hash));
    assert_eq!(scan(store, Some("default"), false).await.findings, []);
    let left = scan(store, None, false).await.findings;
    assert_eq!((left.len(), left[0].project.as_str()), (1, "other"), "only the project that was named");
    scan(store, None, true).await;
    assert!(!everything(&client).await.contains("correcthorse"), "no version keeps it");
    let answer = store.query(&query("connect with a password", 1)).await.unwrap();
    assert_eq!(texts(&answer), ["connect with DB_PASSWORD=[redacted: password] twice"]);
}

#[tokio::test]
async fn an_entry_that_is_another_one_without_its_secret_is_removed() {
    let fixture = Fixture::new().await;
    let client = fixture.database.client().await.unwrap();
    client
        .batch_execute(
            "INSERT INTO agent_knowledge (id, content) VALUES
                 (1, 'DB_PASSWORD=correcthorse'), (2, 'DB_PASSWORD=other-horse'), (3, 'older');
             UPDATE agent_knowledge SET superseded_by = 2 WHERE id = 3",
        )
        .await
        .unwrap();
    let fixed = scan(&fixture.store, None, true).await;
    let remedies: Vec<_> = fixed.findings.iter().map(|finding| finding.remedy).collect();
    assert_eq!(remedies, [Remedy::Redacted, Remedy::Removed]);
    assert_eq!(fixed.findings[0].now, fixed.findings[1].now);
    let successor: i64 =
        client.query_one("SELECT superseded_by FROM agent_knowledge WHERE id = 3", &[]).await.unwrap().get(0);
    assert_eq!(successor, 1, "what it superseded stays superseded");
    assert!(!everything(&client).await.contains("horse"));
}

#[tokio::test]
async fn what_is_noted_beside_a_text_is_cleaned_when_it_comes() {
    use agent_turbo_knowledge::{NewEntry, Patch, Project};
    let fixture = Fixture::new().await;
    let metadata = serde_json::json!({"password": "correcthorse"}).as_object().unwrap().clone();
    let entry = NewEntry {
        tags: vec!["https://a:correcthorse@h".to_owned()],
        metadata: metadata.clone(),
        ..NewEntry::new(SECRET)
    };
    let added = fixture.store.add(entry).await.unwrap();
    assert_eq!(added.redacted, ["password", "url-password", "password"]);
    let patch = Patch { tags: Some(vec![SECRET.to_owned()]), metadata, ..Patch::default() };
    let entry = (&added.content_hash).into();
    fixture.store.update(&Project::default(), &entry, patch).await.unwrap().unwrap();
    assert_eq!(scan(&fixture.store, None, false).await.findings, []);
}
