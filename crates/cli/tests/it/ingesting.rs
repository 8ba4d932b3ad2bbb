//! `ingest` and `export`, also when they are killed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use agent_turbo_test_support::{Behaviour, Misbehaving};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::support::{Fixture, Ran, SOON, until};

const GUIDE: &str = "# Guide\n\nHow to work with it.\n\n## Install\n\nRun the installer once.\n\n## Use\n\nAsk it a question.\n";

fn write(fixture: &Fixture, name: &str, text: impl AsRef<[u8]>) {
    let path = fixture.dir.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Many small documents, more than one batch of them.
fn fill(fixture: &Fixture, documents: usize) {
    for number in 0..documents {
        let sections: String = (0..6)
            .map(|section| format!("## Part {section}\n\nNote {number}.{section} on retries and pauses.\n\n"))
            .collect();
        write(fixture, &format!("docs/{number:03}.md"), format!("# Notes {number}\n\n{sections}"));
    }
}

/// Runs it until no killed one is still seen as under way by the server.
async fn ingest(fixture: &Fixture, arguments: &[&str]) -> Ran {
    loop {
        let ran = fixture.run(&[&["ingest"], arguments].concat()).await;
        if !ran.stderr.contains("another ingest is under way") {
            return ran;
        }
    }
}

async fn report(fixture: &Fixture, arguments: &[&str]) -> Value {
    ingest(fixture, &[arguments, &["--json"]].concat()).await.json()
}

fn documents(report: &Value) -> [u64; 5] {
    ["added", "changed", "unchanged", "removed", "skipped"]
        .map(|class| report["documents"][class].as_u64().unwrap())
}

fn chunks(report: &Value) -> [u64; 4] {
    ["embedded", "known", "removed", "rejected"].map(|class| report["chunks"][class].as_u64().unwrap())
}

/// Everything that is stored of documents, but for times and ids.
async fn state(fixture: &Fixture) -> (Vec<String>, Vec<String>) {
    let client = fixture.database.client().await.unwrap();
    let all = async |sql: &str| {
        let rows = client.query(sql, &[]).await.unwrap();
        let root = fixture.dir.path().canonicalize().unwrap().display().to_string();
        rows.iter().map(|row| row.get::<_, String>(0).replace(&root, "")).collect::<Vec<_>>()
    };
    let places =
        all("SELECT concat_ws(' ', d.source, d.title, d.content_hash, d.chunk_count, d.metadata ->> 'path',
                          c.position, k.content_hash, c.heading, c.first_line, c.last_line)
         FROM documents d LEFT JOIN document_chunks c ON c.document_id = d.id
         LEFT JOIN agent_knowledge k ON k.id = c.knowledge_id ORDER BY d.source, c.position")
        .await;
    let entries = all("SELECT concat_ws(' ', content_hash, knowledge_type, metadata, embedding IS NOT NULL)
         FROM agent_knowledge ORDER BY content_hash")
    .await;
    (places, entries)
}

#[tokio::test]
async fn documents_are_found_with_their_places_and_only_what_changed_is_embedded() {
    let fixture = Fixture::new().await;
    write(&fixture, "docs/guide.md", GUIDE);
    write(
        &fixture,
        "docs/find.rs",
        "use std::fs;\n\n/// Finds the needle.\nfn find_needle() -> u32 {\n    7\n}\n",
    );
    let dry = fixture.run(&["ingest", "docs", "--dry-run"]).await;
    assert!(
        dry.done().starts_with("Nothing was written.") && dry.stdout.contains("5  chunks embedded"),
        "{dry:?}"
    );
    assert_eq!(fixture.rows().await, 0);
    let first = fixture.run(&["ingest", "docs"]).await;
    assert!(first.done().starts_with("✅ Ingested 2 documents into default"), "{first:?}");
    let found = fixture.run(&["query", "how is it installed", "--limit", "1"]).await;
    assert!(found.done().contains("docs/guide.md:5-7 › Guide › Install"), "{found:?}");
    let found = fixture.json(&["query", "find needle", "--limit", "1"]).await;
    assert_eq!(found["results"][0]["location"], "docs/find.rs:3-6 › find_needle");
    let context = fixture.json(&["context"]).await;
    let sources: Vec<_> = context["documentation_sources"].as_array().unwrap().iter().collect();
    assert!(
        sources.iter().any(|source| source["title"] == "Guide" && source["chunk_count"] == 3),
        "{context}"
    );

    let again = report(&fixture, &["docs"]).await;
    assert_eq!((documents(&again), chunks(&again)), ([0, 0, 2, 0, 0], [0, 0, 0, 0]));

    write(&fixture, "docs/guide.md", GUIDE.replace("once", "twice"));
    let changed = report(&fixture, &["docs"]).await;
    assert_eq!((documents(&changed), chunks(&changed)), ([0, 1, 1, 0, 0], [1, 2, 1, 0]));

    // What only moved is where it is now.
    write(&fixture, "docs/guide.md", format!("# Before\n\nNew.\n\n{}", GUIDE.replace("once", "twice")));
    let moved = report(&fixture, &["docs"]).await;
    assert_eq!(chunks(&moved), [1, 3, 0, 0]);
    let found = fixture.run(&["query", "how is it installed", "--limit", "1"]).await;
    assert!(found.done().contains("docs/guide.md:9-11 › Guide › Install"), "{found:?}");

    fs::remove_file(fixture.dir.path().join("docs/guide.md")).unwrap();
    let removed = report(&fixture, &["docs"]).await;
    assert_eq!((documents(&removed), chunks(&removed)), ([0, 0, 1, 1, 0], [0, 0, 4, 0]));
    assert_eq!(fixture.rows().await, 2);
}

#[tokio::test]
async fn a_text_in_two_documents_stays_until_both_are_gone_and_one_of_a_person_for_ever() {
    let fixture = Fixture::new().await;
    fixture.add(&["Said by a person, and by a document."]).await;
    write(&fixture, "docs/a.txt", "The same words in both.\n");
    write(&fixture, "docs/b.txt", "\n\nThe same words in both.\n");
    write(&fixture, "docs/c.txt", "Said by a person, and by a document.\n");
    let first = report(&fixture, &["docs"]).await;
    assert_eq!((documents(&first), chunks(&first)), ([3, 0, 0, 0, 0], [1, 2, 0, 0]));
    fs::remove_file(fixture.dir.path().join("docs/a.txt")).unwrap();
    // A path that is gone is told by its name alone.
    let removed = report(&fixture, &["docs/a.txt"]).await;
    assert_eq!((documents(&removed), chunks(&removed)), ([0, 0, 0, 1, 0], [0, 0, 0, 0]));
    let found = fixture.json(&["query", "the same words", "--limit", "1"]).await;
    assert_eq!(found["results"][0]["location"], "docs/b.txt:3");
    fs::remove_dir_all(fixture.dir.path().join("docs")).unwrap();
    let removed = report(&fixture, &["docs"]).await;
    assert_eq!((documents(&removed), chunks(&removed)), ([0, 0, 0, 2, 0], [0, 0, 1, 0]));
    let (places, entries) = state(&fixture).await;
    assert!(places.is_empty() && entries.len() == 1 && entries[0].contains(" general "), "{entries:?}");
    fixture.run(&["ingest", "docs"]).await.failed(2, &["docs"]);
}

#[tokio::test]
async fn a_document_of_a_repository_tells_its_path_there_and_the_commit() {
    let fixture = Fixture::new().await;
    let root = fixture.dir.path().join("repository");
    write(&fixture, "repository/docs/guide.md", GUIDE);
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
    let git = |arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        let output = command.arg("-C").arg(&root).args(identity).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "one"]);
    report(&fixture, &["repository/docs"]).await;
    let found = fixture.json(&["query", "how is it installed", "--limit", "1"]).await;
    let hit = &found["results"][0];
    assert_eq!(hit["location"], "docs/guide.md:5-7 › Guide › Install");
    assert_eq!(hit["metadata"]["document"]["commit"], git(&["rev-parse", "HEAD"]));
}

