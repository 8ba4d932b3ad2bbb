//! Proof with clients that others wrote: the MCP Inspector and its conformance suite, the Python clients, Claude Code,
//! Gemini and Codex, Schemathesis, and a client generated from the OpenAPI document. All are pinned in `xtask/clients`.

mod agents;
mod conformance;
mod inspector;
mod load;
mod openapi;
mod python;
mod stage;
mod tools;

use std::time::Instant;

use anyhow::{Context, Result, bail};

use stage::Stage;
use tools::Tools;

/// Let clients that others wrote use the program: they are installed below target/clients, from npm and PyPI.
#[derive(clap::Args)]
pub(crate) struct Clients {
    /// Only the proofs whose name holds this.
    #[arg(long, value_name = "PART")]
    only: Option<String>,
}

macro_rules! proofs {
    ($run:ident: $($name:literal => $proof:path,)+) => {
        $(if $run.wants($name) {
            let started = Instant::now();
            let told = $proof(&$run.stage).await.context($name)?;
            $run.proven += 1;
            anstream::println!("✅ {}: {told} ({:.1} s)", $name, started.elapsed().as_secs_f64());
        })+
    };
}

struct Run {
    stage: Stage,
    only: Option<String>,
    proven: u64,
}

impl Clients {
    pub(crate) fn run(self) -> Result<()> {
        prove(self.only).map(drop)
    }
}

/// How many proofs there were.
pub(crate) fn prove(only: Option<String>) -> Result<u64> {
    let program = crate::program::build()?;
    let tools = Tools::install()?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let stage = Stage::set(program, tools).await?;
        let mut run = Run { stage, only, proven: 0 };
        let outcome = run.all().await;
        run.stage.clear().await?;
        outcome?;
        if run.proven == 0 {
            bail!("no proof has such a name");
        }
        Ok(run.proven)
    })
}

impl Run {
    async fn all(&mut self) -> Result<()> {
        proofs! { self:
            "inspector: schemas are portable" => inspector::strict,
            "inspector: every tool over stdio, legacy era" => inspector::stdio_legacy,
            "inspector: every tool over stdio, modern era" => inspector::stdio_modern,
            "inspector: every tool over HTTP, legacy era" => inspector::http_legacy,
            "inspector: every tool over HTTP, modern era" => inspector::http_modern,
            "inspector: load of recall over stdio" => inspector::load_stdio,
            "inspector: load of recall over HTTP" => inspector::load_http,
            "load of recall over HTTP by eight connections" => load::recall,
            "conformance suite" => conformance::suite,
            "python mcp: a plan over stdio" => python::mcp_stdio,
            "python mcp: a plan over HTTP" => python::mcp_http,
            "python fastmcp: a plan over stdio" => python::fastmcp_stdio,
            "python fastmcp: a plan over HTTP" => python::fastmcp_http,
            "claude: connected" => agents::claude_connects,
            "claude: a whole agent loop" => agents::claude_loop,
            "claude: a worker's task" => agents::claude_works,
            "gemini: connected" => agents::gemini_connects,
            "codex: connected" => agents::codex_connects,
            "schemathesis" => openapi::schemathesis,
            "a generated client" => openapi::generated_client,
        }
        Ok(())
    }

    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|part| name.contains(part.as_str()))
    }
}
