//! The best entries by the lists of frequent words alone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::bm25::Bm25;
use crate::postings::packed::unpack;

/// What was read of the lists of one segment.
#[derive(Debug, Default)]
pub(super) struct Segment<'a> {
    pub(super) base: i64,
    pub(super) last: i64,
    /// Words, and their lists.
    pub(super) lists: Vec<(i32, &'a [u8])>,
}

/// Segments up to so many times as wide as their lists are long in bytes get a score for each id that there may be; others only
/// for those that stand there.
const WIDE: usize = 16;

/// The `most` entries with the largest sums of what their words add to a score, best first. Lengths of texts are known roughly,
/// and rare words stand on no list, so the order is rough as well. Only entries of `project`, if it is given.
pub(super) fn best<'a>(
    segments: impl Iterator<Item = &'a Segment<'a>>,
    bm25: &Bm25,
    project: Option<i32>,
    most: usize,
) -> Vec<i64> {
    let mut best = Best { most, least: 0.0, heap: BinaryHeap::with_capacity(most + 1) };
    let mut scores = Vec::new();
    for segment in segments {
        segment.score(bm25, project, &mut scores, &mut best);
    }
    let mut found: Vec<_> = best.heap.into_iter().map(|Reverse(one)| one).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    let mut ids: Vec<i64> = Vec::with_capacity(found.len());
    // An entry that was changed may be on lists of several segments.
    let mut seen = std::collections::HashSet::with_capacity(found.len());
    ids.extend(found.into_iter().map(|(_, id)| id).filter(|id| seen.insert(*id)));
    ids
}

impl Segment<'_> {
    fn score(&self, bm25: &Bm25, project: Option<i32>, scores: &mut Vec<f32>, best: &mut Best) {
        let of_project = match project {
            Some(project) => match self.lists.iter().find(|(word, _)| *word == project) {
                Some((_, list)) => Some(*list),
                None => return,
            },
            None => None,
        };
        let words =
            self.lists.iter().filter_map(|(word, list)| bm25.shares(*word).map(|shares| (shares, *list)));
        let bytes: usize = self.lists.iter().map(|(_, list)| list.len()).sum();
        let width = usize::try_from(self.last.saturating_sub(self.base)).unwrap_or(0).saturating_add(1);
        if width <= WIDE * bytes {
            scores.clear();
            scores.resize(width, if of_project.is_some() { f32::NEG_INFINITY } else { 0.0 });
            for (at, _) in of_project.into_iter().flat_map(unpack) {
                if let Some(score) = scores.get_mut(at as usize) {
                    *score = 0.0;
                }
            }
            for (shares, list) in words {
                for (at, note) in unpack(list) {
                    if let Some(score) = scores.get_mut(at as usize) {
                        *score += shares[usize::from(note.0)];
                    }
                }
            }
            for (at, score) in scores.iter().enumerate() {
                best.offer(*score, self.base + at as i64);
            }
            return;
        }
        let mut scores = BTreeMap::<u64, f32>::new();
        for (shares, list) in words {
            for (at, note) in unpack(list) {
                *scores.entry(at).or_default() += shares[usize::from(note.0)];
            }
        }
        if let Some(list) = of_project {
            let mut within = BTreeMap::new();
            for (at, _) in unpack(list) {
                if let Some(score) = scores.get(&at) {
                    within.insert(at, *score);
                }
            }
            scores = within;
        }
        for (at, score) in scores {
            best.offer(score, self.base.saturating_add_unsigned(at));
        }
    }
}

/// The best so far.
struct Best {
    most: usize,
    /// What is not better does not count.
    least: f32,
    heap: BinaryHeap<Reverse<(u32, i64)>>,
}

impl Best {
    #[inline]
    fn offer(&mut self, score: f32, id: i64) {
        if score > self.least {
            self.keep(score, id);
        }
    }

    fn keep(&mut self, score: f32, id: i64) {
        // The bits of positive numbers have their order.
        self.heap.push(Reverse((score.to_bits(), id)));
        if self.heap.len() > self.most {
            self.heap.pop();
            if let Some(Reverse((bits, _))) = self.heap.peek() {
                self.least = f32::from_bits(*bits);
            }
        }
    }
}
