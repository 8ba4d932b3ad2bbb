//! How many of the best answers a search finds: questions that were really asked, asked again by looking at everything.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use agent_turbo_db::RowExt;
use jiff::Timestamp;
use serde::Serialize;

use super::{Effort, Mode, Query};
use crate::{Result, Store};

/// Results that count.
const DEPTH: usize = 10;
/// Looking at everything is dear: of so many questions one is looked at, and none within this time of the last one.
const ONE_OF: u64 = 64;
const APART: Duration = Duration::from_mins(5);
/// Measurements that are kept.
const KEPT: i64 = 1000;

/// How many of the best ten results were found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recall {
    /// Those that the usual search found.
    pub found: usize,
    /// Those that there are, 10 at the most.
    pub wanted: usize,
    /// How long it took to look at everything.
    #[serde(skip)]
    pub exact: Duration,
}

/// What the last measurements say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecallGauge {
    /// Questions that were measured, of the last 1,000 at the most.
    pub questions: i64,
    /// The share of the best ten results that were found, 0 to 1.
    pub recall_at_10: f64,
    /// When the last one was measured.
    pub measured_at: Timestamp,
}

/// When this process measures next.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    asked: AtomicU64,
    last: std::sync::Mutex<Option<Instant>>,
}

impl Sampler {
    /// Whether this question is to be measured.
    fn takes(&self) -> bool {
        if !(self.asked.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(ONE_OF) {
            return false;
        }
        let Ok(mut last) = self.last.lock() else { return false };
        let is_time = last.is_none_or(|last| last.elapsed() >= APART);
        if is_time {
            *last = Some(Instant::now());
        }
        is_time
    }
}

impl Store {
    /// Asks a question twice, as usual and by looking at everything, and compares the best ten results. It reads every entry
    /// that passes the filter.
    #[tracing::instrument(name = "knowledge.recall", skip_all)]
    pub async fn measure_recall(&self, query: &Query) -> Result<Recall> {
        let query = Query { limit: DEPTH, ..self.check(query)? };
        let (asked, _) = self.look_into(&query).await?;
        let usual = self.search(&asked, Effort::Usual).await?;
        let started = Instant::now();
        let exact = self.search(&asked, Effort::Exact).await?;
        let usual: HashSet<i64> = usual.iter().map(|hit| hit.entry.id).collect();
        let found = exact.iter().filter(|hit| usual.contains(&hit.entry.id)).count();
        Ok(Recall { found, wanted: exact.len(), exact: started.elapsed() })
    }

    /// Measures one question now and then, beside what else is to be done.
    pub(super) fn sample_recall(&self, query: &Query, mode: Mode) {
        if !self.0.options.measure_recall || !self.0.recall.takes() {
            return;
        }
        let (store, query) = (self.clone(), Query { mode, ..query.clone() });
        tokio::spawn(async move {
            let measured = async {
                let recall = store.measure_recall(&query).await?;
                if recall.wanted > 0 { store.note_recall(mode, &recall).await } else { Ok(()) }
            };
            if let Err(error) = measured.await {
                tracing::info!(%error, "knowledge.recall.failed");
            }
        });
    }

    async fn note_recall(&self, mode: Mode, recall: &Recall) -> Result<()> {
        self.0
            .db
            .execute(
                "note_recall",
                "-- note_recall
                 WITH old AS (
                     DELETE FROM knowledge_recall
                     WHERE id <= (SELECT id FROM knowledge_recall ORDER BY id DESC OFFSET $5 LIMIT 1)
                 )
                 INSERT INTO knowledge_recall (mode, found, wanted, exact_ms) VALUES ($1, $2, $3, $4)",
                &[
                    &mode.to_string(),
                    &i32::try_from(recall.found).unwrap_or(i32::MAX),
                    &i32::try_from(recall.wanted).unwrap_or(i32::MAX),
                    &(recall.exact.as_secs_f64() * 1e3),
                    &(KEPT - 1),
                ],
            )
            .await?;
        Ok(())
    }

    /// What was measured so far; `None` when nothing was.
    pub async fn recall_gauge(&self) -> Result<Option<RecallGauge>> {
        let row = self
            .0
            .db
            .query_opt(
                "recall_gauge",
                "-- recall_gauge
                 SELECT count(*) AS questions, sum(found)::double precision / sum(wanted) AS recall,
                        max(measured_at) AS measured_at
                 FROM knowledge_recall HAVING count(*) > 0",
                &[],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(RecallGauge {
            questions: row.column("questions")?,
            recall_at_10: row.column("recall")?,
            measured_at: row.column("measured_at")?,
        }))
    }
}
