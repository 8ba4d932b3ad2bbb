//! From candidates to an order.

use std::cmp::Ordering;

use super::{Hit, Mode};
use crate::Entry;

/// An entry that one way of looking, or both, came up with.
pub(super) struct Candidate {
    pub(super) entry: Entry,
    pub(super) similarity: Option<f32>,
    pub(super) text_rank: Option<f32>,
}

/// How much words count beside meaning: `ts_rank` knows nothing of how rare a word is, so it only tips the scales.
const TEXT_WEIGHT: f32 = 0.3;

/// The best `limit` candidates, best first. In hybrid mode a score is the weighted sum of similarity and text rank,
/// each as a share of the best candidate's.
pub(super) fn rank(candidates: Vec<Candidate>, mode: Mode, limit: usize) -> Vec<Hit> {
    let best = |pick: fn(&Candidate) -> Option<f32>| {
        candidates.iter().filter_map(pick).fold(0.0, f32::max).max(f32::MIN_POSITIVE)
    };
    let (best_similarity, best_rank) =
        (best(|candidate| candidate.similarity), best(|candidate| candidate.text_rank));
    let mut hits: Vec<Hit> = candidates
        .into_iter()
        .map(|Candidate { entry, similarity, text_rank }| {
            let score = match mode {
                Mode::Vector => similarity.unwrap_or(-1.0),
                Mode::Text => text_rank.unwrap_or(0.0),
                Mode::Hybrid => {
                    (1.0 - TEXT_WEIGHT) * (similarity.unwrap_or(0.0) / best_similarity)
                        + TEXT_WEIGHT * (text_rank.unwrap_or(0.0) / best_rank)
                }
            };
            Hit { entry, similarity, text_rank, score }
        })
        .collect();
    hits.sort_by(best_first);
    hits.truncate(limit);
    hits
}

/// Ties go to the newer entry, so that the order is always the same.
fn best_first(a: &Hit, b: &Hit) -> Ordering {
    b.score.total_cmp(&a.score).then(b.entry.id.cmp(&a.entry.id))
}
