use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::{env, io};

use agent_turbo_orchestrator::{
    self as orchestrator, NewAction, NewSession, Orchestrator, SessionId, StartedSession,
};
use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::event::Event;
use crate::clients::{Clients, KnownClient, client_process};
use crate::deployment::{Deployment, Lifetime};
use crate::exit::complain;
use crate::output::{headline, tell};

/// The platform of sessions that hooks start.
const PLATFORM: &str = "claude-code";
/// Of a path that is noted with a session.
const MAX_PATH: usize = 1000;

/// As whom the client's agent works.
#[derive(Debug, clap::Args)]
pub(super) struct Whose {
    /// What the agent is there for.
    #[arg(long, default_value = "agent")]
    role: String,
    /// The project it belongs to [default: that of the settings].
    #[arg(long, short)]
    project: Option<String>,
}

impl Whose {
    /// Starts a session for the client's, or goes on with the one that it had.
    pub(super) async fn start(&self, deployment: &Deployment, event: &Event) -> Result<StartedSession> {
        let clients = Clients::of(&deployment.home);
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let _lock = lock(&clients).await?;
        let started = self.begun(deployment, &orchestrator, &clients, event).await?;
        if let Err(error) = export(&started.session.session_id) {
            complain(&error);
        }
        clients.tidy();
        Ok(started)
    }

    /// Writes down what the client's agent did, in a session that is started if there is none: hooks may be set up in the
    /// middle of the work.
    pub(super) async fn log(&self, deployment: &Deployment, event: &Event, action: NewAction) -> Result<()> {
        let clients = Clients::of(&deployment.home);
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let session = match clients.get(&event.session_id) {
            Some(client) => client.session_id,
            None => {
                let _lock = lock(&clients).await?;
                match clients.get(&event.session_id) {
                    Some(client) => client.session_id,
                    None => self.begun(deployment, &orchestrator, &clients, event).await?.session.session_id,
                }
            }
        };
        orchestrator.log_agent_action(NewAction { session_id: Some(session), ..action }).await?;
        Ok(())
    }

    /// To be called by who holds the lock.
    async fn begun(
        &self,
        deployment: &Deployment,
        orchestrator: &Orchestrator,
        clients: &Clients,
        event: &Event,
    ) -> Result<StartedSession> {
        let resumed = match clients.get(&event.session_id) {
            Some(client) => match orchestrator.resume_session(&client.session_id).await {
                Ok(resumed) => Some(resumed),
                // Of another database, or removed.
                Err(orchestrator::Error::UnknownSession(_)) => None,
                Err(error) => return Err(error.into()),
            },
            None => None,
        };
        let started = match resumed {
            Some(resumed) => resumed,
            None => {
                let new = NewSession {
                    platform: PLATFORM.to_owned(),
                    role: self.role.clone(),
                    project: deployment.project(self.project.as_deref())?.to_string(),
                    parent: None,
                    metadata: metadata(event),
                };
                orchestrator.initialize_agent_session(new).await?
            }
        };
        clients.put(&KnownClient {
            client_id: event.session_id.clone(),
            session_id: started.session.session_id.clone(),
            process: client_process(),
            noted_at: Timestamp::now(),
        })?;
        Ok(started)
    }
}

/// Ends the client's session. It stays known, as the client may come back to it.
pub(super) async fn end(deployment: &Deployment, event: &Event) -> Result<()> {
    let clients = Clients::of(&deployment.home);
    let Some(client) = clients.get(&event.session_id) else {
        let id = headline(&event.session_id, 100);
        tell(format_args!("Nothing is known of the session {id}; there is nothing to end."));
        return Ok(());
    };
    let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
    let ended = orchestrator.complete_session(&client.session_id).await;
    clients.put(&KnownClient { process: None, noted_at: Timestamp::now(), ..client })?;
    ended?;
    Ok(())
}

/// Of two hooks at the same time, one starts the session. Waiting blocks a thread, and not the time limit.
async fn lock(clients: &Clients) -> Result<File> {
    let clients = clients.clone();
    tokio::task::spawn_blocking(move || clients.lock()).await.context("lock the known clients")?
}

fn metadata(event: &Event) -> Map<String, Value> {
    let noted = [
        ("client_session", Some(&event.session_id)),
        ("cwd", event.cwd.as_ref()),
        ("transcript_path", event.transcript_path.as_ref()),
        ("source", event.source.as_ref()),
    ];
    let noted = noted.into_iter().filter_map(|(name, text)| Some((name, text?)));
    noted.map(|(name, text)| (name.to_owned(), headline(text, MAX_PATH).into())).collect()
}

/// Commands that the agent runs work for the session: Claude Code reads this file before each of them.
fn export(session: &SessionId) -> Result<()> {
    let Some(path) = env::var_os("CLAUDE_ENV_FILE").filter(|path| !path.is_empty()) else { return Ok(()) };
    let append = || -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        let quoted = session.as_str().replace('\'', r"'\''");
        file.write_all(format!("export AGENT_TURBO_SESSION='{quoted}'\n").as_bytes())
    };
    append().with_context(|| format!("export the session to {}", path.display()))
}
