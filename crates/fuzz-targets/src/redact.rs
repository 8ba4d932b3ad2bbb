use serde_json::Value;

/// Texts: what is redacted once stays, and nothing is found in what was left.
pub fn redact_text(data: &[u8]) {
    let Some(text) = crate::text(data) else { return };
    let once = agent_turbo_redact::redact(text);
    if once.kinds.is_empty() {
        assert_eq!(once.text, text, "changed without saying so");
    }
    let twice = agent_turbo_redact::redact(&once.text);
    assert_eq!(twice.text, once.text, "redacting twice changes more of {text:?}");
}

/// JSON: the document keeps its shape.
pub fn redact_json(data: &[u8]) {
    let Ok(before) = serde_json::from_slice::<Value>(data) else { return };
    let mut after = before.clone();
    let kinds = agent_turbo_redact::redact_json(&mut after);
    if kinds.is_empty() {
        assert_eq!(after, before, "changed without saying so");
    }
    assert_eq!(leaves(&after), leaves(&before), "a member was lost or made");
    let mut twice = after.clone();
    agent_turbo_redact::redact_json(&mut twice);
    assert_eq!(twice, after, "redacting twice changes more of {before}");
}

fn leaves(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(leaves).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(leaves).sum::<usize>(),
        _ => 1,
    }
}
