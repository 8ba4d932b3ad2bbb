//! What the server did, for Prometheus. Labels are route templates, methods and statuses, of which there are few.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::state::{Shared, State};

/// Upper bounds of the buckets, in seconds.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// Counts since the server began.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    routes: Mutex<BTreeMap<(String, &'static str), Route>>,
    in_flight: AtomicI64,
}

#[derive(Debug, Default)]
struct Route {
    by_status: BTreeMap<u16, u64>,
    buckets: [u64; BUCKETS.len()],
    seconds: f64,
    count: u64,
}

impl Metrics {
    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self, route: Option<&str>, method: &Method, status: StatusCode, took: Duration) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let key = (route.unwrap_or("none").to_owned(), method_label(method));
        let seconds = took.as_secs_f64();
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let route = routes.entry(key).or_default();
        *route.by_status.entry(status.as_u16()).or_default() += 1;
        for (bucket, bound) in route.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(seconds <= bound);
        }
        route.seconds += seconds;
        route.count += 1;
    }

    fn render(&self, shared: &Shared) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text, shared);
        text
    }

    fn write(&self, to: &mut String, shared: &Shared) -> std::fmt::Result {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        head(to, "agent_turbo_http_requests_total", "counter", "Requests by route and status.")?;
        for ((route, method), counted) in &*routes {
            for (status, count) in &counted.by_status {
                writeln!(
                    to,
                    "agent_turbo_http_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}} {count}"
                )?;
            }
        }
        let name = "agent_turbo_http_request_duration_seconds";
        head(to, name, "histogram", "Time until the head of the answer.")?;
        for ((route, method), counted) in &*routes {
            let labels = format!("route=\"{route}\",method=\"{method}\"");
            for (bound, count) in BUCKETS.iter().zip(counted.buckets) {
                writeln!(to, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}")?;
            }
            writeln!(to, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", counted.count)?;
            writeln!(to, "{name}_sum{{{labels}}} {}", counted.seconds)?;
            writeln!(to, "{name}_count{{{labels}}} {}", counted.count)?;
        }
        drop(routes);
        let pool = shared.app.orchestrator.database().status();
        let streams = shared.config.max_event_streams - shared.event_streams.available_permits();
        let gauges = [
            (
                "agent_turbo_http_requests_in_flight",
                "Requests that are being answered.",
                self.in_flight.load(Ordering::Relaxed),
            ),
            ("agent_turbo_event_streams", "Streams of events that are open.", streams as i64),
            ("agent_turbo_database_connections", "Open connections of the pool.", pool.open as i64),
            ("agent_turbo_database_connections_idle", "Those of them that nobody uses.", pool.idle as i64),
            ("agent_turbo_database_connections_max", "The pool's upper bound.", pool.max as i64),
            (
                "agent_turbo_query_cache_live",
                "Whether answers are remembered.",
                i64::from(shared.app.store.is_caching()),
            ),
        ];
        for (name, help, value) in gauges {
            head(to, name, "gauge", help)?;
            writeln!(to, "{name} {value}")?;
        }
        Ok(())
    }
}

fn head(to: &mut String, name: &str, kind: &str, help: &str) -> std::fmt::Result {
    writeln!(to, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

/// Clients may make up methods.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// What the server did, in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "server",
    responses(super::problem::Problems, (status = 200, description = "Counters and histograms.", body = String, content_type = "text/plain"))
)]
pub(super) async fn metrics(axum::extract::State(shared): State) -> Response {
    let headers = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (headers, shared.metrics.render(&shared)).into_response()
}
