//! What a timed span costs, beside one that nobody wants: `cargo run --release -p agent-turbo-metrics --example overhead`.

#![expect(clippy::print_stdout, reason = "its result")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use agent_turbo_metrics::{Operation, Recorder, layer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// All of them timed, and so many that most are not.
const FEW: u32 = 900;
const MANY: u32 = 100_000;
const ROUNDS: u32 = 50;

#[tracing::instrument(name = "it.ask", skip_all, fields(limit = number, cached = tracing::field::Empty))]
fn ask(number: u32) -> u32 {
    tracing::Span::current().record("cached", true);
    black_box(number)
}

fn main() {
    let log =
        || tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(EnvFilter::new("warn"));
    let operations = [Operation::with_apart("it.ask", "cached", "it.ask.cached")];
    let recorder = Arc::new(Recorder::new(&operations));
    let measure = |spans: u32, between: &dyn Fn()| {
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                between();
                let started = Instant::now();
                (0..spans).for_each(|number| {
                    ask(number);
                });
                started.elapsed().as_secs_f64() * 1e9 / f64::from(spans)
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        (rounds[0], rounds[rounds.len() / 2])
    };
    let without = tracing::subscriber::with_default(tracing_subscriber::registry().with(log()), || {
        measure(FEW, &|| ())
    });
    let subscriber = tracing_subscriber::registry().with(log()).with(layer(&recorder));
    // For the whole process, as the program installs it.
    let installed = tracing::subscriber::set_global_default(subscriber);
    assert!(installed.is_ok(), "nobody else is there");
    let few = measure(FEW, &|| drop(recorder.drain()));
    let many = measure(MANY, &|| drop(recorder.drain()));
    println!("a span that is not wanted: best {:.0} ns, median {:.0} ns", without.0, without.1);
    println!("a span that is timed:      best {:.0} ns, median {:.0} ns", few.0, few.1);
    println!("one of very many:          best {:.0} ns, median {:.0} ns", many.0, many.1);
}
