//! From candidates to an order.

use std::cmp::Ordering;

use jiff::Timestamp;

use super::bm25::Bm25;
use super::overlap::Bag;
use super::words::Words;
use super::{Hit, Match, Mode, Ranking, Why};
use crate::Entry;

/// Candidates that each way of looking contributes at least, whatever the limit: what the scores are measured against.
pub(super) const DEPTH: usize = 50;
/// How much meaning counts beside words.
const MEANING: f64 = 0.5;
/// Texts that share so much of their words are taken for the same.
const SAME: f64 = 0.9;
const SECONDS_OF_DAY: f64 = 86_400.0;

/// An entry that one way of looking, or both, came up with.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) entry: Entry,
    pub(super) frequencies: Vec<u8>,
    pub(super) similarity: Option<f32>,
    pub(super) vector: Option<Vec<f32>>,
}

/// What scores are made of.
pub(super) struct Scale<'a> {
    pub(super) mode: Mode,
    pub(super) ranking: &'a Ranking,
    pub(super) words: &'a Words,
    pub(super) bm25: &'a Bm25,
    pub(super) now: Timestamp,
}

/// A candidate with its score.
struct Scored {
    candidate: Candidate,
    text: f64,
    score: f64,
    why: Option<Why>,
    folded: Vec<crate::ContentHash>,
}

/// The best `limit` candidates, best first.
///
/// In hybrid mode a score is the mean of similarity and BM25, each as a z-score over the candidates: its distance from their
/// mean in standard deviations. Blending normalised scores instead of ranks keeps how much better one candidate is than the
/// next (Bruch, Gai, Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", 2023).
pub(super) fn rank(candidates: Vec<Candidate>, scale: &Scale<'_>, limit: usize) -> Vec<Hit> {
    let mut scored = score(candidates, scale);
    boost(&mut scored, scale);
    if let Some(least) = scale.ranking.min_similarity {
        scored.retain(|one| one.candidate.similarity.is_none_or(|similarity| similarity >= least.get()));
    }
    scored.sort_by(best_first);
    if scale.ranking.fold {
        scored = fold(scored, limit);
    }
    if let Some(diversity) = scale.ranking.diversity {
        scored = diversify(scored, f64::from(diversity.get()), limit);
    }
    scored.truncate(limit);
    scored.into_iter().map(|one| one.into_hit(scale.mode)).collect()
}

fn score(candidates: Vec<Candidate>, scale: &Scale<'_>) -> Vec<Scored> {
    let texts: Vec<f64> = match scale.mode {
        Mode::Vector => vec![0.0; candidates.len()],
        _ => candidates.iter().map(|candidate| scale.bm25.score(&candidate.frequencies)).collect(),
    };
    // An entry without a vector is taken to be as far away as the farthest.
    let least = candidates.iter().filter_map(|candidate| candidate.similarity).fold(1.0, f32::min);
    let similarities: Vec<f64> =
        candidates.iter().map(|candidate| f64::from(candidate.similarity.unwrap_or(least))).collect();
    let (meaning, words) = (Normal::of(&similarities), Normal::of(&texts));
    let blend = |similarity: f64, text: f64| match scale.mode {
        Mode::Vector => similarity,
        Mode::Text => text,
        Mode::Hybrid => MEANING * meaning.deviations(similarity) + (1.0 - MEANING) * words.deviations(text),
    };
    let is_hybrid = scale.mode == Mode::Hybrid;
    let why = |candidate: &Candidate, similarity: f64, text: f64| Why {
        words: matches(candidate, scale),
        similarity_deviations: is_hybrid.then(|| meaning.deviations(similarity) as f32),
        text_deviations: is_hybrid.then(|| words.deviations(text) as f32),
        recency: None,
        usage: None,
    };
    candidates
        .into_iter()
        .zip(similarities)
        .zip(texts)
        .map(|((candidate, similarity), text)| Scored {
            score: blend(similarity, text),
            why: scale.ranking.explain.then(|| why(&candidate, similarity, text)),
            text,
            candidate,
            folded: Vec::new(),
        })
        .collect()
}

fn matches(candidate: &Candidate, scale: &Scale<'_>) -> Vec<Match> {
    let found = scale.bm25.explain(&candidate.frequencies).into_iter();
    let found = found.filter_map(|(index, times, score)| {
        let word = scale.words.all.get(index)?;
        Some(Match { word: word.text.clone(), times, entries: word.entries, score: score as f32 })
    });
    found.collect()
}

