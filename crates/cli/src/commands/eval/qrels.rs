use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;

use super::lines;
use super::metrics::Relevance;
use super::records::Record;
use crate::input::bad;

const WHAT: &str = "the judgments";
/// How BEIR's header line begins; others write it so, too.
const HEADS: [&str; 4] = ["query-id", "query_id", "query", "qid"];
/// Unknown ids that are named.
const NAMED: usize = 5;

/// Reads judgments, three columns `query document relevance` or TREC's four, `query 0 document relevance`. Columns are
/// separated by tabs, or by any white space in lines without a tab. For each query, in its order: how relevant the judged
/// documents are.
pub(super) fn read(file: &Path, documents: &[Record], queries: &[Record]) -> Result<Vec<Relevance>> {
    let documents = places(documents);
    let queries = places(queries);
    let mut judged: Vec<Relevance> = vec![Relevance::new(); queries.len()];
    let (mut unknown, mut unknown_lines) = (Vec::new(), 0);
    let mut is_first = true;
    lines::each(WHAT, file, |line, text| {
        let columns = columns(text);
        let ([query, document, relevance] | [query, _, document, relevance]) = columns[..] else {
            let count = columns.len();
            return Err(format!("has {count} columns, and not query, document and relevance"));
        };
        let is_head = std::mem::take(&mut is_first) && HEADS.contains(&query);
        let gain = match relevance.parse::<i32>() {
            Ok(relevance) => u32::try_from(relevance).unwrap_or(0),
            Err(_) if is_head => return Ok(()),
            Err(_) => return Err(format!("has the relevance {relevance:?}, which is no whole number")),
        };
        match (queries.get(query), documents.get(document)) {
            (Some(&query_place), Some(&document_place)) => {
                if judged[query_place].insert(document_place, gain).is_some() {
                    return Err(format!("judges the document {document:?} for the query {query:?} again"));
                }
            }
            (known_query, _) => {
                unknown_lines += 1;
                if unknown.len() < NAMED {
                    let (kind, id) =
                        if known_query.is_none() { ("query", query) } else { ("document", document) };
                    unknown.push(format!("the {kind} {id:?} in line {line}"));
                }
            }
        }
        Ok(())
    })?;
    if !unknown.is_empty() {
        let more = unknown_lines - unknown.len();
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let why = format!("{} names what is not there: {}{more}", file.display(), unknown.join(", "));
        return Err(bad(WHAT, why));
    }
    if judged.iter().flat_map(Relevance::values).all(|&gain| gain == 0) {
        let why = format!(
            "{} calls no document relevant, so that no ranking is better than another",
            file.display()
        );
        return Err(bad(WHAT, why));
    }
    Ok(judged)
}

fn columns(line: &str) -> Vec<&str> {
    if line.contains('\t') {
        line.split('\t').map(str::trim).collect()
    } else {
        line.split_whitespace().collect()
    }
}

fn places(records: &[Record]) -> HashMap<&str, usize> {
    records.iter().enumerate().map(|(place, record)| (record.id.as_str(), place)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str) -> Record {
        Record { id: id.to_owned(), text: "x".to_owned(), scope: None, line: 1 }
    }

    /// Of the documents a, "b c" and 7, and the queries q and 8.
    fn read_text(text: &str) -> Result<Vec<Relevance>, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("qrels.tsv");
        std::fs::write(&file, text).unwrap();
        let documents = ["a", "b c", "7"].map(record);
        read(&file, &documents, &["q", "8"].map(record)).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn three_columns_beirs_header_and_trecs_four_say_the_same() {
        let expected = vec![Relevance::from([(0, 2), (2, 0)]), Relevance::from([(2, 1)])];
        for text in [
            "q\ta\t2\nq\t7\t0\n8\t7\t1\n",
            "query-id\tcorpus-id\tscore\r\nq\ta\t2\r\nq\t7\t0\r\n8\t7\t1\r\n",
            "q 0 a 2\nq 0 7 0\n\n8 Q0 7 1",
            "q\t0\ta\t2\nq\t0\t7\t-1\n8\t0\t7\t1\n",
            "  q   a 2\nq 7 0\n8 7 1",
        ] {
            assert_eq!(read_text(text).as_ref(), Ok(&expected), "{text:?}");
        }
        assert_eq!(read_text("q\tb c\t1\n").unwrap(), [Relevance::from([(1, 1)]), Relevance::new()]);
    }

    #[test]
    fn lines_that_are_no_judgments_are_told_with_their_number() {
        let cases = [
            ("q\ta", "line 2 of", "has 2 columns"),
            ("q a 1 2 3", "line 2 of", "has 5 columns"),
            ("q\ta\thigh", "line 2 of", "the relevance \"high\""),
            ("q\ta\t0.5", "line 2 of", "the relevance \"0.5\""),
            ("q\ta\t", "line 2 of", "the relevance \"\""),
            ("query-id\tcorpus-id\tscore", "line 2 of", "the relevance \"score\""),
            ("q\t7\t1", "line 2 of", "judges the document \"7\" for the query \"q\" again"),
            ("q\tnobody\t1", "names what is not there", "the document \"nobody\" in line 2"),
            ("nothing\ta\t1", "names what is not there", "the query \"nothing\" in line 2"),
        ];
        for (line, place, why) in cases {
            let error = read_text(&format!("q\t7\t1\n{line}\n")).unwrap_err();
            assert!(error.contains(place) && error.contains(why), "{error}");
        }
        let many: String = (0..9).map(|number| format!("q\tx{number}\t1\n")).collect();
        assert!(read_text(&many).unwrap_err().ends_with("the document \"x4\" in line 5, and 4 more"));
    }

    #[test]
    fn judgments_that_say_nothing_are_refused() {
        assert!(read_text("").unwrap_err().ends_with("qrels.tsv is empty"));
        for text in ["query-id\tcorpus-id\tscore\n", "q\ta\t0\n8\ta\t-2\n"] {
            assert!(read_text(text).unwrap_err().contains("calls no document relevant"), "{text:?}");
        }
    }
}
