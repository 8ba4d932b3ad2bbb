use agent_turbo_knowledge::Mode;
use serde::Serialize;

use super::ask::Answered;
use super::collection::Collection;
use super::metrics::{self, Estimate, Figures, Percentiles};

/// Everything that an evaluation found out; printed as it is with `--json`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Documents of the collection.
    pub(super) documents: usize,
    /// Entries that they are: documents of one text are one.
    pub(super) entries: usize,
    /// Documents without any text, which are never found.
    pub(super) documents_without_text: usize,
    /// Documents in which secrets were replaced.
    pub(super) documents_redacted: usize,
    /// Documents that were embedded this time and are longer than the model reads.
    pub(super) documents_truncated: usize,
    /// Scopes that documents are in.
    pub(super) scopes: usize,
    /// Queries that were asked.
    pub(super) queries: usize,
    /// Those of them that have a relevant document: figures are means over them.
    pub(super) queries_judged: usize,
    /// Queries without any judgment.
    pub(super) queries_without_judgments: usize,
    /// Queries that have judgments, and no document is relevant.
    pub(super) queries_without_relevant: usize,
    /// Relevant documents that are of another scope than their query, and so are never found.
    pub(super) relevant_out_of_scope: usize,
    /// The model that made the vectors.
    pub(super) model: Option<String>,
    /// Results of each query at the most.
    pub(super) limit: usize,
    /// Queries that were under way at once.
    pub(super) concurrency: usize,
    /// The project, where it was kept.
    pub(super) project: Option<String>,
    /// For each mode what it is worth.
    pub(super) modes: Vec<ModeReport>,
}

/// What one mode is worth.
#[derive(Debug, Serialize)]
pub(super) struct ModeReport {
    pub(super) mode: Mode,
    pub(super) ndcg_at_10: Option<Estimate>,
    pub(super) recall_at_5: Option<Estimate>,
    pub(super) recall_at_10: Option<Estimate>,
    pub(super) recall_at_100: Option<Estimate>,
    pub(super) mrr_at_10: Option<Estimate>,
    /// Of all queries.
    pub(super) latency_ms: Option<Percentiles>,
    /// Where its results are.
    pub(super) run_file: Option<String>,
    /// Each query by itself, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) per_query: Option<Vec<QueryReport>>,
}

/// What one query was answered.
#[derive(Debug, Serialize)]
pub(super) struct QueryReport {
    pub(super) query: String,
    /// Results that came back.
    pub(super) results: usize,
    pub(super) latency_ms: f64,
    /// `None` for a query that has no relevant document.
    pub(super) figures: Option<Figures>,
}

impl ModeReport {
    pub(super) fn of(mode: Mode, collection: &Collection, answers: &[Answered], per_query: bool) -> Self {
        let queries: Vec<QueryReport> = collection
            .queries
            .iter()
            .zip(&collection.judged)
            .zip(answers)
            .map(|((query, judged), answer)| {
                let ranking: Vec<usize> = answer.ranking.iter().map(|ranked| ranked.document).collect();
                QueryReport {
                    query: query.id.clone(),
                    results: ranking.len(),
                    latency_ms: answer.latency_ms,
                    figures: metrics::judge(&ranking, judged),
                }
            })
            .collect();
        let estimate = |pick: fn(&Figures) -> f64| {
            let figures = queries.iter().filter_map(|query| query.figures.as_ref());
            metrics::estimate(&figures.map(pick).collect::<Vec<f64>>())
        };
        let latencies: Vec<f64> = answers.iter().map(|answer| answer.latency_ms).collect();
        Self {
            mode,
            ndcg_at_10: estimate(|figures| figures.ndcg_at_10),
            recall_at_5: estimate(|figures| figures.recall_at_5),
            recall_at_10: estimate(|figures| figures.recall_at_10),
            recall_at_100: estimate(|figures| figures.recall_at_100),
            mrr_at_10: estimate(|figures| figures.mrr_at_10),
            latency_ms: metrics::percentiles(&latencies),
            run_file: None,
            per_query: per_query.then_some(queries),
        }
    }
}
