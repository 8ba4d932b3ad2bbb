use serde_json::{Map, Value};

use crate::name::{Says, says};
use crate::text::redact;

/// The kind of a secret that is known by its name alone, as in [`redact`].
const NAMED: &str = "password";

/// Replaces secrets in every text of `value`, names of members included; returns what was found, once for each.
///
/// Under a name that says so (`password`, `AWS_SECRET_ACCESS_KEY`, `api_key`, `token`, …) a text is a secret as a whole,
/// whatever it looks like. Numbers, such as `max_tokens`, stay.
pub fn redact_json(value: &mut Value) -> Vec<&'static str> {
    let mut kinds = Vec::new();
    // A stack of one's own: documents may be deeper than the program's.
    let mut rest = vec![(value, Says::Nothing)];
    while let Some((value, named)) = rest.pop() {
        match value {
            Value::String(text) => redact_text(text, named, &mut kinds),
            Value::Array(elements) => {
                rest.extend(elements.iter_mut().rev().map(|element| (element, inherited(named))));
            }
            Value::Object(members) => {
                redact_names(members, &mut kinds);
                let above = inherited(named);
                // What is said of the whole is said of its parts.
                let below = members
                    .iter_mut()
                    .rev()
                    .map(|(name, member)| (member, if above == Says::Secret { above } else { says(name) }));
                rest.extend(below);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    kinds
}

/// `tokens` is a list of words, or a group of counts, as often as it holds secrets.
fn inherited(named: Says) -> Says {
    if named == Says::Secret { named } else { Says::Nothing }
}

fn redact_text(text: &mut String, named: Says, kinds: &mut Vec<&'static str>) {
    let whole = match named {
        Says::Nothing => false,
        Says::Secret => true,
        Says::Tokens => text.trim().parse::<f64>().is_err(),
    };
    if whole && !text.trim().is_empty() {
        if !is_redacted(text) {
            *text = format!("[redacted: {NAMED}]");
            kinds.push(NAMED);
        }
        return;
    }
    let clean = redact(text);
    if !clean.kinds.is_empty() {
        kinds.extend(&clean.kinds);
        *text = clean.text.into_owned();
    }
}

fn is_redacted(text: &str) -> bool {
    let kind = text.strip_prefix("[redacted: ").and_then(|rest| rest.strip_suffix(']'));
    kind.is_some_and(|kind| kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'))
}

/// Two names that become the same are told apart, so that no member is lost.
fn redact_names(members: &mut Map<String, Value>, kinds: &mut Vec<&'static str>) {
    let secret: Vec<String> = members.keys().filter(|name| !redact(name).kinds.is_empty()).cloned().collect();
    for name in secret {
        let Some(member) = members.remove(&name) else { continue };
        let clean = redact(&name);
        kinds.extend(&clean.kinds);
        let mut renamed = clean.text.clone().into_owned();
        let mut count = 1;
        while members.contains_key(&renamed) {
            count += 1;
            renamed = format!("{} ({count})", clean.text);
        }
        members.insert(renamed, member);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const OUT: &str = "[redacted: password]";

    /// What is left of `value`, and what was found.
    fn redacted(mut value: Value) -> (Value, Vec<&'static str>) {
        let kinds = redact_json(&mut value);
        (value, kinds)
    }

    #[test]
    fn what_a_name_calls_secret_goes_as_a_whole_whatever_it_looks_like() {
        let (clean, kinds) = redacted(json!({
            "password": "hunter22",
            "env": { "AWS_SECRET_ACCESS_KEY": "short", "PATH": "/usr/bin", "PWD": "/work" },
            "headers": { "Authorization": "Bearer abc", "x-api-key": "k", "accept": "text/html" },
            "token": "[redacted: no, a password with brackets]",
        }));
        assert_eq!(
            clean,
            json!({
                "password": OUT,
                "env": { "AWS_SECRET_ACCESS_KEY": OUT, "PATH": "/usr/bin", "PWD": "/work" },
                "headers": { "Authorization": OUT, "x-api-key": OUT, "accept": "text/html" },
                "token": OUT,
            })
        );
        assert_eq!(kinds, ["password"; 5]);
    }

    #[test]
    fn what_stands_below_such_a_name_goes_too() {
        let (clean, kinds) = redacted(json!({
            "api_keys": ["one", ["two"], 3],
            "credentials": { "user": "bob", "more": [{ "pass": "word" }], "port": 5432, "tls": true },
        }));
        assert_eq!(
            clean,
            json!({
                "api_keys": [OUT, [OUT], 3],
                "credentials": { "user": OUT, "more": [{ "pass": OUT }], "port": 5432, "tls": true },
            })
        );
        assert_eq!(kinds, ["password"; 4]);
    }

    #[test]
    fn secrets_are_found_in_every_text_at_any_place() {
        let token = format!("ghp_{}", "aB3".repeat(12));
        let (clean, kinds) = redacted(json!([
            format!("export GITHUB={token}"),
            { "commands": [["psql", "postgres://bob:hunter22@db/x"]] },
            "DB_PASSWORD=correcthorse",
        ]));
        assert_eq!(
            clean,
            json!([
                "export GITHUB=[redacted: github-token]",
                { "commands": [["psql", "postgres://bob:[redacted: url-password]@db/x"]] },
                "DB_PASSWORD=[redacted: password]",
            ])
        );
        assert_eq!(kinds, ["github-token", "url-password", "password"]);
        let mut alone = Value::String(token);
        assert_eq!(
            (redact_json(&mut alone), alone),
            (vec!["github-token"], json!("[redacted: github-token]"))
        );
    }

    #[test]
    fn counters_and_other_values_stay_as_they_are() {
        let before = json!({
            "tokens_used": 1234, "max_tokens": 4096, "tokens": "1234", "password": null, "secret": false,
            "api_key": "", "token": 5, "usage": { "tokens": { "model": "small", "input": 12 } },
            "token_type": "bearer", "cache_key": "a/b", "note": "The password is stored as a hash.",
        });
        assert_eq!(redacted(before.clone()), (before, vec![]));
        assert_eq!(redacted(json!({ "tokens": "abc" })).0, json!({ "tokens": OUT }));
    }

    #[test]
    fn a_name_that_holds_a_secret_is_cleaned_and_no_member_is_lost() {
        let (clean, kinds) = redacted(json!({
            "http://a:first-one@host": 1, "http://a:other-one@host": 2, "http://b": 3,
        }));
        assert_eq!(
            clean,
            json!({
                "http://a:[redacted: url-password]@host": 1,
                "http://a:[redacted: url-password]@host (2)": 2,
                "http://b": 3,
            })
        );
        assert_eq!(kinds, ["url-password"; 2]);
    }

    #[test]
    fn a_document_deeper_than_any_stack_is_cleaned() {
        let mut deep = json!("DB_PASSWORD=correcthorse");
        for level in 0..200_000 {
            deep = if level % 2 == 0 {
                Value::Array(vec![deep])
            } else {
                Value::Object(Map::from_iter([("a".to_owned(), deep)]))
            };
        }
        assert_eq!(redact_json(&mut deep), ["password"]);
        // Dropping it level by level: serde_json's own way down is recursive.
        loop {
            deep = match deep {
                Value::Array(mut elements) => elements.pop().unwrap(),
                Value::Object(mut members) => members.remove("a").unwrap(),
                end => break assert_eq!(end, "DB_PASSWORD=[redacted: password]"),
            };
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let name =
            prop_oneof!["[a-z]{1,8}", Just("password".to_owned()), Just("http://a:bcdef@h".to_owned())];
        let leaf = prop_oneof![any::<String>().prop_map(Value::from), any::<i64>().prop_map(Value::from)];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(name.clone(), inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn redacting_twice_changes_nothing_more(value in any_json()) {
            let (once, _) = redacted(value);
            prop_assert_eq!(redacted(once.clone()), (once, vec![]));
        }
    }
}
