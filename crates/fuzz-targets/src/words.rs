use agent_turbo_cli::fuzzing;
use agent_turbo_orchestrator::{ActionId, Priority, SessionId, TaskId};

/// The small things that people type: times, durations, ids, priorities; and what of them is shown.
pub fn words(data: &[u8]) {
    let Some(text) = crate::text(data) else { return };
    for told in fuzzing::when(text).into_iter().filter_map(Result::err) {
        assert!(told.contains("accept it"), "{told}");
    }
    let ids = [
        text.parse::<SessionId>().map(|id| id.to_string()),
        text.parse::<TaskId>().map(|id| id.to_string()),
        text.parse::<ActionId>().map(|id| id.to_string()),
    ];
    for id in ids.into_iter().flatten() {
        assert_eq!(id, text, "an id is taken to the letter");
        assert!(!id.is_empty() && id.len() <= 256 && !id.contains(char::is_control));
    }
    if let Ok(priority) = serde_json::from_slice::<Priority>(data) {
        assert!(serde_json::to_string(&priority).is_ok());
    }
    for width in [0, 1, 10] {
        let line = fuzzing::headline(text, width);
        assert!(line.chars().count() <= width.max(1) && !line.contains(char::is_control), "{line:?}");
    }
    assert!(!fuzzing::harmless(text).contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
    // JSON that is escaped for a terminal says what it said.
    let json = serde_json::Value::String(text.to_owned()).to_string();
    let escaped = fuzzing::escaped(&json);
    assert!(!escaped.contains(char::is_control));
    assert_eq!(serde_json::from_str::<String>(&escaped).ok().as_deref(), Some(text));
}
