//! What tools take and return may be of any size. What is kept is the beginning, with a note of what is missing.
//!
//! Secrets are taken out before anything is cut for good: of a key that is cut in half nobody would see that it is one.
//! So that this takes little time, texts are shortened to a multiple of what is kept first, the end of which never stays.

use agent_turbo_redact::{redact, redact_json};
use serde_json::{Map, Value, json};

/// What is kept of an input, an output, a command or an error, in bytes.
pub(super) const MAX_BYTES: usize = 16 * 1024;
/// What secrets are looked for in, of each text.
const LOOKED_AT: usize = 4 * MAX_BYTES;
/// All of that, in bytes of JSON.
const LOOKED_AT_IN_ALL: usize = 32 * MAX_BYTES;
/// Nesting that is kept; the database takes 100 levels.
const MAX_DEPTH: usize = 50;

/// A text without secrets, of at most [`MAX_BYTES`] and a note.
pub(super) fn text(text: &str) -> String {
    let start = cut(text, LOOKED_AT);
    let redacted = redact(&start).text.replace('\0', "\u{fffd}");
    let kept = shortened(&redacted, MAX_BYTES);
    if start.len() == text.len() && kept.len() == redacted.len() {
        return kept.to_owned();
    }
    note(kept, text.len() - kept.len().min(text.len()))
}

/// A document without secrets, of at most [`MAX_BYTES`] of JSON.
pub(super) fn json(value: &Value) -> Value {
    let mut kept = fitted(value, LOOKED_AT, LOOKED_AT_IN_ALL);
    redact_json(&mut kept);
    fitted(&kept, MAX_BYTES, MAX_BYTES)
}

/// The beginning of a text.
pub(super) fn cut(text: &str, max_bytes: usize) -> String {
    shortened(text, max_bytes).to_owned()
}

fn shortened(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

fn note(kept: &str, bytes: usize) -> String {
    format!("{kept}… [{bytes} bytes cut]")
}

/// With texts and lists so short that the whole is.
fn fitted(value: &Value, mut texts: usize, max_bytes: usize) -> Value {
    let mut items = 1000;
    loop {
        let kept = pruned(value, texts, items, MAX_DEPTH);
        if kept.to_string().len() <= max_bytes {
            return kept;
        }
        if texts < 16 && items <= 2 {
            break;
        }
        (texts, items) = ((texts / 2).max(8), (items / 2).max(2));
    }
    // Names of members are as long as they are.
    json!({ "cut": format!("[{} bytes cut]", value.to_string().len()) })
}

fn pruned(value: &Value, texts: usize, items: usize, depth: usize) -> Value {
    match value {
        Value::String(text) => {
            let kept = shortened(text, texts);
            let missing = text.len() - kept.len();
            let kept = if missing == 0 { kept.to_owned() } else { note(kept, missing) };
            Value::String(if kept.contains('\0') { kept.replace('\0', "\u{fffd}") } else { kept })
        }
        Value::Array(_) | Value::Object(_) if depth == 0 => {
            Value::String("[nested too deep, cut]".to_owned())
        }
        Value::Array(list) => {
            let mut kept: Vec<_> =
                list.iter().take(items).map(|item| pruned(item, texts, items, depth - 1)).collect();
            if list.len() > items {
                kept.push(Value::String(format!("[{} items cut]", list.len() - items)));
            }
            Value::Array(kept)
        }
        Value::Object(members) => {
            let mut kept: Map<String, Value> = members
                .iter()
                .take(items)
                .map(|(name, member)| {
                    (name.replace('\0', "\u{fffd}"), pruned(member, texts, items, depth - 1))
                })
                .collect();
            if members.len() > items {
                kept.insert(
                    "…".to_owned(),
                    Value::String(format!("[{} members cut]", members.len() - items)),
                );
            }
            Value::Object(kept)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_small_stays_as_it_is() {
        let value = json!({ "a": [1, 2.5, null, true, { "b": "ünï" }], "c": "x".repeat(10_000) });
        assert_eq!(json(&value), value);
        assert_eq!(text("fine"), "fine");
    }

    #[test]
    fn everything_else_fits_and_says_what_is_missing() {
        let nested = (0..120).fold(json!("x"), |inner, _| json!([inner]));
        let cases = [
            json!("ß".repeat(5_000_000)),
            json!({ "stdout": "line\n".repeat(1_000_000), "stderr": "e".repeat(3_000_000), "code": 1 }),
            json!((0..200_000).collect::<Vec<_>>()),
            json!((0..3000).map(|n| json!({ "n": n, "t": "y".repeat(300) })).collect::<Vec<_>>()),
            Value::Object((0..50_000).map(|n| (format!("name{n}"), json!(n))).collect()),
            json!({ "n".repeat(100_000): 1 }),
            nested,
        ];
        for value in cases {
            let kept = json(&value);
            let length = kept.to_string().len();
            assert!(length <= MAX_BYTES && kept.to_string().contains("cut]"), "{length}");
        }
        let kept = json(&json!({ "stdout": "a".repeat(3_000_000), "code": 7 }));
        assert_eq!(kept["code"], 7);
        let long = text(&"ß".repeat(100_000));
        assert!(long.len() < MAX_BYTES + 40 && long.ends_with("bytes cut]"));
    }

    #[test]
    fn a_secret_at_the_edge_leaves_nothing_behind() {
        let key = format!("ghp_{}", "Ab1".repeat(12));
        for before in (MAX_BYTES - 60)..(MAX_BYTES + 10) {
            let told = format!("{} {key} tail", "x ".repeat(before / 2));
            assert!(!text(&told).contains("ghp_Ab"), "{before}");
            assert!(!json(&json!({ "out": told })).to_string().contains("ghp_Ab"), "{before}");
        }
    }

    #[test]
    fn characters_that_the_database_does_not_hold_are_replaced() {
        assert_eq!(json(&json!({ "a\0": "b\0" })), json!({ "a\u{fffd}": "b\u{fffd}" }));
        assert_eq!(text("a\0"), "a\u{fffd}");
    }
}