/// What else speaks for a candidate, in standard deviations of the scores.
fn boost(scored: &mut [Scored], scale: &Scale<'_>) {
    let Ranking { recency_half_life_days, usage, .. } = scale.ranking;
    let unit = Normal::of(&scored.iter().map(|one| one.score).collect::<Vec<_>>()).deviation;
    let most = scored.iter().map(|one| one.candidate.entry.access_count.max(0)).max().unwrap_or_default();
    for one in scored {
        let entry = &one.candidate.entry;
        let recency = recency_half_life_days.map(|half_life| {
            let age = scale.now.duration_since(entry.created_at).as_secs_f64().max(0.0) / SECONDS_OF_DAY;
            unit * 0.5_f64.powf(age / f64::from(half_life.max(1)))
        });
        let usage = (*usage && most > 0)
            .then(|| unit * (entry.access_count.max(0) as f64).ln_1p() / (most as f64).ln_1p());
        one.score += recency.unwrap_or_default() + usage.unwrap_or_default();
        if let Some(why) = &mut one.why {
            (why.recency, why.usage) = (recency.map(|value| value as f32), usage.map(|value| value as f32));
        }
    }
}

/// Leaves of entries with nearly the same words the best one.
fn fold(scored: Vec<Scored>, limit: usize) -> Vec<Scored> {
    let mut kept: Vec<(Scored, Bag)> = Vec::with_capacity(limit);
    for one in scored {
        let bag = Bag::of(&one.candidate.frequencies);
        let same = kept.iter().position(|(_, other)| other.overlaps(&bag, SAME));
        match same {
            Some(at) => kept[at].0.folded.push(one.candidate.entry.content_hash),
            // What comes now is folded into a result, or none.
            None if kept.len() >= limit => {}
            None => kept.push((one, bag)),
        }
    }
    kept.into_iter().map(|(one, _)| one).collect()
}

/// Maximal marginal relevance: each next result is the one whose score is best after what it repeats of those before.
fn diversify(mut left: Vec<Scored>, diversity: f64, limit: usize) -> Vec<Scored> {
    let (best, worst) = match (left.first(), left.last()) {
        (Some(first), Some(last)) => (first.score, last.score),
        _ => return left,
    };
    let relevance = |one: &Scored| (one.score - worst) / (best - worst).max(f64::MIN_POSITIVE);
    // What each repeats at most of those that are chosen.
    let mut repeats = vec![0.0_f64; left.len()];
    let mut chosen: Vec<Scored> = Vec::with_capacity(limit.min(left.len()));
    while chosen.len() < limit && !left.is_empty() {
        let margin =
            |(index, one): (usize, &Scored)| (1.0 - diversity) * relevance(one) - diversity * repeats[index];
        let margins: Vec<f64> = left.iter().enumerate().map(margin).collect();
        let next = (0..left.len()).fold(0, |best, at| if margins[at] > margins[best] { at } else { best });
        repeats.remove(next);
        let next = left.remove(next);
        for (repeats, one) in repeats.iter_mut().zip(&left) {
            *repeats = repeats.max(alike(&next.candidate, &one.candidate));
        }
        chosen.push(next);
    }
    chosen
}

/// Cosine of the vectors, or the share of common words where one has no vector.
fn alike(a: &Candidate, b: &Candidate) -> f64 {
    match (&a.vector, &b.vector) {
        (Some(a), Some(b)) if a.len() == b.len() => {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f64::MIN_POSITIVE)
        }
        _ => Bag::of(&a.frequencies).overlap(&Bag::of(&b.frequencies)),
    }
}

/// Ties go to the newer entry, so that the order is always the same.
fn best_first(a: &Scored, b: &Scored) -> Ordering {
    b.score.total_cmp(&a.score).then(b.candidate.entry.id.cmp(&a.candidate.entry.id))
}

impl Scored {
    fn into_hit(self, mode: Mode) -> Hit {
        Hit {
            entry: self.candidate.entry,
            similarity: self.candidate.similarity,
            text_score: (mode != Mode::Vector && self.text > 0.0).then_some(self.text as f32),
            score: self.score as f32,
            folded: self.folded,
            why: self.why,
        }
    }
}

/// Mean and standard deviation.
struct Normal {
    mean: f64,
    deviation: f64,
}

impl Normal {
    fn of(values: &[f64]) -> Self {
        let count = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        Self { mean, deviation: variance.sqrt() }
    }

    /// 0 where all values are the same.
    fn deviations(&self, value: f64) -> f64 {
        if self.deviation > 1e-9 { (value - self.mean) / self.deviation } else { 0.0 }
    }
}
