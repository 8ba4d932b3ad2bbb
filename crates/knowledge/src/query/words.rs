//! The words of a question, how rare each is, and which of them an entry must have to be looked at.

use agent_turbo_db::RowExt;
use sha2::{Digest, Sha256};

use super::bm25::{Bm25, Word};
use crate::access::WORTH_COUNTING;
use crate::{Project, Result, Store};

/// Entries that are scored for one question. The rarest words whose entries together are no more decide which: for all
/// other entries only more frequent words could speak, which weigh little.
pub(super) const BUDGET: i64 = 1000;
/// Pairs of frequent words that are looked for beside the rare ones, and entries of the whole store that have any of those
/// words: the index reads through the lists of all of them.
const MAX_PAIRS: usize = 10;
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
            // Whoever wrote that may not be one of us.
            if row.column::<i64>("uncounted")? >= WORTH_COUNTING {
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

/// The statement for one project, and that for all of them.
macro_rules! words_of_question {
    ($where:literal, $and:literal) => {
        concat!(
            "-- words_of_question
             WITH asked AS MATERIALIZED (
                 SELECT lexeme AS word, greatest(cardinality(positions), 1) AS times,
                        ('''' || replace(replace(lexeme, '\\', '\\\\'), '''', '''''') || '''')::tsquery AS query
                 FROM unnest(knowledge_lexemes($1))
             ), uncounted AS MATERIALIZED (
                 SELECT sign, lexemes FROM knowledge_uncounted ",
            $where,
            " ORDER BY id DESC LIMIT 256
             ), size AS MATERIALIZED (
                 SELECT coalesce(sum(entries), 0) AS entries, coalesce(sum(words), 0) AS words
                 FROM knowledge_sizes ",
            $where,
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
            $where,
            " LIMIT 5000) AS more))::bigint AS all_entries,
                    size.words::bigint AS all_words, (SELECT count(*) FROM uncounted) AS uncounted,
                    (SELECT reltuples::bigint FROM pg_class WHERE oid = 'agent_knowledge'::regclass) AS in_store
             FROM size LEFT JOIN asked ON true"
        )
    };
}
const WORDS_IN_PROJECT: &str = words_of_question!("WHERE project = $2", " AND w.project = $2");
const WORDS_IN_ALL: &str = words_of_question!("", "");

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

    /// The `tsquery` that finds the entries to be scored, and whether it finds every entry that has any of the words;
    /// `None` when the question has no words.
    ///
    /// Those that have one of the rarest words, and, as far as the budget goes, those that have two of the others.
    pub(super) fn matching(&self) -> Option<(String, bool)> {
        if self.all.is_empty() {
            return None;
        }
        let mut left = BUDGET;
        let rarest = self.all.iter().take_while(|word| {
            left -= word.entries;
            left >= 0
        });
        let rarest = rarest.count();
        let (rare, frequent) = self.all.split_at(rarest);
        let left = BUDGET - rare.iter().map(|word| word.entries).sum::<i64>();
        let mut ways: Vec<String> = rare.iter().map(|word| quoted(&word.text)).collect();
        ways.extend(self.together(frequent, left as f64, rare.is_empty()));
        Some((self.within_project(&ways.join(" | ")), frequent.is_empty()))
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
        let others = self.in_store.max(self.entries) as f64 / self.entries.max(1) as f64;
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
            Some(project) => format!("{} & ({query})", quoted(&project_lexeme(project))),
            None => query.to_owned(),
        }
    }
}

/// As a `tsquery` takes any text for one lexeme.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\\', "\\\\").replace('\'', "''"))
}

/// `knowledge_project_lexeme` of `V8__words.sql`.
fn project_lexeme(project: &Project) -> String {
    let hex: String = Sha256::digest(project.as_str().as_bytes())
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\u{1f}{hex}")
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
    fn rare_words_find_the_entries() {
        let (query, all) = words(&[("a", 10), ("b", 900), ("c", 5000)], 10_000).matching().unwrap();
        assert_eq!((query.as_str(), all), ("'a' | 'b'", false));
        let (query, all) = words(&[("a", 10), ("b", 1000), ("c", 2000), ("d", 9000), ("e", 9500)], 10_000)
            .matching()
            .unwrap();
        assert_eq!((query.as_str(), all), ("'a' | ('b' & 'c')", false));
        let (query, all) = words(&[("a", 0), ("b", 1000)], 10_000).matching().unwrap();
        assert_eq!((query.as_str(), all), ("'a' | 'b'", true));
    }

    #[test]
    fn frequent_words_find_only_together() {
        let million = 1_000_000;
        let (query, all) = words(&[("a", 10_000), ("b", 15_000), ("c", 20_000)], million).matching().unwrap();
        assert_eq!((query.as_str(), all), ("('a' & 'b') | ('a' & 'c') | ('b' & 'c')", false));
        // The list of the third would be read as well.
        let (query, all) = words(&[("a", 10_000), ("b", 15_000), ("c", 30_000)], million).matching().unwrap();
        assert_eq!((query.as_str(), all), ("('a' & 'b')", false));
        let (query, all) = words(&[("a", 500_000), ("b", 600_000)], million).matching().unwrap();
        assert_eq!((query.as_str(), all), ("('a' & 'b')", false));
        assert_eq!(words(&[], million).matching(), None);
    }

    #[test]
    fn a_lexeme_may_hold_anything() {
        assert_eq!(quoted("it's a \\ 'word'"), "'it''s a \\\\ ''word'''");
    }
}
