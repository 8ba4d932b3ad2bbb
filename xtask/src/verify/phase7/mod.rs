//! What agents and programs speak to: a server, an MCP session, and the planner's workflow through both.

mod http;
mod mcp;

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::World;
use super::report::Report;
use super::scratch::Scratch;
use http::Http;
use mcp::Mcp;

const PATIENCE: Duration = Duration::from_secs(30);
const CALLS: usize = 300;
/// Of a recall that memory answers, on loopback. Without optimisation everything takes several times as long.
const MAX_RECALL: Duration = Duration::from_millis(if cfg!(debug_assertions) { 5 } else { 1 });

pub(super) async fn verify(world: &World, report: &mut Report) -> Result<()> {
    let scratch = Scratch::open(world).await?;
    let outcome = servers(world, &scratch, report).await;
    let cleaned = scratch.close().await.context("clean-up");
    outcome.and(cleaned)
}

async fn servers(world: &World, scratch: &Scratch, report: &mut Report) -> Result<()> {
    let (mut server, url) = report.check("server starts", start(world, scratch)).await?;
    let outcome = workflow(world, scratch, &url, report).await;
    let stopped = report.check("server stops on SIGTERM", stop(&mut server)).await;
    outcome.and(stopped)
}

async fn workflow(world: &World, scratch: &Scratch, url: &str, report: &mut Report) -> Result<()> {
    let mut http = Http::connect(url).await?;
    report
        .check("/healthz, /readyz, /openapi.json", async {
            let (health, ready) = (http.get("/healthz").await?, http.get("/readyz").await?);
            ensure!(health["status"] == "ok" && ready["ready"] == true, "{health} {ready}");
            let document = http.get("/openapi.json").await?;
            let paths = document["paths"].as_object().map_or(0, serde_json::Map::len);
            ensure!(
                document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")),
                "{document}"
            );
            Ok((format!("ready, {paths} paths described"), ()))
        })
        .await?;
    let mut planner = report
        .check("MCP session", async {
            let mut planner = Mcp::connect(program(world, scratch).arg("mcp")).await?;
            let listed = planner.ask("tools/list", &json!({})).await?;
            let tools = listed["tools"].as_array().map_or(0, Vec::len);
            ensure!(tools == 12, "{tools} tools");
            let started = planner.call("start_session", &json!({ "role": "planner" })).await?;
            ensure!(started["landing_context"].is_string(), "{started}");
            Ok((format!("{}; {tools} tools", text(&started["session_id"])), planner))
        })
        .await?;
    report.check("remembered over MCP, found over HTTP", remember(&mut planner, &mut http)).await?;
    let (design, build) = report
        .check("planned over MCP", async {
            let tasks = json!({ "tasks": [
                { "key": "design", "description": "Design the cache", "role": "executor", "priority": 8 },
                { "key": "build", "description": "Build the cache", "role": "executor", "after": ["design"] },
            ] });
            let made = planner.call("create_task", &tasks).await?;
            let id = |place: usize| text(&made["tasks"][place]["task_id"]);
            Ok(("design, then build".to_owned(), (id(0), id(1))))
        })
        .await?;
    let executor = report
        .check("done over HTTP, in order", async {
            let started =
                http.post("/v1/sessions", &json!({ "platform": "codex", "role": "executor" })).await?;
            let executor = text(&started["session"]["session_id"]);
            for wanted in [&design, &build] {
                let done = work(&mut http, &executor).await?;
                ensure!(done == *wanted, "{done} came before {wanted}");
            }
            Ok((format!("2 tasks by {executor}"), executor))
        })
        .await?;
    report
        .check("audited over MCP, done again", async {
            let approve = json!({ "task_id": design, "verdict": "approved" });
            planner.call("audit_task", &approve).await?;
            let back = json!({ "task_id": build, "verdict": "needs_revision", "notes": "add a test" });
            planner.call("audit_task", &back).await?;
            ensure!(work(&mut http, &executor).await? == build, "it was not sent back");
            planner.call("audit_task", &json!({ "task_id": build, "verdict": "approved" })).await?;
            let task = http.get(&format!("/v1/tasks/{build}")).await?;
            ensure!(task["review"] == "approved" && task["round"] == 2, "{task}");
            Ok(("approved, sent back, approved".to_owned(), ()))
        })
        .await?;
    recall(&mut planner, &mut http, report).await?;
    report
        .check("an agent hangs up: its session ends", async {
            planner.hang_up().await?;
            let sessions = http.get("/v1/sessions?role=planner").await?;
            ensure!(sessions["items"][0]["status"] == "completed", "{sessions}");
            Ok((text(&sessions["items"][0]["session_id"]), ()))
        })
        .await?;
    report
        .check("audit trail intact", async {
            let chains = scratch.orchestrator.verify_chain(None).await?;
            ensure!(chains.is_intact(), "broken: {:?}", chains.broken);
            Ok((format!("{} chains, {} actions", chains.chains, chains.actions), ()))
        })
        .await
}

