//! The service's model on the five workloads of docs' comparison table, against the fastest engine there.
//!
//! The bars were measured elsewhere, on a like machine; the fastest call is what is judged. rten itself cannot run
//! beside it, interleaved: it needs the model as ONNX, which nobody publishes as a package.

use std::cell::LazyCell;

use agent_turbo_benches::{Report, Times, run, sure};
use agent_turbo_embedder::{Model, ModelOptions};
use agent_turbo_test_support::model_dir;
use anyhow::Result;
use criterion::{Criterion, SamplingMode};

/// With `[CLS]` and `[SEP]` 12 tokens; twelve times that, 122.
const SENTENCE: &str = "the pool keeps two connections warm and grows to ten ";

/// A column of the table. Its bar: all-MiniLM-L6-v2, f32, 2 cores of an AMD EPYC with AVX-512, 2 threads; the best of
/// several hundred runs by the fastest engine, which is rten 0.27 for equal texts and the packed forward pass for mixed
/// ones.
struct Column {
    name: &'static str,
    texts: Vec<String>,
}

fn main() {
    run("embedder", bench);
}

fn bench(criterion: &mut Criterion, report: &Report) {
    let model = LazyCell::new(|| sure(load()));
    let mut group = criterion.benchmark_group("embedder");
    group.sampling_mode(SamplingMode::Flat).sample_size(20);
    for Column { name, texts } in columns() {
        let times = Times::default();
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|calls| sure(times.time(calls, || Ok(model.embed(&texts).map(drop)?))));
        });
        report.best(name, &times);
    }
}

fn load() -> Result<Model> {
    let dir = tokio::runtime::Runtime::new()?.block_on(model_dir())?;
    Ok(Model::load(&dir, &ModelOptions::default())?)
}

fn columns() -> [Column; 5] {
    let column = |name, texts| Column { name, texts };
    let (short, para) = (SENTENCE.to_owned(), SENTENCE.repeat(12));
    let mixed = (0..32).map(|i| SENTENCE.repeat(if i % 8 == 0 { 24 } else { 1 + i % 7 })).collect();
    [
        column("embedder, 1 short text", vec![short.clone()]),
        column("embedder, 1 long text", vec![para.clone()]),
        column("embedder, 32 short texts", vec![short; 32]),
        column("embedder, 32 long texts", vec![para; 32]),
        column("embedder, 32 mixed texts", mixed),
    ]
}
