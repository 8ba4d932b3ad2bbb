use std::collections::HashSet;

use agent_turbo_planner::{Format, Plan};

/// Plan files, YAML and JSON: a plan that passes its check comes in an order in which each task follows its prerequisites.
pub fn plan(data: &[u8]) {
    let Some(text) = crate::text(data) else { return };
    for format in [Format::Yaml, Format::Json, Format::of("", text)] {
        match Plan::parse(text, format) {
            Ok(plan) => check(&plan),
            Err(error) => assert!(error.to_string().len() < 100_000, "an error as long as a file"),
        }
    }
}

fn check(plan: &Plan) {
    let keys: HashSet<&str> = plan.tasks.iter().map(|task| task.key.as_str()).collect();
    if plan.check().is_ok() {
        assert_eq!(keys.len(), plan.tasks.len(), "two tasks with one key passed");
        assert!(!plan.tasks.is_empty() && keys.iter().all(|key| !key.trim().is_empty()));
    }
    assert!(plan.name().is_none_or(|name| !name.is_empty()));
}
