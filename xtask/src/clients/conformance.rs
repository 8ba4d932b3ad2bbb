use std::fs;

use anyhow::{Context, Result, ensure};

use super::stage::Stage;
use super::tools::Tools;

/// The MCP conformance suite, active scenarios. Those that need tools, resources and prompts which only a test server
/// has are listed, with the reason, in `xtask/clients/conformance.yml`; any other failure is one, and so is a scenario
/// of that list that passes.
pub(super) async fn suite(stage: &Stage) -> Result<String> {
    let mut command = stage.command(stage.tools.of_npm("conformance"))?;
    command.args(["server", "--url", &format!("{}/mcp", stage.url), "--expected-failures"]);
    let output = command.arg(Tools::script("conformance.yml")).output().await?;
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    ensure!(output.status.success(), "{told}");
    let listed = fs::read_to_string(Tools::script("conformance.yml"))?;
    let listed = listed.lines().filter(|line| line.trim_start().starts_with("- ")).count();
    let total = told.lines().rev().find(|line| line.contains("passed")).context(told.to_string())?;
    Ok(format!("{}; {listed} scenarios do not apply", total.trim()))
}
