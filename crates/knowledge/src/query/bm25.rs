//! How well a text answers a question by its words.
//!
//! BM25 in Lucene's form, idf(w) · tf / (tf + k1 · (1 − b + b · length / mean length)) summed over the question's words, with
//! idf(w) = ln(1 + (N − n + ½) / (n + ½)) for a word that stands in n of N texts. Robertson and Zaragoza, "The Probabilistic
//! Relevance Framework: BM25 and Beyond" (2009), is where it comes from; Lucene's BM25Similarity leaves out the factor k1 + 1,
//! which changes no order.

use sha2::{Digest, Sha256};

use crate::postings::packed::Note;

/// How soon a word that stands there again stops to count: Anserini's default, made for passages rather than pages.
const K1: f64 = 0.9;
/// How much a long text is held against it: between Anserini's default of 0.4 and Lucene's of 0.75.
const B: f64 = 0.6;
/// A word that stands in the question n times weighs n to the power of this as much as one that stands there once. Long
/// questions repeat what they are about, short ones do so by accident. `docs/adr/0008` has what these three were chosen by.
const REPETITION: f64 = 0.7;
/// Bytes of one word in `frequencies`: see `knowledge_frequencies` in `V8__words.sql`.
pub(crate) const RECORD: usize = 5;

/// A word of a question, and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    /// The lexeme.
    pub(super) text: String,
    /// How often it stands in the question.
    pub(super) times: i32,
    /// The entries in which it stands.
    pub(super) entries: i64,
}

/// The question's words, weighed.
#[derive(Debug)]
pub(super) struct Bm25 {
    /// By their keys.
    words: Vec<Weighed>,
    /// Words of a text.
    mean_length: f64,
}

#[derive(Debug)]
struct Weighed {
    key: [u8; 4],
    weight: f64,
    /// Its place among the words of the question.
    index: usize,
}

impl Bm25 {
    /// `entries` is N.
    pub(super) fn new(words: &[Word], entries: i64, mean_length: f64) -> Self {
        let weigh = |(index, word): (usize, &Word)| {
            let weight = idf(word.entries, entries) * f64::from(word.times.max(1)).powf(REPETITION);
            Weighed { key: key(&word.text), weight, index }
        };
        let mut words: Vec<Weighed> = words.iter().enumerate().map(weigh).collect();
        words.sort_unstable_by_key(|word| word.key);
        Self { words, mean_length: mean_length.max(1.0) }
    }

    /// The score of a text with these `frequencies`; 0 when no word of the question stands in it.
    pub(super) fn score(&self, frequencies: &[u8]) -> f64 {
        let norm = self.norm(frequencies);
        self.matches(frequencies).map(|(word, times)| word.weight * saturated(times, norm)).sum()
    }

    /// The words of the question that stand in the text: place in the question, times in the text, share of the score.
    pub(super) fn explain(&self, frequencies: &[u8]) -> Vec<(usize, u8, f64)> {
        let norm = self.norm(frequencies);
        let mut words: Vec<_> = self
            .matches(frequencies)
            .map(|(word, times)| (word.index, times, word.weight * saturated(times, norm)))
            .collect();
        words.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
        words
    }

    /// What each [`Note`] of a word with this key adds to a score, by its byte; `None` for a word that is not asked for.
    pub(super) fn shares(&self, key: i32) -> Option<[f32; 256]> {
        let at = self.words.binary_search_by_key(&key.to_be_bytes(), |word| word.key).ok()?;
        let weight = self.words[at].weight;
        Some(std::array::from_fn(|byte| {
            let note = Note(byte as u8);
            (weight * saturated(note.times(), self.norm_of(note.length()))) as f32
        }))
    }

    fn matches<'a>(&'a self, frequencies: &'a [u8]) -> impl Iterator<Item = (&'a Weighed, u8)> {
        frequencies.as_chunks::<RECORD>().0.iter().filter_map(|[a, b, c, d, times]| {
            let found = self.words.binary_search_by_key(&[*a, *b, *c, *d], |word| word.key);
            found.ok().map(|at| (&self.words[at], *times))
        })
    }

    fn norm(&self, frequencies: &[u8]) -> f64 {
        self.norm_of(f64::from(length(frequencies)))
    }

    fn norm_of(&self, length: f64) -> f64 {
        K1 * (1.0 - B + B * length / self.mean_length)
    }
}

/// The words of a text, each as often as it stands there.
pub(crate) fn length(frequencies: &[u8]) -> u32 {
    frequencies.as_chunks::<RECORD>().0.iter().map(|[.., times]| u32::from(*times)).sum()
}

fn idf(entries: i64, all: i64) -> f64 {
    let (n, all) = (entries.max(0) as f64, all.max(entries).max(0) as f64);
    ((all - n + 0.5) / (n + 0.5)).ln_1p()
}

fn saturated(times: u8, norm: f64) -> f64 {
    let times = f64::from(times);
    times / (times + norm)
}

pub(super) fn key(word: &str) -> [u8; 4] {
    let digest = Sha256::digest(word.as_bytes());
    [digest[0], digest[1], digest[2], digest[3]]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(words: &[(&str, u8)]) -> Vec<u8> {
        words.iter().flat_map(|(word, times)| [&key(word)[..], &[*times]].concat()).collect()
    }

    fn word(text: &str, entries: i64) -> Word {
        Word { text: text.to_owned(), times: 1, entries }
    }

    #[test]
    fn scores_are_those_of_the_formula() {
        // N = 10, mean length 4. "rust" stands in 1 text, "the" in 9.
        let bm25 = Bm25::new(&[word("rust", 1), word("the", 9)], 10, 4.0);
        let short = text(&[("rust", 2), ("the", 1), ("book", 1)]);
        // Length 4 is the mean: the norm is k1 = 0.9. ln(1 + 9.5 / 1.5) = 1.99243, ln(1 + 1.5 / 9.5) = 0.14660.
        let expected = 1.99243 * 2.0 / 2.9 + 0.14660 * 1.0 / 1.9;
        assert!((bm25.score(&short) - expected).abs() < 1e-4, "{} {expected}", bm25.score(&short));
        // Length 8: the norm is 0.9 · (0.4 + 0.6 · 2) = 1.44.
        let long = text(&[("rust", 2), ("other", 6)]);
        assert!((bm25.score(&long) - 1.99243 * 2.0 / 3.44).abs() < 1e-4);
        assert!(bm25.score(&text(&[("other", 1)])) < f64::EPSILON);
        assert_eq!(
            bm25.explain(&short).iter().map(|(at, times, _)| (*at, *times)).collect::<Vec<_>>(),
            [(0, 2), (1, 1)]
        );
    }

    #[test]
    fn a_word_that_the_question_repeats_weighs_more() {
        let once = Bm25::new(&[word("rust", 1)], 10, 4.0);
        let four_times = Bm25::new(&[Word { times: 4, ..word("rust", 1) }], 10, 4.0);
        let text = text(&[("rust", 1)]);
        // 4 to the power of 0.7.
        assert!((four_times.score(&text) - 2.63902 * once.score(&text)).abs() < 1e-5);
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_finite_score(bytes in proptest::collection::vec(any::<u8>(), 0..400),
                                         entries in any::<i64>(), all in any::<i64>(), mean in 0.0..1e6) {
            let bm25 = Bm25::new(&[word("a", entries), word("b", 0)], all, mean);
            let score = bm25.score(&bytes);
            prop_assert!(score.is_finite() && score >= 0.0);
        }
    }
}
