use agent_turbo_db::{Client, RowExt};

use crate::add::Prepared;
use crate::{ContentHash, Entry, EntryRef, Error, Project, Result, State, Store};

/// The entry that takes the place of others.
#[derive(Debug, Clone)]
pub(crate) struct Successor {
    pub(crate) id: i64,
    pub(crate) hash: ContentHash,
}

impl Store {
    /// Has `by` take the place of `old`, which is not found any more and stays readable; returns `old` as it is then,
    /// `None` when there is none.
    ///
    /// Where `old` was superseded before, `by` takes the place of the last entry of that chain. Nothing happens where `by`
    /// is that one already. An entry in quarantine takes nobody's place.
    ///
    /// # Errors
    /// [`Error::SupersedesItself`] where `by` was superseded by `old`, or is the same; [`Error::BadInput`] where `by` is
    /// not there, or waits for approval.
    #[tracing::instrument(name = "knowledge.supersede", skip_all, fields(%project, %old, %by))]
    pub async fn supersede(&self, project: &Project, old: &EntryRef, by: &EntryRef) -> Result<Option<Entry>> {
        let Some(found) = self.get(project, old).await? else { return Ok(None) };
        let missing =
            || Error::bad_input("the successor", format!("there is no entry {by} in project {project}"));
        let successor = self.get(project, by).await?.ok_or_else(missing)?;
        if successor.quarantined_at.is_some() {
            return Err(Error::bad_input("the successor", format!("{by} waits for approval")));
        }
        let by = Successor { id: successor.id, hash: successor.content_hash };
        let olds = [EntryRef::from(&found.content_hash)];
        self.0
            .db
            .run_tx("supersede", async |client| supersede_all(&client, project, &olds, &by).await)
            .await?;
        self.changed(project);
        self.get(project, &olds[0]).await
    }

    /// Lets an entry be found again that another one had superseded, and returns it; `None` when there is none.
    #[tracing::instrument(name = "knowledge.reinstate", skip_all, fields(%project, %entry))]
    pub async fn reinstate(&self, project: &Project, entry: &EntryRef) -> Result<Option<Entry>> {
        let Some(found) = self.get(project, entry).await? else { return Ok(None) };
        self.0
            .db
            .execute(
                "reinstate",
                "-- reinstate
                 UPDATE agent_knowledge SET superseded_by = NULL WHERE id = $1 AND superseded_by IS NOT NULL",
                &[&found.id],
            )
            .await?;
        self.changed(project);
        self.get(project, &(&found.content_hash).into()).await
    }

    /// Has an entry that was known before take the place of those that the new one named.
    pub(crate) async fn supersede_by_known(
        &self,
        prepared: &Prepared,
        state: State,
    ) -> Result<Vec<ContentHash>> {
        let (project, olds) = (&prepared.entry.project, &prepared.entry.supersedes);
        if olds.is_empty() {
            return Ok(Vec::new());
        }
        if state == State::Quarantined {
            return Err(Error::bad_input("the entry", "the same text waits for approval"));
        }
        let superseded = self
            .0
            .db
            .run_tx("supersede_by_known", async |client| {
                let by = find(&client, project, &(&prepared.hash).into()).await?;
                supersede_all(&client, project, olds, &by.ok_or(Error::ChangedMeanwhile)?).await
            })
            .await?;
        self.changed(project);
        Ok(superseded)
    }
}

/// The entries that are superseded now, in the order of `olds`.
pub(crate) async fn supersede_all(
    client: &Client,
    project: &Project,
    olds: &[EntryRef],
    by: &Successor,
) -> Result<Vec<ContentHash>> {
    client
        .row(
            "lock_chains",
            "-- lock_chains
             SELECT pg_advisory_xact_lock(hashtextextended('agent_turbo supersede ' || $1, 0))",
            &[&project.as_str()],
        )
        .await?;
    let mut superseded = Vec::with_capacity(olds.len());
    for old in olds {
        let missing = || {
            Error::bad_input("what is superseded", format!("there is no entry {old} in project {project}"))
        };
        let old = find(client, project, old).await?.ok_or_else(missing)?;
        if old.id == by.id {
            return Err(Error::SupersedesItself { old: old.hash, by: by.hash.clone() });
        }
        let last = last_of_chain(client, old.id).await?;
        if last.id == by.id {
            continue;
        }
        // Of the successor's own chain, the lock keeps the end where it is.
        if last_of_chain(client, by.id).await?.id == last.id {
            return Err(Error::SupersedesItself { old: last.hash, by: by.hash.clone() });
        }
        client
            .change(
                "supersede",
                "-- supersede
                 UPDATE agent_knowledge SET superseded_by = $2 WHERE id = $1",
                &[&last.id, &by.id],
            )
            .await?;
        superseded.push(last.hash);
    }
    Ok(superseded)
}

async fn find(client: &Client, project: &Project, entry: &EntryRef) -> Result<Option<Successor>> {
    let (from, to) = entry.range();
    let rows = client
        .rows(
            "find_entry",
            "-- find_entry
             SELECT id, content_hash FROM agent_knowledge
             WHERE project = $1 AND content_hash >= $2 AND content_hash < $3
             ORDER BY content_hash LIMIT 2",
            &[&project.as_str(), &from, &to],
        )
        .await?;
    if rows.len() > 1 {
        return Err(Error::Ambiguous(entry.clone()));
    }
    let row = rows.first();
    row.map(|row| {
        Ok(Successor { id: row.column("id")?, hash: ContentHash::from_row(row.column("content_hash")?) })
    })
    .transpose()
}

/// The entry itself where nothing superseded it.
async fn last_of_chain(client: &Client, id: i64) -> Result<Successor> {
    let row = client
        .row(
            "last_of_chain",
            "-- last_of_chain
             WITH RECURSIVE chain AS (
                 SELECT id, content_hash, superseded_by FROM agent_knowledge WHERE id = $1
                 UNION
                 SELECT k.id, k.content_hash, k.superseded_by
                 FROM chain JOIN agent_knowledge AS k ON k.id = chain.superseded_by
             )
             SELECT id, content_hash FROM chain WHERE superseded_by IS NULL",
            &[&id],
        )
        .await?
        // Deleted meanwhile.
        .ok_or(Error::ChangedMeanwhile)?;
    Ok(Successor { id: row.column("id")?, hash: ContentHash::from_row(row.column("content_hash")?) })
}