#[tokio::test]
async fn what_is_left_out_of_a_run_is_left_alone() {
    let fixture = Fixture::new().await;
    write(&fixture, "docs/a.md", "# A\n\nFirst.\n");
    write(&fixture, "docs/b.txt", "Second.\n");
    report(&fixture, &["docs"]).await;
    let narrow = report(&fixture, &["docs", "--include", "*.md"]).await;
    assert_eq!(documents(&narrow), [0, 0, 1, 0, 0]);
    write(&fixture, "docs/.gitignore", "*.txt\n");
    let ignored = report(&fixture, &["docs"]).await;
    assert_eq!((documents(&ignored), chunks(&ignored)), ([0, 0, 1, 1, 0], [0, 0, 1, 0]));
}

#[tokio::test]
async fn a_killed_ingest_is_gone_on_with_and_comes_to_the_same() {
    let (fixture, undisturbed) = (Fixture::new().await, Fixture::new().await);
    fill(&fixture, 60);
    fill(&undisturbed, 60);
    report(&undisturbed, &["docs"]).await;
    let client = fixture.database.client().await.unwrap();
    let connected = "SELECT count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND application_name = 'agent-turbo'";
    let mut killed = 0;
    for more in [1, 65, 1] {
        let goal = fixture.rows().await + more;
        let mut child = fixture.program().spawn(&["ingest", "docs"]);
        until("a batch is written, or all of them", async || {
            child.try_wait().unwrap().is_some() || fixture.rows().await >= goal
        })
        .await;
        killed += i32::from(child.try_wait().unwrap().is_none());
        let _ = child.start_kill();
        tokio::time::timeout(SOON, child.wait()).await.unwrap().unwrap();
        until("its connections are gone", async || {
            client.query_one(connected, &[]).await.unwrap().get::<_, i64>(0) == 0
        })
        .await;
        if killed == 2 {
            // What was made for a document that changed meanwhile is made for nobody.
            write(&fixture, "docs/059.md", "# Other\n\nFor now.\n");
        }
    }
    assert!(killed > 1, "hardly one of them was killed in time");
    fill(&fixture, 60);
    report(&fixture, &["docs"]).await;
    assert_eq!(state(&fixture).await, state(&undisturbed).await);
    let again = report(&fixture, &["docs"]).await;
    assert_eq!(documents(&again), [0, 0, 60, 0, 0]);
}

