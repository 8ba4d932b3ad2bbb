//! The service's model on the five workloads of docs' comparison table, against the fastest engine there.
//!
//! The bars were measured elsewhere, on a like machine; the fastest call is what is judged. rten itself cannot run
//! beside it, interleaved: it needs the model as ONNX, which nobody publishes as a package.

use std::cell::LazyCell;
use std::time::Duration;

use agent_turbo_benches::{Report, Times, run, sure};
use agent_turbo_embedder::{Model, ModelOptions};
use agent_turbo_test_support::model_dir;
use anyhow::Result;
use criterion::{Criterion, SamplingMode};

/// With `[CLS]` and `[SEP]` 12 tokens; twelve times that, 122.
const SENTENCE: &str = "the pool keeps two connections warm and grows to ten ";

/// A column of the table: all-MiniLM-L6-v2, f32, 2 cores of an AMD EPYC with AVX-512, 2 threads; the best of several
/// hundred runs by the fastest engine, which is rten 0.27 for equal texts and the packed forward pass for mixed ones.
struct Column {
    name: &'static str,
    bar: Duration,
    texts: Vec<String>,
}

fn main() {
    run(bench);
}

fn bench(criterion: &mut Criterion, report: &Report) {
    let model = LazyCell::new(|| sure(load()));
    let mut group = criterion.benchmark_group("embedder");
    group.sampling_mode(SamplingMode::Flat).sample_size(20);
    for Column { name, bar, texts } in columns() {
        let times = Times::default();
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|calls| sure(times.time(calls, || Ok(model.embed(&texts).map(drop)?))));
        });
        report.best(name, &times, bar);
    }
}

fn load() -> Result<Model> {
    let dir = tokio::runtime::Runtime::new()?.block_on(model_dir())?;
    Ok(Model::load(&dir, &ModelOptions::default())?)
}

fn columns() -> [Column; 5] {
    let column =
        |name, bar_ms: f64, texts| Column { name, bar: Duration::from_secs_f64(bar_ms / 1e3), texts };
    let (short, para) = (SENTENCE.to_owned(), SENTENCE.repeat(12));
    let mixed = (0..32).map(|i| SENTENCE.repeat(if i % 8 == 0 { 24 } else { 1 + i % 7 })).collect();
    [
        column("1 short", 2.1, vec![short.clone()]),
        column("1 para", 11.0, vec![para.clone()]),
        column("32 short", 30.0, vec![short; 32]),
        column("32 para", 349.0, vec![para; 32]),
        column("32 mixed", 212.0, mixed),
    ]
}
