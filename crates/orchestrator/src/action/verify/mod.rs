//! Whether the audit trail is what was written.
//!
//! Digests of actions are computed by the database, from the rows as they are; links are computed here. What nobody can
//! find is a chain that was rewritten from some action to its end, head included: heads that were noted elsewhere find
//! that.

mod read;
mod walk;

use serde::Serialize;

use crate::ids::ActionId;
use crate::{Orchestrator, Result};
use walk::Walk;

/// Heads and broken chains that a report names at the most; it counts them all.
pub const MAX_LISTED: usize = 1000;
/// A purge meanwhile looks like a breach: a chain is walked anew as long as one comes between, at the most so often.
const MAX_WALKS: usize = 20;

/// What became of checking chains.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ChainReport {
    /// Chains that were looked at.
    pub chains: u64,
    /// Actions that were looked at.
    pub actions: u64,
    /// Chains with a flaw.
    pub flawed: u64,
    /// The first flaw of each of them, as far as they are listed.
    pub broken: Vec<BrokenChain>,
    /// The ends of chains without a flaw, as far as they are listed.
    pub heads: Vec<ChainHead>,
}

/// The end of a chain. Noted elsewhere, it witnesses everything before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainHead {
    /// The chain.
    pub chain: String,
    /// The position of its last action.
    pub length: i64,
    /// The link of its last action: 64 hex digits.
    pub head: String,
}

/// Where a chain stops being what was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokenChain {
    /// The chain.
    pub chain: String,
    /// The first position that is wrong.
    pub position: i64,
    /// The action that stands there, if one does.
    pub action_id: Option<ActionId>,
    /// What is wrong there.
    #[serde(flatten)]
    pub flaw: Flaw,
}

/// What can be wrong with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case", tag = "flaw")]
pub enum Flaw {
    /// The link does not follow from the one before and the action: one of them was changed, or never belonged here.
    Changed,
    /// The action that belongs here stands at another position.
    Moved {
        /// Where it stands.
        to: i64,
    },
    /// No action stands here, though there are later ones.
    Missing,
    /// No action stands here or later, though the head says so.
    CutOff,
    /// There is an action beyond the head.
    BeyondHead,
    /// All actions are right, and the head is another link than the last one.
    WrongHead,
    /// There are actions or purges without a head.
    NoHead,
    /// An action stands where a purge says that there is none.
    NotPurged,
    /// The records of the chain's purges do not add up to what is missing at its beginning.
    WrongPurge,
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Changed => f.write_str("changed, or never belonged here"),
            Self::Moved { to } => write!(f, "moved: what belongs here stands at {to}"),
            Self::Missing => f.write_str("missing"),
            Self::CutOff => f.write_str("missing, with everything after it"),
            Self::BeyondHead => f.write_str("beyond the chain's end"),
            Self::WrongHead => f.write_str("not what the chain's head says"),
            Self::NoHead => f.write_str("without a chain's head"),
            Self::NotPurged => f.write_str("there, though it was purged"),
            Self::WrongPurge => f.write_str("not what the records of purges add up to"),
        }
    }
}

impl ChainReport {
    /// Whether everything is what was written.
    pub fn is_intact(&self) -> bool {
        self.flawed == 0
    }

    fn note(&mut self, checked: Checked) {
        self.chains += 1;
        match checked {
            Checked::Intact(head) if self.heads.len() < MAX_LISTED => self.heads.push(head),
            Checked::Intact(_) => {}
            Checked::Broken(broken) => {
                self.flawed += 1;
                if self.broken.len() < MAX_LISTED {
                    self.broken.push(broken);
                }
            }
        }
    }
}

/// What became of checking one chain.
enum Checked {
    Intact(ChainHead),
    Broken(BrokenChain),
}

