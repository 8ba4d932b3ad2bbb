use serde_json::Value;

use super::{Answer, Spent, object, sum};

/// `codex exec --json` prints one event a line. The last message of the agent is the result; each turn that was completed
/// says what it used, cached input included. An error that no completed turn follows is one.
pub(super) fn answer(text: &str) -> Option<Answer> {
    let (mut is_codex, mut result, mut failed, mut spent) = (false, Value::Null, None, None::<Spent>);
    for event in text.lines().filter_map(object) {
        match event["type"].as_str() {
            Some("item.completed") => {
                let item = &event["item"];
                if item["type"] == "agent_message" {
                    result = item["text"].clone();
                }
            }
            Some("turn.completed") => {
                failed = None;
                if let Some(tokens) = sum(&event["usage"], &["input_tokens", "output_tokens"]) {
                    let spent = spent.get_or_insert_default();
                    spent.tokens = spent.tokens.saturating_add(tokens);
                    spent.calls += 1;
                }
            }
            Some("turn.failed") => failed = Some(said(&event["error"]["message"])),
            Some("error") => failed = Some(said(&event["message"])),
            Some("thread.started" | "turn.started") => {}
            _ => continue,
        }
        is_codex = true;
    }
    is_codex.then_some(Answer { result, failed, spent })
}

fn said(message: &Value) -> String {
    message.as_str().unwrap_or("it says that it failed").to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::answer;
    use crate::preset::Spent;

    const EVENTS: &str = r#"{"type":"thread.started","thread_id":"0199"}
{"type":"turn.started"}
{"type":"item.completed","item":{"id":"item_0","type":"reasoning","text":"Looking"}}
{"type":"item.completed","item":{"id":"item_1","type":"agent_message","text":"I begin."}}
{"type":"error","message":"reconnecting"}
{"type":"item.completed","item":{"id":"item_2","type":"agent_message","text":"Done."}}
{"type":"turn.completed","usage":{"input_tokens":24763,"cached_input_tokens":24448,"output_tokens":122}}
"#;

    #[test]
    fn the_last_message_and_the_turns_usage_are_read() {
        let answer = answer(EVENTS).unwrap();
        assert_eq!((answer.result, answer.failed), (json!("Done."), None));
        assert_eq!(answer.spent, Some(Spent { tokens: 24885, calls: 1, cost_usd: None }));
    }

    #[test]
    fn a_turn_that_failed_is_a_failure() {
        let events =
            "{\"type\":\"turn.started\"}\n{\"type\":\"turn.failed\",\"error\":{\"message\":\"no quota\"}}\n";
        let answer = answer(events).unwrap();
        assert_eq!(
            (answer.result, answer.failed.as_deref(), answer.spent),
            (Value::Null, Some("no quota"), None)
        );
    }

    #[test]
    fn what_it_does_not_print_is_not_understood() {
        for text in ["", "Done.", "{\"type\":\"result\"}", "{\"type\":\"turn.compl"] {
            assert_eq!(answer(text), None, "{text}");
        }
    }
}
