use std::collections::HashSet;

use agent_turbo_cli::fuzzing;

/// The document of `task graph`: what waits for what are keys of it.
pub fn task_document(data: &[u8]) {
    let Some(text) = crate::text(data) else { return };
    match fuzzing::task_document(text) {
        Ok(tasks) => {
            let keys: HashSet<&str> = tasks.iter().map(|task| task.key.as_str()).collect();
            assert!(tasks.iter().flat_map(|task| &task.after).all(|(key, _)| keys.contains(key.as_str())));
        }
        Err(told) => assert!(told.contains("the graph"), "{told}"),
    }
}
