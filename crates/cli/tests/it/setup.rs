//! Agent programs are connected, and disconnected.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Program, Ran, folder};

const CLIENTS: [&str; 4] = ["claude-code", "codex", "gemini", "cursor"];

/// A user's home directory.
struct User(tempfile::TempDir);

impl User {
    fn new() -> Self {
        Self(folder())
    }

    /// A file in the home directory.
    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join("user").join(name)
    }

    fn has(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    async fn setup(&self, arguments: &[&str]) -> Ran {
        Program::new(self.0.path()).run(&[&["setup"], arguments].concat()).await
    }

    async fn outcomes(&self, arguments: &[&str]) -> Vec<String> {
        let report = self.setup(&[arguments, &["--json"]].concat()).await.json();
        let outcome = |part: &Value| part["outcome"].as_str().unwrap().to_owned();
        report["parts"].as_array().unwrap().iter().map(outcome).collect()
    }

    /// Everything in the home directory.
    fn tree(&self) -> Vec<(PathBuf, Option<Vec<u8>>)> {
        let mut found = Vec::new();
        walk(&self.0.path().join("user"), &mut found);
        found
    }
}

fn walk(path: &Path, found: &mut Vec<(PathBuf, Option<Vec<u8>>)>) {
    let Ok(entries) = fs::read_dir(path) else { return };
    let mut entries: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        found.push((entry.clone(), fs::read(&entry).ok()));
        walk(&entry, found);
    }
}

