//! The Python clients: the planner, the executor and the validator of `workflow.py`.

use anyhow::Result;

use super::stage::{Stage, output};
use super::tools::Tools;

pub(super) async fn mcp_stdio(stage: &Stage) -> Result<String> {
    stdio(stage, "mcp").await
}

pub(super) async fn mcp_http(stage: &Stage) -> Result<String> {
    http(stage, "mcp").await
}

pub(super) async fn fastmcp_stdio(stage: &Stage) -> Result<String> {
    stdio(stage, "fastmcp").await
}

pub(super) async fn fastmcp_http(stage: &Stage) -> Result<String> {
    http(stage, "fastmcp").await
}

async fn stdio(stage: &Stage, client: &str) -> Result<String> {
    let mut command = stage.command(stage.tools.python())?;
    command.arg(Tools::script("workflow.py")).args([client, &format!("{client}-stdio")]);
    Ok(output(command.arg(&stage.program).arg("mcp")).await?.trim().to_owned())
}

async fn http(stage: &Stage, client: &str) -> Result<String> {
    let mut command = stage.command(stage.tools.python())?;
    command.arg(Tools::script("workflow.py")).args([client, &format!("{client}-http"), "--url"]);
    Ok(output(command.arg(format!("{}/mcp", stage.url))).await?.trim().to_owned())
}
