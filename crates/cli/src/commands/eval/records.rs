use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value};

use super::lines;

/// A document or a query of a collection.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    /// Its id, and never empty.
    pub(super) id: String,
    /// Its text, a title put before it; a document's may be empty.
    pub(super) text: String,
    /// Which part of the collection it belongs to; `None` where it names none.
    pub(super) scope: Option<String>,
    /// The line it stands on.
    pub(super) line: usize,
}

/// Reads lines of JSON: `id` (or `_id`), `text`, perhaps a `title` and a `meta.scope`. No id stands there twice, and no text
/// that the store would refuse.
pub(super) fn read(what: &'static str, file: &Path, max_content_bytes: usize) -> Result<Vec<Record>> {
    let mut records: Vec<Record> = Vec::new();
    let mut lines_of: HashMap<String, usize> = HashMap::new();
    lines::each(what, file, |line, text| {
        let record = record(line, text)?;
        // The store says so as well, but only when hours have been spent.
        let bytes = record.text.trim().len();
        if bytes > max_content_bytes {
            return Err(format!(
                "has {bytes} bytes of text, and at most {max_content_bytes} are taken (max_content_bytes)"
            ));
        }
        if record.text.contains('\0') {
            return Err("has a text with a NUL, which PostgreSQL cannot store".to_owned());
        }
        if let Some(first) = lines_of.insert(record.id.clone(), line) {
            return Err(format!("has the id {:?} of line {first}", record.id));
        }
        records.push(record);
        Ok(())
    })?;
    Ok(records)
}

fn record(line: usize, json: &str) -> Result<Record, String> {
    let value: Value = serde_json::from_str(json).map_err(|error| {
        // Every line is the first one to the parser.
        let why = error.to_string();
        let why = why.split(" at line ").next().unwrap_or_default();
        format!("is not JSON: {why} at column {}", error.column())
    })?;
    let Value::Object(members) = value else {
        return Err("is JSON, and not an object with id and text".to_owned());
    };
    let text = match (member(&members, "title")?, member(&members, "text")?) {
        (_, None) => return Err("has no text".to_owned()),
        (Some(title), Some(text)) if !title.trim().is_empty() => format!("{title} {text}"),
        (_, Some(text)) => text.to_owned(),
    };
    let id = members.get("id").or_else(|| members.get("_id")).ok_or("has no id")?;
    Ok(Record { id: name("the id", id)?, text, scope: scope(&members)?, line })
}

/// A member that is text, or that is there and says nothing.
fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some("")),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(format!("has a {name} that is no text: {}", shortened(other))),
    }
}

fn scope(members: &Map<String, Value>) -> Result<Option<String>, String> {
    match members.get("meta") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(meta)) => match meta.get("scope") {
            None | Some(Value::Null) => Ok(None),
            Some(scope) => name("the scope", scope).map(Some),
        },
        Some(other) => Err(format!("has a meta that is no object: {}", shortened(other))),
    }
}

