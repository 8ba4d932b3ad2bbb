use agent_turbo_setup::{Client, Error, Outcome, Server};
use serde_json::{Value, json};

use crate::support::{Desk, PROGRAM, put, stdio, text};

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_new_file_has_what_the_client_reads() {
    let desk = Desk::new();
    let entry = |client: Client| {
        json!({
            "command": PROGRAM,
            "args": ["mcp", "--platform", client.name(), "--role", "agent"],
            "env": { "AGENT_TURBO_HOME": "/srv/turbo" },
        })
    };
    for client in [Client::Gemini, Client::Cursor] {
        let part = desk.server(client);
        assert_eq!(desk.connect(&part).unwrap(), Outcome::Added);
        assert_eq!(parsed(&text(&part.path)), json!({ "mcpServers": { "agent-turbo": entry(client) } }));
    }
    let part = desk.server(Client::ClaudeCode);
    desk.connect(&part).unwrap();
    let mut claude = entry(Client::ClaudeCode);
    claude["type"] = "stdio".into();
    assert_eq!(parsed(&text(&part.path)), json!({ "mcpServers": { "agent-turbo": claude } }));
    assert!(part.path.ends_with("home/.claude.json"));
}

#[test]
fn the_address_of_a_server_stands_where_each_client_looks_for_it() {
    let desk = Desk::new();
    let url = "http://127.0.0.1:7777/mcp";
    let expected = [
        (Client::ClaudeCode, json!({ "type": "http", "url": url })),
        (Client::Gemini, json!({ "httpUrl": url })),
        (Client::Cursor, json!({ "url": url })),
    ];
    for (client, entry) in expected {
        let part = desk.parts(client, Server::Http { url: url.to_owned() }).remove(0);
        desk.connect(&part).unwrap();
        assert_eq!(parsed(&text(&part.path))["mcpServers"]["agent-turbo"], entry);
        // From one way to the other.
        assert_eq!(desk.connect(&desk.server(client)).unwrap(), Outcome::Updated);
        assert_eq!(parsed(&text(&part.path))["mcpServers"]["agent-turbo"]["command"], PROGRAM);
    }
}

#[test]
fn hooks_are_put_beside_those_of_others() {
    let desk = Desk::new();
    let part = desk.hooks();
    let theirs = json!({ "hooks": [{ "type": "command", "command": "say hello" }] });
    put(&part.path, json!({ "model": "opus", "hooks": { "SessionStart": [theirs.clone()] } }).to_string());
    assert_eq!(desk.connect(&part).unwrap(), Outcome::Added);
    let settings = parsed(&text(&part.path));
    assert_eq!(settings["hooks"]["SessionStart"][0], theirs);
    let command = |event: &str, index: usize| settings["hooks"][event][index]["hooks"][0]["command"].clone();
    let ours = |word: &str| json!(format!("'{PROGRAM}' hook {word} --role coder"));
    assert_eq!(command("SessionStart", 1), ours("session-start"));
    assert_eq!(command("PostToolUse", 0), ours("tool-use"));
    assert_eq!(command("PostToolUseFailure", 0), ours("tool-use"));
    assert_eq!(command("SessionEnd", 0), ours("session-end"));
    assert_eq!(settings["hooks"]["PostToolUse"][0]["matcher"], "*");
    assert_eq!(settings["model"], "opus");
}

#[test]
fn doing_it_twice_changes_nothing() {
    let desk = Desk::new();
    for part in [desk.server(Client::ClaudeCode), desk.hooks(), desk.server(Client::Gemini)] {
        put(&part.path, "{\n\t// mine\n\t\"theme\": \"dark\", // yes\n}\n");
        assert_eq!(desk.connect(&part).unwrap(), Outcome::Added);
        let once = text(&part.path);
        assert!(once.contains("\t\"theme\": \"dark\", // yes\n"), "{once}");
        assert_eq!(desk.connect(&part).unwrap(), Outcome::Unchanged);
        assert_eq!(text(&part.path), once);
    }
}

#[test]
fn a_change_of_flags_changes_our_entry_alone_and_keeps_what_its_user_added() {
    let desk = Desk::new();
    let part = desk.server(Client::Gemini);
    put(&part.path, "{\n  \"mcpServers\": {\n    \"a\": {\"command\": \"x\"}\n  }\n}\n");
    let before = text(&part.path);
    desk.connect(&part).unwrap();
    let added = text(&part.path).replace("\"args\"", "\"trust\": true,\n      \"args\"");
    put(&part.path, &added);
    assert_eq!(desk.connect(&part).unwrap(), Outcome::Unchanged);
    let other = desk.parts(Client::Gemini, stdio(Client::Gemini, "planner")).remove(0);
    assert_eq!(desk.connect(&other).unwrap(), Outcome::Updated);
    let entry = &parsed(&text(&part.path))["mcpServers"]["agent-turbo"];
    assert_eq!((&entry["trust"], &entry["args"][4]), (&json!(true), &json!("planner")));
    desk.disconnect(&part).unwrap();
    assert_eq!(text(&part.path), before);
}

#[test]
fn an_entry_of_somebody_else_is_left_alone() {
    let desk = Desk::new();
    let part = desk.server(Client::Cursor);
    let theirs = r#"{"mcpServers": {"agent-turbo": {"command": "python3", "args": ["server.py"]}}}"#;
    put(&part.path, theirs);
    let error = desk.connect(&part).unwrap_err();
    assert!(matches!(&error, Error::Taken { place, .. } if place == "mcpServers.agent-turbo"), "{error}");
    assert_eq!(desk.disconnect(&part).unwrap(), Outcome::Absent);
    assert_eq!(text(&part.path), theirs);
}

#[test]
fn what_cannot_be_read_is_refused_with_its_place_and_left_as_it_is() {
    let desk = Desk::new();
    let part = desk.server(Client::Gemini);
    let cases = [
        ("{\n  \"a\": 1\n  \"b\": 2\n}", 2..=3),
        ("{\"a\": 'x'}", 1..=1),
        ("{\n\n\"a\": [1, 2\n", 3..=4),
        ("{} {}", 1..=1),
        ("{a: 1}", 1..=1),
    ];
    for (broken, lines) in cases {
        put(&part.path, broken);
        let error = desk.connect(&part).unwrap_err();
        let Error::Syntax { line, column, .. } = &error else { panic!("{error}") };
        assert!(lines.contains(line) && *column > 0, "{broken:?}: {error}");
        assert!(desk.disconnect(&part).is_err());
        assert_eq!(text(&part.path), broken);
    }
    for other in ["[]", "null", "{\"mcpServers\": []}", "{\"mcpServers\": null}", "\"text\""] {
        put(&part.path, other);
        assert!(matches!(desk.connect(&part).unwrap_err(), Error::Shape { .. }), "{other}");
        assert_eq!(text(&part.path), other);
    }
    put(&part.path, b"{\"a\": \"\xff\"}");
    assert!(matches!(desk.connect(&part).unwrap_err(), Error::NotText { .. }));
    put(&part.path, "[".repeat(200_000));
    assert!(desk.connect(&part).is_err());
}

#[test]
fn comments_stay_with_what_they_belong_to() {
    let desk = Desk::new();
    let part = desk.server(Client::Cursor);
    put(&part.path, "{\n  // first\n  \"a\": 1 // about a\n  // last\n}\n");
    desk.connect(&part).unwrap();
    let changed = text(&part.path);
    assert!(changed.starts_with("{\n  // first\n  \"a\": 1, // about a\n  \"mcpServers\": {\n"), "{changed}");
    assert!(changed.ends_with("\n  }\n  // last\n}\n"), "{changed}");
}
