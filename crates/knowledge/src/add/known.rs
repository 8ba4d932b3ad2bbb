use std::collections::HashMap;

use agent_turbo_db::RowExt;

use super::Prepared;
use crate::{ContentHash, Project, Result, State, Store};

impl Store {
    /// The state of the entry that has this text already. One whose time is over goes, and is none.
    pub(super) async fn known(&self, prepared: &Prepared) -> Result<Option<State>> {
        let (project, hash) = (prepared.entry.project.as_str(), prepared.hash.as_str());
        let row = self
            .0
            .db
            .query_opt(
                "is_known",
                "-- is_known
                 SELECT quarantined_at IS NOT NULL AS is_quarantined, superseded_by IS NOT NULL AS is_superseded,
                        coalesce(expires_at <= now(), false) AS is_expired
                 FROM agent_knowledge WHERE project = $1 AND content_hash = $2",
                &[&project, &hash],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        if row.column("is_expired")? {
            self.remove_expired(&[project], &[hash]).await?;
            return Ok(None);
        }
        Ok(Some(State::of(row.column("is_quarantined")?, row.column("is_superseded")?, false)))
    }

    pub(crate) async fn known_of(
        &self,
        keys: &[(&Project, &ContentHash)],
    ) -> Result<HashMap<(Project, ContentHash), State>> {
        let (projects, hashes): (Vec<&str>, Vec<&str>) =
            keys.iter().map(|(project, hash)| (project.as_str(), hash.as_str())).unzip();
        let rows = self
            .0
            .db
            .query(
                "known_of",
                "-- known_of
                 SELECT k.project, k.content_hash, k.quarantined_at IS NOT NULL AS is_quarantined,
                        k.superseded_by IS NOT NULL AS is_superseded,
                        coalesce(k.expires_at <= now(), false) AS is_expired
                 FROM unnest($1::text[], $2::text[]) AS n (project, content_hash)
                 JOIN agent_knowledge AS k USING (project, content_hash)",
                &[&projects, &hashes],
            )
            .await?;
        let mut known = HashMap::new();
        let mut has_expired = false;
        for row in &rows {
            if row.column("is_expired")? {
                has_expired = true;
                continue;
            }
            let key = (
                row.column::<String>("project")?.parse()?,
                ContentHash::from_row(row.column("content_hash")?),
            );
            known.insert(key, State::of(row.column("is_quarantined")?, row.column("is_superseded")?, false));
        }
        if has_expired {
            self.remove_expired(&projects, &hashes).await?;
        }
        Ok(known)
    }

    /// Those of the texts whose time is over make room for the same text.
    async fn remove_expired(&self, projects: &[&str], hashes: &[&str]) -> Result<()> {
        self.0
            .db
            .execute(
                "remove_expired",
                "-- remove_expired
                 DELETE FROM agent_knowledge AS k
                 USING unnest($1::text[], $2::text[]) AS n (project, content_hash)
                 WHERE k.project = n.project AND k.content_hash = n.content_hash AND k.expires_at <= now()",
                &[&projects, &hashes],
            )
            .await?;
        Ok(())
    }
}
