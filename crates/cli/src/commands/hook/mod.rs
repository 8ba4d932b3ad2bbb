mod action;
mod bounded;
mod event;
mod whose;

use std::time::Duration;

use agent_turbo_orchestrator::StartedSession;
use agent_turbo_planner::format_landing_context;
use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use crate::commands::context::BUDGET;
use crate::deployment::Deployment;
use crate::exit::{Exit, complain};
use crate::output::{escaped, harmless, write};
use event::Event;
use whose::Whose;

/// What agent programs call when something happens in them; reads the event as JSON from stdin.
///
/// `setup claude-code` has Claude Code call it. It never stops an agent's work: whatever goes wrong is told on stderr, the
/// exit code is 0, and it gives up after 10 seconds (session-start) or 2 (the others).
#[derive(Debug, clap::Args)]
pub(crate) struct Hook {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// A session begins or goes on: print what its agent must know.
    SessionStart {
        #[command(flatten)]
        whose: Whose,
        /// How many tokens the text may have. Claude Code shows an agent 10,000 characters at the most.
        #[arg(long, value_name = "N", default_value_t = BUDGET)]
        budget: usize,
    },
    /// A tool was used: write it down.
    ToolUse {
        #[command(flatten)]
        whose: Whose,
    },
    /// The session is over: close it.
    SessionEnd {
        #[command(flatten)]
        whose: Whose,
    },
}

/// Which event it is that is heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    SessionStart,
    ToolUse,
    SessionEnd,
}

impl Hook {
    /// What is heard of.
    pub(crate) fn event(&self) -> Heard {
        match self.verb {
            Verb::SessionStart { .. } => Heard::SessionStart,
            Verb::ToolUse { .. } => Heard::ToolUse,
            Verb::SessionEnd { .. } => Heard::SessionEnd,
        }
    }

    pub(crate) async fn run(self, deployment: &Deployment) -> Result<Exit> {
        let limit = match self.event() {
            Heard::SessionStart => Duration::from_secs(10),
            Heard::ToolUse | Heard::SessionEnd => Duration::from_secs(2),
        };
        let heard = tokio::time::timeout(limit, self.hear(deployment)).await;
        let answer = heard.unwrap_or_else(|_| Err(anyhow!("be done within {} s", limit.as_secs())))?;
        if let Some(answer) = answer {
            write(&mut std::io::stdout().lock(), &(escaped(&answer.to_string()).into_owned() + "\n"))?;
        }
        Ok(Exit::Done)
    }

    /// What the client is to be told, if anything.
    async fn hear(self, deployment: &Deployment) -> Result<Option<Value>> {
        let event = Event::read().await?;
        match self.verb {
            Verb::SessionStart { whose, budget } => {
                let started = whose.start(deployment, &event).await?;
                Ok(Some(told(&started, budget)))
            }
            Verb::ToolUse { whose } => {
                if let Some(action) = action::of(&event)? {
                    whose.log(deployment, &event, action).await?;
                }
                Ok(None)
            }
            Verb::SessionEnd { .. } => whose::end(deployment, &event).await.map(|()| None),
        }
    }
}

/// Tells what went wrong, and that all is well for the client. Claude Code shows its user nothing of a successful hook's
/// stderr; that a session goes on without us he should know.
pub(crate) fn excuse(event: Heard, error: &anyhow::Error) -> Exit {
    complain(error);
    if event == Heard::SessionStart {
        let message = format!("Agent Turbo: failed to {error:#}. The session goes on without its context.");
        let answer = json!({ "systemMessage": harmless(&message) }).to_string();
        let _ = write(&mut std::io::stdout().lock(), &(escaped(&answer).into_owned() + "\n"));
    }
    Exit::Done
}

fn told(StartedSession { session, context }: &StartedSession, budget: usize) -> Value {
    let text = format_landing_context(context, budget).text;
    let head = format!(
        "Your Agent Turbo session is {} (role {}, project {}). What is known as you arrive:",
        session.session_id, session.agent_role, session.project
    );
    json!({
        "hookSpecificOutput": {
            "hookEventName": "SessionStart",
            "additionalContext": harmless(&format!("{head}\n\n{}", text.trim_end())),
        }
    })
}
