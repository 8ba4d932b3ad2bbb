//! The words of a question, how rare each is, and which of them an entry must have to be looked at.

use agent_turbo_db::RowExt;
use sha2::{Digest, Sha256};

use super::bm25::{Bm25, Word, key};
use crate::access::WORTH_COUNTING;
use crate::postings::WORTH_PACKING;
use crate::{Project, Result, Store};

/// Entries that are read because of the question's rarest words: as many of those words as have no more together.
pub(super) const BUDGET: i64 = 300;
/// Entries of the whole store on the lists of frequent words that are read for one question, the shortest lists first: the most
/// frequent words say least.
const MAX_POSTED: f64 = 400_000.0;
/// Where lists do not help: pairs of frequent words that are looked for instead, entries that are expected to have
/// one, and entries of the whole store that have any of those words, for the index reads through all of them.
const MAX_PAIRS: usize = 10;
const PAIR_BUDGET: i64 = 1000;
const MAX_LISTED: f64 = 50_000.0;
/// More words than that do not make a question clearer.
const MAX_WORDS: usize = 128;

/// The words of a question, the rarest first.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) all: Vec<Word>,
    /// Entries of the project, or of all.
    pub(super) entries: i64,
    /// Entries of the whole store, as PostgreSQL last estimated them; −1 where it never did.
    pub(super) in_store: i64,
    /// Entries that are on no list of frequent words, if they are not very many more than questions look through.
    unposted: i64,
    /// Words of the project's entries, each as often as it stands there.
    total: i64,
    project: Option<Project>,
}

impl Store {
    /// What is known of the question's words: in one round trip, and never by reading entries.
    ///
    /// What was written since the last count is looked through, too, up to a bound, so that a young store ranks well.
    pub(super) async fn words_of(&self, question: &str, project: Option<&Project>) -> Result<Words> {
        let sql = if project.is_some() { WORDS_IN_PROJECT } else { WORDS_IN_ALL };
        let name = project.map(Project::as_str);
        let mut params: Vec<&(dyn agent_turbo_db::types::ToSql + Sync)> = vec![&question];
        if let Some(name) = &name {
            params.push(name);
        }
        let rows = self.0.db.query("words_of_question", sql, &params).await?;
        let mut found = Words { project: project.cloned(), ..Words::default() };
        for row in &rows {
            found.entries = row.column("all_entries")?;
            found.total = row.column("all_words")?;
            found.in_store = row.column("in_store")?;
            found.unposted = row.column("unposted")?;
            // Whoever wrote that may not be one of us.
            if row.column::<i64>("uncounted")? >= WORTH_COUNTING || found.unposted >= WORTH_PACKING {
                self.0.access.written();
            }
            if let Some(text) = row.column::<Option<String>>("word")? {
                found.all.push(Word { text, times: row.column("times")?, entries: row.column("entries")? });
            }
        }
        found.all.sort_by(|a, b| a.entries.cmp(&b.entries).then_with(|| a.text.cmp(&b.text)));
        found.all.truncate(MAX_WORDS);
        Ok(found)
    }
}