impl Orchestrator {
    /// Checks one chain, or all of them, from the beginning, or from the last purge. Reads in pages, and lets others
    /// write meanwhile: what is written after it began may or may not be looked at. A chain that nobody ever wrote to is
    /// not counted.
    #[tracing::instrument(name = "orchestrator.verify_chain", skip_all, fields(chain))]
    pub async fn verify_chain(&self, chain: Option<&str>) -> Result<ChainReport> {
        let mut report = ChainReport::default();
        if let Some(chain) = chain {
            let mut actions = 0;
            self.verify_one(chain, &mut actions, &mut report).await?;
            report.actions = actions;
        } else {
            self.verify_chains_with_actions(&mut report).await?;
            self.verify_chains_without_actions(&mut report).await?;
        }
        Ok(report)
    }

    async fn verify_chains_with_actions(&self, report: &mut ChainReport) -> Result<()> {
        let mut walk: Option<Walk> = None;
        loop {
            let after = walk.as_ref().map(|walk| (walk.chain.as_str(), walk.seen));
            let page = self.links(after).await?;
            for link in page.links {
                report.actions += 1;
                match &mut walk {
                    Some(walk) if walk.chain == link.chain => walk.step(link),
                    _ => {
                        let mut next = self.begin(&link.chain, link.is_purged).await?;
                        next.step(link);
                        if let Some(walk) = walk.replace(next) {
                            self.note_end(Some(walk), report).await?;
                        }
                    }
                }
            }
            if page.is_last {
                return self.note_end(walk, report).await;
            }
        }
    }

    async fn verify_chains_without_actions(&self, report: &mut ChainReport) -> Result<()> {
        let mut after: Option<String> = None;
        loop {
            let chains = self.chains_without_actions(after.as_deref()).await?;
            for chain in &chains {
                self.verify_one(chain, &mut 0, report).await?;
            }
            match chains.into_iter().next_back() {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// Ends a walk; a flaw is made sure of.
    async fn note_end(&self, walk: Option<Walk>, report: &mut ChainReport) -> Result<()> {
        match walk.map(Walk::end) {
            None => Ok(()),
            Some(Ok(head)) => {
                report.note(Checked::Intact(head));
                Ok(())
            }
            Some(Err((broken, _))) => self.verify_one(&broken.chain, &mut 0, report).await,
        }
    }

    /// Walks one chain, and counts its actions.
    async fn verify_one(&self, chain: &str, actions: &mut u64, report: &mut ChainReport) -> Result<()> {
        for walks in 1.. {
            *actions = 0;
            let Some(walk) = self.walk_one(chain, actions).await? else { return Ok(()) };
            let purged = walk.purged;
            let checked = self.end_walk(walk).await?;
            let settled = matches!(checked, Checked::Intact(_))
                || walks == MAX_WALKS
                || self.begin_with_head(chain).await?.is_some_and(|now| now.purged == purged);
            if settled {
                report.note(checked);
                break;
            }
        }
        Ok(())
    }

    /// Walks one chain to its end; `None` when there is nothing of it.
    async fn walk_one(&self, chain: &str, actions: &mut u64) -> Result<Option<Walk>> {
        let Some(mut walk) = self.begin_with_head(chain).await? else { return Ok(None) };
        loop {
            let page = self.links_of(chain, walk.seen).await?;
            for link in page.links {
                *actions += 1;
                walk.step(link);
            }
            if page.is_last {
                return Ok(Some(walk));
            }
        }
    }

    async fn end_walk(&self, walk: Walk) -> Result<Checked> {
        let (broken, previous) = match walk.end() {
            Ok(head) => return Ok(Checked::Intact(head)),
            Err(broken) => broken,
        };
        if matches!(broken.flaw, Flaw::Changed | Flaw::Missing)
            && let Some(to) = self.find_moved(&broken.chain, broken.position, &previous).await?
        {
            return Ok(Checked::Broken(BrokenChain { flaw: Flaw::Moved { to }, ..broken }));
        }
        Ok(Checked::Broken(broken))
    }
}
