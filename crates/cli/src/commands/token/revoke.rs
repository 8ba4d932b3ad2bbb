use anyhow::Result;

use crate::commands::show;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::{Output, harmless};

/// From now on a token opens nothing; a server that just used it learns that within seconds.
#[derive(Debug, clap::Args)]
pub(crate) struct Revoke {
    /// Its id, as `token list` shows it.
    token_id: String,
}

impl Revoke {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let Some(token) = orchestrator.revoke_token(&self.token_id).await? else {
            return show::nothing(out, format_args!("No token {}.", harmless(&self.token_id)));
        };
        out.line(format_args!("Revoked: {} opens nothing any more", token.token_id));
        out.print(&token)?;
        Ok(Exit::Done)
    }
}
