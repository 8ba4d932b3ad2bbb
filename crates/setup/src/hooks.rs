use std::collections::BTreeMap;

use serde_json::Value;

use crate::fragment::Fragment;
use crate::server::is_our_program;

/// What is called when something happens in the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hooks {
    /// The program's absolute path.
    pub program: String,
    /// What it is given after `hook session-start` and the like.
    pub args: Vec<String>,
    /// What it finds in its environment.
    pub env: BTreeMap<String, String>,
}

/// Event, what it is matched against, our word for it, and after how many seconds the client gives up. Our own limits are
/// shorter (10 and 2 seconds); these are for a machine that hangs.
const EVENTS: [(&str, Option<&str>, &str, u64); 4] = [
    ("SessionStart", None, "session-start", 15),
    ("PostToolUse", Some("*"), "tool-use", 5),
    ("PostToolUseFailure", Some("*"), "tool-use", 5),
    // Claude Code gives the hooks of this event 1.5 seconds, unless one asks for more.
    ("SessionEnd", None, "session-end", 5),
];

impl Hooks {
    /// The events and the group of hooks for each.
    pub(crate) fn groups(&self) -> Vec<(&'static str, Fragment)> {
        let group = |(event, matcher, word, timeout): &(&'static str, Option<&str>, &str, u64)| {
            let hook = Fragment::Object(vec![
                ("type".to_owned(), Fragment::text("command")),
                ("command".to_owned(), Fragment::text(self.command(word))),
                ("timeout".to_owned(), Fragment::Number(*timeout)),
            ]);
            let matcher = matcher.map(|matcher| ("matcher".to_owned(), Fragment::text(matcher)));
            let hooks = ("hooks".to_owned(), Fragment::List(vec![hook]));
            (*event, Fragment::Object(matcher.into_iter().chain([hooks]).collect()))
        };
        EVENTS.iter().map(group).collect()
    }

    /// For a shell.
    fn command(&self, word: &str) -> String {
        let env = self.env.iter().map(|(name, value)| format!("{name}={}", shell_word(value)));
        let words =
            [self.program.as_str(), "hook", word].into_iter().chain(self.args.iter().map(String::as_str));
        env.chain(words.map(shell_word)).collect::<Vec<_>>().join(" ")
    }
}

/// Whether a hook runs us.
pub(crate) fn is_ours(hook: &Value) -> bool {
    let Some(words) = hook.get("command").and_then(Value::as_str).and_then(shell_words) else { return false };
    let Some(at) = words.iter().position(|word| word == "hook") else { return false };
    let known = |word: &String| EVENTS.iter().any(|(_, _, ours, _)| word == ours);
    at > 0
        && is_our_program(&words[at - 1])
        && words.get(at + 1).is_some_and(known)
        && words[..at - 1].iter().all(|word| word.starts_with("AGENT_TURBO_"))
}

/// As a shell takes it for one word.
fn shell_word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=@,+".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The words of a command as [`shell_word`] writes them; `None` for what needs a shell to be understood.
fn shell_words(command: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    let mut characters = command.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            _ if quoted => word.get_or_insert_default().push(character),
            '\\' => word.get_or_insert_default().push(characters.next()?),
            ' ' | '\t' => words.extend(word.take()),
            '"' | '$' | '`' | '|' | '&' | ';' | '<' | '>' | '(' | ')' | '\n' => return None,
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    (!quoted).then_some(words)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Hooks, is_ours};

    #[test]
    fn own_hooks_are_recognised_wherever_the_program_is() {
        for program in ["/usr/bin/agent-turbo", "/home/o'neill/my programs/agent-turbo", "agent-turbo"] {
            let env = [("AGENT_TURBO_HOME".to_owned(), "/a b".to_owned())].into();
            let hooks = Hooks { program: program.to_owned(), args: vec!["--role".into(), "x y".into()], env };
            for (_, group) in hooks.groups() {
                assert!(is_ours(&group.value()["hooks"][0]), "{group:?}");
            }
        }
    }

    #[test]
    fn hooks_of_others_are_not() {
        for command in [
            "echo agent-turbo hook session-start",
            "/usr/bin/agent-turbo query hook",
            "agent-turbo hook session-start && rm x",
            "other hook tool-use",
            "agent-turbo-old hook tool-use",
            "'agent-turbo hook tool-use",
        ] {
            assert!(!is_ours(&json!({ "type": "command", "command": command })), "{command}");
        }
        assert!(!is_ours(&json!({ "type": "http", "url": "http://x" })));
    }
}
