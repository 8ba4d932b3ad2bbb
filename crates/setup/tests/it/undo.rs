//! What setting up does can be taken back, whatever the file is like.

use std::fs;

use agent_turbo_setup::{Client, Outcome, Part};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::support::{Desk, meaning, put, stdio, text};

const FILES: [&str; 20] = [
    "",
    "\n",
    "// nothing yet",
    "{}",
    "{}\n",
    "{ }",
    "{\n}\n",
    "{ /* empty */ }",
    "{\n  // empty\n}\n",
    "{\"a\":1}",
    "{\"mcpServers\":{}}",
    "{\"mcpServers\":{\"x\":{\"command\":\"y\"}},\"hooks\":{}}",
    "{\n  \"mcpServers\": {}\n}",
    "{\n    \"mcpServers\": {\n    }\n}\n",
    "{\r\n\t\"a\": [1, 2],\r\n\t\"b\": {}\r\n}\r\n",
    "\u{feff}{\n  \"a\": 1,\n}\n",
    "{\n  \"a\": 1 // why\n  /* end */\n}\n",
    "{\n  \"mcpServers\": {\n    \"agent-turbo-old\": { \"command\": \"agent-turbo\", \"args\": [\"serve\"] }, // old\n  },\n}\n",
    "{\n  \"hooks\": {\n    \"SessionStart\": [\n      { \"hooks\": [ { \"type\": \"command\", \"command\": \"x\" } ] }\n    ],\n    \"Stop\": []\n  }\n}\n",
    "{\n  \"hooks\": {\"PostToolUse\": [{\"matcher\": \"Bash\", \"hooks\": []}], \"SessionEnd\": []}, \"z\": \"//\" }",
];

const TOML_FILES: [&str; 8] = [
    "",
    "\n",
    "# only a comment",
    "a = 1",
    "a = 1\r\n\r\n[b]\r\nc = \"\"\"\r\n[mcp_servers.agent-turbo]\r\n\"\"\"\r\n",
    "[mcp_servers]\n",
    "[mcp_servers.docs]\ncommand = 'x'\n\n\n",
    "[[x]]\ny = [\n  1, # one\n]\n",
];

/// Puts it in, in another way as well, and takes it out again, with and without the note of what was inserted.
fn there_and_back(desk: &Desk, part: &Part, other: &Part, before: &str) -> Result<(), TestCaseError> {
    put(&part.path, before);
    prop_assert_eq!(desk.connect(part).unwrap(), Outcome::Added);
    prop_assert_ne!(text(&part.path), before);
    prop_assert_eq!(desk.connect(part).unwrap(), Outcome::Unchanged);
    if other != part {
        prop_assert_eq!(desk.connect(other).unwrap(), Outcome::Updated);
        prop_assert_eq!(desk.connect(part).unwrap(), Outcome::Updated);
    }
    prop_assert_eq!(desk.disconnect(part).unwrap(), Outcome::Removed);
    prop_assert_eq!(text(&part.path), before);
    prop_assert_eq!(desk.disconnect(part).unwrap(), Outcome::Absent);

    // Without a note nobody knows who made a container that is empty; nothing else may differ.
    desk.connect(part).unwrap();
    desk.forget();
    prop_assert_eq!(desk.disconnect(part).unwrap(), Outcome::Removed);
    let meant = |text: &str| {
        let text = text.trim_start_matches('\u{feff}');
        let mut value = meaning(text);
        hollow(&mut value);
        value
    };
    if part.path.extension().is_some_and(|extension| extension == "json") {
        prop_assert_eq!(meant(&text(&part.path)), meant(before));
    } else {
        let left = text(&part.path);
        prop_assert_eq!(left.trim_end(), before.trim_end());
    }
    Ok(())
}

/// Takes out what is empty.
fn hollow(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(members) => {
            members.values_mut().for_each(hollow);
            members.retain(|_, member| !member.is_null());
            if members.is_empty() {
                *value = serde_json::Value::Null;
            }
        }
        serde_json::Value::Array(items) => {
            items.iter_mut().for_each(hollow);
            items.retain(|item| !item.is_null());
            if items.is_empty() {
                *value = serde_json::Value::Null;
            }
        }
        _ => {}
    }
}

#[test]
fn every_file_of_the_corpus_comes_back_byte_for_byte() {
    let desk = Desk::new();
    let claude = desk.server(Client::ClaudeCode);
    let planner = desk.parts(Client::ClaudeCode, stdio(Client::ClaudeCode, "planner")).remove(0);
    for file in FILES {
        there_and_back(&desk, &claude, &planner, file).unwrap();
        there_and_back(&desk, &desk.hooks(), &desk.hooks(), file).unwrap();
    }
    let codex = desk.server(Client::Codex);
    let planner = desk.parts(Client::Codex, stdio(Client::Codex, "planner")).remove(0);
    for file in TOML_FILES {
        there_and_back(&desk, &codex, &planner, file).unwrap();
    }
}

