//! How many of their words two texts share.

use super::bm25::RECORD;

/// The words of a text, each as often as it stands there, in an order in which two texts are compared in one pass.
#[derive(Debug)]
pub(super) struct Bag {
    words: Vec<(u32, u32)>,
    length: u32,
}

impl Bag {
    pub(super) fn of(frequencies: &[u8]) -> Self {
        let records = frequencies.as_chunks::<RECORD>().0.iter();
        let mut words: Vec<(u32, u32)> = records
            .map(|[a, b, c, d, times]| (u32::from_be_bytes([*a, *b, *c, *d]), u32::from(*times)))
            .collect();
        words.sort_unstable();
        let length = words.iter().map(|(_, times)| times).sum();
        Self { words, length }
    }

    /// The share of words that both have in common, 0 to 1: what both have, over what either has (Jaccard, with how often
    /// each word stands there).
    pub(super) fn overlap(&self, other: &Self) -> f64 {
        let (mut at, mut both) = (0, 0_u32);
        for (word, times) in &self.words {
            while other.words.get(at).is_some_and(|(theirs, _)| theirs < word) {
                at += 1;
            }
            if let Some((theirs, their_times)) = other.words.get(at)
                && theirs == word
            {
                both += times.min(their_times);
                at += 1;
            }
        }
        let either = self.length + other.length - both;
        if either == 0 { 0.0 } else { f64::from(both) / f64::from(either) }
    }

    /// Whether the overlap is that large; texts whose lengths differ too much for it are not compared.
    pub(super) fn overlaps(&self, other: &Self, least: f64) -> bool {
        let (shorter, longer) = (self.length.min(other.length), self.length.max(other.length));
        f64::from(shorter) >= least * f64::from(longer) && self.overlap(other) >= least
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bag(words: &[(u32, u8)]) -> Bag {
        let bytes: Vec<u8> =
            words.iter().flat_map(|(word, times)| [&word.to_be_bytes()[..], &[*times]].concat()).collect();
        Bag::of(&bytes)
    }

    #[test]
    fn overlap_is_the_share_of_common_words() {
        let (rust, book, the, go) = (7, 3, 9, 1);
        let a = bag(&[(rust, 2), (book, 1), (the, 1)]);
        let is = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-12, "{got} {expected}");
        is(a.overlap(&a), 1.0);
        is(a.overlap(&bag(&[(go, 1)])), 0.0);
        // Both have "rust" once and "the" once; either has rust 2, book 1, the 1, go 1.
        is(a.overlap(&bag(&[(rust, 1), (the, 1), (go, 1)])), 2.0 / 5.0);
        is(bag(&[]).overlap(&bag(&[])), 0.0);
    }

    proptest! {
        #[test]
        fn of_any_bytes_it_is_a_share_the_same_from_both_sides(
            one in proptest::collection::vec(any::<u8>(), 0..400), other in proptest::collection::vec(any::<u8>(), 0..400),
            least in 0.0..=1.0,
        ) {
            let (one, other) = (Bag::of(&one), Bag::of(&other));
            let overlap = one.overlap(&other);
            prop_assert!((0.0..=1.0).contains(&overlap));
            prop_assert!((overlap - other.overlap(&one)).abs() < 1e-12);
            prop_assert_eq!(one.overlaps(&other, least), overlap >= least);
        }
    }
}
