use agent_turbo_db as db;

use crate::entry::entry_columns;
use crate::{Entry, EntryRef, Error, Project, Result, Store};

impl Store {
    /// The entry that `entry` names in `project`. A beginning that several share is [`Error::Ambiguous`].
    #[tracing::instrument(name = "knowledge.get", skip_all, fields(%project, %entry))]
    pub async fn get(&self, project: &Project, entry: &EntryRef) -> Result<Option<Entry>> {
        let (from, to) = entry.range();
        let rows = self
            .0
            .db
            .query(
                "get_knowledge",
                concat!(
                    "-- get_knowledge\nSELECT ",
                    entry_columns!(),
                    " FROM agent_knowledge AS k
                      WHERE k.project = $1 AND k.content_hash >= $2 AND k.content_hash < $3
                      ORDER BY k.content_hash LIMIT 2"
                ),
                &[&project.as_str(), &from, &to],
            )
            .await?;
        let mut entries = rows.iter().map(Entry::from_row).collect::<db::Result<Vec<_>>>()?;
        if entries.len() > 1 {
            return Err(Error::Ambiguous(entry.clone()));
        }
        Ok(entries.pop())
    }
}