#[test]
fn files_and_folders_that_were_made_are_gone_again() {
    let desk = Desk::new();
    for client in Client::ALL {
        let others = desk.parts(client, stdio(client, "planner"));
        for (part, other) in desk.parts(client, stdio(client, "agent")).iter().zip(&others) {
            desk.connect(part).unwrap();
            // A second time with other flags, and after its client has written it anew.
            desk.connect(other).unwrap();
            if part.path.extension().is_some_and(|extension| extension == "json") {
                let value: serde_json::Value = serde_json::from_str(&text(&part.path)).unwrap();
                put(&part.path, serde_json::to_string_pretty(&value).unwrap());
            }
            desk.disconnect(part).unwrap();
            assert!(!part.path.exists(), "{}", text(&part.path));
        }
        // The home directory itself was made as well.
        assert!(!desk.path("home").exists());
        assert_eq!(fs::read_dir(desk.path("turbo/setup")).unwrap().count(), 0);
    }
}

#[test]
fn what_others_wrote_after_us_stays() {
    let desk = Desk::new();
    let part = desk.hooks();
    put(&part.path, "{\n  \"a\": 1\n}\n");
    desk.connect(&part).unwrap();
    let theirs = "{\"type\": \"command\", \"command\": \"x\"}, ";
    let changed =
        text(&part.path).replacen("{\n            \"type\"", &format!("{theirs}{{\n            \"type\""), 1);
    assert!(changed.contains(theirs), "{changed}");
    put(&part.path, changed.replace("\"a\": 1", "\"a\": 2, // two"));
    desk.disconnect(&part).unwrap();
    let left = meaning(&text(&part.path));
    let expected = serde_json::json!({
        "a": 2, "hooks": { "SessionStart": [{ "hooks": [{ "type": "command", "command": "x" }] }] }
    });
    assert_eq!(left, expected);
    assert!(text(&part.path).contains("\"a\": 2, // two"));
}

#[test]
fn a_new_file_that_its_client_goes_on_with_keeps_nothing_of_ours() {
    let desk = Desk::new();
    for part in [desk.server(Client::ClaudeCode), desk.hooks()] {
        desk.connect(&part).unwrap();
        let mut value = meaning(&text(&part.path));
        value["numStartups"] = 1.into();
        put(&part.path, serde_json::to_string_pretty(&value).unwrap());
        desk.disconnect(&part).unwrap();
        assert_eq!(text(&part.path), "{\n  \"numStartups\": 1\n}");
    }
}

/// White space and comments as people use them.
fn trivia() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(String::new()),
        4 => Just(" ".to_owned()),
        4 => "\n[ \t]{0,4}",
        1 => "[ ]?/\\*[a-z ,{}]{0,6}\\*/[ ]?",
        1 => "[ ]?//[a-z ,{}\"]{0,6}\n[ ]{0,4}",
    ]
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        (-99i32..99).prop_map(|number| number.to_string()),
        "[a-zA-Z/*,{} äß]{0,8}".prop_map(|text| format!("\"{text}\"")),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| prop_oneof![object(inner.clone(), "[a-e]{1,3}"), list(inner)])
}

fn list(item: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let items = prop::collection::vec((trivia(), item, trivia()), 0..4);
    (items, any::<bool>(), trivia()).prop_map(|(items, comma, end)| {
        let count = items.len();
        let items: Vec<_> = items.into_iter().map(|(before, item, after)| before + &item + &after).collect();
        format!("[{}{}{end}]", items.join(","), if comma && count > 0 { "," } else { "" })
    })
}

fn object(member: impl Strategy<Value = String>, names: &'static str) -> impl Strategy<Value = String> {
    let members = prop::collection::vec((trivia(), names, trivia(), member, trivia()), 0..4);
    (members, any::<bool>(), trivia()).prop_map(|(members, comma, end)| {
        let count = members.len();
        let members: Vec<_> = members
            .into_iter()
            .map(|(before, name, between, member, after)| {
                format!("{before}\"{name}\":{between}{member}{after}")
            })
            .collect();
        format!("{{{}{}{end}}}", members.join(","), if comma && count > 0 { "," } else { "" })
    })
}

/// A file with what a client's file may have, in any layout.
fn file() -> impl Strategy<Value = String> {
    let hook = object(value(), "type|x");
    let groups = list(object(list(hook), "hooks"));
    let hooks = object(groups, "SessionStart|PostToolUse|Stop");
    let servers = object(value(), "docs|agent-turbo-2|git");
    let part = prop_oneof![
        2 => value().prop_map(|value| format!("\"z\":{value}")),
        1 => servers.prop_map(|servers| format!("\"mcpServers\":{servers}")),
        1 => hooks.prop_map(|hooks| format!("\"hooks\":{hooks}")),
    ];
    let parts = prop::collection::vec((trivia(), part, trivia()), 0..4);
    (any::<bool>(), trivia(), parts, any::<bool>(), trivia(), any::<bool>()).prop_map(
        |(mark, start, parts, comma, end, crlf)| {
            let count = parts.len();
            let parts: Vec<_> =
                parts.into_iter().map(|(before, part, after)| before + &part + &after).collect();
            let comma = if comma && count > 0 { "," } else { "" };
            let text = format!("{start}{{{}{comma}{end}}}{end}", parts.join(","));
            let text = if crlf { text.replace('\n', "\r\n") } else { text };
            if mark { format!("\u{feff}{text}") } else { text }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_file_comes_back_byte_for_byte(file in file()) {
        let desk = Desk::new();
        let claude = desk.server(Client::ClaudeCode);
        let planner = desk.parts(Client::ClaudeCode, stdio(Client::ClaudeCode, "planner")).remove(0);
        there_and_back(&desk, &claude, &planner, &file)?;
        there_and_back(&desk, &desk.hooks(), &desk.hooks(), &file)?;
    }
}