async fn remember(planner: &mut Mcp, http: &mut Http) -> Result<(String, ())> {
    let fact = "Releases are made with make release";
    planner.call("remember", &json!({ "text": fact, "type": "fact" })).await?;
    let found = http.post("/v1/knowledge/query", &json!({ "text": "how are releases made?" })).await?;
    ensure!(found["results"][0]["content"] == fact, "{found}");
    Ok((format!("similarity {:.3}", found["results"][0]["similarity"].as_f64().unwrap_or_default()), ()))
}

/// Claims the next task, shows a sign of life, and completes it.
async fn work(http: &mut Http, executor: &str) -> Result<String> {
    let claimed = http.post("/v1/tasks/claim", &json!({ "session_id": executor })).await?;
    let (task, token) =
        (text(&claimed["items"][0]["task"]["task_id"]), &claimed["items"][0]["lease"]["token"]);
    let beat = json!({ "token": token, "progress": 50 });
    http.post(&format!("/v1/tasks/{task}/heartbeat"), &beat).await?;
    let done = json!({ "token": token, "output": { "file": "cache.md" } });
    http.post(&format!("/v1/tasks/{task}/complete"), &done).await?;
    Ok(task)
}

/// The same question again and again, which memory answers.
async fn recall(planner: &mut Mcp, http: &mut Http, report: &mut Report) -> Result<()> {
    let question = json!({ "text": "how are releases made?" });
    let by_http = report
        .check("recall from memory over HTTP", async {
            let median = median(async || http.post("/v1/knowledge/query", &question).await.map(drop)).await?;
            Ok((format!("median of {CALLS}: {median:.2?}"), median))
        })
        .await?;
    let question = json!({ "query": "how are releases made?" });
    let by_mcp = report
        .check("recall from memory over MCP", async {
            let median = median(async || planner.call("recall", &question).await.map(drop)).await?;
            Ok((format!("median of {CALLS}: {median:.2?}"), median))
        })
        .await?;
    ensure!(
        by_http.max(by_mcp) <= MAX_RECALL,
        "a recall takes more than {MAX_RECALL:?}: {by_http:?}, {by_mcp:?}"
    );
    let measured = format!("{by_http:.2?} and {by_mcp:.2?}");
    report.criterion("recall over HTTP and MCP", &format!("≤ {MAX_RECALL:?} from memory"), &measured);
    Ok(())
}

async fn median(mut call: impl AsyncFnMut() -> Result<()>) -> Result<Duration> {
    call().await?;
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let started = Instant::now();
        call().await?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times[CALLS / 2])
}

async fn start(world: &World, scratch: &Scratch) -> Result<(String, (Child, String))> {
    let mut command = program(world, scratch);
    command.args(["serve", "--listen", "127.0.0.1:0", "--json"]).stdout(Stdio::piped());
    let mut server = command.kill_on_drop(true).spawn()?;
    let mut stdout = server.stdout.take().context("its stdout")?;
    let mut told = Vec::new();
    let url = timeout(PATIENCE, async {
        loop {
            ensure!(stdout.read_buf(&mut told).await? > 0, "the server ended");
            if let Ok(told) = serde_json::from_slice::<Value>(&told) {
                return Ok(text(&told["url"]));
            }
        }
    });
    let url = url.await.context("it tells no address")??;
    Ok((url.clone(), (server, url)))
}

async fn stop(server: &mut Child) -> Result<(String, ())> {
    let pid = server.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).context("the server is gone")?;
    kill_process(pid, Signal::TERM)?;
    let status = timeout(PATIENCE, server.wait()).await.context("it does not end")??;
    ensure!(status.success(), "it ended with {status}");
    Ok((status.to_string(), ()))
}

/// The program on the schema of this verification.
fn program(world: &World, scratch: &Scratch) -> Command {
    let mut command = Command::new(&world.program);
    command.env("AGENT_TURBO_METRICS", "false").env_remove("AGENT_TURBO_SESSION").stderr(Stdio::null());
    if let Some(schema) = &scratch.config.schema {
        command.env("AGENT_TURBO_SCHEMA", schema);
    }
    command
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
