use serde_json::Value;

use crate::{Error, Result};

/// The largest JSON document that is stored with a task or an action, in bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// The deepest nesting. Readers stop at 128 levels (serde_json's limit), and what is stored may be wrapped on its way.
const MAX_DEPTH: usize = 100;

/// Refuses what PostgreSQL's jsonb does not hold (NUL characters), and what is too big to be passed around.
pub(crate) fn check_json(what: &'static str, value: &Value) -> Result<()> {
    json_text(what, value).map(drop)
}

/// The same, and the value as text.
pub(crate) fn json_text(what: &'static str, value: &Value) -> Result<String> {
    // First, as writing a text follows the nesting.
    if is_deeper(value, MAX_DEPTH) {
        return Err(Error::bad_input(what, format!("it is nested deeper than {MAX_DEPTH} levels")));
    }
    let text = value.to_string();
    if text.len() > MAX_BYTES {
        return Err(Error::bad_input(what, format!("{} bytes are more than {MAX_BYTES}", text.len())));
    }
    // An escaped NUL, unless the backslash before it is itself escaped.
    let mut rest = text.as_str();
    while let Some(at) = rest.find("\\u0000") {
        let backslashes = rest[..at].bytes().rev().take_while(|byte| *byte == b'\\').count();
        if backslashes % 2 == 0 {
            return Err(Error::bad_input(what, "it holds a NUL character"));
        }
        rest = &rest[at + 6..];
    }
    Ok(text)
}

fn is_deeper(value: &Value, levels: usize) -> bool {
    let mut open = vec![(value, 1)];
    while let Some((value, depth)) = open.pop() {
        if depth > levels {
            return true;
        }
        match value {
            Value::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(members) => open.extend(members.values().map(|member| (member, depth + 1))),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::check_json;

    #[test]
    fn nul_characters_are_refused_wherever_they_are() {
        assert!(check_json("it", &json!({ "a": ["fine", "\u{0}"] })).is_err());
        assert!(check_json("it", &json!({ "a\u{0}": 1 })).is_err());
        assert!(check_json("it", &json!("\\\u{0}")).is_err());
    }

    #[test]
    fn the_text_of_an_escape_is_not_the_character() {
        assert!(check_json("it", &json!("\\u0000")).is_ok());
        assert!(check_json("it", &json!({ "a": 1 })).is_ok());
    }

    #[test]
    fn what_is_nested_too_deep_is_refused() {
        let nested = |levels| (1..levels).fold(json!(1), |inner, _| Value::Array(vec![inner]));
        assert!(check_json("it", &nested(100)).is_ok());
        assert!(check_json("it", &nested(101)).is_err());
    }

    #[test]
    fn what_is_too_big_is_refused() {
        assert!(check_json("it", &json!("x".repeat(2 << 20))).is_err());
    }
}
