//! The program in a terminal.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;

use agent_turbo_test_support::{Behaviour, Misbehaving};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::support::{Fixture, Program, THREE};

/// What a terminal gets to see when the program runs in it.
async fn shown(mut program: Program, arguments: &[&str]) -> String {
    let (mut master, slave) = terminal();
    program.command.args(arguments).env("TERM", "xterm-256color");
    program.command.stdin(slave.try_clone().unwrap());
    program.command.stdout(slave.try_clone().unwrap()).stderr(slave);
    let mut child = program.command.spawn().unwrap();
    // It holds the terminal's other side open.
    drop(program);
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        // Linux reports an error when the last process has left the terminal.
        while let Ok(count @ 1..) = master.read(&mut chunk) {
            bytes.extend_from_slice(&chunk[..count]);
        }
        String::from_utf8(bytes).unwrap()
    });
    child.wait().await.unwrap();
    reading.await.unwrap()
}

fn terminal() -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let path = std::path::Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
    let slave = OpenOptions::new().read(true).write(true).open(path).unwrap();
    (File::from(master), slave)
}

#[tokio::test]
async fn colours_go_to_terminals_that_want_them_and_nowhere_else() {
    let fixture = Fixture::new().await;
    fixture.add(&THREE).await;
    let query = ["query", "database"];
    assert!(shown(fixture.program(), &query).await.contains("\x1b[1m  1."));
    assert!(shown(fixture.program(), &["query"]).await.contains("\x1b["), "help has colours, too");
    assert!(shown(fixture.program(), &["get", "zzzz"]).await.contains("\x1b[31mTASK FAILED"));
    for arguments in
        [&query[..], &["list"], &["stats"], &["doctor"], &["status"], &["get", "zzzz"], &["query"]]
    {
        let plain = shown(fixture.program().env("NO_COLOR", "1"), arguments).await;
        assert!(!plain.is_empty() && !plain.contains('\x1b'), "{plain:?}");
        let piped = fixture.run(arguments).await;
        assert!(!format!("{}{}", piped.stdout, piped.stderr).contains('\x1b'), "{piped:?}");
    }
    let json = shown(fixture.program(), &["query", "database", "--json"]).await;
    assert!(!json.contains('\x1b'), "{json:?}");
}

/// Sets a window's title, rings, and colours; the second one begins with the single character that means `ESC [`.
const HOSTILE: &str = "before \x1b]0;owned\x07 \u{9b}45m after";

fn assert_harmless(shown: &str) {
    assert!(!shown.contains("\x1b]") && !shown.contains('\x07') && !shown.contains('\u{9b}'), "{shown:?}");
}

#[tokio::test]
async fn a_text_cannot_command_the_terminal_that_shows_it() {
    let fixture = Fixture::new().await;
    let metadata = serde_json::json!({ "title": HOSTILE }).to_string();
    let added = fixture.json(&["add", HOSTILE, "--metadata", &metadata]).await;
    let hash = added["content_hash"].as_str().unwrap();
    // What other programs write goes unchecked.
    let client = fixture.database.client().await.unwrap();
    let update = "UPDATE agent_knowledge SET knowledge_type = $1, category = $1, tags = ARRAY[$1], source_session = $1";
    client.execute(update, &[&HOSTILE]).await.unwrap();
    let commands = [
        &["query", "before"][..],
        &["list"],
        &["get", hash],
        &["stats"],
        &["update", hash, "--type", "fact"],
        &["delete", hash],
    ];
    for arguments in commands {
        let shown = shown(fixture.program(), arguments).await;
        assert!(!shown.contains("TASK FAILED"), "{shown:?}");
        assert_harmless(&shown);
    }
}

