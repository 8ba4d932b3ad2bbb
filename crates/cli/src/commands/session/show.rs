use anyhow::Result;
use serde_json::json;

use crate::acting::Meant;
use crate::commands::{session::print, show};
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::{DIM, Output, harmless};

/// Show a session with those that it comes from and those that it started.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    #[command(flatten)]
    meant: Meant,
}

impl Show {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let id = self.meant.session()?;
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let Some(session) = orchestrator.get_session(&id).await? else {
            return show::nothing(out, format_args!("There is no session {id}."));
        };
        let parents = orchestrator.session_ancestors(&id).await?;
        let children = orchestrator.session_children(&id).await?;
        print::heading(&mut out, &session);
        out.line(format_args!("{DIM}{}{DIM:#}", print::usage(&session)));
        if session.metadata.as_object().is_some_and(|members| !members.is_empty()) {
            out.line(format_args!("{DIM}{}{DIM:#}", harmless(&session.metadata.to_string())));
        }
        for (title, sessions) in [("Comes from", &parents), ("Started", &children)] {
            if !sessions.is_empty() {
                out.line("");
                out.line(title);
                print::rows(&mut out, sessions);
            }
        }
        out.print(&json!({ "session": session, "parents": parents, "children": children }))?;
        Ok(Exit::Done)
    }
}
