use super::{BrokenChain, ChainHead, Flaw};
use crate::action::link::{Hash, hex, link, origin};
use crate::ids::ActionId;

/// An action as a link, with its chain's head as it was at the same moment.
pub(super) struct Link {
    pub(super) chain: String,
    pub(super) position: i64,
    pub(super) action_id: ActionId,
    pub(super) hash: Vec<u8>,
    pub(super) digest: Vec<u8>,
    pub(super) head: Option<Head>,
    /// Whether anything was ever purged from its chain.
    pub(super) is_purged: bool,
}

/// What `action_chains` says of a chain.
pub(super) struct Head {
    pub(super) length: i64,
    pub(super) hash: Vec<u8>,
}

/// What `action_purges` says of a chain.
pub(super) struct Purged {
    pub(super) through: i64,
    pub(super) hash: Vec<u8>,
    pub(super) removed: i64,
}

/// One chain, followed from its beginning until the first flaw.
pub(super) struct Walk {
    pub(super) chain: String,
    /// The last position that was read.
    pub(super) seen: i64,
    /// The last position that was purged, or 0.
    pub(super) purged: i64,
    /// The position that comes next.
    expected: i64,
    /// The link before that.
    previous: Vec<u8>,
    head: Option<Head>,
    flaw: Option<(i64, Option<ActionId>, Flaw)>,
}

impl Walk {
    pub(super) fn new(chain: String, purged: Option<Purged>, head: Option<Head>) -> Self {
        let mut walk = Self {
            previous: origin(&chain).to_vec(),
            chain,
            seen: i64::MIN,
            purged: 0,
            expected: 1,
            head,
            flaw: None,
        };
        if let Some(purged) = purged {
            if purged.removed != purged.through {
                walk.flaw = Some((purged.through, None, Flaw::WrongPurge));
            }
            walk.purged = purged.through;
            walk.expected = purged.through + 1;
            walk.previous = purged.hash;
        }
        walk
    }

    /// The next action of the chain.
    pub(super) fn step(&mut self, next: Link) {
        self.seen = next.position;
        if self.flaw.is_some() {
            return;
        }
        let length = next.head.as_ref().map(|head| head.length);
        self.head = next.head;
        let hash: Hash = link(&self.previous, next.position, &next.digest);
        let flaw = match length {
            None => Flaw::NoHead,
            Some(_) if next.position < self.expected => Flaw::NotPurged,
            Some(_) if next.position > self.expected => {
                self.flaw = Some((self.expected, None, Flaw::Missing));
                return;
            }
            Some(length) if next.position > length => Flaw::BeyondHead,
            Some(_) if hash[..] != next.hash => Flaw::Changed,
            Some(_) => {
                self.expected += 1;
                self.previous = next.hash;
                return;
            }
        };
        self.flaw = Some((next.position, Some(next.action_id), flaw));
    }

    /// The chain's end, or its first flaw with the link before it.
    pub(super) fn end(self) -> Result<ChainHead, (BrokenChain, Vec<u8>)> {
        let last = self.expected - 1;
        let (position, action_id, flaw) = match (self.flaw, self.head) {
            (Some(flaw), _) => flaw,
            (None, None) => (last, None, Flaw::NoHead),
            (None, Some(head)) if head.length > last => (self.expected, None, Flaw::CutOff),
            (None, Some(head)) if head.length < last || head.hash != self.previous => {
                (last, None, Flaw::WrongHead)
            }
            (None, Some(head)) => {
                return Ok(ChainHead { chain: self.chain, length: head.length, head: hex(&head.hash) });
            }
        };
        Err((BrokenChain { chain: self.chain, position, action_id, flaw }, self.previous))
    }
}