/// A name, or a whole number that is used as one.
fn name(what: &str, value: &Value) -> Result<String, String> {
    let name = match value {
        Value::String(name) => name.clone(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        other => return Err(format!("has neither text nor a whole number as {what}: {}", shortened(other))),
    };
    if name.is_empty() || name.trim() != name || name.chars().any(char::is_control) {
        return Err(format!(
            "has {what} {name:?}, which is empty, has spaces around it, or holds control characters"
        ));
    }
    Ok(name)
}

fn shortened(value: &Value) -> String {
    crate::output::headline(&value.to_string(), 40)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_text(text: impl AsRef<[u8]>) -> Result<Vec<Record>, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("docs.jsonl");
        std::fs::write(&file, text).unwrap();
        read("the documents", &file, 40).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn ids_may_be_numbers_or_hold_spaces_and_titles_stand_before_texts() {
        let text = "\u{feff}{\"id\": \"4983\", \"text\": \"one\", \"meta\": {}}\r\n\n\
                    {\"_id\": 7, \"title\": \"Head\", \"text\": \"two\", \"metadata\": {\"url\": \"\"}}\n\
                    {\"id\": \"with a space\", \"title\": \"\", \"text\": \"three\", \"meta\": {\"scope\": 12}}";
        let records = read_text(text).unwrap();
        let seen: Vec<_> = records
            .iter()
            .map(|record| (record.id.as_str(), record.text.as_str(), record.scope.as_deref(), record.line))
            .collect();
        let expected =
            [("4983", "one", None, 1), ("7", "Head two", None, 3), ("with a space", "three", Some("12"), 4)];
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told_with_its_number() {
        let good = r#"{"id": "a", "text": "x"}"#;
        let cases = [
            ("{\"id\": \"b\", \"text\": ", "is not JSON: EOF while parsing a value at column 20"),
            ("b\tx", "is not JSON: expected value at column 1"),
            ("[1]", "is JSON, and not an object"),
            (r#"{"text": "x"}"#, "has no id"),
            (r#"{"id": "b"}"#, "has no text"),
            (r#"{"id": "b", "text": 5}"#, "has a text that is no text: 5"),
            (r#"{"id": 1.5, "text": "x"}"#, "neither text nor a whole number as the id: 1.5"),
            (r#"{"id": null, "text": "x"}"#, "neither text nor a whole number as the id: null"),
            (r#"{"id": "", "text": "x"}"#, "has the id \"\""),
            (r#"{"id": " b", "text": "x"}"#, "has the id \" b\""),
            (r#"{"id": "b\tc", "text": "x"}"#, "control characters"),
            (r#"{"id": "b", "text": "x", "meta": []}"#, "has a meta that is no object: []"),
            (r#"{"id": "b", "text": "x", "meta": {"scope": ["y"]}}"#, "as the scope"),
            (r#"{"id": "b", "text": "x\u0000y"}"#, "has a text with a NUL"),
            (
                r#"{"id": "b", "title": "Twenty characters it", "text": " is, and twenty more."}"#,
                "has 42 bytes of text, and at most 40 are taken",
            ),
            (r#"{"id": "a", "text": "y"}"#, "has the id \"a\" of line 1"),
        ];
        for (line, why) in cases {
            let error = read_text(format!("{good}\n\n{line}\n")).unwrap_err();
            assert!(error.starts_with("accept the documents: line 3 of ") && error.contains(why), "{error}");
        }
        let number_again = format!("{}\n{}", r#"{"id": 7, "text": "x"}"#, r#"{"id": "7", "text": "y"}"#);
        assert!(read_text(number_again).unwrap_err().contains("has the id \"7\" of line 1"));
    }

    #[test]
    fn files_that_hold_no_text_are_refused() {
        for text in ["", "\n\n", "\u{feff}\r\n"] {
            assert!(read_text(text).unwrap_err().ends_with("docs.jsonl is empty"));
        }
        let broken = b"{\"id\": \"a\", \"text\": \"x\"}\n{\"id\": \"caf\xe9\"}";
        assert!(read_text(broken).unwrap_err().contains("line 2 of"), "the number is told");
        assert!(read_text(b"\xff\xfe").unwrap_err().contains("is not UTF-8 from its byte 0 on"));
        let missing = read("the documents", Path::new("/no/such/file"), 40).unwrap_err();
        assert!(format!("{missing:#}").contains("/no/such/file cannot be read"));
    }

    proptest! {
        #[test]
        fn whatever_stands_in_a_line_it_is_read_or_told(
            line in r#"\PC*|\{"(id|_id)": ("\PC{0,5}"|[0-9.e-]{0,30}|null|\[\]), "(text|title)": "\PC*"(, "meta": \PC{0,20})?\}"#,
        ) {
            if let Ok(record) = record(1, &line) {
                prop_assert!(!record.id.is_empty() && record.id.trim() == record.id, "{:?}", record);
                prop_assert!(record.scope.is_none_or(|scope| !scope.is_empty()));
            }
        }
    }
}
