//! What is in one project is never seen from another one, whatever their names.

use agent_turbo_knowledge::{
    ContentHash, Filter, Mode, Near, NewEntry, Outcome, Patch, Project, Query, States, Store,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::support::{Fixture, THREE, query};

/// Names that a comparison by prefix, pattern, case, collation or look would take for each other.
fn names() -> impl Strategy<Value = Vec<Project>> {
    let around = |base: String| {
        let lookalike = base.replace('a', "\u{430}").replace('e', "\u{435}").replace('o', "\u{43e}");
        let mut names = vec![
            base.to_uppercase(),
            base[..1].to_owned(),
            lookalike,
            format!("{base}\u{200b}"),
            format!("{base}\u{301}"),
            base.chars().map(|letter| char::from_u32(letter as u32 + 0xfee0).unwrap_or(letter)).collect(),
        ];
        for end in
            ["2", "_", "%", "*", ".", "..", "/", "\\", "'", "\"", " x", "--", "\\%", "[a-z]*", "' OR '1'='1"]
        {
            names.push(format!("{base}{end}"));
        }
        for start in ["%", "_", "*", ".*", "' UNION SELECT * FROM agent_knowledge --"] {
            names.push(format!("{start}{base}"));
        }
        names.push(base);
        for whole in [
            "%",
            "_",
            "*",
            "?",
            "default",
            "Default",
            "NULL",
            "é",
            "e\u{301}",
            "'; TRUNCATE agent_knowledge; --",
        ] {
            names.push(whole.to_owned());
        }
        names
    };
    let hostile = "[aeo][a-z]{1,5}".prop_map(around).prop_shuffle();
    let anything = prop::collection::vec("\\PC{1,20}", 0..3);
    (hostile, anything, 4usize..9).prop_map(|(mut names, anything, count)| {
        names.truncate(count);
        names.extend(anything);
        let mut projects: Vec<Project> = names.iter().filter_map(|name| name.parse().ok()).collect();
        projects.sort();
        projects.dedup();
        projects
    })
}

/// The text that only project number `number` has.
fn own(number: usize) -> String {
    format!("PostgreSQL is a powerful relational database, copy {number}")
}

/// Which projects' own texts a text tells of.
fn owner(text: &str) -> Option<usize> {
    text.split_once(", copy ").and_then(|(_, number)| number.trim_end_matches('!').parse().ok())
}

async fn fill(store: &Store, project: &Project, number: usize) -> ContentHash {
    let entry = |text: &str| NewEntry { project: project.clone(), ..NewEntry::new(text) };
    let mut entries: Vec<NewEntry> = THREE.iter().map(|text| entry(text)).collect();
    entries.push(entry(&format!("{} at first", own(number))));
    let mut added = store.add_batch(entries).await.unwrap();
    for result in &added {
        assert_eq!(result.as_ref().unwrap().outcome, Outcome::Added);
    }
    let former = added.pop().unwrap().unwrap().content_hash;
    let patch = Patch { content: Some(own(number)), ..Patch::default() };
    store.update(project, &(&former).into(), patch).await.unwrap().unwrap();
    former
}

async fn look(store: &Store, projects: &[Project], formers: &[ContentHash]) -> Result<(), TestCaseError> {
    for (number, project) in projects.iter().enumerate() {
        let filter = Filter::project(project.clone());
        // Twice: the second time from memory.
        for (mode, _) in
            [Mode::Vector, Mode::Text, Mode::Hybrid].into_iter().flat_map(|mode| [(mode, 1), (mode, 2)])
        {
            let question =
                Query { mode, filter: filter.clone(), ..query("a powerful database or language", 1000) };
            let hits = store.query(&question).await.unwrap().hits;
            prop_assert!(hits.iter().all(|hit| hit.entry.project == project.as_str()), "{mode} {hits:?}");
            let expected = if mode == Mode::Text { 3 } else { 4 };
            prop_assert_eq!(hits.len(), expected, "{} {:?}", mode, hits);
        }
        for states in [States::Current, States::All] {
            let page = store.list(&Filter { states, ..filter.clone() }, 1000, None).await.unwrap();
            prop_assert!(page.entries.iter().all(|entry| entry.project == project.as_str()));
            prop_assert_eq!(page.entries.len(), 4);
        }
        let stats = store.stats(Some(project)).await.unwrap();
        prop_assert_eq!((stats.entries, stats.projects.len()), (4, 1));
        prop_assert_eq!(&stats.projects[0].name, project.as_str());
        let scan = store.scan_secrets(Some(project), None, false).await.unwrap();
        let versions = store.scan_secrets(Some(project), scan.next, false).await.unwrap();
        prop_assert_eq!((scan.entries, versions.versions), (4, 1));
        for (of, former) in formers.iter().enumerate() {
            let entry = former.into();
            let versions = store.versions(project, &entry, 10, None).await.unwrap();
            prop_assert_eq!(versions.is_some(), of == number);
            if let Some(versions) = versions {
                prop_assert_eq!(versions.entry.project.as_str(), project.as_str());
                continue;
            }
            prop_assert_eq!(store.get(project, &entry).await.unwrap(), None);
            prop_assert_eq!(store.revert(project, &entry, None).await.unwrap(), None);
            prop_assert_eq!(store.quarantine(project, &entry, None).await.unwrap(), None);
            prop_assert_eq!(store.supersede(project, &entry, &entry).await.unwrap(), None);
        }
    }
    // What changes one of them leaves the others alone.
    for (number, project) in projects.iter().enumerate() {
        let entry = NewEntry {
            project: project.clone(),
            near: if number % 2 == 0 { Near::Merged } else { Near::Reported },
            near_similarity: Some(0.5),
            ..NewEntry::new(format!("{}!", own(number)))
        };
        let added = store.add(entry).await.unwrap();
        for near in &added.near_duplicates {
            let of = owner(&near.headline);
            prop_assert!(of.is_none_or(|of| of == number), "{} {near:?}", number);
        }
        for (other, project) in projects.iter().enumerate() {
            let page = store.list(&Filter::project(project.clone()), 1000, None).await.unwrap();
            let owners: Vec<usize> = page.entries.iter().filter_map(|entry| owner(&entry.content)).collect();
            prop_assert!(owners.iter().all(|owner| *owner == other), "{other}: {owners:?}");
            let changed = page.entries.iter().any(|entry| entry.content.ends_with('!'));
            prop_assert_eq!(changed, other <= number);
        }
    }
    Ok(())
}

#[test]
fn no_name_of_a_project_opens_another_one() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    // Each case has a database of its own; there are enough of them to meet every pair of names now and then.
    let mut runner = TestRunner::new(Config { cases: 8, max_shrink_iters: 20, ..Config::default() });
    let result = runner.run(&names(), |projects| {
        runtime.block_on(async {
            let fixture = Fixture::new().await;
            let mut formers = Vec::new();
            for (number, project) in projects.iter().enumerate() {
                formers.push(fill(&fixture.store, project, number).await);
            }
            look(&fixture.store, &projects, &formers).await
        })
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
