use agent_turbo_knowledge::{Error, Filter, Mode, NewEntry, Query};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{Fixture, query, texts};

#[tokio::test]
async fn a_filter_never_hides_what_exists() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let entry = |content: &str, number: usize| NewEntry {
        project: if number.is_multiple_of(2) { "even" } else { "odd" }.parse().unwrap(),
        knowledge_type: Some(format!("type{}", number % 5)),
        category: Some(format!("category{}", number % 3)),
        tags: vec!["all".to_owned(), format!("tag{}", number % 7)],
        metadata: json!({"number": number, "nested": {"rest": number % 4}}).as_object().unwrap().clone(),
        ..NewEntry::new(content)
    };
    let entries = (0..210).map(|number| entry(&format!("report {number} on the weather"), number)).collect();
    for result in store.add_batch(entries).await.unwrap() {
        result.unwrap();
    }
    let base = Filter::default();
    let metadata = |value: serde_json::Value| value.as_object().unwrap().clone();
    let cases: [(Filter, usize); 8] = [
        (Filter::project("odd".parse().unwrap()), 105),
        (Filter { knowledge_types: vec!["type1".into(), "type2".into()], ..base.clone() }, 84),
        (Filter { category: Some("category0".into()), ..base.clone() }, 70),
        (Filter { tags: vec!["all".into(), "tag3".into()], ..base.clone() }, 30),
        (Filter { metadata: metadata(json!({"number": 17})), ..base.clone() }, 1),
        (Filter { metadata: metadata(json!({"nested": {"rest": 3}})), ..base.clone() }, 52),
        (Filter { tags: vec!["tag3".into()], ..Filter::project("even".parse().unwrap()) }, 15),
        (Filter { tags: vec!["none".into()], ..base.clone() }, 0),
    ];
    for (filter, expected) in cases {
        for mode in [Mode::Vector, Mode::Text, Mode::Hybrid] {
            let question = Query { mode, filter: filter.clone(), ..query("weather report", 1000) };
            assert_eq!(store.query(&question).await.unwrap().hits.len(), expected, "{mode} {filter:?}");
        }
        assert_eq!(store.list(&filter, 1000, None).await.unwrap().entries.len(), expected, "{filter:?}");
    }
}

#[tokio::test]
async fn a_rare_project_is_found_in_full_among_many_nearer_entries() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let rare = |number: usize| NewEntry {
        project: "rare".parse().unwrap(),
        ..NewEntry::new(format!("unrelated remark {number} about cooking pasta"))
    };
    for result in store.add_batch((0..7).map(rare).collect()).await.unwrap() {
        result.unwrap();
    }
    // More rows than an index scan looks at, all of them nearer to the question than those of the project.
    let client = fixture.database.client().await.unwrap();
    let near = store.add(NewEntry::new("databases")).await.unwrap();
    client
        .execute(
            "INSERT INTO agent_knowledge (content, embedding)
             SELECT 'near ' || n, k.embedding FROM agent_knowledge AS k, generate_series(1, 3000) AS n
             WHERE k.content_hash = $1",
            &[&near.content_hash.as_str()],
        )
        .await
        .unwrap();
    let filter = Filter::project("rare".parse().unwrap());
    let mut settings = agent_turbo_knowledge::session_settings();
    settings.push(("hnsw.max_scan_tuples", "100".to_owned()));
    // Leaves the planner the one index that would give up.
    settings.push(("enable_seqscan", "off".to_owned()));
    settings.push(("enable_bitmapscan", "off".to_owned()));
    settings.push(("enable_sort", "off".to_owned()));
    let db = fixture.database.connect(settings).await.unwrap();
    let embed = agent_turbo_test_support::embedding_client().await.unwrap();
    let narrow = agent_turbo_knowledge::Store::open(db, embed, agent_turbo_knowledge::Options::default())
        .await
        .unwrap();
    for store in [store, &narrow] {
        for mode in [Mode::Vector, Mode::Hybrid] {
            let question = Query { mode, filter: filter.clone(), ..query("databases", 7) };
            assert_eq!(store.query(&question).await.unwrap().hits.len(), 7, "{mode}");
        }
    }
}

#[tokio::test]
async fn projects_are_matched_to_the_letter() {
    let fixture = Fixture::new().await;
    let names = ["app", "App", "app2", "ap_", "ap%", "app ü", "a'pp", "app\\"];
    for name in names {
        let entry =
            NewEntry { project: name.parse().unwrap(), ..NewEntry::new(format!("belongs to {name}")) };
        fixture.store.add(entry).await.unwrap();
    }
    for name in names {
        let filter = Filter::project(name.parse().unwrap());
        for mode in [Mode::Vector, Mode::Text, Mode::Hybrid] {
            let question = Query { mode, filter: filter.clone(), ..query("belongs", 100) };
            assert_eq!(texts(&fixture.store.query(&question).await.unwrap()), [format!("belongs to {name}")]);
        }
    }
}

#[tokio::test]
async fn a_filter_on_nothing_is_refused() {
    let fixture = Fixture::new().await;
    let nothing = [
        Filter { knowledge_types: vec![String::new()], ..Filter::default() },
        Filter { category: Some(" ".to_owned()), ..Filter::default() },
        Filter { tags: vec!["x".to_owned(), String::new()], ..Filter::default() },
    ];
    for filter in nothing {
        let error = fixture.store.query(&Query { filter, ..query("x", 1) }).await.unwrap_err();
        assert!(matches!(error, Error::BadInput { .. }), "{error}");
    }
}

proptest! {
    #[test]
    fn a_project_name_is_taken_as_it_is_or_refused(name in any::<String>()) {
        match name.parse::<agent_turbo_knowledge::Project>() {
            Ok(project) => prop_assert_eq!(project.as_str(), name),
            Err(error) => {
                let refused = matches!(error, Error::BadInput { .. });
                prop_assert!(refused);
            }
        }
    }
}
