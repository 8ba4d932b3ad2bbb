//! `eval`: figures that were worked out by hand, scopes, what is refused, and that nothing is left behind.

use std::fs;

use agent_turbo_test_support::{Behaviour, Misbehaving};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::AsyncBufReadExt as _;

use crate::support::{Fixture, Ran, SOON, members, until};

/// By words: `alpha` finds d1 (two of its two words), then d2 (one of four); d3 and d4 have no such word.
const DOCUMENTS: &str = r#"{"id": "d1", "text": "alpha alpha", "meta": {}}
{"id": "d2", "text": "alpha bravo charlie delta"}
{"_id": 3, "title": "echo", "text": "foxtrot"}
{"id": "d4", "text": "golf"}
"#;
/// q1 is judged, q2 finds what is relevant at once, q3 has no judgment, q4 none that is relevant.
const QUERIES: &str = r#"{"id": "q1", "text": "alpha"}
{"id": "q2", "text": "foxtrot"}
{"id": "q3", "text": "golf"}
{"id": "q4", "text": "golf"}
"#;
const QRELS: &str = "query-id\tcorpus-id\tscore\nq1\td2\t2\nq1\td4\t1\nq2\t3\t1\nq4\td1\t0\n";

const USUAL: [&str; 7] =
    ["eval", "--docs", "docs.jsonl", "--queries", "queries.jsonl", "--qrels", "qrels.tsv"];

fn write(fixture: &Fixture, documents: &str, queries: &str, qrels: &str) {
    let files = [("docs.jsonl", documents), ("queries.jsonl", queries), ("qrels.tsv", qrels)];
    for (name, text) in files {
        fs::write(fixture.dir.path().join(name), text).unwrap();
    }
}

async fn eval(fixture: &Fixture, arguments: &[&str]) -> Ran {
    fixture.run(&[&USUAL, arguments].concat()).await
}

async fn json(fixture: &Fixture, arguments: &[&str]) -> Value {
    eval(fixture, &[arguments, &["--json"]].concat()).await.json()
}

