use serde_json::{Map, Value, json};

use crate::child::{Capture, Ran};
use crate::event::milliseconds;
use crate::preset::{Answer, Spent};

/// What is stored with a task holds 1 MiB of JSON, and something is wrapped round this.
const MAX_BYTES: usize = 1_000_000;
/// Readers stop at 128 levels, the database's writers at 100.
const MAX_DEPTH: usize = 80;
/// Of stderr, for who looks at a task that is done.
const STDERR_BYTES: usize = 8 * 1024;

/// A task's output: its result, and how it came about.
pub(crate) fn output<S>(ran: &Ran<S>, exit_code: i32, answer: Answer, evidence: Option<Value>) -> Value {
    let mut output = Map::new();
    output.insert("exit_code".to_owned(), json!(exit_code));
    output.insert("duration_ms".to_owned(), json!(milliseconds(ran.duration)));
    output.insert("stdout".to_owned(), size(&ran.stdout));
    output.insert("stderr".to_owned(), ran.stderr.summary(STDERR_BYTES));
    if let Some(Spent { tokens, calls, cost_usd }) = answer.spent {
        output.insert("usage".to_owned(), json!({ "tokens": tokens, "calls": calls, "cost_usd": cost_usd }));
    }
    if let Some(evidence) = evidence {
        output.insert("evidence".to_owned(), evidence);
    }
    let room = MAX_BYTES.saturating_sub(Value::Object(output.clone()).to_string().len());
    output.insert("result".to_owned(), fitting(answer.result, room));
    Value::Object(output)
}

fn size(capture: &Capture) -> Value {
    json!({ "bytes": capture.total(), "left_out": capture.left_out() })
}

/// A result that the database takes: as it is, or as a text that may be cut.
fn fitting(result: Value, room: usize) -> Value {
    let text = match result {
        Value::String(text) => text,
        result => {
            // First, as writing a text follows the nesting; what was read is no deeper than readers go.
            let text = result.to_string();
            if text.len() <= room && !is_deeper(&result, MAX_DEPTH) && !text.contains("\\u0000") {
                return result;
            }
            text
        }
    };
    let text = text.replace('\0', "\u{fffd}");
    let mut kept = room;
    loop {
        let cut = Value::String(middle_out(&text, kept));
        // What is escaped takes up to six times the room.
        if cut.to_string().len() <= room || kept == 0 {
            return cut;
        }
        kept /= 2;
    }
}

/// The beginning and the end of a text, `bytes` together, with a word on what is missing.
pub(crate) fn middle_out(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let head = text.floor_char_boundary(bytes / 2);
    let tail = text.ceil_char_boundary(text.len() - bytes / 2);
    format!("{}\n[{} bytes are left out here]\n{}", &text[..head], tail - head, &text[tail..])
}

fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| is_deeper(item, levels - 1)),
        Value::Object(members) => levels == 0 || members.values().any(|item| is_deeper(item, levels - 1)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{fitting, middle_out};

    #[test]
    fn a_result_stays_as_it_is_where_it_can() {
        for result in [json!(null), json!({ "a": [1, "größe"] }), json!("text\n")] {
            assert_eq!(fitting(result.clone(), 1000), result);
        }
    }

    #[test]
    fn what_the_database_refuses_becomes_text() {
        let deep = (0..100).fold(json!(1), |inner, _| Value::Array(vec![inner]));
        assert!(fitting(deep, 1000).as_str().unwrap().starts_with("[[[["));
        assert_eq!(fitting(json!({ "a": "\0" }), 1000), json!("{\"a\":\"\\u0000\"}"));
        assert_eq!(fitting(json!("a\0b"), 1000), json!("a\u{fffd}b"));
    }

    #[test]
    fn what_is_too_long_loses_its_middle() {
        let cut = fitting(json!("\u{1}".repeat(1000)), 500);
        assert!(
            cut.to_string().len() <= 500 && cut.as_str().unwrap().contains("bytes are left out here"),
            "{cut}"
        );
        let cut = fitting(json!(["x".repeat(1000)]), 500).to_string();
        assert!(cut.len() <= 500 && cut.contains("left out") && cut.ends_with("xx\\\"]\""), "{cut}");
        assert_eq!(middle_out("ügröße", 4), "ü\n[6 bytes are left out here]\ne");
    }
}
