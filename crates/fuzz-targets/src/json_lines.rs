use agent_turbo_cli::fuzzing;

/// The batch of `action log`: each line that is not empty becomes an action, or the line that does not is named.
pub fn json_lines(data: &[u8]) {
    let Some(text) = crate::text(data) else { return };
    let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
    match fuzzing::json_lines(text) {
        Ok(actions) => assert_eq!(actions.len(), lines),
        Err(told) => assert!(told.contains("the batch") && told.contains("line "), "{told}"),
    }
}
