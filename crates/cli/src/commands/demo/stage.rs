use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use agent_turbo_orchestrator::{Session, SessionId, Task, TaskId};
use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::output::{DIM, headline, write};

/// Where everything is told as it happens: a line each on stdout, or all of it in the end for programs.
pub(super) struct Stage {
    live: bool,
    began: Instant,
    events: Mutex<Vec<Event>>,
}

/// Something that happened.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Event {
    /// Since the beginning.
    seconds: f64,
    session_id: SessionId,
    role: String,
    platform: String,
    /// What, in one word.
    what: &'static str,
    task_id: Option<TaskId>,
    /// What the plan calls the task.
    key: Option<String>,
    note: String,
}

/// Who plays.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    pub(super) session: Session,
    pub(super) colour: AnsiColor,
}

impl Actor {
    pub(super) fn id(&self) -> &SessionId {
        &self.session.session_id
    }
}

impl Stage {
    pub(super) fn new(live: bool) -> Self {
        Self { live, began: Instant::now(), events: Mutex::default() }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Tells what somebody did, at once.
    pub(super) fn tell(
        &self,
        actor: &Actor,
        what: &'static str,
        task: Option<&Task>,
        note: impl Into<String>,
    ) {
        let event = Event {
            seconds: self.elapsed().as_secs_f64(),
            session_id: actor.id().clone(),
            role: actor.session.agent_role.clone(),
            platform: actor.session.agent_platform.clone(),
            what,
            task_id: task.map(|task| task.task_id.clone()),
            key: task.and_then(key).map(str::to_owned),
            note: note.into(),
        };
        // The lock keeps lines in the order of what they tell.
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if self.live {
            self.line(&line(&event, actor.colour));
        }
        events.push(event);
    }

    /// A line at once, for people. Who stopped reading is told at the end, so that the stage is cleared all the same.
    pub(super) fn line(&self, line: &str) {
        if self.live {
            let _ = write(&mut anstream::stdout().lock(), &format!("{line}\n"));
        }
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often something happened.
    pub(super) fn count(&self, what: &str) -> usize {
        self.events().iter().filter(|told| told.what == what).count()
    }
}

fn line(event: &Event, colour: AnsiColor) -> String {
    let style = colour.on_default();
    let bold: Style = style.bold();
    let who = format!("{} on {}", event.role, event.platform);
    let task = event.key.as_deref().map(|key| format!(" {bold}{key}{bold:#}"));
    let note = if event.note.is_empty() {
        String::new()
    } else {
        format!("  {DIM}{}{DIM:#}", headline(&event.note, 100))
    };
    format!(
        "{DIM}{:5.1} s{DIM:#}  {style}{who:<19}{style:#}  {}{}{note}",
        event.seconds,
        event.what,
        task.unwrap_or_default()
    )
}

/// What its plan calls a task.
pub(super) fn key(task: &Task) -> Option<&str> {
    task.metadata["plan"]["key"].as_str()
}