#[tokio::test]
async fn neither_can_a_task_nor_a_session_nor_an_action() {
    let fixture = Fixture::new().await;
    let json = serde_json::json!({ HOSTILE: HOSTILE }).to_string();
    // What other programs write goes unchecked, ids included.
    let client = fixture.database.client().await.unwrap();
    let sql = "WITH session AS (
                   INSERT INTO agent_sessions (session_id, agent_platform, agent_role, metadata)
                   VALUES ($1, $1, $1, $2::text::jsonb) RETURNING session_id
               ), task AS (
                   INSERT INTO agent_tasks (task_id, session_id, task_type, task_description, assigned_to_role,
                       assigned_to_platform, required_context, input_data, metadata, idempotency_key)
                   SELECT $1, session_id, $1, $1, 'coder', $1, $2::text::jsonb, $2::text::jsonb, $2::text::jsonb, $1
                   FROM session RETURNING session_id, task_id
               )
               INSERT INTO agent_actions (session_id, task_id, action_type, action_description, success, error_message)
               SELECT session_id, task_id, $1, $1, false, $1 FROM task";
    client.execute(sql, &[&HOSTILE, &json]).await.unwrap();
    let plain = "UPDATE agent_tasks SET task_id = 'task_1', assigned_to_platform = NULL";
    let safe = "UPDATE agent_sessions SET session_id = 'session_1'";
    let commands = [
        &["task", "list"][..],
        &["session", "list"],
        &["context"],
        &["audit", "verify"],
        &["audit", "export"],
        &["task", "show", HOSTILE],
        &["task", "claim", "--session", HOSTILE],
        &["audit", "verify", HOSTILE],
        &["audit", "purge", HOSTILE, "--before", "1d", "--reason", "x", "--yes"],
    ];
    for arguments in commands {
        assert_harmless(&shown(fixture.program(), arguments).await);
    }
    client
        .batch_execute("ALTER TABLE agent_tasks DROP CONSTRAINT agent_tasks_session_id_fkey")
        .await
        .unwrap();
    client.batch_execute(&format!("{plain}; {safe}")).await.unwrap();
    let commands = [
        &["task", "show", "task_1"][..],
        &["task", "why", "task_1"],
        &["task", "block", "task_1", "--reason", HOSTILE],
        &["task", "why", "task_1"],
        &["task", "unblock", "task_1"],
        &["session", "show", "session_1"],
        &["session", "start", "--parent", "session_1", "--project", "default"],
        &["history", "session_1"],
        &["task", "claim", "--role", "coder"],
        &["task", "cancel", "task_1", "--reason", HOSTILE],
        &["session", "end", "session_1", "--failed", HOSTILE],
    ];
    for arguments in commands {
        let shown = shown(fixture.program(), arguments).await;
        assert!(!shown.contains("TASK FAILED"), "{arguments:?}: {shown:?}");
        assert_harmless(&shown);
    }
}

#[tokio::test]
async fn json_holds_a_text_whole_with_its_control_characters_escaped() {
    let fixture = Fixture::new().await;
    fixture.add(&[HOSTILE]).await;
    let ran = fixture.run(&["list", "--json"]).await;
    assert_eq!(ran.json()["entries"][0]["content"], HOSTILE);
    assert!(!ran.stdout.contains(|character: char| character.is_control() && character != '\n'), "{ran:?}");
}

#[tokio::test]
async fn what_is_refused_or_goes_wrong_cannot_command_the_terminal_either() {
    let fixture = Fixture::new().await;
    let service = Misbehaving::start(Behaviour::Answers(500, HOSTILE.to_owned())).await.unwrap();
    let ill = || fixture.program().env("AGENT_TURBO_EMBED_URL", service.url());
    let cases = [
        (fixture.program(), &["query", "x", "--mode", HOSTILE][..]),
        (fixture.program(), &["add", "x", "--project", HOSTILE]),
        (fixture.program(), &["add", "x", "--tag", HOSTILE]),
        (fixture.program(), &["get", HOSTILE]),
        (fixture.program(), &["list", "--config", HOSTILE]),
        (ill(), &["add", "x"]),
        (ill(), &["query", "x"]),
        (ill(), &["doctor"]),
    ];
    for (program, arguments) in cases {
        let shown = shown(program, arguments).await;
        assert!(shown.contains("owned") || shown.contains("500"), "it says what is wrong: {shown:?}");
        assert_harmless(&shown);
    }
}
