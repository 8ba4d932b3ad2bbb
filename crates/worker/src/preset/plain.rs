use serde_json::Value;

use super::{Answer, Spent, last_object, sum};

/// Any command's answer: the JSON document that stdout is, else the last line that is a JSON object, else the text.
pub(super) fn answer(text: &str, is_whole: bool) -> Answer {
    let document = is_whole.then(|| serde_json::from_str(text).ok()).flatten().or_else(|| last_object(text));
    let spent = document.as_ref().and_then(|document| spent(&document["usage"]));
    let result = document.unwrap_or_else(|| match text.trim() {
        "" => Value::Null,
        text => Value::String(text.to_owned()),
    });
    Answer { result, failed: None, spent }
}

/// What most programs call it.
fn spent(usage: &Value) -> Option<Spent> {
    let tokens = sum(usage, &["total_tokens"]).or_else(|| {
        let members =
            ["input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"];
        sum(usage, &members)
    })?;
    Some(Spent { tokens, calls: 1, cost_usd: None })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::answer;

    fn result(text: &str) -> Value {
        answer(text, true).result
    }

    #[test]
    fn a_document_is_the_result() {
        assert_eq!(result("{\n  \"a\": 1\n}\n"), json!({ "a": 1 }));
        assert_eq!(result("[1, 2]"), json!([1, 2]));
        assert_eq!(result("42\n"), json!(42));
    }

    #[test]
    fn else_the_last_line_that_is_an_object() {
        assert_eq!(result("working\n{\"a\": 1}\n{\"a\": 2}\ndone\n"), json!({ "a": 2 }));
        assert_eq!(result("{not json}\n{\"a\": 1}\n{\"cut\": \n"), json!({ "a": 1 }));
    }

    #[test]
    fn else_the_text() {
        assert_eq!(result("  all is well\n"), json!("all is well"));
        assert_eq!(result(" \n"), Value::Null);
    }

    #[test]
    fn usage_is_found_by_its_usual_names() {
        let tokens = |text: &str| answer(text, true).spent.map(|spent| spent.tokens);
        assert_eq!(tokens(r#"{"usage": {"input_tokens": 10, "output_tokens": 5}}"#), Some(15));
        assert_eq!(tokens(r#"{"usage": {"total_tokens": 7, "input_tokens": 10}}"#), Some(7));
        assert_eq!(tokens(r#"{"usage": {"input_tokens": -1}}"#), None);
        assert_eq!(tokens(r#"{"usage": "much"}"#), None);
    }
}