fn json_of(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn program() -> String {
    let path = Path::new(env!("CARGO_BIN_EXE_agent-turbo")).canonicalize().unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_client_is_connected_once_and_disconnected_without_a_trace() {
    let user = User::new();
    fs::create_dir(user.0.path().join("user")).unwrap();
    for client in CLIENTS {
        let parts = if client == "claude-code" { 2 } else { 1 };
        assert_eq!(user.outcomes(&[client]).await, vec!["added"; parts]);
        let before = user.tree();
        assert_eq!(user.outcomes(&[client]).await, vec!["unchanged"; parts]);
        assert_eq!(user.tree(), before);
    }
    let home = user.0.path().join("home");
    let entry = |client: &str| {
        json!({
            "command": program(),
            "args": ["mcp", "--platform", client],
            "env": { "AGENT_TURBO_HOME": home },
        })
    };
    for (client, file) in [("gemini", ".gemini/settings.json"), ("cursor", ".cursor/mcp.json")] {
        assert_eq!(json_of(&user.file(file)), json!({ "mcpServers": { "agent-turbo": entry(client) } }));
    }
    let mut claude = entry("claude-code");
    claude["type"] = "stdio".into();
    assert_eq!(json_of(&user.file(".claude.json"))["mcpServers"]["agent-turbo"], claude);
    let hooks = &json_of(&user.file(".claude/settings.json"))["hooks"];
    let command = hooks["SessionStart"][0]["hooks"][0]["command"].as_str().unwrap();
    let expected = format!("AGENT_TURBO_HOME={} {} hook session-start", home.display(), program());
    assert_eq!(command, expected);
    let codex = fs::read_to_string(user.file(".codex/config.toml")).unwrap();
    assert!(codex.starts_with("[mcp_servers.agent-turbo]\n"), "{codex}");

    for client in CLIENTS {
        let parts = if client == "claude-code" { 2 } else { 1 };
        assert_eq!(user.outcomes(&[client, "--undo"]).await, vec!["removed"; parts]);
        assert_eq!(user.outcomes(&[client, "--undo"]).await, vec!["absent"; parts]);
    }
    assert_eq!(user.tree(), []);
}

#[tokio::test]
async fn people_are_told_which_file_what_changed_how_to_check_and_how_to_undo() {
    let user = User::new();
    let shown = user.setup(&["claude-code", "--role", "coder", "--project", "my app"]).await;
    let shown = shown.done();
    for told in [
        "✅ Claude Code: MCP server added to ",
        "/user/.claude.json (a new file)",
        "✅ Claude Code: hooks added to ",
        "/user/.claude/settings.json (a new file)",
        "check: claude mcp list",
        "undo:  agent-turbo setup claude-code --undo",
    ] {
        assert!(shown.contains(told), "{told:?} is missing: {shown}");
    }
    let args = &json_of(&user.file(".claude.json"))["mcpServers"]["agent-turbo"]["args"];
    assert_eq!(*args, json!(["mcp", "--platform", "claude-code", "--role", "coder", "--project", "my app"]));
    let hooks = &json_of(&user.file(".claude/settings.json"))["hooks"];
    let command = hooks["SessionEnd"][0]["hooks"][0]["command"].as_str().unwrap();
    assert!(command.ends_with(" hook session-end --role coder --project 'my app'"), "{command}");
    let again = user.setup(&["claude-code", "--role", "coder", "--project", "my app"]).await;
    assert!(again.done().contains("hooks already set up in "), "{again:?}");
    let undone = user.setup(&["claude-code", "--undo"]).await;
    assert!(undone.done().contains("(the file was setup's own, and goes)"), "{undone:?}");
}

#[tokio::test]
async fn what_is_printed_or_tried_writes_nothing() {
    let user = User::new();
    user.has(".gemini/settings.json", "{\n  \"theme\": \"dark\" // as I like it\n}\n");
    let before = user.tree();
    let printed = user.setup(&["gemini", "--print", "--role", "coder"]).await;
    assert!(printed.done().contains("/user/.gemini/settings.json (MCP server)"), "{printed:?}");
    assert!(
        printed.done().contains("\"args\": [\"mcp\", \"--platform\", \"gemini\", \"--role\", \"coder\"]")
    );
    let snippet = user.setup(&["codex", "--print", "--json"]).await.json();
    let text = snippet["parts"][0]["snippet"].as_str().unwrap();
    assert!(text.starts_with("[mcp_servers.agent-turbo]\ncommand = "), "{text}");
    let tried = user.setup(&["gemini", "--dry-run"]).await;
    let tried = tried.done();
    assert!(
        tried.contains("would be added to") && tried.contains("\n-  \"theme\": \"dark\" // as I like it\n"),
        "{tried}"
    );
    assert!(tried.contains("\n+  \"theme\": \"dark\", // as I like it\n"), "{tried}");
    assert_eq!(user.tree(), before);
    assert!(!user.0.path().join("home").exists());
}

#[tokio::test]
async fn a_project_has_files_of_its_own_and_servers_have_addresses() {
    let user = User::new();
    let url = "http://127.0.0.1:7777/mcp";
    for client in CLIENTS {
        user.setup(&[client, "--scope", "project", "--url", url]).await.done();
    }
    let project = user.0.path();
    let server = |file: &str| json_of(&project.join(file))["mcpServers"]["agent-turbo"].clone();
    assert_eq!(server(".mcp.json"), json!({ "type": "http", "url": url }));
    assert_eq!(server(".gemini/settings.json"), json!({ "httpUrl": url }));
    assert_eq!(server(".cursor/mcp.json"), json!({ "url": url }));
    assert!(json_of(&project.join(".claude/settings.json"))["hooks"]["SessionStart"].is_array());
    assert_eq!(user.tree(), []);
    for client in CLIENTS {
        user.setup(&[client, "--scope", "project", "--undo"]).await.done();
    }
    assert!(!project.join(".mcp.json").exists() && !project.join(".codex").exists());
    user.setup(&["cursor", "--url", "localhost:7777"]).await.failed(2, &["localhost:7777"]);
}

#[tokio::test]
async fn the_clients_own_variables_say_where_their_files_are_and_no_secret_is_written() {
    let user = User::new();
    let dir = user.0.path();
    let secret = "postgresql://ann:hunter2@127.0.0.1/d";
    for client in ["claude-code", "codex"] {
        let ran = Program::new(dir)
            .env("CLAUDE_CONFIG_DIR", dir.join("claude"))
            .env("CODEX_HOME", dir.join("codex"))
            .env("DATABASE_URL", secret)
            .run(&["setup", client])
            .await;
        assert!(ran.done().contains("DATABASE_URL is not written"), "{ran:?}");
    }
    for file in ["claude/.claude.json", "claude/settings.json", "codex/config.toml"] {
        let text = fs::read_to_string(dir.join(file)).unwrap();
        assert!(text.contains("agent-turbo") && !text.contains("hunter2"), "{text}");
    }
    assert_eq!(user.tree(), []);
}

#[tokio::test]
async fn a_file_that_cannot_be_edited_keeps_all_files_as_they_are() {
    let user = User::new();
    let broken = user.has(".claude/settings.json", "{\n  \"model\": \"opus\"\n  \"hooks\": {}\n}\n");
    let good = user.has(".claude.json", "{}");
    let ran = user.setup(&["claude-code"]).await;
    ran.failed(2, &["settings.json, line ", "column", "→ the file was left as it is"]);
    assert_eq!(fs::read_to_string(&good).unwrap(), "{}");
    assert!(fs::read_to_string(&broken).unwrap().contains("opus"));

    user.has(".cursor/mcp.json", r#"{"mcpServers": {"agent-turbo": {"command": "python3"}}}"#);
    let taken = user.setup(&["cursor"]).await;
    taken.failed(2, &["mcpServers.agent-turbo is there, and is not of our making"]);
    fs::create_dir_all(user.file(".codex/config.toml")).unwrap();
    user.setup(&["codex"]).await.failed(2, &["config.toml: it is not a file"]);
    user.has(".gemini", "");
    user.setup(&["gemini"]).await.failed(1, &[".gemini"]);
}

#[tokio::test]
async fn dotfiles_that_are_links_stay_links() {
    let user = User::new();
    let real = user.has("dotfiles/claude.json", "{\r\n\t\"numStartups\": 3\r\n}");
    std::os::unix::fs::symlink(&real, user.file(".claude.json")).unwrap();
    let shown = user.setup(&["claude-code", "--no-hooks"]).await;
    assert!(shown.done().contains(".claude.json → "), "{shown:?}");
    assert!(fs::read_to_string(&real).unwrap().contains("\r\n\t\t\"agent-turbo\": {\r\n"));
    user.setup(&["claude-code", "--undo"]).await.done();
    assert_eq!(fs::read_to_string(&real).unwrap(), "{\r\n\t\"numStartups\": 3\r\n}");
    assert!(user.file(".claude.json").is_symlink());
}

#[tokio::test]
async fn setting_up_at_the_same_time_leaves_one_entry() {
    let user = User::new();
    user.has(".gemini/settings.json", "{\n  \"theme\": \"dark\"\n}\n");
    let all = (0..8).map(|number| {
        let role = format!("role{number}");
        let user = &user;
        async move { user.setup(&["gemini", "--role", &role]).await }
    });
    for ran in futures_util::future::join_all(all).await {
        assert!(ran.code == Some(0) || ran.stderr.contains("changed by somebody else"), "{ran:?}");
    }
    let text = fs::read_to_string(user.file(".gemini/settings.json")).unwrap();
    assert_eq!(text.matches("\"agent-turbo\"").count(), 1, "{text}");
    user.setup(&["gemini", "--undo"]).await.done();
    assert_eq!(
        fs::read_to_string(user.file(".gemini/settings.json")).unwrap(),
        "{\n  \"theme\": \"dark\"\n}\n"
    );
}
