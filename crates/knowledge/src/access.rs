//! What is counted in the background: how often entries are found, and in how many entries a word stands, and in which. Who
//! asks or adds only leaves a note.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use agent_turbo_db::{self as db, Database, RowExt};
use tokio::sync::{mpsc, oneshot};

use crate::postings::{self, Share};

/// Notes that may wait; what comes beyond is dropped, for counts are statistics and queries are not to wait.
const BACKLOG: usize = 4096;
/// Entries counted before they are written early.
const BATCH: usize = 2000;
/// Entries whose words are not counted yet, from which on it is done.
pub(crate) const WORTH_COUNTING: i64 = 64;
/// Entries whose words are counted in one transaction.
const COUNT_AT_ONCE: i32 = 1000;

#[derive(Debug, Clone)]
pub(crate) struct AccessLog(mpsc::Sender<Note>);

enum Note {
    Found(Arc<[i64]>),
    Written,
    Flush(oneshot::Sender<db::Result<()>>),
}

impl AccessLog {
    pub(crate) fn start(db: Database, interval: Duration) -> Self {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        tokio::spawn(write_forever(db, receiver, interval));
        Self(sender)
    }

    /// Notes that these rows were found.
    pub(crate) fn found(&self, ids: &Arc<[i64]>) {
        if !ids.is_empty() && self.0.try_send(Note::Found(Arc::clone(ids))).is_err() {
            tracing::debug!("knowledge.access.dropped");
        }
    }

    /// Notes that entries were written.
    pub(crate) fn written(&self) {
        // A note that is dropped is followed by others: the queue is full of them.
        let _ = self.0.try_send(Note::Written);
    }

    /// Returns when everything noted so far is written.
    pub(crate) async fn flush(&self) -> db::Result<()> {
        let (sender, receiver) = oneshot::channel();
        if self.0.send(Note::Flush(sender)).await.is_err() {
            return Ok(());
        }
        receiver.await.unwrap_or(Ok(()))
    }
}

/// Ends when the last sender is dropped, with what is left written.
async fn write_forever(db: Database, mut notes: mpsc::Receiver<Note>, interval: Duration) {
    let mut counts: HashMap<i64, i64> = HashMap::new();
    let mut written = false;
    let mut tick = tokio::time::interval(interval.max(Duration::from_millis(1)));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            note = notes.recv() => match note {
                Some(Note::Found(ids)) => {
                    for id in &*ids {
                        *counts.entry(*id).or_default() += 1;
                    }
                    if counts.len() >= BATCH {
                        or_log(write(&db, &mut counts).await);
                    }
                }
                Some(Note::Written) => written = true,
                Some(Note::Flush(done)) => {
                    // Somebody waits.
                    let outcome = settle(&db, &mut counts, std::mem::take(&mut written), Share::Some).await;
                    let _ = done.send(outcome);
                }
                // What was written is counted by whoever asks next.
                None => return or_log(write(&db, &mut counts).await),
            },
            _ = tick.tick() => {
                or_log(settle(&db, &mut counts, std::mem::take(&mut written), Share::All).await);
            }
        }
    }
}

/// Writes the counts, and has the words counted, and packed, of what was `written`.
async fn settle(
    db: &Database,
    counts: &mut HashMap<i64, i64>,
    written: bool,
    share: Share,
) -> db::Result<()> {
    write(db, counts).await?;
    if written {
        count_words(db).await?;
        postings::settle(db, share).await?;
    }
    Ok(())
}

fn or_log(outcome: db::Result<()>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "knowledge.access.lost");
    }
}

/// Counts the words of what was written since the last time, unless that is too little to be worth it: questions look
/// through so much by themselves.
async fn count_words(db: &Database) -> db::Result<()> {
    loop {
        let row = db
            .query_opt(
                "count_words",
                "-- count_words
                 SELECT CASE WHEN (SELECT count(*) FROM (SELECT FROM knowledge_uncounted LIMIT $1) AS few) < $1 THEN 0
                        ELSE count_knowledge_words($2) END AS counted",
                &[&WORTH_COUNTING, &COUNT_AT_ONCE],
            )
            .await?;
        if row.as_ref().map_or(Ok(0), |row| row.column::<i64>("counted"))? == 0 {
            return Ok(());
        }
    }
}

async fn write(db: &Database, counts: &mut HashMap<i64, i64>) -> db::Result<()> {
    if counts.is_empty() {
        return Ok(());
    }
    let mut pairs: Vec<(i64, i64)> = counts.drain().collect();
    // One order for all writers: two of them never wait for each other in a circle.
    pairs.sort_unstable();
    let (ids, found): (Vec<i64>, Vec<i64>) = pairs.into_iter().unzip();
    let (ids, found) = (&ids, &found);
    db.run_tx("count_accesses", async |tx: db::Transaction| {
        // Losing a second of counts in a power failure is cheaper than a flush to disk for each batch.
        tx.change("count_accesses", "SET LOCAL synchronous_commit = off", &[]).await?;
        tx.change(
            "count_accesses",
            "-- count_accesses
             UPDATE agent_knowledge AS k
             SET access_count = k.access_count + f.found, last_accessed = now()
             FROM (
                 SELECT l.id, u.found FROM unnest($1::bigint[], $2::bigint[]) AS u (id, found)
                 JOIN agent_knowledge AS l ON l.id = u.id ORDER BY l.id FOR UPDATE OF l
             ) AS f
             WHERE k.id = f.id",
            &[ids, found],
        )
        .await?;
        Ok(())
    })
    .await
}
