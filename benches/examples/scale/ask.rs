use std::time::Instant;

use agent_turbo_knowledge::{Filter, Mode, Query, Store};
use anyhow::{Context, Result};

use crate::corpus::{Corpus, SHARES};

/// Questions for each mode and filter.
const QUESTIONS: u64 = 300;
/// Questions that are also answered by looking at everything, which takes seconds where that is much.
const EXACT: u64 = 40;
const EXACT_OF_MANY: u64 = 20;
const MANY: u64 = 500_000;
const LIMIT: usize = 10;

pub(crate) async fn ask(
    store: &Store,
    embed: &agent_turbo_embed::Client,
    size: u64,
    corpus: &Corpus,
) -> Result<()> {
    print_profile(store, size, corpus).await?;
    println!(
        "\n| mode | of all entries | p50 ms | p99 ms | results | recall@10 |\n|---|---|---|---|---|---|"
    );
    let filters: Vec<(String, u64, Filter)> = SHARES
        .iter()
        .map(|(name, share)| {
            let percent = format!("{} %", 100.0 / *share as f64);
            Ok((percent, size / share, Filter::project(name.parse()?)))
        })
        .chain([Ok(("100 %".to_owned(), size, Filter::default()))])
        .collect::<Result<_>>()?;
    for mode in [Mode::Hybrid, Mode::Vector, Mode::Text] {
        for (percent, entries, filter) in &filters {
            let query = |number: u64| Query {
                mode,
                limit: LIMIT,
                filter: filter.clone(),
                ..Query::new(corpus.question(number, size))
            };
            let (mut times, mut results) = (Vec::new(), usize::MAX);
            for number in 0..QUESTIONS {
                let query = query(number);
                // From then on the embedding client remembers the question's vector: what is left is the database's part,
                // and the ranking.
                if mode != Mode::Text {
                    embed.embed(&query.text).await?;
                }
                let started = Instant::now();
                let answer = store.query(&query).await?;
                // The first ones prepare statements.
                if number >= 20 {
                    times.push(started.elapsed().as_secs_f64() * 1e3);
                }
                results = results.min(answer.hits.len());
            }
            times.sort_by(f64::total_cmp);
            let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
            let (mut found, mut wanted) = (0, 0);
            for number in 0..if *entries < MANY { EXACT } else { EXACT_OF_MANY } {
                let recall = store.measure_recall(&query(QUESTIONS + number)).await?;
                found += recall.found;
                wanted += recall.wanted;
            }
            let recall = found as f64 / wanted.max(1) as f64;
            let results = format!("{results} of {}", (*entries).min(LIMIT as u64));
            println!("| {mode} | {percent} | {:.1} | {:.1} | {results} | {recall:.3} |", at(0.5), at(0.99));
        }
    }
    Ok(())
}

/// How near the 1st, 10th and 100th entry are to a question, on average. Of 54,409 sentences of the abstracts of SciFact and
/// CISI, and 119 of those collections' questions, it is .71, .58 and .46: neighbours that are hardly nearer than what comes
/// after them are harder for an index than real ones, and the other way round.
async fn print_profile(store: &Store, size: u64, corpus: &Corpus) -> Result<()> {
    const RANKS: [usize; 3] = [1, 10, 100];
    let mut sums = [0.0; RANKS.len()];
    for number in 0..EXACT {
        let query = Query {
            mode: Mode::Vector,
            limit: 100,
            ..Query::new(corpus.question(2 * QUESTIONS + number, size))
        };
        let answer = store.query(&query).await?;
        for (sum, rank) in sums.iter_mut().zip(RANKS) {
            let hit = answer.hits.get(rank - 1).context("fewer than 100 entries")?;
            *sum += hit.similarity.context("an entry without a vector")?;
        }
    }
    let [first, tenth, hundredth] = sums.map(|sum| sum / EXACT as f32);
    println!(
        "- similarity of the 1st, 10th and 100th entry to a question: {first:.2}, {tenth:.2}, {hundredth:.2}"
    );
    Ok(())
}
