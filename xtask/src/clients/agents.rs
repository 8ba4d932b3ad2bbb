//! The programs of three agents, as their users run them.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::stage::{Stage, announced, output};
use super::tools::Tools;

/// What Claude Code is told so that it asks nobody but the model that stands in.
const CLAUDE: [(&str, &str); 5] = [
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
    // The model that stands in looks for no tools, and expects the server's from the beginning.
    ("ENABLE_TOOL_SEARCH", "false"),
    ("MCP_CONNECTION_NONBLOCKING", "0"),
    ("ANTHROPIC_API_KEY", "none"),
];
const PROJECT: &str = "claude-loop";

pub(super) async fn claude_connects(stage: &Stage) -> Result<String> {
    let claude = stage.tools.of_npm("claude");
    let mut add = stage.command(&claude)?;
    add.envs(CLAUDE).args(["mcp", "add", "--scope", "user", "agent-turbo", "--"]).arg(&stage.program);
    output(add.args(["mcp", "--platform", "claude-code"])).await?;
    let mut list = stage.command(&claude)?;
    let listed = output(list.envs(CLAUDE).args(["mcp", "list"])).await?;
    let line = listed.lines().find(|line| line.starts_with("agent-turbo:")).context(listed.clone())?;
    ensure!(line.ends_with("✔ Connected"), "{listed}");
    Ok("✔ Connected".to_owned())
}

pub(super) async fn claude_loop(stage: &Stage) -> Result<String> {
    let mut model = stage.command(stage.tools.python())?;
    let (mut model, told) = announced(model.arg(Tools::script("model.py")).arg(PROJECT)).await?;
    let servers = json!({ "mcpServers": { "agent-turbo": {
        "command": stage.program, "args": ["mcp", "--platform", "claude-code"],
        "env": { "AGENT_TURBO_HOME": stage.home() },
    } } });
    let file = stage.work().join("mcp.json");
    fs::write(&file, servers.to_string())?;
    let mut claude = stage.command(stage.tools.of_npm("claude"))?;
    claude.envs(CLAUDE).env("ANTHROPIC_BASE_URL", told["url"].as_str().context("the model's address")?);
    claude.args(["-p", "Do what there is to do", "--strict-mcp-config", "--mcp-config"]).arg(file);
    claude.args(["--allowedTools", "mcp__agent-turbo", "--output-format", "json"]);
    let told = output(&mut claude).await;
    model.kill().await?;
    let told: Value = serde_json::from_str(&told?)?;
    ensure!(told["is_error"] == false && told["num_turns"] == 9, "{told}");

    // What the agent did is there for everybody else.
    let tasks = stage.agent_turbo_json(&["task", "list", "--project", PROJECT]).await?;
    ensure!(tasks["tasks"][0]["status"] == "completed", "{tasks}");
    let session = tasks["tasks"][0]["finished_by"].as_str().context("who did it")?.to_owned();
    ensure!(session.starts_with("claude-code_executor_"), "{session}");
    let found = stage.agent_turbo_json(&["query", "when are deploys?", "--project", PROJECT]).await?;
    ensure!(found["results"][0]["source_session"] == session.as_str(), "{found}");
    let history = stage.agent_turbo_json(&["history", &session]).await?;
    let deployed = |action: &Value| action["action_type"] == "deploy";
    ensure!(history["actions"].as_array().is_some_and(|actions| actions.iter().any(deployed)), "{history}");
    ensure!(history["session"]["status"] == "completed", "{history}");
    stage.agent_turbo(&["audit", "verify", &session]).await?;
    Ok("8 tools called, the task completed, the trail whole".to_owned())
}

/// A worker runs Claude Code for a task; it uses our tools, and what it says is the task's output.
pub(super) async fn claude_works(stage: &Stage) -> Result<String> {
    let project = "claude-worker";
    let task =
        stage.agent_turbo_json(&["task", "create", "Say that it is done", "--project", project]).await?;
    let mut model = stage.command(stage.tools.python())?;
    let (mut model, told) = announced(model.arg(Tools::script("model.py")).arg(project)).await?;
    let mut worker = stage.command(&stage.program)?;
    worker.envs(CLAUDE).env("ANTHROPIC_BASE_URL", told["url"].as_str().context("the model's address")?);
    worker.args([
        "worker",
        "--role",
        "executor",
        "--project",
        project,
        "--preset",
        "claude-code",
        "--max-tasks",
        "1",
    ]);
    let told = output(&mut worker).await;
    model.kill().await?;
    let told = told?;
    let task = stage.agent_turbo_json(&["task", "show", task["task_id"].as_str().context("its id")?]).await?;
    ensure!(task["status"] == "completed" && task["output_data"]["result"] == "All done.", "{told}{task}");
    // The agent could use our tools, though nobody was there to allow it.
    let found = stage.agent_turbo_json(&["query", "when are deploys?", "--project", project]).await?;
    ensure!(found["results"][0]["content"] == format!("{project}: deploys happen on Tuesdays"), "{found}");
    Ok(format!("completed with {}", task["output_data"]["result"]))
}

pub(super) async fn gemini_connects(stage: &Stage) -> Result<String> {
    stage.agent_turbo(&["setup", "gemini"]).await?;
    // It starts no servers in a folder that nobody trusts.
    let trusted = json!({ fs::canonicalize(stage.work())?.display().to_string(): "TRUST_FOLDER" });
    fs::write(stage.user().join(".gemini/trustedFolders.json"), trusted.to_string())?;
    let mut command = stage.command(stage.tools.of_npm("gemini"))?;
    let result = command.args(["mcp", "list"]).output().await?;
    let listed = [result.stdout, result.stderr].concat();
    let listed = String::from_utf8_lossy(&listed);
    let line = listed.lines().find(|line| line.contains("agent-turbo:")).context(listed.to_string())?;
    ensure!(line.ends_with("Connected") && !line.contains("Disconnected"), "{listed}");
    Ok("Connected".to_owned())
}

pub(super) async fn codex_connects(stage: &Stage) -> Result<String> {
    stage.agent_turbo(&["setup", "codex"]).await?;
    let mut command = stage.command(stage.tools.python())?;
    command.arg(Tools::script("codex.py")).arg(stage.tools.of_npm("codex"));
    Ok(output(&mut command).await?.trim().to_owned())
}
