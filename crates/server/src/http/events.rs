use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use agent_turbo_orchestrator::{Told, Watcher};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

use super::extract::Params;
use super::problem::{Problem, Problems};
use super::state::State;
use crate::caller::Caller;

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What is to be told.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Changes of this project alone; all that exist for the caller, when left out.
    project: Option<String>,
}

struct Stream {
    watcher: Watcher,
    caller: Caller,
    project: Option<String>,
    stopping: CancellationToken,
    /// Events so far: their ids.
    count: u64,
    /// Whether the client has seen events of an earlier stream.
    has_missed: bool,
    _permit: OwnedSemaphorePermit,
}

/// What happens to sessions and tasks, as server-sent events.
///
/// `live` comes first: whatever is begun from then on is told. `task` and `session` say what happened (`change`) to what,
/// as JSON. `lost` means that something may have happened that is not told: look at what you know again. Comments keep
/// the connection open.
#[utoipa::path(
    get, path = "/events", tag = "events", params(Wanted),
    responses(Problems, (status = 200, description = "A stream of events that does not end.", body = String, content_type = "text/event-stream"))
)]
pub(super) async fn events(
    axum::extract::State(shared): State,
    caller: Caller,
    headers: HeaderMap,
    Params(wanted): Params<Wanted>,
) -> Result<Response, Problem> {
    let project = wanted.project.map(|project| caller.project(Some(project), "")).transpose()?;
    let permit = Arc::clone(&shared.event_streams)
        .try_acquire_owned()
        .map_err(|_| Problem::unavailable("too many streams of events are open"))?;
    let stream = Stream {
        watcher: shared.app.orchestrator.watch_changes(),
        caller,
        project,
        stopping: shared.config.stopping.clone(),
        count: 0,
        has_missed: headers.contains_key("last-event-id"),
        _permit: permit,
    };
    let events = unfold(stream, async |mut stream| Some((stream.next().await?, stream)));
    let mut response =
        Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("still here")).into_response();
    // Proxies would hold events back until there are many.
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    Ok(response)
}

impl Stream {
    async fn next(&mut self) -> Option<Result<Event, Infallible>> {
        loop {
            if self.count > 0 && std::mem::take(&mut self.has_missed) {
                return Some(Ok(self.event("lost", "{}")));
            }
            let told = tokio::select! {
                told = self.watcher.next() => told,
                () = self.stopping.cancelled() => return None,
            };
            let change = match told {
                Told::Live => return Some(Ok(self.event("live", "{}"))),
                Told::Lost => return Some(Ok(self.event("lost", "{}"))),
                Told::Changed(change) => change,
            };
            let is_wanted = self.project.as_ref().is_none_or(|project| *project == change.project);
            if !is_wanted || !self.caller.sees(&change.project) {
                continue;
            }
            let kind = if change.change.starts_with("task_") { "task" } else { "session" };
            // Texts can always be written.
            let data = serde_json::to_string(&change).unwrap_or_default();
            return Some(Ok(self.event(kind, &data)));
        }
    }

    fn event(&mut self, kind: &str, data: &str) -> Event {
        self.count += 1;
        Event::default().id(self.count.to_string()).event(kind).data(data)
    }
}
