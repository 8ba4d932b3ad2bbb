use serde_json::Value;

use super::{Answer, Spent};

/// `gemini -p … --output-format json` prints one object over many lines, and may say something before it.
pub(super) fn answer(text: &str) -> Option<Answer> {
    let begins = std::iter::once(0).chain(text.match_indices("\n{").map(|(at, _)| at + 1));
    let document: Value = begins
        .take(16)
        .find_map(|at| serde_json::from_str(text[at..].trim()).ok().filter(Value::is_object))?;
    let error = &document["error"];
    if document.get("response").is_none() && !error.is_object() {
        return None;
    }
    let failed = error.is_object().then(|| {
        error["message"]
            .as_str()
            .or_else(|| error["type"].as_str())
            .unwrap_or("it says that it failed")
            .to_owned()
    });
    let mut spent = None::<Spent>;
    for model in document["stats"]["models"].as_object().into_iter().flat_map(|models| models.values()) {
        let spent = spent.get_or_insert_default();
        spent.tokens = spent.tokens.saturating_add(model["tokens"]["total"].as_u64().unwrap_or(0));
        spent.calls = spent.calls.saturating_add(model["api"]["totalRequests"].as_u64().unwrap_or(0));
    }
    Some(Answer { result: document["response"].clone(), failed, spent })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::answer;
    use crate::preset::Spent;

    const ANSWER: &str = r#"{
  "response": "Done.",
  "stats": {
    "models": {
      "gemini-2.5-pro": { "api": { "totalRequests": 2 }, "tokens": { "prompt": 24939, "total": 25113 } },
      "gemini-2.5-flash": { "api": { "totalRequests": 1 }, "tokens": { "prompt": 10, "total": 12 } }
    },
    "tools": { "totalCalls": 1 }
  }
}"#;

    #[test]
    fn the_response_and_all_models_usage_are_read() {
        for text in [ANSWER.to_owned(), format!("Loaded cached credentials.\n{ANSWER}\n")] {
            let answer = answer(&text).unwrap();
            assert_eq!((answer.result, answer.failed), (json!("Done."), None));
            assert_eq!(answer.spent, Some(Spent { tokens: 25125, calls: 3, cost_usd: None }));
        }
    }

    #[test]
    fn an_error_is_a_failure() {
        let answer = answer(r#"{"error":{"type":"ApiError","message":"no quota","code":429}}"#).unwrap();
        assert_eq!(answer.failed.as_deref(), Some("no quota"));
    }

    #[test]
    fn what_it_does_not_print_is_not_understood() {
        for text in ["", "Done.", "{}", "[]", "{\"response\": \"cut"] {
            assert_eq!(answer(text), None, "{text}");
        }
    }
}
