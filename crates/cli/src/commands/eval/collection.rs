use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use sha2::{Digest as _, Sha256};

use super::metrics::Relevance;
use super::qrels;
use super::records::{self, Record};
use crate::input::bad;

/// Documents, queries, and which of those answer which of these.
#[derive(Debug)]
pub(super) struct Collection {
    pub(super) documents: Vec<Record>,
    pub(super) queries: Vec<Record>,
    /// For each query the relevance of documents, by their places in `documents`.
    pub(super) judged: Vec<Relevance>,
    /// The scopes that documents name, in alphabetical order; `None` for those that name none.
    pub(super) scopes: Vec<Option<String>>,
}

impl Collection {
    /// Reads the three files and holds them against each other.
    pub(super) fn read(
        documents_file: &Path,
        queries_file: &Path,
        qrels_file: &Path,
        max_content_bytes: usize,
    ) -> Result<Self> {
        let documents = records::read("the documents", documents_file, max_content_bytes)?;
        let queries = records::read("the queries", queries_file, max_content_bytes)?;
        let scopes: BTreeSet<Option<String>> =
            documents.iter().map(|document| document.scope.clone()).collect();
        for query in &queries {
            let told = |why: String| {
                bad("the queries", format!("line {} of {} {why}", query.line, queries_file.display()))
            };
            if query.text.trim().is_empty() {
                return Err(told("asks nothing: its text is empty".to_owned()));
            }
            if !scopes.contains(&query.scope) {
                return Err(told(match &query.scope {
                    Some(scope) => format!("has the scope {scope:?}, and no document has"),
                    None => "has no scope, and every document has one".to_owned(),
                }));
            }
        }
        let judged = qrels::read(qrels_file, &documents, &queries)?;
        if documents.iter().all(Self::has_no_text) {
            let why = format!("no document of {} has any text", documents_file.display());
            return Err(bad("the documents", why));
        }
        Ok(Self { documents, queries, judged, scopes: scopes.into_iter().collect() })
    }

    /// A document that cannot be stored, and so is never found. Collections that others made have some.
    pub(super) fn has_no_text(document: &Record) -> bool {
        document
            .text
            .trim_matches(|character: char| character.is_whitespace() || character == '\u{feff}')
            .is_empty()
    }

    /// The place of a scope that some document has.
    pub(super) fn place_of(&self, scope: Option<&str>) -> usize {
        self.scopes.partition_point(|other| other.as_deref() < scope)
    }

    /// Relevant documents that their queries cannot find, for they are of another scope. They count as not found.
    pub(super) fn relevant_out_of_scope(&self) -> usize {
        let pairs = self.queries.iter().zip(&self.judged);
        let out = pairs.map(|(query, judged)| {
            let is_out = |document: usize| self.documents[document].scope != query.scope;
            judged.iter().filter(|&(&document, &gain)| gain > 0 && is_out(document)).count()
        });
        out.sum()
    }

    /// What tells these documents from others: a project that was made of others cannot be searched for these.
    pub(super) fn fingerprint(&self) -> String {
        let mut hasher = Sha256::new();
        let documents: BTreeMap<&str, &Record> =
            self.documents.iter().map(|document| (document.id.as_str(), document)).collect();
        for document in documents.values() {
            for part in [&document.id, &document.text, document.scope.as_ref().unwrap_or(&document.id)] {
                hasher.update((part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
            hasher.update([u8::from(document.scope.is_some())]);
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(documents: &str, queries: &str, qrels: &str) -> Result<Collection, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (documents, queries) = (file("docs.jsonl", documents), file("queries.jsonl", queries));
        Collection::read(&documents, &queries, &file("qrels.tsv", qrels), 1000)
            .map_err(|error| format!("{error:#}"))
    }

    const DOCUMENTS: &str = r#"{"id": "1", "text": "x", "meta": {"scope": "b"}}
        {"id": "2", "text": "y", "meta": {"scope": "a"}}
        {"id": "3", "text": " "}"#;

    #[test]
    fn scopes_are_numbered_in_their_order_and_queries_know_their_place() {
        let queries = r#"{"id": "q", "text": "x", "meta": {"scope": "b"}}
            {"id": "r", "text": "x"}"#;
        let collection = read(DOCUMENTS, queries, "q 1 1\nq 2 1\nr 3 1").unwrap();
        assert_eq!(collection.scopes, [None, Some("a".to_owned()), Some("b".to_owned())]);
        assert_eq!([None, Some("a"), Some("b")].map(|scope| collection.place_of(scope)), [0, 1, 2]);
        assert_eq!(collection.relevant_out_of_scope(), 1);
        let found: Vec<bool> = collection.documents.iter().map(Collection::has_no_text).collect();
        assert_eq!(found, [false, false, true]);
    }

    #[test]
    fn queries_that_can_find_nothing_are_refused_with_their_line() {
        let ask = |query: &str| read(DOCUMENTS, query, "q 1 1").unwrap_err();
        let error = ask(r#"{"id": "q", "text": "x", "meta": {"scope": "c"}}"#);
        assert!(
            error.contains("line 1 of") && error.contains("has the scope \"c\", and no document has"),
            "{error}"
        );
        assert!(ask(r#"{"id": "q", "text": " "}"#).contains("asks nothing"));
        let scoped = r#"{"id": "1", "text": "x", "meta": {"scope": "a"}}"#;
        let error = read(scoped, r#"{"id": "q", "text": "x"}"#, "q 1 1").unwrap_err();
        assert!(error.contains("has no scope, and every document has one"), "{error}");
        let error = read(r#"{"id": "1", "text": ""}"#, r#"{"id": "q", "text": "x"}"#, "q 1 1").unwrap_err();
        assert!(error.contains("no document of") && error.contains("has any text"), "{error}");
    }

    #[test]
    fn the_fingerprint_tells_documents_apart_and_not_their_order() {
        let query = r#"{"id": "q", "text": "x"}"#;
        let of = |documents: &[&str]| read(&documents.join("\n"), query, "q 1 1").unwrap().fingerprint();
        let (one, two) = (r#"{"id": "1", "text": "x"}"#, r#"{"id": "2", "text": "y"}"#);
        assert_eq!(of(&[one, two]), of(&[two, one]));
        for other in [
            r#"{"id": "2", "text": "z"}"#,
            r#"{"id": "3", "text": "y"}"#,
            r#"{"id": "2", "text": "y", "meta": {"scope": "2"}}"#,
        ] {
            assert_ne!(of(&[one, two]), of(&[one, other]), "{other}");
        }
        assert_ne!(of(&[one, two]), of(&[one]));
    }
}
