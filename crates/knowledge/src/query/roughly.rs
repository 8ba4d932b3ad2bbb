//! The best entries by the lists of frequent words alone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashSet};

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
    // An entry that was changed may be on lists of several segments.
    let mut seen = HashSet::with_capacity(found.len());
    found.into_iter().map(|(_, id)| id).filter(|id| seen.insert(*id)).collect()
}

impl Segment<'_> {
    fn score(&self, bm25: &Bm25, project: Option<i32>, scores: &mut Vec<f32>, best: &mut Best) {
        let of_project = project.map(|project| self.lists.iter().find(|(word, _)| *word == project));
        let of_project = match of_project {
            // Nothing of the project is here.
            Some(None) => return,
            Some(Some((_, list))) => Some(*list),
            None => None,
        };
        let bytes: usize = self.lists.iter().map(|(_, list)| list.len()).sum();
        let width = usize::try_from(self.last.saturating_sub(self.base)).unwrap_or(0).saturating_add(1);
        if width <= WIDE * bytes {
            scores.clear();
            scores.resize(width, 0.0);
            self.score_each(bm25, of_project, scores, best);
        } else {
            self.score_some(bm25, of_project, best);
        }
    }

    /// With a place in `scores` for each id that there may be.
    fn score_each(&self, bm25: &Bm25, of_project: Option<&[u8]>, scores: &mut [f32], best: &mut Best) {
        if let Some(list) = of_project {
            // What is added to that is never better than anything.
            scores.fill(f32::NEG_INFINITY);
            for (at, _) in unpack(list) {
                if let Some(score) = scores.get_mut(at as usize) {
                    *score = 0.0;
                }
            }
        }
        for (shares, list) in self.words(bm25) {
            for (at, note) in unpack(list) {
                if let Some(score) = scores.get_mut(at as usize) {
                    *score += shares[usize::from(note.0)];
                }
            }
        }
        for (at, score) in scores.iter().enumerate() {
            best.offer(*score, self.base.saturating_add_unsigned(at as u64));
        }
    }

    /// With a place for each id that stands on a list.
    fn score_some(&self, bm25: &Bm25, of_project: Option<&[u8]>, best: &mut Best) {
        // In the order of ids, so that of equally good ones always the same are kept.
        let mut scores = BTreeMap::<u64, f32>::new();
        for (shares, list) in self.words(bm25) {
            for (at, note) in unpack(list) {
                *scores.entry(at).or_default() += shares[usize::from(note.0)];
            }
        }
        let mut offer = |at: u64, score: f32| best.offer(score, self.base.saturating_add_unsigned(at));
        match of_project {
            Some(list) => {
                unpack(list)
                    .filter_map(|(at, _)| Some((at, *scores.get(&at)?)))
                    .for_each(|(at, score)| offer(at, score));
            }
            None => scores.into_iter().for_each(|(at, score)| offer(at, score)),
        }
    }

    /// The question's words that have a list here: what each note adds, and the list.
    fn words<'a>(&'a self, bm25: &'a Bm25) -> impl Iterator<Item = ([f32; 256], &'a [u8])> {
        self.lists.iter().filter_map(|(word, list)| Some((bm25.shares(*word)?, *list)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postings::packed::Note;
    use crate::query::bm25::{Word, key};

    /// Ids as distances below 128, each with a word that stands there once.
    fn list(ids: &[u8]) -> Vec<u8> {
        let note = Note::new(1, 8).0;
        ids.iter().scan(0, |last, id| Some([id - std::mem::replace(last, *id), note])).flatten().collect()
    }

    #[test]
    fn the_same_entries_are_the_best_however_wide_their_segment_is() {
        let word = |text: &str, entries| Word { text: text.to_owned(), times: 1, entries };
        let bm25 = Bm25::new(&[word("rare", 10), word("common", 500)], 1000, 8.0);
        let of = |word: &str| i32::from_be_bytes(key(word));
        let (rare, common, project) = (list(&[3, 9]), list(&[1, 3, 7, 9, 11]), list(&[1, 7, 9]));
        let segment = |last| Segment {
            base: 100,
            last,
            lists: vec![(of("rare"), &rare), (of("common"), &common), (of("project"), &project)],
        };
        for last in [111, 1_000_000_000] {
            let segment = segment(last);
            let best = |project, most| best([&segment].into_iter(), &bm25, project, most);
            assert_eq!(best(None, 2), [109, 103]);
            assert_eq!(best(None, 10), [109, 103, 111, 107, 101]);
            assert_eq!(best(Some(of("project")), 10), [109, 107, 101]);
            assert_eq!(best(Some(of("another")), 10), [0_i64; 0]);
        }
        // The entry was changed: two segments know it.
        let (older, newer) = (segment(111), segment(112));
        assert_eq!(best([&older, &newer].into_iter(), &bm25, None, 10).len(), 5);
    }
}
