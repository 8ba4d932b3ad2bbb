use agent_turbo_setup::{Client, Error, Outcome, Server};

use crate::support::{Desk, PROGRAM, put, stdio, text};

#[test]
fn codex_gets_a_table_of_its_own() {
    let desk = Desk::new();
    let part = desk.server(Client::Codex);
    assert_eq!(desk.connect(&part).unwrap(), Outcome::Added);
    let expected = format!(
        "[mcp_servers.agent-turbo]\ncommand = \"{PROGRAM}\"\nargs = [\"mcp\", \"--platform\", \"codex\", \"--role\", \
         \"agent\"]\nenv = {{ AGENT_TURBO_HOME = \"/srv/turbo\" }}\n"
    );
    assert_eq!(text(&part.path), expected);
    assert_eq!(desk.connect(&part).unwrap(), Outcome::Unchanged);
    assert_eq!(desk.disconnect(&part).unwrap(), Outcome::Removed);
    assert!(!part.path.exists() && !part.path.parent().unwrap().exists());
    let url = "http://localhost:7777/mcp".to_owned();
    let part = desk.parts(Client::Codex, Server::Http { url }).remove(0);
    desk.connect(&part).unwrap();
    assert_eq!(text(&part.path), "[mcp_servers.agent-turbo]\nurl = \"http://localhost:7777/mcp\"\n");
}

#[test]
fn what_was_written_meanwhile_stays_when_it_is_undone() {
    let desk = Desk::new();
    let part = desk.server(Client::Codex);
    let before = "# mine\r\nmodel = \"gpt\"\r\n\r\n[mcp_servers.docs]\r\ncommand = \"docs\" # yes\r\n";
    put(&part.path, before);
    desk.connect(&part).unwrap();
    let changed = text(&part.path).replace("\"gpt\"", "\"gpt-5\"");
    let after = "\r\n[mcp_servers.agent-turbo.tools.x]\r\napproval = \"auto\"\r\n\r\n# later\r\n[profiles.a]\r\nx = 1\r\n";
    put(&part.path, changed + after);
    assert_eq!(desk.connect(&part).unwrap(), Outcome::Unchanged);
    desk.disconnect(&part).unwrap();
    let expected = before.replace("\"gpt\"", "\"gpt-5\"") + "\r\n# later\r\n[profiles.a]\r\nx = 1\r\n";
    assert_eq!(text(&part.path), expected);
}

#[test]
fn a_change_of_flags_changes_our_table_alone() {
    let desk = Desk::new();
    let part = desk.server(Client::Codex);
    put(&part.path, "model = 'x'");
    desk.connect(&part).unwrap();
    put(&part.path, text(&part.path) + "startup_timeout_sec = 30\n");
    let other = desk.parts(Client::Codex, stdio(Client::Codex, "planner")).remove(0);
    assert_eq!(desk.connect(&other).unwrap(), Outcome::Updated);
    let changed = text(&part.path);
    assert!(changed.contains("\"planner\"") && changed.contains("startup_timeout_sec = 30"), "{changed}");
    assert_eq!(changed.matches("[mcp_servers.agent-turbo]").count(), 1);
}

#[test]
fn tables_that_take_no_further_ones_and_broken_files_are_refused() {
    let desk = Desk::new();
    let part = desk.server(Client::Codex);
    for other in ["mcp_servers = { docs = { command = \"x\" } }\n", "mcp_servers = 1\n"] {
        put(&part.path, other);
        assert!(matches!(desk.connect(&part).unwrap_err(), Error::Shape { .. }), "{other}");
        assert_eq!(text(&part.path), other);
    }
    put(&part.path, "a = 1\nb = = 2\n");
    let error = desk.connect(&part).unwrap_err();
    assert!(matches!(error, Error::Syntax { line: 2, column: 5, .. }), "{error}");
    put(&part.path, "[mcp_servers.agent-turbo]\ncommand = \"python3\"\n");
    assert!(matches!(desk.connect(&part).unwrap_err(), Error::Taken { .. }));
    assert_eq!(desk.disconnect(&part).unwrap(), Outcome::Absent);
}
