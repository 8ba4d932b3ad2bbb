use std::collections::{BTreeMap, HashMap, HashSet};

use agent_turbo_db::{Row, RowExt};

use super::bm25::{self, Bm25};
use super::roughly::{self, Segment};
use super::{Asked, Effort, Mode, sql};
use crate::{Result, Store};

/// Entries that rare words may find, as counts of words lag behind.
const MOST_MATCHING: i64 = 2000;
/// Entries with frequent words that are read: so many first, and more, up to so many in all, while a filter leaves too few.
const AT_FIRST: usize = 150;
const AT_MOST: usize = 2000;
/// Words that stand in more entries than this together are not looked for one by one, only to fill an answer up.
const MAX_FILL: i64 = 20_000;

/// Entries, and the frequencies of their words.
type Texts = HashMap<i64, Vec<u8>>;

impl Store {
    /// The `most` entries with the best text scores, and how those are made; none in vector mode.
    pub(super) async fn best_by_words(
        &self,
        asked: &Asked<'_>,
        effort: Effort,
        most: usize,
    ) -> Result<(HashSet<i64>, Bm25)> {
        if asked.mode == Mode::Vector {
            return Ok((HashSet::new(), asked.words.bm25([].into_iter())));
        }
        let texts = match effort {
            Effort::Usual => self.texts(asked, most).await?,
            Effort::Exact => self.by_any_word(asked, i64::MAX).await?,
        };
        let bm25 = asked.words.bm25(texts.values().map(|frequencies| bm25::length(frequencies)));
        let scored = texts.iter().map(|(id, frequencies)| (bm25.score(frequencies), *id));
        let mut scored: Vec<(f64, i64)> = scored.filter(|(score, _)| *score > 0.0).collect();
        scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
        Ok((scored.into_iter().take(most).map(|(_, id)| id).collect(), bm25))
    }

    /// Entries among which the `most` best are, nearly certainly: those that have a rare word, those that are on no list yet, and
    /// of those on the lists of frequent words the best by the lists.
    async fn texts(&self, asked: &Asked<'_>, most: usize) -> Result<Texts> {
        let rows = self.by_words(asked, "").await?;
        let (mut texts, mut segments) = (Texts::new(), BTreeMap::<i64, Segment<'_>>::new());
        for row in &rows {
            let (id, bytes): (i64, Option<&[u8]>) = (row.column("id")?, row.column("bytes")?);
            let bytes = bytes.unwrap_or_default();
            if let Some(segment) = row.column("segment")? {
                let segment = segments.entry(segment).or_default();
                (segment.base, segment.last) = (id, row.column("last")?);
                segment.lists.push((row.column("word")?, bytes));
            } else {
                texts.insert(id, bytes.to_vec());
            }
        }
        if !segments.is_empty() {
            let bm25 = asked.words.bm25(texts.values().map(|frequencies| bm25::length(frequencies)));
            let best = roughly::best(segments.values(), &bm25, asked.words.project(), AT_MOST.max(most));
            let mut unread: Vec<i64> = best.into_iter().filter(|id| !texts.contains_key(id)).collect();
            let (mut batch, mut found) = (AT_FIRST.max(3 * most), 0);
            while !unread.is_empty() && found < most {
                let rest = unread.split_off(batch.min(unread.len()));
                let read = self.frequencies(asked, &unread).await?;
                found += read.len();
                texts.extend(read);
                (unread, batch) = (rest, 4 * batch);
            }
        }
        let limit = asked.query.limit;
        if asked.mode == Mode::Text && texts.len() < limit && !asked.words.are_all_rare() {
            let entries: i64 = asked.words.all.iter().map(|word| word.entries).sum();
            if entries <= MAX_FILL {
                return self.by_any_word(asked, MOST_MATCHING.max(limit as i64)).await;
            }
        }
        Ok(texts)
    }

    /// Entries and lists that have those of the question's words that matter.
    pub(super) async fn by_words(&self, asked: &Asked<'_>, prefix: &str) -> Result<Vec<Row>> {
        let (matching, posted) = (asked.words.matching(), asked.words.posted());
        if asked.mode == Mode::Vector || (matching.is_none() && posted.is_empty()) {
            return Ok(Vec::new());
        }
        let conditions = asked.query.filter.conditions(4)?;
        let sql = format!("{prefix}{}", sql::by_words(&conditions.sql));
        let most = MOST_MATCHING.max(asked.query.limit as i64);
        let params = conditions.after(&[&matching, &most, &posted]);
        Ok(self.0.db.query("knowledge_by_words", &sql, &params).await?)
    }

    async fn frequencies(&self, asked: &Asked<'_>, ids: &[i64]) -> Result<Texts> {
        let conditions = asked.query.filter.conditions(2)?;
        let sql = sql::frequencies(&conditions.sql);
        of_rows(&self.0.db.query("knowledge_frequencies", &sql, &conditions.after(&[&ids])).await?)
    }

    async fn by_any_word(&self, asked: &Asked<'_>, most: i64) -> Result<Texts> {
        let Some(any) = asked.words.any() else { return Ok(Texts::new()) };
        let conditions = asked.query.filter.conditions(3)?;
        let sql = sql::by_any_word(&conditions.sql);
        of_rows(&self.0.db.query("knowledge_by_any_word", &sql, &conditions.after(&[&any, &most])).await?)
    }
}

fn of_rows(rows: &[Row]) -> Result<Texts> {
    rows.iter()
        .map(|row| {
            let frequencies: Option<&[u8]> = row.column("bytes")?;
            Ok((row.column("id")?, frequencies.unwrap_or_default().to_vec()))
        })
        .collect()
}