#[tokio::test]
async fn a_request_to_terminate_stops_it_after_the_batch_under_way() {
    let fixture = Fixture::new().await;
    fill(&fixture, 150);
    let child = fixture.program().spawn(&["ingest", "docs"]);
    until("something is stored", async || fixture.rows().await > 0).await;
    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let ran = Ran::from(tokio::time::timeout(SOON, child.wait_with_output()).await.unwrap().unwrap());
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.stdout.starts_with("Stopped after") && ran.stderr.contains("run the same command again"),
        "{ran:?}"
    );
    assert!(fixture.rows().await < 900);
    let rest = report(&fixture, &["docs"]).await;
    assert_eq!((documents(&rest)[0] + documents(&rest)[2], fixture.rows().await), (150, 900));
}

#[tokio::test]
async fn a_second_ingest_of_a_project_is_refused_while_one_is_under_way() {
    let fixture = Fixture::new().await;
    write(&fixture, "docs/a.md", GUIDE);
    let silent = Misbehaving::start(Behaviour::Silent).await.unwrap();
    let program = fixture.program().env("AGENT_TURBO_EMBED_URL", silent.url());
    let mut first = program.spawn(&["ingest", "docs"]);
    until("the first one waits for its vectors", async || silent.requests() > 0).await;
    fixture
        .run(&["ingest", "docs"])
        .await
        .failed(1, &["another ingest is under way in project default", "→"]);
    fixture.run(&["ingest", "docs", "--dry-run"]).await.done();
    fixture.run(&["ingest", "docs", "--project", "other"]).await.done();
    first.start_kill().unwrap();
    first.wait().await.unwrap();
    assert!(ingest(&fixture, &["docs"]).await.done().starts_with("✅ Ingested 1 document into default"));
}

