//! Showing, listing, changing, deleting and counting.

use serde_json::{Value, json};

use crate::support::{Fixture, THREE};

/// Hashes of the entries of a page or an answer, shortened to what `list` prints.
fn contents<'a>(page: &'a Value, member: &str) -> Vec<&'a str> {
    page[member].as_array().unwrap().iter().map(|entry| entry["content"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_entry_is_shown_with_everything_that_was_said_about_it() {
    let fixture = Fixture::new().await;
    let arguments = [
        "add",
        "kept",
        "--project",
        "Größe / 100%",
        "--type",
        "decision",
        "--category",
        "db",
        "--tag",
        "a",
        "--tag",
        "b, c",
        "--metadata",
        r#"{"n": 1}"#,
        "--session",
        "claude_executor_0011aabb",
        "--platform",
        "claude",
    ];
    let hash = fixture.json(&arguments).await["content_hash"].as_str().unwrap().to_owned();
    let shown = fixture.run(&["get", &hash[..4], "--project", "Größe / 100%"]).await;
    let parts = [
        hash.as_str(),
        "kept\n",
        "Größe / 100%",
        "decision",
        "db",
        "#a",
        "#b, c",
        r#"{"n":1}"#,
        "from claude, claude_executor_0011aabb",
    ];
    for part in parts {
        assert!(shown.done().contains(part), "{part}: {shown:?}");
    }
    let entry = fixture.json(&["get", &hash.to_uppercase(), "-p", "Größe / 100%"]).await;
    assert_eq!((&entry["tags"], &entry["metadata"]), (&json!(["a", "b, c"]), &json!({"n": 1})));
    assert_eq!(fixture.run(&["get", &hash]).await.code, Some(3), "projects are kept apart");
}

#[tokio::test]
async fn a_beginning_that_several_share_asks_for_more_digits() {
    let fixture = Fixture::new().await;
    let client = fixture.database.client().await.unwrap();
    for digit in [1, 2] {
        let hash = format!("abcd{digit}{}", "0".repeat(59));
        let insert = "INSERT INTO agent_knowledge (content, content_hash) VALUES ($1, $1)";
        client.execute(insert, &[&hash]).await.unwrap();
    }
    for arguments in [&["get", "abcd"][..], &["delete", "abcd"], &["update", "abcd", "--type", "x"]] {
        fixture.run(arguments).await.failed(2, &["several begin like that", "→ give more digits"]);
    }
    assert!(fixture.run(&["get", "abcd2"]).await.done().starts_with("abcd2"));
    assert_eq!(fixture.rows().await, 2);
}

#[tokio::test]
async fn what_is_changed_is_found_as_it_is_now_and_the_rest_stays() {
    let fixture = Fixture::new().await;
    let arguments =
        ["add", "to be changed", "--tag", "old", "--category", "c", "--metadata", r#"{"a": 1, "b": 2}"#];
    let added = fixture.json(&arguments).await;
    let hash = added["content_hash"].as_str().unwrap();
    let text =
        ["update", hash, "--content", "Elephants never forget", "--metadata", r#"{"a": null, "c": 3}"#];
    let changed = fixture.json(&text).await;
    let new = changed["content_hash"].as_str().unwrap();
    assert_ne!(new, hash);
    assert_eq!((&changed["tags"], &changed["category"]), (&json!(["old"]), &json!("c")));
    assert_eq!(changed["metadata"], json!({"b": 2, "c": 3}));
    assert_eq!(fixture.run(&["get", hash]).await.code, Some(3));
    let found = fixture.json(&["query", "an animal's memory", "--mode", "vector"]).await;
    assert!(found["results"][0]["similarity"].as_f64().unwrap() > 0.3, "{found}");
    let ran = fixture.run(&["update", new, "--no-tags", "--no-category", "--type", "fact"]).await;
    assert_eq!(ran.done(), format!("✅ Updated knowledge: {}\n", &new[..8]));
    let bare = fixture.json(&["get", new]).await;
    assert_eq!(
        (&bare["tags"], &bare["category"], &bare["knowledge_type"]),
        (&json!([]), &Value::Null, &json!("fact"))
    );
    fixture.run(&["update", new]).await.failed(2, &["nothing is to be different"]);
    fixture.run(&["update", new, "--content", "  "]).await.failed(2, &["empty"]);
    let other = fixture.add(&THREE[..1]).await.remove(0);
    fixture.run(&["update", new, "--content", THREE[0]]).await.failed(1, &[&other, "already has this text"]);
    assert_eq!(fixture.json(&["get", new]).await, bare, "what is refused changes nothing");
}

#[tokio::test]
async fn what_is_deleted_is_shown_once_more_and_gone() {
    let fixture = Fixture::new().await;
    let hashes = fixture.add(&THREE).await;
    let ran = fixture.run(&["delete", &hashes[0]]).await;
    assert_eq!(ran.done(), format!("✅ Deleted knowledge: {} {}\n", &hashes[0][..8], THREE[0]));
    assert_eq!(fixture.run(&["delete", &hashes[0]]).await.code, Some(3));
    let left = fixture.json(&["query", "database"]).await;
    assert!(!contents(&left, "results").contains(&THREE[0]));
    assert_eq!(fixture.json(&["delete", &hashes[1]]).await["content"], THREE[1]);
    assert_eq!(fixture.rows().await, 1);
}

#[tokio::test]
async fn a_list_is_read_page_by_page_newest_first_with_nothing_left_out() {
    let fixture = Fixture::new().await;
    fixture.add(&["one", "two", "three", "four", "five"]).await;
    let first = fixture.json(&["list", "--limit", "2"]).await;
    assert_eq!(contents(&first, "entries"), ["five", "four"]);
    let human = fixture.run(&["list", "--limit", "2"]).await;
    let cursor = human.done().lines().last().unwrap().strip_prefix("More: --before ").unwrap();
    assert_eq!(cursor, first["next"].to_string());
    let second = fixture.json(&["list", "--limit", "2", "--before", cursor]).await;
    assert_eq!(contents(&second, "entries"), ["three", "two"]);
    let third = fixture.json(&["list", "--limit", "2", "--before", &second["next"].to_string()]).await;
    assert_eq!((contents(&third, "entries"), &third["next"]), (vec!["one"], &Value::Null));
    let beyond = fixture.run(&["list", "--before", "0"]).await;
    assert_eq!(beyond.done(), "Nothing is stored here.\n");
}

/// Three entries that differ in everything that can be filtered by.
async fn sorted() -> Fixture {
    let fixture = Fixture::new().await;
    let entries = [
        ["red apple", "p1", "fact", "fruit", "sweet", r#"{"n": 1, "of": {"who": "ann"}}"#],
        ["red pepper", "p1", "fix", "vegetable", "hot", r#"{"n": 2}"#],
        ["red cherry", "p2", "fact", "fruit", "sweet", r#"{"n": 1}"#],
    ];
    for [text, project, kind, category, tag, metadata] in entries {
        let arguments = [
            "add",
            text,
            "-p",
            project,
            "--type",
            kind,
            "--category",
            category,
            "--tag",
            tag,
            "--tag",
            "food",
            "--metadata",
            metadata,
        ];
        fixture.run(&arguments).await.done();
    }
    fixture
}

#[tokio::test]
async fn every_filter_holds_in_lists_and_in_questions() {
    let fixture = sorted().await;
    let (apple, pepper, cherry) = ("red apple", "red pepper", "red cherry");
    let cases: [(&[&str], &[&str]); 11] = [
        (&["-p", "p1"], &[apple, pepper]),
        (&["--project", "p2"], &[cherry]),
        (&["--all-projects"], &[apple, cherry, pepper]),
        (&[], &[]),
        (&["--all-projects", "--type", "fact"], &[apple, cherry]),
        (&["--all-projects", "--type", "fact", "--type", "fix"], &[apple, cherry, pepper]),
        (&["-p", "p1", "--category", "fruit"], &[apple]),
        (&["--all-projects", "--tag", "food", "--tag", "hot"], &[pepper]),
        (&["--all-projects", "--metadata", r#"{"n": 1}"#], &[apple, cherry]),
        (&["--all-projects", "--metadata", r#"{"of": {"who": "ann"}}"#], &[apple]),
        (&["-p", "p2", "--type", "fix"], &[]),
    ];
    for (filter, expected) in cases {
        for (command, member) in [(&["list"][..], "entries"), (&["query", "red"], "results")] {
            let found = fixture.json(&[command, filter].concat()).await;
            let mut found = contents(&found, member);
            found.sort_unstable();
            assert_eq!(found, expected, "{command:?} {filter:?}");
        }
    }
}

#[tokio::test]
async fn stats_count_all_projects_or_one() {
    let fixture = sorted().await;
    fixture.run(&["query", "apple", "-p", "p1", "-l", "1"]).await.done();
    let all = fixture.json(&["stats"]).await;
    assert_eq!((&all["entries"], &all["embedded"], &all["accesses"]), (&json!(3), &json!(3), &json!(1)));
    let projects = json!([{"name": "p1", "entries": 2}, {"name": "p2", "entries": 1}]);
    assert_eq!(all["projects"], projects);
    assert_eq!(all["models"], json!([{"name": "all-MiniLM-L6-v2", "entries": 3}]));
    let one = fixture.json(&["stats", "--project", "p2"]).await;
    assert_eq!(
        (&one["entries"], &one["knowledge_types"]),
        (&json!(1), &json!([{"name": "fact", "entries": 1}]))
    );
    let human = fixture.run(&["stats"]).await;
    assert!(human.done().starts_with("3 entries, 3 with a vector"), "{human:?}");
    assert!(human.stdout.contains("Project") && human.stdout.contains("all-MiniLM-L6-v2"), "{human:?}");
    assert_eq!(fixture.json(&["stats", "-p", "nobody's"]).await["entries"], 0);
}
