use std::collections::{HashMap, HashSet};

use agent_turbo_knowledge::{self as knowledge, ContentHash, Embedded, Fingerprint, Outcome};

use super::lookup::{OnTheWay, Step};
use super::rejects::Rejects;
use super::{Fate, Origin, fate_of};
use crate::row::{Converter, Rejection};
use crate::shape::Selected;
use crate::{Error, Report, Result};

/// Texts that the service may refuse before the import gives up on it.
const MAX_REFUSED: u64 = 10_000;

/// Writes what is embedded and counts what became of each row.
pub(super) struct Writer<'a> {
    pub(super) converter: &'a Converter,
    pub(super) tables: &'a [Selected],
    pub(super) on_the_way: OnTheWay,
    pub(super) rejects: Rejects,
    pub(super) report: &'a mut Report,
    /// Texts that the service refused.
    pub(super) refused: HashSet<ContentHash>,
}

impl Writer<'_> {
    pub(super) async fn take(&mut self, step: Step) -> Result<()> {
        for (origin, rejection) in step.rejected {
            self.reject(&origin, &rejection)?;
        }
        for (origin, fate) in step.settled {
            self.count(&origin, fate);
        }
        let mut unsettled = step.followers;
        if let Some(embedding) = step.embedding {
            let embedded = embedding.await.map_err(Error::Panicked)??;
            self.insert(step.fresh, embedded, &mut unsettled).await?;
        }
        if !unsettled.is_empty() {
            self.look_again(unsettled).await?;
        }
        self.rejects.flush()?;
        Ok(())
    }

    async fn insert(
        &mut self,
        origins: Vec<(Origin, ContentHash)>,
        embedded: Vec<knowledge::Result<Embedded>>,
        unsettled: &mut Vec<(Origin, ContentHash)>,
    ) -> Result<()> {
        let mut rows = Vec::with_capacity(embedded.len());
        let mut from = Vec::with_capacity(embedded.len());
        for ((origin, hash), embedded) in origins.into_iter().zip(embedded) {
            match embedded {
                Ok(embedded) => {
                    rows.push(embedded);
                    from.push(origin);
                }
                Err(error) => {
                    self.on_the_way.hashes().remove(&hash);
                    self.refused.insert(hash);
                    if self.refused.len() as u64 >= MAX_REFUSED {
                        return Err(Error::ServiceRefuses(MAX_REFUSED, error.to_string()));
                    }
                    self.reject(&origin, &Rejection { reason: error.to_string(), excerpt: String::new() })?;
                }
            }
        }
        let outcomes = self.converter.store.insert_embedded(&rows).await?;
        for ((origin, row), outcome) in from.into_iter().zip(&rows).zip(outcomes) {
            let candidate = row.candidate();
            self.on_the_way.hashes().remove(candidate.content_hash());
            match outcome {
                Outcome::Added => {
                    self.count(&origin, Fate::Imported);
                    self.report.truncated += u64::from(row.truncated());
                    for kind in candidate.redacted() {
                        *self.report.redacted.entry((*kind).to_owned()).or_default() += 1;
                    }
                }
                // Somebody was faster, or the answer to a first attempt was lost.
                Outcome::Duplicate | Outcome::Merged => {
                    unsettled.push((origin, candidate.content_hash().clone()));
                }
            }
        }
        Ok(())
    }

    /// Asks the target where it has the texts from that turned out to be there.
    async fn look_again(&mut self, rows: Vec<(Origin, ContentHash)>) -> Result<()> {
        let hashes: Vec<&ContentHash> = rows.iter().map(|(_, hash)| hash).collect();
        let found = self.converter.store.fingerprints_of(&self.converter.project, &hashes).await?;
        let found: HashMap<&ContentHash, &Fingerprint> =
            found.iter().map(|entry| (&entry.content_hash, entry)).collect();
        for (origin, hash) in &rows {
            let Some(entry) = found.get(hash) else {
                let reason = "another row with the same text could not be stored, or was deleted at once";
                self.reject(origin, &Rejection { reason: reason.to_owned(), excerpt: String::new() })?;
                continue;
            };
            let table = &self.tables[origin.table].info.name;
            let fate = match fate_of(entry, &self.converter.source_name, table, &origin.row) {
                // Written just now, though the first answer said nothing of it.
                Fate::Resumed => Fate::Imported,
                fate => fate,
            };
            self.count(origin, fate);
        }
        Ok(())
    }

    fn reject(&mut self, origin: &Origin, rejection: &Rejection) -> Result<()> {
        self.count(origin, Fate::Rejected);
        let table = &self.tables[origin.table].info.name;
        self.rejects.write(table, &origin.row, &rejection.reason, &rejection.excerpt)
    }

    fn count(&mut self, origin: &Origin, fate: Fate) {
        self.report.counts.add(fate);
        self.report.tables[origin.table].counts.add(fate);
    }
}
