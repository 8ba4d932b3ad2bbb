use agent_turbo_orchestrator::AccessToken;
use anyhow::Result;
use jiff::Timestamp;

use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::{BOLD, DIM, Output, PLAIN, columns, headline, moment};

/// List the tokens, newest first.
#[derive(Debug, clap::Args)]
pub(crate) struct List {}

impl List {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let tokens = orchestrator.list_tokens().await?;
        let rows: Vec<_> = tokens.iter().map(row).collect();
        for line in columns(&rows, [BOLD, PLAIN, PLAIN, PLAIN, DIM]) {
            out.line(line);
        }
        if tokens.is_empty() {
            out.line("There are no tokens.");
        }
        out.print(&tokens)?;
        Ok(Exit::Done)
    }
}

fn row(token: &AccessToken) -> [String; 5] {
    let projects = token.projects.as_ref().map_or_else(|| "all projects".to_owned(), |all| all.join(", "));
    let role = token.role.as_deref().unwrap_or("any role");
    let state = match (token.revoked_at, token.expires_at) {
        (Some(at), _) => format!("revoked {}", moment(at)),
        (None, Some(at)) if at <= Timestamp::now() => format!("ended {}", moment(at)),
        (None, end) => {
            let used = token
                .last_used_at
                .map_or_else(|| "never used".to_owned(), |at| format!("used {}", moment(at)));
            let end = end.map(|at| format!(", until {}", moment(at))).unwrap_or_default();
            format!("{used}{end}")
        }
    };
    [token.token_id.clone(), headline(&token.name, 40), headline(&projects, 60), headline(role, 40), state]
}
