use std::fs;

use agent_turbo_cli::fuzzing;

const SECRET: &str = "zQ8wK3vX";

/// A settings file: nothing that is shown of it holds the database's password.
pub fn settings(data: &[u8]) {
    let Ok(dir) = tempfile::tempdir() else { return };
    let file = dir.path().join("config.toml");
    for (before, after) in [
        ("", ""),
        ("database_url = \"postgresql://u:zQ8wK3vX@h/d\"\n", ""),
        ("", "\ndatabase_url = 'postgresql://u:zQ8wK3vX@h/d"),
    ] {
        let whole = [before.as_bytes(), data, after.as_bytes()].concat();
        if fs::write(&file, &whole).is_err() {
            return;
        }
        let shown = fuzzing::settings(&file);
        let (Ok(shown) | Err(shown)) = &shown;
        let secret_is_given = data.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(secret_is_given || !shown.contains(SECRET), "{shown}");
    }
}