#[tokio::test]
async fn files_that_are_no_documents_are_skipped_with_their_reasons() {
    let fixture = Fixture::new().await;
    write(&fixture, "docs/good.md", GUIDE);
    write(&fixture, "docs/program", b"\x7fELF\x01\0\0\0".repeat(100));
    write(&fixture, "docs/blank.txt", " \n\n");
    write(&fixture, "docs/Cargo.lock", "version = 4\n");
    write(&fixture, "docs/large.txt", vec![b'x'; 10 << 20]);
    write(&fixture, "docs/latin.txt", b"Stra\xdfe und Gr\xfc\xdfe, sch\xf6n ist es hier");
    write(&fixture, "docs/.hidden.md", "# Hidden\n");
    symlink("..", fixture.dir.path().join("docs/loop")).unwrap();
    symlink("nowhere", fixture.dir.path().join("docs/dangling")).unwrap();
    let ran = fixture.run(&["ingest", "docs", "--json"]).await;
    let found = ran.json();
    assert_eq!((documents(&found), found["failed"].as_u64()), ([2, 0, 0, 0, 6], Some(0)));
    let reasons = json!({
        "a symbolic link": 2, "binary": 1, "empty": 1, "generated": 1, "larger than 8388608 bytes": 1
    });
    assert_eq!(found["skipped_for"], reasons);
    let text = fixture.run(&["query", "Straße", "--mode", "text"]).await;
    assert!(text.done().contains("docs/latin.txt:1"), "{text:?}");
    // Nobody may read this one from its beginning, whoever he is.
    write(&fixture, "docs/broken.pdf", "%PDF-1.7\n1 0 obj\n<<");
    let ran = fixture.run(&["ingest", "docs", "/proc/self/mem"]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(6), ""), "{ran:?}");
    assert!(
        ran.stdout.contains("1 cannot be read, 1 damaged") && ran.stdout.contains("mem: cannot be read"),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("broken.pdf: damaged"), "{ran:?}");
}

#[tokio::test]
async fn a_line_of_ten_megabytes_is_taken_in_pieces_when_it_is_asked_for() {
    let fixture = Fixture::new().await;
    // Of equal pieces one is embedded.
    write(&fixture, "line.txt", "lorem ipsum ".repeat((10 << 20) / 12));
    let long = report(&fixture, &["line.txt", "--max-bytes", "20000000"]).await;
    assert_eq!(documents(&long), [1, 0, 0, 0, 0]);
    assert!(chunks(&long)[0] < 10 && chunks(&long)[1] > 10_000, "{long}");
}

