//! Times the engine on the five workloads of docs' comparison table:
//! `cargo run --release -p agent-turbo-embedder --example throughput -- MODEL_DIR [SECONDS_EACH]`.

#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::path::Path;
use std::time::{Duration, Instant};

use agent_turbo_embedder::{Error, Model, ModelOptions};

const SENTENCE: &str = "the pool keeps two connections warm and grows to ten ";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("usage: throughput MODEL_DIR [SECONDS_EACH]")?;
    let seconds: f64 = arguments.next().map_or(Ok(4.0), |argument| argument.parse())?;
    let loading = Instant::now();
    let model = Model::load(Path::new(&dir), &ModelOptions::default())?;
    println!("{} loaded in {:.0?}", model.name(), loading.elapsed());

    let repeat = |count: usize| SENTENCE.repeat(count);
    let mixed: Vec<_> = (0..32).map(|i| repeat(if i % 8 == 0 { 24 } else { 1 + i % 7 })).collect();
    time(&model, "1 short", &[repeat(1)], seconds)?;
    time(&model, "1 para", &[repeat(12)], seconds)?;
    time(&model, "32 short", &vec![repeat(1); 32], seconds)?;
    time(&model, "32 para", &vec![repeat(12); 32], seconds)?;
    time(&model, "32 mixed", &mixed, seconds)?;
    Ok(())
}

fn time(model: &Model, label: &str, texts: &[String], seconds: f64) -> Result<(), Error> {
    let tokens: usize = model.embed(texts)?.iter().map(|embedding| embedding.tokens).sum();
    let mut times = Vec::new();
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    while Instant::now() < end {
        let start = Instant::now();
        model.embed(texts)?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let (best, median) = (times[0], times[times.len() / 2]);
    println!(
        "{label:>8}  {tokens:>5} tokens  best {:>8.2} ms  median {:>8.2} ms",
        best.as_secs_f64() * 1e3,
        median.as_secs_f64() * 1e3
    );
    Ok(())
}
