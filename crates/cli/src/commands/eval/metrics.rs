//! What a ranking is worth, after trec_eval's definitions. Pure: documents are numbers, and nothing is looked up.

use std::collections::HashMap;

use serde::Serialize;

/// How relevant each judged document is to one query; 0 is not relevant.
pub(super) type Relevance = HashMap<usize, u32>;

/// What one ranking is worth, each between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Figures {
    /// trec_eval's `ndcg_cut_10`: Σ rel / log2(rank + 1) over the first ten, as a share of what the judged documents give
    /// in the best order (Järvelin and Kekäläinen, 2002, with the relevance itself as the gain).
    pub(super) ndcg_at_10: f64,
    /// trec_eval's `recall_5`: which share of the relevant documents is among the first five.
    pub(super) recall_at_5: f64,
    /// `recall_10`.
    pub(super) recall_at_10: f64,
    /// `recall_100`.
    pub(super) recall_at_100: f64,
    /// trec_eval's `recip_rank` of the first ten: 1 / rank of the first relevant document, 0 where there is none.
    pub(super) mrr_at_10: f64,
}

/// A mean, and how far it may be off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Estimate {
    /// Over the queries.
    pub(super) mean: f64,
    /// Sample standard deviation / √queries; `None` for a single query, which tells nothing of others.
    pub(super) standard_error: Option<f64>,
}

/// Three of the times that something took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
}

/// What `ranking` (the best first, no document twice) is worth; `None` where nothing relevant is known, for then no
/// ranking is better than another.
pub(super) fn judge(ranking: &[usize], relevance: &Relevance) -> Option<Figures> {
    let relevant = relevance.values().filter(|&&gain| gain > 0).count();
    if relevant == 0 {
        return None;
    }
    let gain = |document: &usize| relevance.get(document).copied().unwrap_or(0);
    let gains: Vec<u32> = ranking.iter().map(gain).collect();
    let mut best: Vec<u32> = relevance.values().copied().collect();
    best.sort_unstable_by(|a, b| b.cmp(a));
    let found = |cut: usize| gains.iter().take(cut).filter(|&&gain| gain > 0).count();
    let recall = |cut: usize| found(cut) as f64 / relevant as f64;
    let first = gains.iter().take(10).position(|&gain| gain > 0);
    Some(Figures {
        ndcg_at_10: discounted(&gains, 10) / discounted(&best, 10),
        recall_at_5: recall(5),
        recall_at_10: recall(10),
        recall_at_100: recall(100),
        mrr_at_10: first.map_or(0.0, |index| 1.0 / (index + 1) as f64),
    })
}

/// Σ gain / log2(rank + 1), ranks counted from 1.
fn discounted(gains: &[u32], cut: usize) -> f64 {
    let ranked = (1_u32..).zip(gains.iter().take(cut));
    ranked.map(|(rank, &gain)| f64::from(gain) / f64::from(rank + 1).log2()).sum()
}

/// The mean of `values` and its standard error; `None` of nothing.
pub(super) fn estimate(values: &[f64]) -> Option<Estimate> {
    let count = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let standard_error = (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt() / count.sqrt());
    Some(Estimate { mean, standard_error })
}