fn run_file(fixture: &Fixture, name: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(fixture.dir.path().join(name)).unwrap();
    text.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

/// The documents of a run in its order, by query.
fn found(run: &[Vec<String>], query: &str) -> Vec<String> {
    run.iter().filter(|row| row[0] == query).map(|row| row[2].clone()).collect()
}

fn assert_close(value: &Value, expected: f64) {
    assert!((value.as_f64().unwrap() - expected).abs() < 1e-9, "{value} is not {expected}");
}

#[tokio::test]
async fn the_figures_are_those_that_were_worked_out_by_hand() {
    let fixture = Fixture::new().await;
    write(&fixture, DOCUMENTS, QUERIES, QRELS);
    let report = json(&fixture, &["--mode", "text", "--run-out", "out.run", "--per-query"]).await;
    let counts = ["documents", "entries", "queries", "queries_judged"].map(|name| report[name].as_i64());
    assert_eq!(counts, [Some(4), Some(4), Some(4), Some(2)]);
    let others =
        ["queries_without_judgments", "queries_without_relevant", "documents_without_text", "scopes"];
    assert_eq!(others.map(|name| report[name].as_i64()), [Some(1), Some(1), Some(0), Some(1)]);

    let run = run_file(&fixture, "out.run");
    assert_eq!(found(&run, "q1"), ["d1", "d2"]);
    assert_eq!((found(&run, "q2"), found(&run, "q3")), (vec!["3".to_owned()], vec!["d4".to_owned()]));
    assert!(
        run.iter().all(|row| row.len() == 6 && row[1] == "Q0" && row[5] == "agent-turbo-text"),
        "{run:?}"
    );
    assert_eq!([&run[0][3], &run[1][3]], ["1", "2"]);

    // q1 finds d1 (0), d2 (2); the best order were d2 (2), d4 (1): (2 / log2 3) / (2 + 1 / log2 3) = 0.4796…; one of two
    // relevant ones is found, at rank 2. q2 finds its only one at rank 1: 1 everywhere.
    let log3 = 3.0_f64.log2();
    let q1 = (2.0 / log3) / (2.0 + 1.0 / log3);
    assert!((q1 - 0.479_624_933_136).abs() < 1e-9);
    let mode = &report["modes"][0];
    assert_eq!(mode["mode"], "text");
    assert_close(&mode["ndcg_at_10"]["mean"], f64::midpoint(q1, 1.0));
    // Of two values a and b: |a − b| / √2 is the deviation, and |a − b| / 2 the error.
    assert_close(&mode["ndcg_at_10"]["standard_error"], (1.0 - q1) / 2.0);
    for name in ["recall_at_5", "recall_at_10", "recall_at_100", "mrr_at_10"] {
        assert_close(&mode[name]["mean"], 0.75);
        assert_close(&mode[name]["standard_error"], 0.25);
    }
    let latency = ["p50", "p95", "p99"].map(|name| mode["latency_ms"][name].as_f64().unwrap());
    assert!(latency[0] > 0.0 && latency.is_sorted(), "{latency:?}");
    let queries = mode["per_query"].as_array().unwrap();
    assert_eq!(queries.len(), 4);
    assert_close(&queries[0]["figures"]["ndcg_at_10"], q1);
    assert_close(&queries[1]["figures"]["mrr_at_10"], 1.0);
    assert_eq!((&queries[2]["figures"], &queries[3]["figures"]), (&Value::Null, &Value::Null));
    assert_eq!(fixture.rows().await, 0, "the scratch project is removed");
}

#[tokio::test]
async fn all_modes_stand_side_by_side_and_people_are_told_what_counts() {
    let fixture = Fixture::new().await;
    write(&fixture, DOCUMENTS, QUERIES, QRELS);
    let ran = eval(&fixture, &["--mode", "all", "--run-out", "out.run", "--limit", "3", "--per-query"]).await;
    let shown = ran.done();
    for part in [
        "4 queries to 4 documents, by all-MiniLM-L6-v2",
        "nDCG@10",
        "MRR@10",
        "p99 ms",
        "0.7398 ±0.2602",
        "0.7500 ±0.2500",
        "the 2 queries with a relevant document",
        "its embedding included",
        "1 × queries without judgments",
        "recall@100 is that of 3",
        "out.run.vector",
    ] {
        assert!(shown.contains(part), "{part:?} is not shown: {shown}");
    }
    for mode in ["hybrid", "vector", "text"] {
        let run = run_file(&fixture, &format!("out.run.{mode}"));
        assert!(run.iter().all(|row| row[5] == format!("agent-turbo-{mode}")), "{run:?}");
        let most = if mode == "text" { 2 } else { 3 };
        assert_eq!(found(&run, "q1").len(), most, "{run:?}");
    }
    let report = json(&fixture, &["--mode", "vector,text", "--mode", "text", "--concurrency", "4"]).await;
    let modes: Vec<&str> =
        report["modes"].as_array().unwrap().iter().map(|mode| mode["mode"].as_str().unwrap()).collect();
    assert_eq!((modes, &report["concurrency"]), (vec!["vector", "text"], &4.into()));
    assert_eq!(json(&fixture, &[]).await["modes"][0]["mode"], "hybrid");
    let names = [
        "concurrency",
        "documents",
        "documents_redacted",
        "documents_truncated",
        "documents_without_text",
        "entries",
        "limit",
        "model",
        "modes",
        "project",
        "queries",
        "queries_judged",
        "queries_without_judgments",
        "queries_without_relevant",
        "relevant_out_of_scope",
        "scopes",
    ];
    assert_eq!(members(&report), names);
    assert_eq!(fixture.rows().await, 0);
}

#[tokio::test]
async fn a_query_searches_the_documents_of_its_scope_alone() {
    let fixture = Fixture::new().await;
    let documents = r#"{"id": "a1", "text": "alpha", "meta": {"scope": "a"}}
{"id": "a2", "text": "alpha bravo", "meta": {"scope": "a"}}
{"id": "b1", "text": "alpha", "meta": {"scope": "b"}}
{"id": "n1", "text": "alpha", "meta": {}}"#;
    let queries = r#"{"id": "in-a", "text": "alpha", "meta": {"scope": "a"}}
{"id": "in-b", "text": "alpha", "meta": {"scope": "b"}}
{"id": "nowhere", "text": "alpha"}"#;
    // The document of another scope counts as not found.
    write(&fixture, documents, queries, "in-a\ta1\t1\nin-b\tb1\t1\nin-b\ta1\t1\nnowhere\tn1\t1\n");
    fixture.run(&["add", "alpha", "--project", "mine"]).await.done();
    let report = json(&fixture, &["--mode", "all", "--run-out", "r"]).await;
    assert_eq!((&report["scopes"], &report["relevant_out_of_scope"]), (&3.into(), &1.into()));
    for (mode, file) in ["hybrid", "vector", "text"].into_iter().zip(report["modes"].as_array().unwrap()) {
        let run = run_file(&fixture, &format!("r.{mode}"));
        assert_eq!(found(&run, "in-a"), ["a1", "a2"], "{mode}");
        assert_eq!(found(&run, "in-b"), ["b1"], "{mode}");
        assert_eq!(found(&run, "nowhere"), ["n1"], "{mode}");
        assert_close(&file["recall_at_100"]["mean"], 2.5 / 3.0);
        assert_close(&file["mrr_at_10"]["mean"], 1.0);
    }
    assert_eq!(fixture.rows().await, 1, "what was there is left, and nothing else");
}

#[tokio::test]
async fn documents_of_one_text_are_found_together_in_the_order_of_their_ids() {
    let fixture = Fixture::new().await;
    // The last two become one text when the secret is taken out; the one without text is nowhere.
    let tokens = ["aB3", "Cd4"].map(|part| format!("ghp_{}", part.repeat(12)));
    let documents = r#"{"id": "z", "text": "alpha alpha"}
{"id": "y", "text": "alpha bravo charlie delta"}
{"id": "b", "text": " alpha alpha\r\n"}
{"id": "c", "text": "alpha alpha"}
{"id": "empty", "text": " "}
{"id": "s2", "text": "golf FIRST"}
{"id": "s1", "text": "golf SECOND"}"#;
    let documents = &documents.replace("FIRST", &tokens[0]).replace("SECOND", &tokens[1]);
    let queries = r#"{"id": "q", "text": "alpha"}
{"id": "s", "text": "golf"}"#;
    write(&fixture, documents, queries, "q\tz\t1\nq\ty\t1\nq\tempty\t1\ns\ts2\t1\n");
    let report = json(&fixture, &["--mode", "text", "--run-out", "out.run"]).await;
    let run = run_file(&fixture, "out.run");
    assert_eq!(found(&run, "q"), ["b", "c", "z", "y"]);
    assert_eq!(found(&run, "s"), ["s1", "s2"]);
    let scores: Vec<f32> = run.iter().map(|row| row[4].parse().unwrap()).collect();
    assert!(scores[..4].is_sorted_by(|a, b| a > b), "trec_eval would see another order: {run:?}");
    let counts = ["documents", "entries", "documents_without_text", "documents_redacted"];
    assert_eq!(counts.map(|name| report[name].as_i64().unwrap()), [7, 3, 1, 2]);
    // q: ranks 3 and 4 of three relevant ones; s: rank 2.
    assert_close(&report["modes"][0]["mrr_at_10"]["mean"], f64::midpoint(1.0 / 3.0, 0.5));
    assert_close(&report["modes"][0]["recall_at_5"]["mean"], f64::midpoint(2.0 / 3.0, 1.0));
    // Fewer results than the entry stands for.
    json(&fixture, &["--mode", "text", "--run-out", "out.run", "--limit", "2"]).await;
    assert_eq!(found(&run_file(&fixture, "out.run"), "q"), ["b", "c"]);
    assert_eq!(fixture.rows().await, 0);
}

#[tokio::test]
async fn a_kept_project_is_used_again_for_the_same_documents_and_removed_on_request() {
    let fixture = Fixture::new().await;
    let documents = format!("{DOCUMENTS}{}", r#"{"id": "d5", "text": "hotel"}"#);
    write(&fixture, &documents, QUERIES, QRELS);
    let kept = json(&fixture, &["--keep"]).await;
    let name = kept["project"].as_str().unwrap().to_owned();
    assert_eq!(fixture.rows().await, 5);
    let client = fixture.database.client().await.unwrap();
    let newest = async || {
        let sql = "SELECT max(id) FROM agent_knowledge";
        client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0)
    };
    let before = newest().await;
    let again = json(&fixture, &["--project", &name]).await;
    assert_eq!(again["modes"][0]["ndcg_at_10"], kept["modes"][0]["ndcg_at_10"]);
    assert_eq!((again["project"].as_str(), newest().await), (Some(name.as_str()), before));

    write(&fixture, DOCUMENTS, QUERIES, QRELS);
    eval(&fixture, &["--project", &name]).await.failed(2, &[&name, "made of other documents"]);
    for other in ["default", "eval-", "eval-0123456789ABCDEF", "eval-0123456789abcdef-1"] {
        eval(&fixture, &["--project", other]).await.failed(2, &["accept the project", other]);
        fixture.run(&["eval", "--remove", other]).await.failed(2, &["accept the project", other]);
    }
    fixture.run(&["add", "mine", "--project", "eval-00000000deadbeef"]).await.done();
    fixture.run(&["eval", "--remove", "eval-00000000deadbeef"]).await.failed(1, &["not made by eval"]);
    assert_eq!(fixture.rows().await, 6);
    let removed = fixture.run(&["eval", "--remove", &name]).await;
    assert_eq!(removed.done(), format!("✅ Removed {name} and its entries: 5\n"));
    let nothing = fixture.run(&["eval", "--remove", &name]).await;
    assert_eq!((nothing.code, nothing.stdout), (Some(3), format!("No project {name}.\n")));
    assert_eq!(fixture.rows().await, 1);
}

#[tokio::test]
async fn input_that_cannot_be_judged_is_refused_with_its_place_and_nothing_is_written() {
    let fixture = Fixture::new().await;
    let line = r#"{"id": "d1", "text": "alpha"}"#;
    let cases: [(&str, &str, &str, &[&str]); 9] = [
        ("", QUERIES, QRELS, &["accept the documents", "docs.jsonl is empty"]),
        (DOCUMENTS, "\n", QRELS, &["accept the queries", "queries.jsonl is empty"]),
        (DOCUMENTS, QUERIES, "", &["accept the judgments", "qrels.tsv is empty"]),
        (&format!("{line}\n{{\"id\": "), QUERIES, QRELS, &["line 2 of docs.jsonl is not JSON"]),
        (&format!("{line}\n\n{line}"), QUERIES, QRELS, &["line 3 of docs.jsonl has the id \"d1\" of line 1"]),
        (
            DOCUMENTS,
            QUERIES,
            "q1\td9\t1\nq9\td1\t1",
            &["the document \"d9\" in line 1", "the query \"q9\" in line 2"],
        ),
        (DOCUMENTS, QUERIES, "q1\td1\tyes", &["line 1 of qrels.tsv", "no whole number"]),
        (DOCUMENTS, QUERIES, "q1 d1 1\nq1 d1 1", &["line 2 of qrels.tsv", "again"]),
        (DOCUMENTS, QUERIES, "q1 d1 0", &["calls no document relevant"]),
    ];
    for (documents, queries, qrels, names) in cases {
        write(&fixture, documents, queries, qrels);
        eval(&fixture, &["--run-out", "out.run"]).await.failed(2, names);
    }
    write(&fixture, DOCUMENTS, QUERIES, QRELS);
    eval(&fixture, &["--mode", "fuzzy"]).await.failed(2, &["accept the mode", "fuzzy"]);
    eval(&fixture, &["--run-out", "no/such/folder/r"]).await.failed(2, &["accept the run file", "no/such"]);
    fs::remove_file(fixture.dir.path().join("qrels.tsv")).unwrap();
    eval(&fixture, &[]).await.failed(2, &["accept the judgments", "qrels.tsv cannot be read"]);
    for arguments in
        [&["--limit", "0"][..], &["--limit", "1001"], &["--concurrency", "0"], &["--remove", "x"]]
    {
        let ran = eval(&fixture, arguments).await;
        assert!(ran.code == Some(2) && ran.stderr.starts_with("error: "), "{ran:?}");
    }
    assert_eq!(fixture.run(&["eval"]).await.code, Some(2));
    assert!(!fixture.dir.path().join("out.run").exists());
    assert_eq!(fixture.rows().await, 0);
}

#[tokio::test]
async fn ids_with_spaces_are_judged_and_only_a_run_cannot_hold_them() {
    let fixture = Fixture::new().await;
    let documents = r#"{"id": "the first", "text": "alpha"}"#;
    write(&fixture, documents, r#"{"id": "my query", "text": "alpha"}"#, "my query\tthe first\t1\n");
    let report = json(&fixture, &["--mode", "text"]).await;
    let ndcg = &report["modes"][0]["ndcg_at_10"];
    assert_eq!((&ndcg["mean"], &ndcg["standard_error"]), (&1.0.into(), &Value::Null));
    eval(&fixture, &["--run-out", "r"]).await.failed(2, &["accept the run file", "the first", "space"]);
}

/// Enough for several batches.
fn many() -> String {
    let line = |number| format!("{{\"id\": {number}, \"text\": \"note number {number} on retries\"}}\n");
    (0..400).map(line).collect()
}

#[tokio::test]
async fn after_an_error_no_project_is_left() {
    let fixture = Fixture::new().await;
    write(&fixture, &many(), r#"{"id": "q", "text": "retries"}"#, "q\t7\t1\n");
    let client = fixture.database.client().await.unwrap();
    client
        .batch_execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN RAISE EXCEPTION 'refused, after others: %', (SELECT count(*) > 256 FROM agent_knowledge); END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON agent_knowledge FOR EACH ROW
             WHEN (NEW.content LIKE '%number 399 %') EXECUTE FUNCTION refuse()",
        )
        .await
        .unwrap();
    let ran = eval(&fixture, &["--run-out", "out.run"]).await;
    ran.failed(1, &["refused, after others: t"]);
    assert_eq!(fixture.rows().await, 0);
    // The service dies between the documents and the query.
    write(&fixture, DOCUMENTS, QUERIES, QRELS);
    let kept = json(&fixture, &["--keep", "--mode", "text"]).await;
    let name = kept["project"].as_str().unwrap();
    let broken = Misbehaving::start(Behaviour::Silent).await.unwrap();
    let program = fixture.program().env("AGENT_TURBO_EMBED_URL", broken.url());
    let program = program.env("AGENT_TURBO_EMBED_TIMEOUT_MS", "50");
    let ran = program.run(&[&USUAL[..], &["--project", name, "--run-out", "out.run"]].concat()).await;
    ran.failed(4, &["ask the query \"q1\" in the mode hybrid: ", broken.url(), "within 50ms"]);
    assert!(!fixture.dir.path().join("out.run").exists());
}

#[tokio::test]
async fn after_ctrl_c_no_project_is_left_wherever_it_was() {
    let fixture = Fixture::new().await;
    let queries: String =
        (0..3000).map(|number| format!("{{\"id\": {number}, \"text\": \"retries {number}\"}}\n")).collect();
    write(&fixture, &many(), &queries, "7\t7\t1\n");
    let client = fixture.database.client().await.unwrap();
    let asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ~ '^-- (words_of_question|knowledge_)'";
    for signal in [Signal::INT, Signal::TERM] {
        for wait_for_questions in [false, true] {
            let child = fixture.program().spawn(&[&USUAL[..], &["--run-out", "out.run"]].concat());
            until("it is in the middle of it", async || {
                if wait_for_questions {
                    client.query_one(asked, &[]).await.unwrap().get::<_, i64>(0) > 0
                } else {
                    fixture.rows().await > 0
                }
            })
            .await;
            let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
            kill_process(pid, signal).unwrap();
            let ran = Ran::from(tokio::time::timeout(SOON, child.wait_with_output()).await.unwrap().unwrap());
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
            assert!(
                ran.stderr.contains("TASK FAILED: failed to evaluate the ranking: it was stopped"),
                "{ran:?}"
            );
            assert_eq!(fixture.rows().await, 0, "{signal:?} {wait_for_questions}");
        }
    }
    let names = fs::read_dir(fixture.dir.path()).unwrap().map(|file| file.unwrap().file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().contains("run")), "no half a run is left");
}

#[tokio::test]
async fn a_second_ctrl_c_ends_it_at_once_and_tells_how_to_clear_away() {
    let fixture = Fixture::new().await;
    write(&fixture, DOCUMENTS, QUERIES, QRELS);
    let silent = Misbehaving::start(Behaviour::Silent).await.unwrap();
    let program = fixture.program().env("AGENT_TURBO_EMBED_URL", silent.url());
    let mut child = program.spawn(&USUAL);
    until("it waits for vectors", async || silent.requests() > 0).await;
    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    let mut lines = tokio::io::BufReader::new(child.stderr.take().unwrap()).lines();
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(
        lines.next_line().await.unwrap().unwrap(),
        "Stopping and clearing away; once more to stop at once"
    );
    kill_process(pid, Signal::INT).unwrap();
    let told = lines.next_line().await.unwrap().unwrap();
    let status = tokio::time::timeout(SOON, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(130));
    let name = told.strip_prefix("Not cleared away: agent-turbo eval --remove ").unwrap();
    assert_eq!(fixture.run(&["eval", "--remove", name]).await.code, Some(3), "nothing was added yet");
}
