use agent_turbo_orchestrator::NewToken;
use anyhow::Result;

use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::{Output, tell};
use crate::when;

/// Make a token. It is printed once, and cannot be found out again.
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// What it is called, for you.
    name: String,
    /// A project that it opens, all if none is given; may be given several times.
    #[arg(long = "project", short, value_name = "PROJECT")]
    projects: Vec<String>,
    /// The role in which it works [default: any].
    #[arg(long)]
    role: Option<String>,
    /// When it ends: a time, or how long it lasts, such as 90d [default: never].
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
}

impl Create {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        for project in &self.projects {
            deployment.project(Some(project))?;
        }
        let expires = self.expires.map(|when| when::ahead("the token's end", &when)).transpose()?;
        let new = NewToken { name: self.name, projects: self.projects, role: self.role, expires_at: expires };
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let created = orchestrator.create_token(&new).await?;
        if !out.is_json() {
            tell(format_args!(
                "Token {} is made. It is shown this once: Authorization: Bearer …",
                created.token.token_id
            ));
        }
        out.line(&created.secret);
        out.print(&created)?;
        Ok(Exit::Done)
    }
}
