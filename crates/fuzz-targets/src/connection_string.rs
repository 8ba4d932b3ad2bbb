use agent_turbo_db::{Config, ConnectionUrl, LibpqEnvironment, fuzzing};

/// Occurs in no message of ours or of a library.
const SECRET: &str = "zQ8wK3vX";

/// Connection strings: what cannot be read is refused, and a password is shown nowhere.
pub fn connection_string(data: &[u8]) {
    let Some(text) = crate::text(data) else { return };
    check(text, None);
    if text.contains(SECRET) {
        return;
    }
    // The password where it may stand, as far as the rest does not take it for something else.
    check(&format!("postgresql://user:{SECRET}@{text}"), Some(SECRET));
    check(&format!("password='{SECRET}' {text}"), Some(SECRET));
    match text.split_once('?') {
        // What stands before an @ is a login, whatever else it looks like.
        Some((_, pairs)) if pairs.contains('@') => {}
        Some(_) => check(&format!("postgresql://{text}&password={SECRET}"), Some(SECRET)),
        None => check(&format!("postgresql://{text}?password={SECRET}"), Some(SECRET)),
    }
    if !text.contains(['\'', '\\'])
        && !text.contains("://")
        && text.ends_with(|last: char| last.is_ascii_alphanumeric())
    {
        check(&format!("{text} password={SECRET}"), Some(SECRET));
    }
}

fn check(url: &str, secret: Option<&str>) {
    let config = Config::new(ConnectionUrl::new(url));
    let mut shown = vec![format!("{config:?}")];
    match fuzzing::target(&config) {
        Ok((name, debug)) => {
            shown.push(debug);
            shown.push(name);
            let libpq = LibpqEnvironment::new(&config);
            if let Ok(libpq) = &libpq {
                assert!(libpq.variables.iter().all(|(name, _)| name.starts_with("PG")));
                assert!(
                    libpq.variables.iter().all(|(_, value)| !value.as_encoded_bytes().contains(&0)),
                    "{url:?}"
                );
            }
            shown.push(format!("{libpq:?}"));
        }
        Err(error) => shown.push(format!("{error} {error:?}")),
    }
    if let Some(secret) = secret {
        assert!(shown.iter().all(|shown| !shown.contains(secret)), "{shown:?} shows the password of {url:?}");
    }
}
