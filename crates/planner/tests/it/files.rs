//! Plans as files, good and bad: what is wrong is told with its place.

use std::time::{Duration, Instant};

use agent_turbo_orchestrator::{OnFailure, Priority};
use agent_turbo_planner::{After, Error, Format, MAX_PLAN_BYTES, Plan};
use jiff::Timestamp;
use serde_json::json;

const GOOD: &str = "\
title: Größe zählen ✓
goal: |
  Everything is counted.
tasks:
  - key: count
    description: Count it
    type: code
    role: executor
    platform: claude
    priority: 9
    input: {files: [a.rs, b.rs], depth: 2, strict: no, mode: 0755}
    context: &shared {why: 名前}
    max_attempts: 2
    deadline: 2099-01-31T12:00:00+01:00
    idempotency_key: mine
    metadata: {ticket: 12}
  - key: '12'
    description: Review it
    context: *shared
    after: [count, {task: task_0123456789ab, on_failure: fail}]
  - key: last
    description: Ship it
    after: [12]
    run_after: 1d
";

fn yaml(text: &str) -> Result<Vec<String>, String> {
    parsed(text, Format::Yaml)
}

fn parsed(text: &str, format: Format) -> Result<Vec<String>, String> {
    Plan::parse(text, format).and_then(|plan| plan.check()).map_err(|error| error.to_string())
}

/// A bad plan is refused with all of these words, and soon.
#[track_caller]
fn refused(text: &str, format: Format, words: &[&str]) {
    let began = Instant::now();
    let error = parsed(text, format).unwrap_err();
    assert!(error.starts_with("accept the plan: "), "{error}");
    for word in words {
        assert!(error.contains(word), "{word:?} is not in {error:?}");
    }
    assert!(error.len() < 1000, "{error}");
    assert!(began.elapsed() < Duration::from_secs(20), "{words:?} took {:?}", began.elapsed());
}

#[test]
fn a_plan_says_all_that_there_is_to_say_of_a_task() {
    let plan = Plan::parse(GOOD, Format::Yaml).unwrap();
    assert_eq!(plan.title.as_deref(), Some("Größe zählen ✓"));
    let [count, review, last] = &plan.tasks[..] else { panic!("{plan:?}") };
    assert_eq!(
        count.input,
        Some(json!({ "files": ["a.rs", "b.rs"], "depth": 2, "strict": "no", "mode": "0755" }))
    );
    assert_eq!((count.task_type.as_deref(), count.priority), (Some("code"), Priority::try_from(9).unwrap()));
    assert_eq!(count.deadline, Some("2099-01-31T11:00:00Z".parse().unwrap()));
    assert_eq!((&review.context, review.priority), (&Some(json!({ "why": "名前" })), Priority::default()));
    let by_id = After { task: "task_0123456789ab".to_owned(), on_failure: OnFailure::Fail };
    assert_eq!(review.after[1], by_id);
    assert_eq!(last.after, [After { task: "12".to_owned(), on_failure: OnFailure::Block }]);
    assert!(last.run_after.unwrap() > Timestamp::now());
    assert_eq!(plan.check().unwrap(), ["count", "12", "last"]);
}

