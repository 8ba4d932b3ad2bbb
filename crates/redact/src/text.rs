use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex, RegexSet};

/// A text without the secrets that were found in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted<'a> {
    /// The text; each secret is replaced by `[redacted: kind]`.
    pub text: Cow<'a, str>,
    /// What was found, once for each replacement.
    pub kinds: Vec<&'static str>,
}

/// Kind and pattern. A group named `secret` is what is replaced; without it, the whole match is.
const PATTERNS: &[(&str, &str)] = &[
    (
        "private-key",
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)",
    ),
    ("aws-access-key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("aws-secret-key", r#"(?i)\baws_secret_access_key["']?\s*[:=]\s*["']?(?P<secret>[A-Za-z0-9/+]{40})"#),
    ("github-token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})"),
    ("gitlab-token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("api-key", r"\bsk-[A-Za-z0-9_-]{20,}|\b[sr]k_live_[0-9a-zA-Z]{20,}|\bAIza[0-9A-Za-z_-]{35}"),
    ("slack-token", r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
    ("package-token", r"\bnpm_[A-Za-z0-9]{36}\b|\bpypi-[A-Za-z0-9_-]{40,}|\bhf_[A-Za-z0-9]{30,}"),
    ("jwt", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    ("bearer-token", r"(?i)\bauthorization:\s*(?:bearer|basic)\s+(?P<secret>[A-Za-z0-9._~+/-]{8,}=*)"),
    ("url-password", r"\b[a-z][a-z0-9+.-]*://[^\s:/@'\x22]*:(?P<secret>[^\s/@'\x22]{3,})@"),
    // Only literals: `token = next_token()` is code, not a secret.
    (
        "password",
        r#"(?i)\b(?:[a-z0-9_]*password|passwd|[a-z0-9_]*secret|api_?key|[a-z0-9_]*_token)["']?\s*[:=]\s*["'](?P<secret>[^"'\s]{8,})["']"#,
    ),
    ("password", r"\b[A-Z][A-Z0-9_]*(?:PASSWORD|SECRET|API_KEY|TOKEN)=(?P<secret>[^\s\x22'$<{]{8,})"),
];

static SET: LazyLock<RegexSet> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the patterns are constants; a test compiles them")]
    RegexSet::new(PATTERNS.iter().map(|(_, pattern)| pattern)).expect("the patterns are valid")
});

/// What is left of a text after a replacement may be a secret that was none before; so it is looked at again, and mostly
/// that is the last time.
const ROUNDS: usize = 16;

/// Replaces secrets in `text`: keys and tokens by their published shapes, passwords where they are written as such.
pub fn redact(text: &str) -> Redacted<'_> {
    let mut redacted = Redacted { text: Cow::Borrowed(text), kinds: Vec::new() };
    for _ in 0..ROUNDS {
        let known = redacted.kinds.len();
        redact_once(&mut redacted);
        if redacted.kinds.len() == known {
            break;
        }
    }
    redacted
}

fn redact_once(redacted: &mut Redacted<'_>) {
    for index in &SET.matches(&redacted.text) {
        let (kind, pattern) = PATTERNS[index];
        // Compiled only for texts that hold a secret, which are few.
        let Ok(pattern) = Regex::new(pattern) else { continue };
        let kinds = &mut redacted.kinds;
        let replaced = pattern.replace_all(&redacted.text, |found: &Captures<'_>| {
            let whole = found.get_match();
            let secret = found.name("secret").unwrap_or(whole);
            if secret.as_str().starts_with("[redacted:") {
                return whole.as_str().to_owned();
            }
            kinds.push(kind);
            let (start, end) = (secret.start() - whole.start(), secret.end() - whole.start());
            format!("{}[redacted: {kind}]{}", &whole.as_str()[..start], &whole.as_str()[end..])
        });
        if let Cow::Owned(replaced) = replaced {
            redacted.text = Cow::Owned(replaced);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn repeat(text: &str, times: usize) -> String {
        text.repeat(times)
    }

    #[test]
    fn known_kinds_of_secrets_are_replaced_and_named() {
        let cases = [
            (format!("key AKIA{} ends", repeat("A1", 8)), "key [redacted: aws-access-key] ends"),
            (format!("ghp_{}", repeat("aB3", 12)), "[redacted: github-token]"),
            (format!("use sk-{} now", repeat("abc1", 6)), "use [redacted: api-key] now"),
            ("postgres://bob:hunter22@db/x".to_owned(), "postgres://bob:[redacted: url-password]@db/x"),
            ("DB_PASSWORD=correcthorse rest".to_owned(), "DB_PASSWORD=[redacted: password] rest"),
            (r#"password = "correct-horse""#.to_owned(), r#"password = "[redacted: password]""#),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- x".to_owned(),
                "[redacted: private-key] x",
            ),
        ];
        for (text, expected) in cases {
            let redacted = redact(&text);
            assert_eq!(redacted.text, expected);
            assert_eq!(redacted.kinds.len(), 1, "{text}");
        }
    }

    #[test]
    fn a_secret_that_shows_only_when_another_is_gone_is_found_too() {
        let text = format!("AWS_SECRET_ACCESS_KEY={}gres://u:hunter2@h/d", repeat("aB3+", 9) + "post");
        let redacted = redact(&text);
        assert!(!redacted.text.contains("hunter2"), "{}", redacted.text);
        assert_eq!(redacted.kinds, ["aws-secret-key", "url-password"]);
    }

    #[test]
    fn ordinary_text_and_code_stay_as_they_are() {
        for text in [
            "let token = lexer.next_token();",
            "The password is stored as a hash, never in clear.",
            "see https://example.org:8080/path and user@example.org",
            "if password == other_password { return }",
            "API_TOKEN=$SECRET_FROM_ENV",
        ] {
            assert_eq!(redact(text), Redacted { text: Cow::Borrowed(text), kinds: vec![] });
        }
    }

    #[test]
    fn redacting_twice_changes_nothing_more() {
        let text = format!("DB_PASSWORD=correcthorse and ghp_{} in https://a:bcdef@h", repeat("aB3", 12));
        let once = redact(&text).text.into_owned();
        assert_eq!(redact(&once).text, once);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let redacted = redact(&text);
            prop_assert!(!redacted.kinds.is_empty() || redacted.text == text);
        }
    }
}
