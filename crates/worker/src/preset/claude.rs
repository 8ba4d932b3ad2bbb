use serde_json::Value;

use super::{Answer, Spent, last_object, sum};

/// `claude -p … --output-format json` prints one object of type `result`; with `--verbose` an array that ends with it,
/// with `stream-json` lines that do.
pub(super) fn answer(text: &str) -> Option<Answer> {
    let document = serde_json::from_str(text).ok().or_else(|| last_object(text))?;
    let message = match document {
        Value::Array(messages) => messages.into_iter().rev().find(|message| message["type"] == "result")?,
        message => message,
    };
    if message["type"] != "result" {
        return None;
    }
    let failed = (message["is_error"] == true).then(|| {
        let why = message["result"].as_str().or_else(|| message["subtype"].as_str());
        why.unwrap_or("it says that it failed").to_owned()
    });
    let members = ["input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"];
    let spent = sum(&message["usage"], &members).map(|tokens| Spent {
        tokens,
        calls: message["num_turns"].as_u64().unwrap_or(1),
        cost_usd: message["total_cost_usd"].as_f64(),
    });
    Some(Answer { result: message["result"].clone(), failed, spent })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::answer;
    use crate::preset::Spent;

    const RESULT: &str = r#"{"type":"result","subtype":"success","is_error":false,"duration_ms":2101,"num_turns":3,
        "result":"Done.","session_id":"0c1f","total_cost_usd":0.0125,
        "usage":{"input_tokens":4,"cache_creation_input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":50}}"#;

    #[test]
    fn the_result_and_what_it_cost_are_read() {
        let answer = answer(RESULT).unwrap();
        assert_eq!((answer.result, answer.failed), (json!("Done."), None));
        assert_eq!(answer.spent, Some(Spent { tokens: 1154, calls: 3, cost_usd: Some(0.0125) }));
    }

    #[test]
    fn it_may_be_the_last_of_many_messages() {
        let line = RESULT.replace('\n', " ");
        let stream = format!("{{\"type\":\"system\"}}\n{line}\n");
        assert_eq!(answer(&stream).unwrap().result, json!("Done."));
        let array = format!("[{{\"type\":\"system\"}},{RESULT}]");
        assert_eq!(answer(&array).unwrap().result, json!("Done."));
    }

    #[test]
    fn it_can_fail_with_exit_code_0() {
        let failed = RESULT.replace("\"is_error\":false", "\"is_error\":true");
        assert_eq!(answer(&failed).unwrap().failed.as_deref(), Some("Done."));
        let failed = r#"{"type":"result","subtype":"error_max_turns","is_error":true}"#;
        assert_eq!(answer(failed).unwrap().failed.as_deref(), Some("error_max_turns"));
    }

    #[test]
    fn what_it_does_not_print_is_not_understood() {
        for text in ["", "Done.", "{}", "[]", "[{\"type\":\"user\"}]", "{\"type\":\"resu"] {
            assert_eq!(answer(text), None, "{text}");
        }
    }
}