#[tokio::test]
async fn lines_of_json_are_entries_and_broken_ones_are_told_with_their_numbers() {
    let fixture = Fixture::new().await;
    write(
        &fixture,
        "facts.jsonl",
        "{\"id\":\"a\",\"text\":\"Retries double their pause\",\"metadata\":{\"topic\":\"retries\"}}\n\
         {\"id\":\"b\",\"text\":\n\n{\"id\":3,\"text\":\"Leases end by themselves\",\"created_at\":\"2024-05-06T07:08:09Z\"}\n",
    );
    let strict = fixture.run(&["ingest", "facts.jsonl", "--strict"]).await;
    strict.failed(2, &["line 2", "facts.jsonl", "→"]);
    let ran = fixture.run(&["ingest", "facts.jsonl"]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(6), ""), "{ran:?}");
    assert!(ran.stdout.contains("facts.jsonl:2: EOF"), "{ran:?}");
    let found = fixture.json(&["query", "leases", "--limit", "1"]).await;
    let hit = &found["results"][0];
    assert_eq!((&hit["metadata"]["id"], &hit["location"]), (&3.into(), &"facts.jsonl:4".into()));
    assert_eq!(hit["created_at"], "2024-05-06T07:08:09Z");
    // A line that is gone takes its entry with it, one that states its type is an entry of its own.
    write(&fixture, "facts.jsonl", "{\"id\":\"a\",\"text\":\"Kept\",\"knowledge_type\":\"fact\"}\n");
    let changed = report(&fixture, &["facts.jsonl"]).await;
    assert_eq!((documents(&changed), chunks(&changed)), ([0, 1, 0, 0, 0], [1, 0, 2, 0]));
    fs::remove_file(fixture.dir.path().join("facts.jsonl")).unwrap();
    report(&fixture, &["facts.jsonl"]).await;
    let kept = fixture.json(&["list"]).await;
    assert_eq!((kept["entries"][0]["content"].as_str(), fixture.rows().await), (Some("Kept"), 1));
}

