/// What stands for the placeholders of a command's arguments.
pub(crate) struct Values<'a> {
    pub(crate) prompt: &'a str,
    pub(crate) task_id: &'a str,
    pub(crate) task_file: &'a str,
    pub(crate) description: &'a str,
}

/// An argument with its placeholders replaced, once: what a task's text holds is no placeholder. Other braces stay.
pub(crate) fn fill(argument: &str, values: &Values<'_>) -> String {
    let placeholders = [
        ("{prompt}", values.prompt),
        ("{task_id}", values.task_id),
        ("{task_file}", values.task_file),
        ("{description}", values.description),
    ];
    let mut filled = String::with_capacity(argument.len());
    let mut rest = argument;
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        match placeholders.iter().find(|(name, _)| rest.starts_with(name)) {
            Some((name, value)) => {
                filled.push_str(value);
                rest = &rest[name.len()..];
            }
            None => {
                filled.push('{');
                rest = &rest[1..];
            }
        }
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::{Values, fill};

    const VALUES: Values<'_> =
        Values {
            prompt: "do {task_id}", task_id: "task_1", task_file: "/tmp/t.json", description: "größe"
        };

    #[test]
    fn placeholders_are_replaced_wherever_they_stand() {
        assert_eq!(fill("--id={task_id}:{description}", &VALUES), "--id=task_1:größe");
        assert_eq!(fill("{task_file}{task_file}", &VALUES), "/tmp/t.json/tmp/t.json");
    }

    #[test]
    fn what_a_text_holds_is_no_placeholder() {
        assert_eq!(fill("{prompt}", &VALUES), "do {task_id}");
    }

    #[test]
    fn other_braces_stay() {
        for argument in ["{", "{}", "{\"a\":{\"b\":1}}", "{Prompt}", "${HOME}", "{prompt", "}{"] {
            assert_eq!(fill(argument, &VALUES), argument);
        }
    }
}
