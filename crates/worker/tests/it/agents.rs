//! Presets, with programs that print what the agents' own print. The agents themselves are not run here.

use std::os::unix::fs::PermissionsExt as _;

use agent_turbo_worker::{Outcome, Preset};
use serde_json::json;

use crate::support::Fixture;

/// A program of this name that notes its arguments and prints `output`, found before any other.
fn program(fixture: &Fixture, name: &str, output: &str, code: i32) -> std::ffi::OsString {
    let file = fixture.path(name);
    let script = format!(
        "#!/bin/sh\nfor word; do printf '%s\\0' \"$word\"; done > \"$DIR/arguments\"\ncat > \"$DIR/stdin\"\n\
         cat <<'END'\n{output}\nEND\nexit {code}\n"
    );
    std::fs::write(&file, script).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    format!("{}:{path}", fixture.dir.path().display()).into()
}

#[tokio::test]
async fn agents_are_called_and_understood() {
    let codex = [
        r#"{"type":"thread.started","thread_id":"0199"}"#,
        r#"{"type":"item.completed","item":{"id":"item_2","type":"agent_message","text":"Done."}}"#,
        r#"{"type":"turn.completed","usage":{"input_tokens":100,"cached_input_tokens":90,"output_tokens":20}}"#,
    ]
    .join("\n");
    let claude = r#"{"type":"result","is_error":false,"num_turns":2,"result":"Done.","total_cost_usd":0.01,
        "usage":{"input_tokens":20,"output_tokens":100}}"#;
    let gemini = r#"{"response":"Done.","stats":{"models":{"pro":{"api":{"totalRequests":1},"tokens":{"total":120}}}}}"#;
    let fixture = Fixture::new().await;
    let asked = ["-p", "", "--allowedTools", "mcp__agent-turbo", "--output-format", "json", "--model", "x"];
    for (preset, name, output, words) in [
        (Preset::ClaudeCode, "claude", claude, &asked[..]),
        (Preset::Codex, "codex", &codex, &["exec", "--json", "", "--model", "x"]),
        (Preset::Gemini, "gemini", gemini, &["-p", "", "--output-format", "json", "--model", "x"]),
    ] {
        let id = fixture.create("For an agent").await;
        let mut options = fixture.command(&["--model", "x"]);
        options.preset = Some(preset);
        options.env.push(("PATH".into(), program(&fixture, name, output, 0)));
        let (report, task) = fixture.work_on(&id, options).await;
        assert_eq!((report.outcome, report.tokens), (Outcome::Completed, Some(120)), "{name}: {report:?}");
        let output = task.output_data.unwrap();
        assert_eq!((&output["result"], &output["usage"]["tokens"]), (&json!("Done."), &json!(120)), "{name}");
        let arguments = std::fs::read_to_string(fixture.path("arguments")).unwrap();
        let arguments: Vec<&str> = arguments.trim_end_matches('\0').split('\0').collect();
        assert_eq!(arguments.len(), words.len(), "{name}: {arguments:?}");
        for (argument, word) in arguments.iter().zip(words) {
            assert!(
                argument == word || word.is_empty() && argument.contains("For an agent"),
                "{name}: {argument}"
            );
        }
        assert_eq!(std::fs::read_to_string(fixture.path("stdin")).unwrap(), "", "{name}");
    }
}

#[tokio::test]
async fn an_agent_that_says_that_it_failed_has_failed() {
    let fixture = Fixture::new().await;
    let said = r#"{"type":"result","is_error":true,"result":"out of credit","usage":{"input_tokens":5}}"#;
    for (code, reason) in
        [(0, "it says that it failed: out of credit"), (1, "it ended with exit code 1: out of credit")]
    {
        let id = fixture.create("For an agent").await;
        let mut options = fixture.command(&[]);
        options.preset = Some(Preset::ClaudeCode);
        options.env.push(("PATH".into(), program(&fixture, "claude", said, code)));
        let (report, _) = fixture.work_on(&id, options).await;
        assert_eq!((report.outcome, report.tokens), (Outcome::Retried, Some(5)));
        assert_eq!(report.error.as_deref(), Some(reason));
    }
    let id = fixture.create("For an agent").await;
    let mut options = fixture.command(&[]);
    options.preset = Some(Preset::Gemini);
    options
        .env
        .push(("PATH".into(), program(&fixture, "gemini", r#"{"error":{"message":"bad prompt"}}"#, 42)));
    let (report, _) = fixture.work_on(&id, options).await;
    assert_eq!(report.outcome, Outcome::Failed);
}