/// The statement for one project, and that for all of them. What is not counted is looked for at the end
/// of its table, by an index: the beginning, where everything was taken away, may be long.
macro_rules! words_of_question {
    ($uncounted:literal, $sizes:literal, $and:literal) => {
        concat!(
            "-- words_of_question
             WITH asked AS MATERIALIZED (
                 SELECT lexeme AS word, greatest(cardinality(positions), 1) AS times,
                        ('''' || replace(replace(lexeme, '\\', '\\\\'), '''', '''''') || '''')::tsquery AS query
                 FROM unnest(knowledge_lexemes($1))
             ), uncounted AS MATERIALIZED (
                 SELECT sign, lexemes FROM knowledge_uncounted ",
            $uncounted,
            " ORDER BY id DESC LIMIT 256
             ), size AS MATERIALIZED (
                 SELECT coalesce(sum(entries), 0) AS entries, coalesce(sum(words), 0) AS words
                 FROM knowledge_sizes ",
            $sizes,
            "
             )
             SELECT word, times,
                    (coalesce((SELECT sum(w.entries) FROM knowledge_words AS w WHERE w.word = asked.word",
            $and,
            "), 0)
                     + coalesce((SELECT sum(u.sign) FROM uncounted AS u WHERE u.lexemes @@ asked.query), 0)
                    )::bigint AS entries,
                    (size.entries + (SELECT coalesce(sum(sign), 0) FROM (
                         SELECT sign FROM knowledge_uncounted ",
            $uncounted,
            " ORDER BY id DESC LIMIT 5000) AS more))::bigint AS all_entries,
                    size.words::bigint AS all_words, (SELECT count(*) FROM uncounted) AS uncounted,
                    (SELECT coalesce(sum(amount), 0) FROM (SELECT amount FROM knowledge_unposted LIMIT 32) AS few) AS unposted,
                    (SELECT reltuples::bigint FROM pg_class WHERE oid = 'agent_knowledge'::regclass) AS in_store
             FROM size LEFT JOIN asked ON true"
        )
    };
}
const WORDS_IN_PROJECT: &str =
    words_of_question!("WHERE project = $2", "WHERE project = $2", " AND w.project = $2");
const WORDS_IN_ALL: &str =
    words_of_question!("WHERE id > (SELECT max(id) FROM knowledge_uncounted) - 5000", "", "");

impl Words {
    /// How to score texts. Where nothing is counted yet, `lengths` of some texts stand for all.
    pub(super) fn bm25(&self, lengths: impl Iterator<Item = u32>) -> Bm25 {
        let mean = if self.total > 0 {
            self.total as f64 / self.entries.max(1) as f64
        } else {
            let (sum, count) =
                lengths.fold((0_u64, 0_u64), |(sum, count), length| (sum + u64::from(length), count + 1));
            sum as f64 / count.max(1) as f64
        };
        Bm25::new(&self.all, self.entries, mean)
    }

    /// The rarest words, whose entries together are no more than [`BUDGET`], and the others.
    fn split(&self) -> (&[Word], &[Word]) {
        let mut left = BUDGET;
        let rare = self.all.iter().take_while(|word| {
            left -= word.entries;
            left >= 0
        });
        self.all.split_at(rare.count())
    }

    /// Whether there are only rare words: then [`matching`](Self::matching) finds every entry that has any of them.
    pub(super) fn are_all_rare(&self) -> bool {
        self.split().1.is_empty()
    }

    /// The `tsquery` that finds the entries that have one of the rarest words; while many entries are on no list, or where all
    /// lists are too long, also those that have several of the others. `None` when there is nothing to be looked for.
    pub(super) fn matching(&self) -> Option<String> {
        let (rare, frequent) = self.split();
        let mut ways: Vec<String> = rare.iter().map(|word| quoted(&word.text)).collect();
        let has_lists = self.unposted <= WORTH_PACKING && !(rare.is_empty() && self.posted().is_empty());
        if !has_lists {
            ways.extend(self.together(frequent, PAIR_BUDGET as f64, rare.is_empty()));
        }
        (!ways.is_empty()).then(|| self.within_project(&ways.join(" | ")))
    }

    /// The keys of the other words whose lists are read, and that of the project; none where no list is needed.
    pub(super) fn posted(&self) -> Vec<i32> {
        let (_, frequent) = self.split();
        let others = self.others();
        let mut listed = 0.0;
        let readable = frequent.iter().take_while(|word| {
            listed += word.entries as f64 * others;
            listed <= MAX_POSTED
        });
        let mut keys: Vec<i32> = readable.map(|word| i32::from_be_bytes(key(&word.text))).collect();
        if !keys.is_empty() {
            keys.extend(self.project());
        }
        keys
    }

    /// The key by which lists know the project; `None` for all of them.
    pub(super) fn project(&self) -> Option<i32> {
        self.project.as_ref().map(|project| project_key(project.as_str()))
    }

    /// How many entries of the store there are for each of the project's.
    fn others(&self) -> f64 {
        self.in_store.max(self.entries) as f64 / self.entries.max(1) as f64
    }

    /// What finds entries with several of `words`, no more than `budget` if the words are independent: pairs of the rarest, or,
    /// where not even the first pair is rare enough, as many of them as it takes. Something is found in any case if it `must`.
    fn together(&self, words: &[Word], budget: f64, must: bool) -> Vec<String> {
        let pairs = self.pairs(words, budget);
        if !pairs.is_empty() {
            return pairs;
        }
        let mut expected = self.entries as f64;
        let enough = words.iter().take_while(|word| {
            let too_many = expected > budget;
            expected *= self.share(word);
            too_many
        });
        let together: Vec<String> = enough.map(|word| quoted(&word.text)).collect();
        if together.is_empty() || (expected > budget && !must) {
            return Vec::new();
        }
        vec![format!("({})", together.join(" & "))]
    }

    fn pairs(&self, words: &[Word], budget: f64) -> Vec<String> {
        let others = self.others();
        let (mut expected, mut listed) = (0.0, 0.0);
        let readable = words.iter().take_while(|word| {
            listed += word.entries as f64 * others;
            listed <= MAX_LISTED
        });
        let words = &words[..readable.count()];
        let pairs = words
            .iter()
            .enumerate()
            .flat_map(|(at, word)| words[..at].iter().map(move |rarer| (rarer, word)));
        let fitting = pairs.take(MAX_PAIRS).take_while(|(rarer, word)| {
            expected += word.entries as f64 * self.share(rarer);
            expected <= budget
        });
        fitting.map(|(rarer, word)| format!("({} & {})", quoted(&rarer.text), quoted(&word.text))).collect()
    }

    /// Which share of the entries have a word.
    fn share(&self, word: &Word) -> f64 {
        word.entries as f64 / self.entries.max(word.entries) as f64
    }

    /// The `tsquery` that finds every entry that has any of the words; `None` when the question has no words.
    pub(super) fn any(&self) -> Option<String> {
        let words: Vec<String> = self.all.iter().map(|word| quoted(&word.text)).collect();
        (!words.is_empty()).then(|| self.within_project(&words.join(" | ")))
    }

    /// The index knows the project, so that other projects' entries are not even looked at.
    fn within_project(&self, query: &str) -> String {
        match &self.project {
            Some(project) => format!("{} & ({query})", quoted(&project_lexeme(project.as_str()))),
            None => query.to_owned(),
        }
    }
}

/// As a `tsquery` takes any text for one lexeme.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\\', "\\\\").replace('\'', "''"))
}

/// `knowledge_project_lexeme` of `V8__words.sql`.
fn project_lexeme(project: &str) -> String {
    let hex: String =
        Sha256::digest(project.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("\u{1f}{hex}")
}

/// The key of that word.
pub(crate) fn project_key(project: &str) -> i32 {
    i32::from_be_bytes(key(&project_lexeme(project)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(entries: &[(&str, i64)], all: i64) -> Words {
        let word =
            |(text, entries): &(&str, i64)| Word { text: (*text).to_owned(), times: 1, entries: *entries };
        Words { all: entries.iter().map(word).collect(), entries: all, total: all * 50, ..Words::default() }
    }

    #[test]
    fn rare_words_find_the_entries_and_lists_those_of_the_others() {
        let few = words(&[("a", 10), ("b", 250), ("c", 5000)], 10_000);
        assert_eq!(few.matching().as_deref(), Some("'a' | 'b'"));
        assert_eq!(few.posted(), [i32::from_be_bytes(key("c"))]);
        let rare = words(&[("a", 0), ("b", 300)], 10_000);
        assert_eq!(rare.matching().as_deref(), Some("'a' | 'b'"));
        assert!(rare.are_all_rare() && rare.posted().is_empty());
        let none = words(&[], 10_000);
        assert_eq!((none.matching(), none.posted()), (None, vec![]));
    }

    #[test]
    fn lists_that_are_too_long_are_not_read() {
        let long = words(&[("a", 100_000), ("b", 250_000), ("c", 900_000)], 1_000_000);
        assert_eq!(long.matching(), None);
        assert_eq!(long.posted().len(), 2);
        let all_long = words(&[("a", 500_000), ("b", 600_000)], 1_000_000);
        assert_eq!(all_long.matching().as_deref(), Some("('a' & 'b')"));
        assert!(all_long.posted().is_empty());
        // Lists are of the whole store.
        let project = Words { in_store: 4_000_000, project: Some("p".parse().unwrap()), ..long };
        assert_eq!(project.posted(), [i32::from_be_bytes(key("a")), project_key("p")]);
    }

    #[test]
    fn while_lists_are_missing_frequent_words_find_together() {
        let unposted = |entries: &[(&str, i64)]| Words { unposted: 1001, ..words(entries, 1_000_000) };
        let pairs = unposted(&[("a", 10_000), ("b", 15_000), ("c", 20_000)]);
        assert_eq!(pairs.matching().as_deref(), Some("('a' & 'b') | ('a' & 'c') | ('b' & 'c')"));
        // The list of the third would be read as well.
        let long = unposted(&[("a", 10_000), ("b", 15_000), ("c", 30_000)]);
        assert_eq!(long.matching().as_deref(), Some("('a' & 'b')"));
        let frequent = unposted(&[("a", 500_000), ("b", 600_000)]);
        assert_eq!(frequent.matching().as_deref(), Some("('a' & 'b')"));
    }

    #[test]
    fn a_lexeme_may_hold_anything() {
        assert_eq!(quoted("it's a \\ 'word'"), "'it''s a \\\\ ''word'''");
    }
}
