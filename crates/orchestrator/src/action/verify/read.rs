use agent_turbo_db::{self as db, Row, RowExt};

use super::walk::{Head, Link, Purged, Walk};
use crate::ids::ActionId;
use crate::{Orchestrator, Result};

/// Actions that are read at a time: the LIMIT below, which is a literal for the planner's sake.
const PAGE: usize = 2000;
/// Chains without actions that are read at a time.
const CHAINS: i64 = 2000;

/// A page of actions as links, in the order of their chains.
macro_rules! links {
    ($name:literal, $where:literal) => {
        concat!(
            "-- ",
            $name,
            "\nSELECT a.*, c.length, c.head,
                    EXISTS (SELECT FROM action_purges p WHERE p.chain = a.chain) AS is_purged
             FROM (
                 SELECT coalesce(a.session_id, a.task_id, '') AS chain, a.chain_position, a.action_id, a.chain_hash,
                        action_digest(a) AS digest
                 FROM agent_actions a
                 WHERE ",
            $where,
            "    ORDER BY coalesce(a.session_id, a.task_id, ''), a.chain_position LIMIT 2000) AS a
                 LEFT JOIN action_chains c ON c.chain = a.chain
             ORDER BY a.chain, a.chain_position"
        )
    };
}

pub(super) struct Page {
    pub(super) links: Vec<Link>,
    pub(super) is_last: bool,
}

impl Page {
    fn from_rows(rows: &[Row]) -> db::Result<Self> {
        Ok(Self {
            links: rows.iter().map(Link::from_row).collect::<db::Result<_>>()?,
            is_last: rows.len() < PAGE,
        })
    }
}

impl Link {
    fn from_row(row: &Row) -> db::Result<Self> {
        Ok(Self {
            chain: row.column("chain")?,
            position: row.column("chain_position")?,
            action_id: ActionId::stored(row.column("action_id")?),
            hash: row.column("chain_hash")?,
            digest: row.column("digest")?,
            head: Head::from_row(row)?,
            is_purged: row.column("is_purged")?,
        })
    }
}

impl Head {
    fn from_row(row: &Row) -> db::Result<Option<Self>> {
        let length: Option<i64> = row.column("length")?;
        let hash: Option<Vec<u8>> = row.column("head")?;
        Ok(length.zip(hash).map(|(length, hash)| Self { length, hash }))
    }
}

impl Purged {
    fn from_row(row: &Row) -> db::Result<Option<Self>> {
        let through: Option<i64> = row.column("through_position")?;
        let hash: Option<Vec<u8>> = row.column("through_hash")?;
        let removed: Option<i64> = row.column("removed")?;
        Ok(through.zip(hash).map(|(through, hash)| Self {
            through,
            hash,
            removed: removed.unwrap_or_default(),
        }))
    }
}

impl Orchestrator {
    /// Actions of all chains, after a position of a chain.
    pub(super) async fn links(&self, after: Option<(&str, i64)>) -> Result<Page> {
        let (chain, position) = after.unwrap_or(("", i64::MIN));
        let rows = self
            .db
            .query(
                "verify_chains",
                links!(
                    "verify_chains",
                    "(coalesce(a.session_id, a.task_id, ''), a.chain_position) > ($1, $2)"
                ),
                &[&chain, &position],
            )
            .await?;
        Ok(Page::from_rows(&rows)?)
    }

    /// Actions of one chain, after a position.
    pub(super) async fn links_of(&self, chain: &str, after: i64) -> Result<Page> {
        let rows = self
            .db
            .query(
                "verify_chain",
                links!(
                    "verify_chain",
                    "coalesce(a.session_id, a.task_id, '') = $1 AND a.chain_position > $2"
                ),
                &[&chain, &after],
            )
            .await?;
        Ok(Page::from_rows(&rows)?)
    }

    /// The beginning of a chain that has actions.
    pub(super) async fn begin(&self, chain: &str, is_purged: bool) -> Result<Walk> {
        if is_purged && let Some(walk) = self.begin_with_head(chain).await? {
            return Ok(walk);
        }
        Ok(Walk::new(chain.to_owned(), None, None))
    }

    /// The beginning of any chain; `None` when there is nothing of it.
    pub(super) async fn begin_with_head(&self, chain: &str) -> Result<Option<Walk>> {
        let row = self
            .db
            .query_opt(
                "begin_chain",
                "-- begin_chain
                 SELECT c.length, c.head, p.through_position, p.through_hash,
                        (SELECT sum(removed)::bigint FROM action_purges WHERE chain = $1) AS removed,
                        EXISTS (SELECT FROM agent_actions WHERE coalesce(session_id, task_id, '') = $1) AS has_actions
                 FROM (VALUES (1)) AS one
                     LEFT JOIN action_chains c ON c.chain = $1
                     LEFT JOIN LATERAL (
                         SELECT * FROM action_purges WHERE chain = $1 ORDER BY through_position DESC, id DESC LIMIT 1
                     ) AS p ON true",
                &[&chain],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let (head, purged) = (Head::from_row(&row)?, Purged::from_row(&row)?);
        if head.is_none() && purged.is_none() && !row.column::<bool>("has_actions")? {
            return Ok(None);
        }
        Ok(Some(Walk::new(chain.to_owned(), purged, head)))
    }

    /// Chains that have a head or purges, and no actions.
    pub(super) async fn chains_without_actions(&self, after: Option<&str>) -> Result<Vec<String>> {
        let rows = self
            .db
            .query(
                "chains_without_actions",
                "-- chains_without_actions
                 SELECT n.chain
                 FROM (SELECT chain FROM action_chains UNION SELECT chain FROM action_purges) AS n
                 WHERE ($1::text IS NULL OR n.chain > $1)
                     AND NOT EXISTS (
                         SELECT FROM agent_actions a WHERE coalesce(a.session_id, a.task_id, '') = n.chain)
                 ORDER BY n.chain LIMIT $2",
                &[&after, &CHAINS],
            )
            .await?;
        Ok(rows.iter().map(|row| row.column("chain")).collect::<db::Result<_>>()?)
    }

    /// Where the action stands now that once was linked at this position, if it is still there.
    pub(super) async fn find_moved(
        &self,
        chain: &str,
        position: i64,
        previous: &[u8],
    ) -> Result<Option<i64>> {
        let row = self
            .db
            .query_opt(
                "find_moved",
                "-- find_moved
                 SELECT a.chain_position FROM agent_actions a
                 WHERE coalesce(a.session_id, a.task_id, '') = $1 AND a.chain_position <> $2
                     AND a.chain_hash = sha256($3 || int8send($2) || action_digest(a))
                 LIMIT 1",
                &[&chain, &position, &previous],
            )
            .await?;
        Ok(row.map(|row| row.column("chain_position")).transpose()?)
    }
}
