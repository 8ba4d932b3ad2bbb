//! Spans of a subscriber as the program sets it up, timed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_turbo_metrics::{Measured, Operation, Recorder, layer};
use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

const OPERATIONS: [Operation; 2] =
    [Operation::new("it.work"), Operation::with_apart("it.ask", "cached", "it.ask.cached")];

/// With a log that takes warnings only.
fn subscriber() -> (Arc<Recorder>, impl Subscriber + Send + Sync) {
    let recorder = Arc::new(Recorder::new(&OPERATIONS));
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::registry().with(log).with(layer(&recorder));
    (recorder, subscriber)
}

fn counts(measured: &[Measured]) -> Vec<(&str, u64)> {
    measured.iter().map(|measured| (measured.operation, measured.histogram.count())).collect()
}

fn ask(cached: bool) {
    let span = tracing::debug_span!("it.ask", cached = tracing::field::Empty);
    let _entered = span.enter();
    if cached {
        tracing::Span::current().record("cached", true);
    }
}

#[test]
fn spans_of_the_list_are_timed_whatever_the_log_takes_and_others_are_not() {
    let (recorder, subscriber) = subscriber();
    let shortest = tracing::subscriber::with_default(subscriber, || {
        let mut shortest = Duration::MAX;
        for _ in 0..3 {
            let span = tracing::info_span!("it.work");
            let started = Instant::now();
            span.in_scope(|| std::thread::sleep(Duration::from_millis(3)));
            shortest = shortest.min(started.elapsed());
            drop(span);
            tracing::error_span!("it.other").in_scope(|| ());
        }
        ask(false);
        ask(true);
        ask(true);
        shortest
    });
    let measured = recorder.drain();
    assert_eq!(counts(&measured), [("it.work", 3), ("it.ask", 1), ("it.ask.cached", 2)]);
    let work = &measured[0].histogram;
    assert!(work.quantile(0.0) >= shortest.mul_f64(0.95) && work.max() >= shortest, "{work:?}");
    assert!(recorder.drain().is_empty(), "what was handed out is gone");
}

#[test]
fn a_million_spans_are_counted_in_the_memory_of_a_few() {
    let recorder = Arc::new(Recorder::new(&OPERATIONS));
    let subscriber = tracing_subscriber::registry().with(layer(&recorder));
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..1_000_000 {
            ask(true);
        }
    });
    let measured = recorder.drain();
    let [only] = measured.as_slice() else { panic!("{measured:?}") };
    // One of 16 stands for all of them once there are many.
    assert!(only.histogram.count().abs_diff(1_000_000) < 16, "{}", only.histogram.count());
    assert!(only.histogram.buckets().count() < 700);
}

#[test]
fn threads_add_up() {
    let (recorder, subscriber) = subscriber();
    let dispatch = tracing::Dispatch::new(subscriber);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                tracing::dispatcher::with_default(&dispatch, || (0..200).for_each(|_| ask(false)));
            });
        }
    });
    // Few enough for all of them to be timed.
    assert_eq!(counts(&recorder.drain()), [("it.ask", 800)]);
}
