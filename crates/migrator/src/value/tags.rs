use agent_turbo_knowledge::check_label;
use serde_json::Value;

use super::{SqlValue, parse_json};

/// What a column of tags holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tags {
    /// The tags, each once.
    pub tags: Vec<String>,
    /// Whether that is all that the column says; otherwise it is to be kept as well.
    pub whole: bool,
}

/// Reads tags: a JSON list of texts and numbers, or texts with commas between them.
pub fn parse_tags(value: &SqlValue) -> Tags {
    let text = match value {
        SqlValue::Null => return Tags { tags: Vec::new(), whole: true },
        value => match value.to_text() {
            Ok(text) => text,
            Err(_) => return Tags::default(),
        },
    };
    let text = text.trim();
    match parse_json(text) {
        Some(Value::Array(elements)) => of_list(&elements),
        Some(Value::String(text)) => of_texts(text.split(',')),
        Some(Value::Null) => Tags { tags: Vec::new(), whole: true },
        Some(Value::Number(number)) => of_texts([number.to_string().as_str()]),
        Some(_) => Tags::default(),
        // Broken JSON is no list of words.
        None if text.starts_with(['[', '{', '"']) => Tags::default(),
        None => of_texts(text.split(',')),
    }
}

fn of_list(elements: &[Value]) -> Tags {
    let texts: Option<Vec<String>> = elements
        .iter()
        .map(|element| match element {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
        .collect();
    match texts {
        Some(texts) => of_texts(texts.iter().map(String::as_str)),
        None => Tags::default(),
    }
}

fn of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Tags {
    let mut tags = Tags { tags: Vec::new(), whole: true };
    for text in texts {
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        if check_label("a tag", text).is_err() {
            tags.whole = false;
        } else if !tags.tags.iter().any(|tag| tag == text) {
            tags.tags.push(text.to_owned());
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tags(text: &str) -> (Vec<String>, bool) {
        let Tags { tags, whole } = parse_tags(&SqlValue::Text(text.to_owned()));
        (tags, whole)
    }

    #[test]
    fn lists_in_json_and_words_with_commas_are_tags() {
        let ab = (vec!["a".to_owned(), "b c".to_owned()], true);
        assert_eq!(tags(r#"["a", "b c", "a", ""]"#), ab);
        assert_eq!(tags("a, b c,,a"), ab);
        assert_eq!(tags(r#""a,b c""#), ab);
        assert_eq!(tags("[1, 2.5]").0, ["1", "2.5"]);
        assert_eq!(tags(""), (vec![], true));
        assert_eq!(tags("null"), (vec![], true));
    }

    #[test]
    fn what_is_no_list_of_tags_is_to_be_kept_as_it_is() {
        for text in [r#"["a""#, r#"{"a": 1}"#, "[[\"a\"]]", "true", "[null]"] {
            assert_eq!(tags(text), (vec![], false), "{text}");
        }
        assert_eq!(tags("good,bad\u{7}"), (vec!["good".to_owned()], false));
        assert!(!parse_tags(&SqlValue::Blob(vec![0x80, 3])).whole);
    }

    proptest! {
        #[test]
        fn every_tag_can_be_stored(text in any::<String>()) {
            for tag in parse_tags(&SqlValue::Text(text)).tags {
                prop_assert!(check_label("a tag", &tag).is_ok());
            }
        }

        #[test]
        fn every_list_of_labels_is_read_whole(labels in proptest::collection::vec("[a-zé][a-z é]{0,8}[a-z]", 0..6)) {
            let text = serde_json::to_string(&labels).unwrap();
            let read = parse_tags(&SqlValue::Text(text));
            prop_assert!(read.whole);
            prop_assert!(labels.iter().all(|label| read.tags.contains(label)));
        }
    }
}