#[tokio::test]
async fn each_of_many_pieces_is_told_where_it_stands() {
    let fixture = Fixture::new().await;
    let line = |number: u32| format!("{{\"id\":{number},\"text\":\"Fact {number}\"}}\n");
    write(&fixture, "facts.jsonl", (1..=600).map(line).collect::<String>());
    assert_eq!(chunks(&report(&fixture, &["facts.jsonl"]).await), [600, 0, 0, 0]);
    let as_it_was = report(&fixture, &["facts.jsonl"]).await;
    assert_eq!((documents(&as_it_was), chunks(&as_it_was)), ([0, 0, 1, 0, 0], [0, 600, 0, 0]));
    write(&fixture, "facts.jsonl", [601].into_iter().chain(1..=599).map(line).collect::<String>());
    assert_eq!(chunks(&report(&fixture, &["facts.jsonl"]).await), [1, 599, 1, 0]);
    let client = fixture.database.client().await.unwrap();
    let wrong = "SELECT count(*) FROM agent_knowledge
                 WHERE (metadata -> 'document' ->> 'first_line')::int
                     <> CASE metadata ->> 'id' WHEN '601' THEN 1 ELSE (metadata ->> 'id')::int + 1 END";
    assert_eq!(client.query_one(wrong, &[]).await.unwrap().get::<_, i64>(0), 0);
    let unfinished = "SELECT count(*) FROM documents WHERE content_hash IS NULL OR chunk_count <> 600";
    assert_eq!(client.query_one(unfinished, &[]).await.unwrap().get::<_, i64>(0), 0);
    // What somebody changes is no longer the document's.
    let id = |id: u32| format!("{{\"id\":{id}}}");
    let listed = fixture.json(&["list", "--metadata", &id(7)]).await;
    let hash = listed["entries"][0]["content_hash"].as_str().unwrap().to_owned();
    fixture.run(&["update", &hash, "--content", "Fact 7, as somebody knows it"]).await.done();
    fs::remove_file(fixture.dir.path().join("facts.jsonl")).unwrap();
    assert_eq!(chunks(&report(&fixture, &["facts.jsonl"]).await), [0, 0, 599, 0]);
    assert_eq!(fixture.rows().await, 1);
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn what_is_exported_comes_back_the_same() {
    let fixture = Fixture::new().await;
    write(&fixture, "docs/guide.md", GUIDE);
    report(&fixture, &["docs"]).await;
    let metadata = "{\"id\":\"note-1\",\"deep\":{\"a\":[1,null]}}";
    let rich = [
        "add",
        "Two\nlines \u{7f}",
        "--type",
        "fact",
        "--category",
        "c",
        "--tag",
        "x y",
        "--metadata",
        metadata,
    ];
    fixture.json(&rich).await;
    fixture.json(&["add", "In another project", "--project", "other", "--metadata", "{\"id\":7}"]).await;
    fixture.run(&["query", "installer"]).await.done();
    let client = fixture.database.client().await.unwrap();
    let past =
        "UPDATE agent_knowledge SET created_at = '2020-01-02T03:04:05.678901Z' WHERE knowledge_type = 'fact'";
    client.execute(past, &[]).await.unwrap();
    let exported = fixture.run(&["export", "--all-projects", "--output", "all.jsonl"]).await;
    assert_eq!(exported.done(), "✅ Exported 5 entries to all.jsonl\n");
    let file = fs::read_to_string(fixture.dir.path().join("all.jsonl")).unwrap();
    let only = fixture.run(&["export", "--type", "fact"]).await;
    let line: Value = serde_json::from_str(only.done()).unwrap();
    assert_eq!((&line["id"], &line["created_at"]), (&"note-1".into(), &"2020-01-02T03:04:05.678901Z".into()));
    assert_eq!(line["metadata"], json!({ "deep": { "a": [1, null] } }));

    let target = Fixture::new().await;
    write(&target, "all.jsonl", &file);
    let taken = report(&target, &["all.jsonl"]).await;
    assert_eq!(chunks(&taken), [5, 0, 0, 0]);
    let back = target.run(&["export", "--all-projects"]).await;
    assert_eq!(lines(back.done()), lines(&file));
    // Where somebody names a project, everything goes there.
    report(&target, &["all.jsonl", "--project", "third"]).await;
    let third = target.run(&["export", "--project", "third"]).await;
    let renamed =
        |project: &str| file.replace(&format!("\"project\":\"{project}\""), "\"project\":\"third\"");
    assert_eq!(
        lines(third.done()),
        lines(&renamed("default").replace("\"project\":\"other\"", "\"project\":\"third\""))
    );
    let bad = target.run(&["export", "--output", "no/such/folder.jsonl"]).await;
    bad.failed(2, &["no/such/folder.jsonl"]);
}

#[tokio::test]
async fn a_watcher_takes_what_is_made_changed_renamed_and_removed() {
    let fixture = Fixture::new().await;
    write(&fixture, "docs/a.md", "# A\n\nFirst.\n");
    let mut child = fixture.program().spawn(&["ingest", "docs", "--watch", "--json"]);
    let mut reports = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = async || {
        let line = tokio::time::timeout(SOON, reports.next_line()).await.unwrap().unwrap().unwrap();
        let report: Value = serde_json::from_str(&line).unwrap();
        (documents(&report), chunks(&report))
    };
    assert_eq!(next().await, ([1, 0, 0, 0, 0], [1, 0, 0, 0]));
    write(&fixture, "docs/new/b.md", "# B\n\nSecond.\n");
    assert_eq!(next().await, ([1, 0, 0, 0, 0], [1, 0, 0, 0]));
    write(&fixture, "docs/a.md", "# A\n\nFirst, and changed.\n");
    assert_eq!(next().await, ([0, 1, 0, 0, 0], [1, 0, 1, 0]));
    let path = |name: &str| fixture.dir.path().join(Path::new("docs").join(name));
    fs::rename(path("a.md"), path("c.md")).unwrap();
    assert_eq!(next().await, ([1, 0, 0, 1, 0], [0, 1, 0, 0]));
    fs::remove_dir_all(path("new")).unwrap();
    assert_eq!(next().await, ([0, 0, 0, 1, 0], [0, 0, 1, 0]));
    let found = fixture.json(&["query", "first", "--limit", "1"]).await;
    assert_eq!(found["results"][0]["location"], "docs/c.md:1-3 › A");
    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let status = tokio::time::timeout(SOON, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
}