/// Percentiles by the nearest rank: each is one of the times. `None` of nothing.
pub(super) fn percentiles(times_ms: &[f64]) -> Option<Percentiles> {
    let mut sorted = times_ms.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| {
        let rank = (sorted.len() * percent).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied()
    };
    Some(Percentiles { p50: at(50)?, p95: at(95)?, p99: at(99)? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    fn figures(ranking: &[usize], relevance: &[(usize, u32)]) -> Figures {
        judge(ranking, &relevance.iter().copied().collect()).unwrap()
    }

    #[test]
    fn ndcg_discounts_the_relevance_itself_by_the_rank() {
        // Gains in the order of the ranking: 0, 2, 0, 1. In the best order: 3, 2, 1, for document 9 is judged and not found.
        let found = figures(&[5, 1, 6, 2], &[(1, 2), (2, 1), (9, 3), (5, 0)]);
        // log2 of 2, 3, 4, 5 is 1, 1.5849625007211562, 2, 2.321928094887362.
        let dcg = 2.0 / 1.584_962_500_721_156_2 + 1.0 / 2.321_928_094_887_362;
        let ideal = 3.0 / 1.0 + 2.0 / 1.584_962_500_721_156_2 + 1.0 / 2.0;
        assert!(close(found.ndcg_at_10, dcg / ideal), "{found:?}");
        assert!(close(dcg, 1.692_536_065_216_308), "{dcg}");
        assert!(close(ideal, 4.761_859_507_142_915), "{ideal}");
    }

    #[test]
    fn ndcg_looks_at_ten_results_and_ten_ideal_ones() {
        let judged: Vec<(usize, u32)> = (0..12).map(|document| (document, 1)).collect();
        let all: Vec<usize> = (0..12).collect();
        assert!(close(figures(&all, &judged).ndcg_at_10, 1.0), "twelve are relevant, and ten can be shown");
        let late = [20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 0];
        assert!(close(figures(&late, &[(0, 1)]).ndcg_at_10, 0.0), "rank 11 does not count");
        let tenth = [20, 21, 22, 23, 24, 25, 26, 27, 28, 0];
        // 1 / log2(11)
        assert!(close(figures(&tenth, &[(0, 1)]).ndcg_at_10, 0.289_064_826_317_887_9));
    }

    #[test]
    fn recall_is_a_share_of_the_relevant_documents_at_each_cut() {
        // Four are relevant: at ranks 1, 6, 11, and one that is not found. The one judged 0 is not relevant.
        let ranking = [0, 10, 11, 12, 13, 1, 14, 15, 16, 17, 2];
        let found = figures(&ranking, &[(0, 1), (1, 3), (2, 1), (3, 1), (10, 0)]);
        assert!(close(found.recall_at_5, 0.25), "{found:?}");
        assert!(close(found.recall_at_10, 0.5), "{found:?}");
        assert!(close(found.recall_at_100, 0.75), "{found:?}");
        let beyond: Vec<usize> = (1..=100).chain([0]).collect();
        assert!(close(figures(&beyond, &[(0, 1)]).recall_at_100, 0.0), "rank 101 does not count");
    }

    #[test]
    fn mrr_is_one_over_the_first_relevant_rank_within_ten() {
        assert!(close(figures(&[7, 8, 0, 1], &[(0, 1), (1, 2), (7, 0)]).mrr_at_10, 1.0 / 3.0));
        assert!(close(figures(&[0], &[(0, 1)]).mrr_at_10, 1.0));
        let eleventh: Vec<usize> = (1..=10).chain([0]).collect();
        assert!(close(figures(&eleventh, &[(0, 1)]).mrr_at_10, 0.0));
    }

    #[test]
    fn a_query_without_anything_relevant_is_not_judged_and_an_empty_ranking_is_worth_nothing() {
        assert_eq!(judge(&[1, 2], &Relevance::new()), None);
        assert_eq!(judge(&[1, 2], &Relevance::from([(1, 0)])), None);
        let nothing = figures(&[], &[(1, 1)]);
        assert!(close(nothing.ndcg_at_10 + nothing.recall_at_100 + nothing.mrr_at_10, 0.0), "{nothing:?}");
    }

    #[test]
    fn the_standard_error_is_the_sample_deviation_over_the_root_of_the_count() {
        // Mean 0.5; squared deviations .25, .25, 0, 0: variance .5 / 3, divided by 4 and rooted.
        let found = estimate(&[0.0, 1.0, 0.5, 0.5]).unwrap();
        assert!(close(found.mean, 0.5) && close(found.standard_error.unwrap(), 0.204_124_145_231_931_5));
        assert_eq!(estimate(&[0.25]), Some(Estimate { mean: 0.25, standard_error: None }));
        assert_eq!(estimate(&[]), None);
    }

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentiles(&hundred), Some(Percentiles { p50: 50.0, p95: 95.0, p99: 99.0 }));
        assert_eq!(percentiles(&[3.0, 1.0]), Some(Percentiles { p50: 1.0, p95: 3.0, p99: 3.0 }));
        assert_eq!(percentiles(&[7.0]), Some(Percentiles { p50: 7.0, p95: 7.0, p99: 7.0 }));
        assert_eq!(percentiles(&[]), None);
    }

    fn all(figures: Figures) -> [f64; 5] {
        let Figures { ndcg_at_10, recall_at_5, recall_at_10, recall_at_100, mrr_at_10 } = figures;
        [ndcg_at_10, recall_at_5, recall_at_10, recall_at_100, mrr_at_10]
    }

    proptest! {
        #[test]
        fn every_figure_of_every_ranking_is_a_share_and_the_ideal_one_has_all_that_fits(
            ranking in Just((0..150).collect::<Vec<usize>>()).prop_shuffle(),
            shown in 0_usize..150,
            relevance in proptest::collection::hash_map(0_usize..200, 0_u32..4, 0..40),
        ) {
            let judged = judge(&ranking[..shown], &relevance);
            let relevant = relevance.values().filter(|&&gain| gain > 0).count();
            prop_assert_eq!(judged.is_some(), relevant > 0);
            if let Some(judged) = judged {
                prop_assert!(all(judged).iter().all(|value| (0.0..=1.0 + 1e-12).contains(value)), "{:?}", judged);
                prop_assert!(judged.recall_at_5 <= judged.recall_at_10 && judged.recall_at_10 <= judged.recall_at_100);
                let mut ideal: Vec<(usize, u32)> = relevance.iter().map(|(&document, &gain)| (document, gain)).collect();
                ideal.sort_by_key(|&(document, gain)| (std::cmp::Reverse(gain), document));
                let ideal: Vec<usize> = ideal.into_iter().map(|(document, _)| document).collect();
                let best = judge(&ideal, &relevance).unwrap();
                prop_assert!(close(best.ndcg_at_10, 1.0) && close(best.mrr_at_10, 1.0), "{:?}", best);
                prop_assert!(close(best.recall_at_10, relevant.min(10) as f64 / relevant as f64));
                prop_assert!(close(best.recall_at_100, 1.0));
            }
        }
    }
}
