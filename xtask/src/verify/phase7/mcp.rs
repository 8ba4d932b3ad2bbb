use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// An agent's side of an MCP connection on stdin and stdout.
pub(super) struct Mcp {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    asked: u64,
}

impl Mcp {
    pub(super) async fn connect(command: &mut Command) -> Result<Self> {
        use std::process::Stdio;

        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let stdin = child.stdin.take().context("its stdin")?;
        let lines = BufReader::new(child.stdout.take().context("its stdout")?).lines();
        let mut mcp = Self { child, stdin, lines, asked: 0 };
        let client = json!({ "name": "verification", "version": "1" });
        let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
        mcp.ask("initialize", &hello).await?;
        mcp.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await?;
        Ok(mcp)
    }

    pub(super) async fn ask(&mut self, method: &str, parameters: &Value) -> Result<Value> {
        self.asked += 1;
        let request = json!({ "jsonrpc": "2.0", "id": self.asked, "method": method, "params": parameters });
        self.send(&request).await?;
        let line = self.lines.next_line().await?.context("the MCP server hung up")?;
        let mut answer: Value = serde_json::from_str(&line)?;
        ensure!(answer["id"] == self.asked && answer["error"].is_null(), "{method} {parameters}: {answer}");
        Ok(answer["result"].take())
    }

    /// What a tool answers, which must not be an error.
    pub(super) async fn call(&mut self, tool: &str, arguments: &Value) -> Result<Value> {
        let mut result = self.ask("tools/call", &json!({ "name": tool, "arguments": arguments })).await?;
        ensure!(result["isError"] == false, "{tool} {arguments}: {result}");
        Ok(result["structuredContent"].take())
    }

    /// Hangs up, as an agent does that is done.
    pub(super) async fn hang_up(mut self) -> Result<()> {
        drop(self.stdin);
        let status = self.child.wait().await?;
        ensure!(status.success(), "the MCP server ended with {status}");
        Ok(())
    }

    async fn send(&mut self, message: &Value) -> Result<()> {
        self.stdin.write_all(format!("{message}\n").as_bytes()).await?;
        Ok(self.stdin.flush().await?)
    }
}
