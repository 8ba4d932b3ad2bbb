//! The MCP Inspector's command line: one connection a call.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::stage::{Stage, output};

/// Calls a second that must be answered from the cache, eight at a time, on two processors.
const MIN_CALLS: f64 = 1000.0;

/// How the server is reached, and by which protocol.
#[derive(Clone, Copy)]
struct Way {
    http: bool,
    era: &'static str,
}

pub(super) async fn strict(stage: &Stage) -> Result<String> {
    let way = Way { http: false, era: "legacy" };
    // It ends with 6 if a schema is not portable.
    let listed = inspect(stage, way, &["--method", "tools/list", "--strict"]).await?;
    let tools = listed["tools"].as_array().context("no tools")?.len();
    ensure!(tools == 12, "{tools} tools");
    Ok(format!("{tools} tools, {} bytes", listed.to_string().len()))
}

pub(super) async fn stdio_legacy(stage: &Stage) -> Result<String> {
    every_tool(stage, Way { http: false, era: "legacy" }).await
}

pub(super) async fn stdio_modern(stage: &Stage) -> Result<String> {
    every_tool(stage, Way { http: false, era: "modern" }).await
}

pub(super) async fn http_legacy(stage: &Stage) -> Result<String> {
    every_tool(stage, Way { http: true, era: "legacy" }).await
}

pub(super) async fn http_modern(stage: &Stage) -> Result<String> {
    every_tool(stage, Way { http: true, era: "modern" }).await
}

pub(super) async fn load_stdio(stage: &Stage) -> Result<String> {
    load(stage, Way { http: false, era: "legacy" }, MIN_CALLS).await
}

pub(super) async fn load_http(stage: &Stage) -> Result<String> {
    // How many it makes is up to the Inspector: `load.rs`.
    load(stage, Way { http: true, era: "modern" }, 1.0).await
}

/// Each connection calls one tool and is gone: what belongs together is named by its ids.
async fn every_tool(stage: &Stage, way: Way) -> Result<String> {
    let project = format!("inspector-{}-{}", if way.http { "http" } else { "stdio" }, way.era);
    let start = async |role: &str| -> Result<String> {
        let arguments = ["session", "start", "--role", role, "--project", &project, "--id-only"];
        Ok(stage.agent_turbo(&arguments).await?.trim().to_owned())
    };
    let (worker, auditor) = (start("executor").await?, start("validator").await?);
    let call = async |tool: &str, arguments: Value| call(stage, way, tool, &arguments).await;

    let started = call("start_session", json!({ "role": "planner", "project": project })).await?;
    ensure!(
        started["landing_context"].as_str().is_some_and(|text| text.contains("Ready tasks")),
        "{started}"
    );
    call("get_context", json!({ "project": project })).await?;
    let fact = format!("{project} was here");
    let kept = call("remember", json!({ "text": fact, "project": project, "session_id": worker })).await?;
    ensure!(kept["outcome"] == "added", "{kept}");
    let found = call("recall", json!({ "query": "who was here?", "project": project })).await?;
    ensure!(found["hits"][0]["content"] == fact, "{found}");
    let made = json!({ "tasks": [{ "description": "look", "role": "executor" }], "session_id": worker });
    let made = call("create_task", made).await?;
    let task = &made["tasks"][0]["task_id"];
    let claimed = call("claim_task", json!({ "session_id": worker })).await?;
    ensure!(claimed["task_id"] == *task, "{claimed}");
    let token = &claimed["lease_token"];
    let done =
        json!({ "task_id": task, "lease_token": token, "action": "complete", "output": { "seen": true } });
    let done = call("update_task", done).await?;
    ensure!(done["status"] == "completed", "{done}");
    let listed = call("list_tasks", json!({ "task_id": task })).await?;
    ensure!(listed["task"]["output_data"]["seen"] == true, "{listed}");
    call("log_action", json!({ "type": "look", "session_id": worker, "task_id": task })).await?;
    let audit = json!({ "task_id": task, "verdict": "approved", "session_id": auditor });
    call("audit_task", audit).await?;
    let history = call("history", json!({ "session_id": worker })).await?;
    let actions = history["actions"].as_array().map_or(0, Vec::len);
    ensure!(actions >= 5, "{history}");
    let ended = call("end_session", json!({ "session_id": worker })).await?;
    ensure!(ended["status"] == "completed", "{ended}");
    Ok(format!("12 tools called, {actions} actions in the trail"))
}

async fn load(stage: &Stage, way: Way, min_calls: f64) -> Result<String> {
    call(stage, way, "remember", &json!({ "text": "Releases are made with make release" })).await?;
    let arguments =
        ["--method", "tools/call", "--tool-name", "recall", "--tool-arg", "query=how are releases made"];
    let load = ["--load", "--load-concurrency", "8", "--load-duration", "5"];
    let measured = inspect(stage, way, &[arguments.as_slice(), load.as_slice()].concat()).await?;
    let (throughput, errors) = (measured["throughput"].as_f64().unwrap_or_default(), &measured["errorRate"]);
    ensure!(errors == 0 && measured["toolErrors"] == 0, "{measured}");
    ensure!(throughput >= min_calls, "{throughput} calls/s are less than {min_calls}: {measured}");
    Ok(format!("{throughput:.0} calls/s, p50 {} ms", measured["latencyMs"]["p50"]))
}

async fn call(stage: &Stage, way: Way, tool: &str, arguments: &Value) -> Result<Value> {
    let text = arguments.to_string();
    let call = ["--method", "tools/call", "--tool-name", tool, "--tool-args-json", &text];
    let mut result = inspect(stage, way, &call).await.with_context(|| format!("{tool} {text}"))?;
    if result["isError"] == true {
        bail!("{tool} {text}: {result}");
    }
    Ok(result["structuredContent"].take())
}

async fn inspect(stage: &Stage, way: Way, arguments: &[&str]) -> Result<Value> {
    let mut command = stage.command(stage.tools.of_npm("mcp-inspector"))?;
    command.arg("--cli");
    if way.http {
        command.arg(format!("{}/mcp", stage.url)).args(["--transport", "http"]);
    } else {
        command.arg(&stage.program).arg("mcp").arg("-e");
        command.arg(format!("AGENT_TURBO_HOME={}", stage.home().display()));
    }
    command.args(["--protocol-era", way.era, "--quiet"]).args(arguments);
    let told = output(&mut command).await?;
    serde_json::from_str(&told).with_context(|| told.clone())
}