#[test]
fn json_is_read_by_the_same_rules() {
    let text = r#"{"id": "p", "tasks": [{"key": "b", "description": "x", "after": ["a", {"task": "c"}]},
                   {"key": "a", "description": "x"}, {"key": "c", "description": "x", "input": null}]}"#;
    assert_eq!(parsed(text, Format::Json).unwrap(), ["a", "c", "b"]);
    // It is YAML as well.
    assert_eq!(yaml(text).unwrap(), ["a", "c", "b"]);
    for (name, text, format) in [
        ("plan.json", "tasks:", Format::Json),
        ("plan.YML", "{", Format::Yaml),
        ("-", " \n{}", Format::Json),
        ("-", "tasks: []", Format::Yaml),
        ("a.json/plan", "tasks: []", Format::Yaml),
    ] {
        assert_eq!(Format::of(name, text), format, "{name}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let task = |members: &str| {
        format!("tasks:\n- key: a\n  description: x\n- key: b\n  description: y\n  {members}\n")
    };
    for (members, words) in [
        ("prio: 3", &["tasks[1].prio", "prio", "line 6"][..]),
        ("priority: high", &["tasks[1].priority", "line 6"]),
        ("priority: 11", &["tasks[1].priority", "11 is not between 1 (last) and 10 (first)"]),
        ("priority: 99999999999999999999", &["tasks[1].priority", "line 6"]),
        ("description: z", &["tasks[1]", "duplicate", "description", "line 6"]),
        ("after: a", &["tasks[1].after", "line 6"]),
        ("after: [{task: a, on_failure: explode}]", &["tasks[1].after[0].on_failure", "explode"]),
        ("after: [{task: a, when: later}]", &["tasks[1].after[0].when", "when"]),
        ("after: [{on_failure: fail}]", &["tasks[1].after[0]", "task"]),
        ("after: [true]", &["tasks[1].after[0]", "a task's key or id"]),
        ("after: [1.5]", &["tasks[1].after[0]", "a task's key or id"]),
        ("after: ['']", &["\"b\" is after \"\""]),
        ("after: [b]", &["wait for each other: b → b"]),
        ("deadline: tomorrow", &["tasks[1].deadline", "tomorrow", "2030-01-31T12:00:00Z", "line 6"]),
        ("run_after: -5m", &["tasks[1].run_after", "-5m"]),
        ("deadline: 2020-01-01T00:00:00Z\n  run_after: 1d", &["the task's times", "task \"b\""]),
        ("max_attempts: 0", &["the attempts", "0 is not between 1 and 100", "task \"b\""]),
        ("max_attempts: many", &["tasks[1].max_attempts", "line 6"]),
        ("role: ' '", &["the role", "empty", "task \"b\""]),
        ("type: \"a\\nb\"", &["the task's type", "control", "task \"b\""]),
        ("input: \"\\0\"", &["the task's input", "NUL", "task \"b\""]),
        ("input: .nan", &["tasks[1].input", "line 6"]),
        ("metadata: [1]", &["tasks[1].metadata", "line 6"]),
        ("input: {a: 1, a: 2}", &["tasks[1].input", "duplicate", "line 6"]),
        ("input: &x [*x]", &["tasks[1].input", "line 6"]),
        ("input: *unknown", &["line 6"]),
        ("input: [", &["line 6"]),
    ] {
        refused(&task(members), Format::Yaml, words);
    }
    refused(
        r#"{"tasks": [{"key": "a", "description": 1}]}"#,
        Format::Json,
        &["tasks[0].description", "line 1"],
    );
    refused(
        "{\"tasks\": [\n{\"key\": \"a\", \"prio\": 1}]}",
        Format::Json,
        &["tasks[0].prio", "unknown field", "line 2"],
    );
    refused(r#"{"tasks": []} x"#, Format::Json, &["trailing", "line 1"]);
    refused("{\"tasks\": [", Format::Json, &["tasks", "EOF"]);
}

#[test]
fn plans_that_make_no_sense_as_a_whole_are_refused() {
    let tasks = |keys: &[&str]| -> String {
        let tasks: Vec<String> =
            keys.iter().map(|key| format!("- {{key: {key}, description: x}}\n")).collect();
        format!("tasks:\n{}", tasks.concat())
    };
    let long = "x".repeat(101);
    let cases: [(String, &[&str]); 18] = [
        (String::new(), &["it is empty"]),
        (" \n\t".to_owned(), &["it is empty"]),
        ("# only a comment\n".to_owned(), &["line"]),
        ("null".to_owned(), &["line 1"]),
        ("- a\n".to_owned(), &["line 1"]),
        ("just text".to_owned(), &["line 1"]),
        ("title: x\n".to_owned(), &["tasks"]),
        ("tasks: []\n".to_owned(), &["tasks: there are none"]),
        ("tasks: []\n---\ntasks: []\n".to_owned(), &["line 2"]),
        ("tasks: [{key: a}]".to_owned(), &["tasks[0]", "description"]),
        ("tasks: [{description: a}]".to_owned(), &["tasks[0]", "key"]),
        (tasks(&["a", "b", "a"]), &["tasks[2].key", "\"a\" is the key of two tasks"]),
        (tasks(&["''"]), &["tasks[0].key", "empty"]),
        (tasks(&["'a b'"]), &["tasks[0].key", "space or a colon"]),
        (tasks(&["'a:b'"]), &["tasks[0].key", "space or a colon"]),
        (tasks(&[&long]), &["tasks[0].key", "101 bytes are more than 100"]),
        (format!("title: \"a\\nb\"\n{}", tasks(&["a"])), &["title", "control"]),
        (format!("goal: {}\n{}", "x".repeat(2001), tasks(&["a"])), &["goal", "2001 bytes"]),
    ];
    for (text, words) in cases {
        refused(&text, Format::Yaml, words);
    }
    let key = "k".repeat(100);
    refused(&format!("title: {}\n{}", "t".repeat(190), tasks(&[&key])), Format::Yaml, &["short id"]);
    refused("tasks:\n- {key: a, description: ' '}\n", Format::Yaml, &["description", "empty", "task \"a\""]);
}

#[test]
fn a_cycle_is_named_by_its_tasks() {
    let text = "tasks:\n- {key: start, description: x}\n- {key: a, description: x, after: [start, c]}\n\
                - {key: b, description: x, after: [a]}\n- {key: c, description: x, after: [b]}\n";
    refused(text, Format::Yaml, &["wait for each other: ", "a → c → b → a"]);
}

#[test]
fn a_key_that_is_nowhere_is_told_with_those_that_look_like_it() {
    let plan = Plan::parse(
        "tasks:\n- {key: build, description: x}\n- {key: b, description: x, after: ['bui ld ']}\n",
        Format::Yaml,
    );
    let error = plan.unwrap().check().unwrap_err();
    assert!(matches!(&error, Error::UnknownReference { task, .. } if task == "b"), "{error:?}");
    assert_eq!(error.hint().unwrap(), "keys that look like it: build");
}

#[test]
fn bombs_do_not_go_off() {
    let nine = |name: char, of: &str| format!("    {name}: &{name} [{}]\n", [of; 9].join(", "));
    let mut laughs = "tasks:\n- key: a\n  description: x\n  input:\n    a: &a [x]\n".to_owned();
    for (name, before) in ('b'..='j').zip('a'..) {
        laughs += &nine(name, &format!("*{before}"));
    }
    refused(&laughs, Format::Yaml, &["tasks[0].input"]);
    let big = "x".repeat(1 << 20);
    let aliases = "- {key: k, description: *b}\n".repeat(1000);
    refused(&format!("tasks:\n- {{key: a, description: &b {big}}}\n{aliases}"), Format::Yaml, &["line"]);
    for depth in [101, 10_000, 1_000_000] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        refused(&format!("tasks: [{{key: a, description: x, input: {nested}}}]"), Format::Yaml, &["line 1"]);
    }
    let nested = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let json = format!(r#"{{"tasks": [{{"key": "a", "description": "x", "input": {nested}}}]}}"#);
    refused(&json, Format::Json, &["recursion limit"]);
    let blocks: String = (0..1400).map(|depth| format!("{}- \n", " ".repeat(2 * depth))).collect();
    refused(&blocks, Format::Yaml, &["line"]);
    refused(&format!("tasks: [{}]", "{},".repeat(600_000)), Format::Yaml, &["tasks[0]"]);
}

#[test]
fn what_is_too_big_is_not_even_read() {
    let huge = format!("title: {}", "x".repeat(MAX_PLAN_BYTES));
    refused(&huge, Format::Yaml, &["are more than 4194304"]);
    refused(&huge, Format::Json, &["are more than 4194304"]);
}

#[test]
fn a_plan_of_ten_thousand_tasks_is_read_and_one_more_is_not() {
    let plan = |count: usize| {
        let tasks = (0..count).map(|number| {
            let after = if number == 0 { String::new() } else { format!("  after: [t{}]\n", number - 1) };
            format!("- key: t{number}\n  description: do {number}\n  role: executor\n  priority: 5\n{after}  input: {{n: [1, 2]}}\n")
        });
        format!("title: long\ntasks:\n{}", tasks.collect::<String>())
    };
    assert_eq!(yaml(&plan(10_000)).unwrap().last().unwrap(), "t9999");
    refused(&plan(10_001), Format::Yaml, &["10001 tasks are more than 10000"]);
}
