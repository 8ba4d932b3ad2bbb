//! The HTTP API, held against its own OpenAPI document.

use anyhow::{Context, Result};

use super::stage::{Stage, output};
use super::tools::Tools;

/// Requests that the document allows, and some that it does not: no 5xx, no answer that the document does not have.
pub(super) async fn schemathesis(stage: &Stage) -> Result<String> {
    let mut command = stage.command(stage.tools.of_python("schemathesis"))?;
    command.args(["run", &format!("{}/openapi.json", stage.url), "--seed", "1", "--max-examples", "20"]);
    command.args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance"]);
    command.args(["--phases", "examples,coverage,fuzzing", "--request-timeout", "20", "--no-color"]);
    // Streams do not end by themselves.
    command.args(["--exclude-path", "/v1/events"]);
    let told = output(&mut command).await?;
    let line = told.lines().rev().find(|line| line.contains("generated") || line.contains("passed"));
    Ok(line.context(told.clone())?.trim().trim_matches('=').trim().to_owned())
}

/// A Python client made from the document: it adds, finds, makes a task, and reads it.
pub(super) async fn generated_client(stage: &Stage) -> Result<String> {
    let mut generate = stage.command(stage.tools.of_python("openapi-python-client"))?;
    generate.args([
        "generate",
        "--url",
        &format!("{}/openapi.json", stage.url),
        "--meta",
        "none",
        "--config",
    ]);
    generate.arg(Tools::script("api.yml"));
    generate.args(["--overwrite", "--fail-on-warning", "--output-path", "generated"]);
    output(&mut generate).await?;
    let mut command = stage.command(stage.tools.python())?;
    command.arg(Tools::script("api.py")).arg(&stage.url).env("PYTHONPATH", stage.work());
    Ok(output(&mut command).await?.trim().to_owned())
}
