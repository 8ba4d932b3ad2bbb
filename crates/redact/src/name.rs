/// What the name of a member says about its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// Nothing.
    Nothing,
    /// Texts under it are secrets, also those further down.
    Secret,
    /// A text that is no number is a secret; `tokens` is as often a count, or a group of counts.
    Tokens,
}

/// Of a name without its separators, in lower case.
const PARTS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "authkey",
    "sshkey",
];
const WORDS: &[&str] = &["token", "pwd", "authorization", "cookie"];
/// Last words of names that tell something about a secret, and not the secret.
const ABOUT: &[&str] = &[
    "at", "budget", "count", "endpoint", "expires", "expiry", "file", "length", "limit", "name", "path",
    "policy", "type", "uri", "url", "usage", "used",
];

/// Reads `snake_case`, `kebab-case`, `camelCase` and `CAPITALS` alike.
pub(crate) fn says(name: &str) -> Says {
    let words = words(name);
    let whole = words.concat();
    let last = words.last().map_or("", String::as_str);
    // A shell's variables for its working directory.
    if ABOUT.contains(&last) || matches!(name, "PWD" | "OLDPWD") {
        return Says::Nothing;
    }
    let secret = PARTS.iter().any(|part| whole.contains(part))
        || words.iter().any(|word| WORDS.contains(&word.as_str()))
        || whole.ends_with("token")
        // `DB_PASS` is a variable of the environment; `first_pass` is something else.
        || (last == "pass" && words.len() > 1 && !name.contains(char::is_lowercase));
    match (secret, whole.ends_with("tokens")) {
        (true, _) => Says::Secret,
        (false, true) => Says::Tokens,
        (false, false) => Says::Nothing,
    }
}

fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before_lower = false;
    for character in name.chars() {
        let starts = !character.is_alphanumeric() || (before_lower && character.is_uppercase());
        if starts && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if character.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(character.to_lowercase());
        }
        before_lower = character.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_however_they_are_written() {
        for name in [
            "password",
            "Password",
            "dbPassword",
            "PGPASSWORD",
            "DB_PASS",
            "db-pwd",
            "passphrase",
            "client_secret",
            "AWS_SECRET_ACCESS_KEY",
            "aws.accessKey",
            "vault_secret_id",
            "api_key",
            "apiKey",
            "X-Api-Key",
            "private_key_pem",
            "GITHUB_TOKEN",
            "accessToken",
            "authtoken",
            "token",
            "Authorization",
            "Set-Cookie",
            "credentials",
        ] {
            assert_eq!(says(name), Says::Secret, "{name}");
        }
        for name in ["tokens", "api_tokens", "maxTokens"] {
            assert_eq!(says(name), Says::Tokens, "{name}");
        }
    }

    #[test]
    fn names_of_other_things_are_left_alone() {
        for name in [
            "",
            "-",
            "key",
            "cache_key",
            "public_key",
            "idempotencyKey",
            "tokenizer",
            "tokens_used",
            "token_count",
            "token_type",
            "password_policy",
            "secret_name",
            "token_expires_at",
            "first_pass",
            "pass",
            "PWD",
            "author",
            "compass",
        ] {
            assert_eq!(says(name), Says::Nothing, "{name}");
        }
    }
}
