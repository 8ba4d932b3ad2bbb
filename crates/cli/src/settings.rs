use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fmt, fs, io};

use agent_turbo_db::ConnectionUrl;
use serde::Deserialize;
use toml::{Table, Value};

/// Everything that can be set: configuration file < environment < flag.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where the database is; empty for the embedded one.
    pub(crate) database_url: String,
    /// The schema that holds the tables; empty for the server's default.
    pub(crate) schema: String,
    /// Connections kept open by long-lived programs.
    pub(crate) pool_min: usize,
    /// Connections at the most.
    pub(crate) pool_max: usize,
    /// For opening a connection, in milliseconds.
    pub(crate) connect_timeout_ms: u64,
    /// For getting a connection out of the pool, in milliseconds.
    pub(crate) wait_timeout_ms: u64,
    /// For one statement, in milliseconds.
    pub(crate) statement_timeout_ms: u64,
    /// Where the embedding service is; empty for the one on port 8765 or else the embedded one.
    pub(crate) embed_url: String,
    /// For one attempt at embedding one text, in milliseconds.
    pub(crate) embed_timeout_ms: u64,
    /// The embedded service's model: a folder, or a name in the local Hugging Face cache; empty for the default.
    pub(crate) embed_model: String,
    /// Vectors of texts kept on disk between runs; 0 for none.
    pub(crate) embed_cache_entries: usize,
    /// Where `serve` listens.
    pub(crate) listen: String,
    /// The project that commands work in when they name none.
    pub(crate) project: String,
    /// The longest text that is taken, in bytes.
    pub(crate) max_content_bytes: usize,
    /// Whether secrets in added texts are replaced.
    pub(crate) redact_secrets: bool,
    /// Platforms whose entries are not found before somebody approves them.
    pub(crate) untrusted_platforms: Vec<String>,
    /// Memory for answers, in bytes, in long-lived programs.
    pub(crate) result_cache_bytes: u64,
    /// Whether the time that operations take is measured and stored.
    pub(crate) metrics: bool,
    /// Of commands that end at once, one of so many is measured.
    pub(crate) metrics_one_of: u64,
}

/// What is wrong with the settings, and where they come from.
#[derive(Debug)]
pub(crate) struct SettingsError {
    source_name: String,
    what: String,
}

/// What flags override.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) config: Option<PathBuf>,
    pub(crate) embed_url: Option<String>,
    pub(crate) schema: Option<String>,
}

const PREFIX: &str = "AGENT_TURBO_";

impl Default for Settings {
    fn default() -> Self {
        Self {
            database_url: String::new(),
            schema: String::new(),
            pool_min: 2,
            pool_max: 10,
            connect_timeout_ms: 5_000,
            wait_timeout_ms: 10_000,
            statement_timeout_ms: 30_000,
            embed_url: String::new(),
            embed_timeout_ms: 10_000,
            embed_model: String::new(),
            embed_cache_entries: 65_536,
            listen: "127.0.0.1:8787".to_owned(),
            project: "default".to_owned(),
            max_content_bytes: 1 << 20,
            redact_secrets: true,
            untrusted_platforms: Vec::new(),
            result_cache_bytes: 32 << 20,
            metrics: true,
            metrics_one_of: 16,
        }
    }
}

impl Settings {
    /// From the configuration file and the environment.
    pub fn load() -> anyhow::Result<Self> {
        Ok(Self::resolve(Overrides::default(), |name| env::var_os(name))?)
    }

    pub(crate) fn resolve(
        overrides: Overrides,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, SettingsError> {
        let named = overrides.config.or_else(|| set(&environment, "AGENT_TURBO_CONFIG").map(PathBuf::from));
        let mut table = match named {
            Some(path) => read(&path)?.ok_or_else(|| SettingsError {
                source_name: path.display().to_string(),
                what: "there is no such file".to_owned(),
            })?,
            None => usual_file(&environment).map_or(Ok(None), |path| read(&path))?.unwrap_or_default(),
        };
        for (name, like) in fields() {
            let variable = match name {
                // The name that every PostgreSQL program knows.
                "database_url" => "DATABASE_URL".to_owned(),
                _ => format!("{PREFIX}{}", name.to_uppercase()),
            };
            if let Some(text) = set(&environment, &variable) {
                let text = text.into_string().map_err(|_| SettingsError {
                    source_name: variable.clone(),
                    what: "it is not UTF-8".to_owned(),
                })?;
                let value = of_kind(&like, text, &variable)?;
                check(name, &value, &variable)?;
                table.insert(name.to_owned(), value);
            }
        }
        for (name, value) in [("embed_url", overrides.embed_url), ("schema", overrides.schema)] {
            if let Some(value) = value {
                table.insert(name.to_owned(), Value::String(value));
            }
        }
        let settings: Self = table.try_into().map_err(|error: toml::de::Error| SettingsError {
            source_name: "the settings".to_owned(),
            what: error.message().to_owned(),
        })?;
        settings.check_together()?;
        Ok(settings)
    }

    /// What no setting shows by itself. A program that asks once opens one connection only, but what it accepts must
    /// work in the others, too.
    fn check_together(&self) -> Result<(), SettingsError> {
        let Self { pool_min, pool_max, .. } = self;
        if (1..=*pool_max).contains(pool_min) {
            return Ok(());
        }
        Err(SettingsError {
            source_name: "the settings".to_owned(),
            what: format!("pool_min is {pool_min}, pool_max is {pool_max}: 1 to pool_max is needed"),
        })
    }

    /// Where the database is, if it is not the embedded one.
    pub fn database_url(&self) -> Option<ConnectionUrl> {
        (!self.database_url.is_empty()).then(|| ConnectionUrl::new(self.database_url.clone()))
    }

    pub(crate) fn database(&self, url: ConnectionUrl) -> agent_turbo_db::Config {
        let mut config = agent_turbo_db::Config::new(url);
        config.schema = (!self.schema.is_empty()).then(|| self.schema.clone());
        config.pool_min = self.pool_min;
        config.pool_max = self.pool_max;
        config.connect_timeout = Duration::from_millis(self.connect_timeout_ms);
        config.wait_timeout = Duration::from_millis(self.wait_timeout_ms);
        config.statement_timeout = Duration::from_millis(self.statement_timeout_ms);
        config.session_settings = agent_turbo_knowledge::session_settings();
        config
    }
}

/// The settings' names, each with a value of its kind.
fn fields() -> Vec<(&'static str, Value)> {
    let text = Value::String(String::new());
    let number = Value::Integer(0);
    let switch = Value::Boolean(false);
    vec![
        ("database_url", text.clone()),
        ("schema", text.clone()),
        ("pool_min", number.clone()),
        ("pool_max", number.clone()),
        ("connect_timeout_ms", number.clone()),
        ("wait_timeout_ms", number.clone()),
        ("statement_timeout_ms", number.clone()),
        ("embed_url", text.clone()),
        ("embed_timeout_ms", number.clone()),
        ("embed_model", text.clone()),
        ("embed_cache_entries", number.clone()),
        ("listen", text.clone()),
        ("project", text),
        ("max_content_bytes", number.clone()),
        ("redact_secrets", switch.clone()),
        ("untrusted_platforms", Value::Array(Vec::new())),
        ("result_cache_bytes", number.clone()),
        ("metrics", switch),
        ("metrics_one_of", number),
    ]
}

fn of_kind(like: &Value, text: String, variable: &str) -> Result<Value, SettingsError> {
    let wrong = |what: &str| SettingsError {
        source_name: variable.to_owned(),
        what: format!("{text:?} is not {what}"),
    };
    match like {
        Value::Integer(_) => text.trim().parse().map(Value::Integer).map_err(|_| wrong("a whole number")),
        Value::Boolean(_) => match text.trim() {
            "true" | "1" | "yes" | "on" => Ok(Value::Boolean(true)),
            "false" | "0" | "no" | "off" => Ok(Value::Boolean(false)),
            _ => Err(wrong("true or false")),
        },
        Value::Array(_) => {
            let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            Ok(Value::Array(names.map(|name| Value::String(name.to_owned())).collect()))
        }
        _ => Ok(Value::String(text)),
    }
}

/// Tries one setting alone, so that a wrong one is named with its source.
fn check(name: &str, value: &Value, source_name: &str) -> Result<(), SettingsError> {
    let alone = Table::from_iter([(name.to_owned(), value.clone())]);
    let tried: Result<Settings, toml::de::Error> = alone.try_into();
    tried.map(drop).map_err(|error| SettingsError {
        source_name: source_name.to_owned(),
        what: format!("{name} has an {}", error.message().trim_end()),
    })
}

/// A variable that is set to nothing is not set.
fn set(environment: &impl Fn(&str) -> Option<OsString>, name: &str) -> Option<OsString> {
    environment(name).filter(|value| !value.is_empty())
}

fn usual_file(environment: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let directory = match set(environment, "XDG_CONFIG_HOME") {
        Some(directory) => PathBuf::from(directory),
        None => PathBuf::from(set(environment, "HOME")?).join(".config"),
    };
    Some(directory.join("agent-turbo").join("config.toml"))
}

fn read(path: &Path) -> Result<Option<Table>, SettingsError> {
    let wrong = |what: String| SettingsError { source_name: path.display().to_string(), what };
    match fs::read_to_string(path) {
        Ok(text) => {
            let table: Table = text.parse().map_err(|error: toml::de::Error| {
                // The message's excerpt of the file might show a password.
                wrong(error.message().to_owned())
            })?;
            let known = fields();
            for (key, value) in &table {
                if !known.iter().any(|(name, _)| name == key) {
                    return Err(wrong(format!("there is no setting {key:?}")));
                }
                check(key, value, &path.display().to_string())?;
            }
            Ok(Some(table))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong(error.to_string())),
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "use {}: {}", self.source_name, self.what)
    }
}

impl std::error::Error for SettingsError {}

impl fmt::Debug for Settings {
    /// Without the connection string, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("schema", &self.schema)
            .field("embed_url", &self.embed_url)
            .field("project", &self.project)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)], overrides: Overrides) -> Result<Settings, SettingsError> {
        let variables: Vec<(String, String)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::resolve(overrides, move |name| {
            variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.into())
        })
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_file() {
        let file = file("embed_url = 'http://file'\nschema = 'file'\npool_max = 7\n");
        let path = file.path().to_str().unwrap();
        let variables = [
            ("AGENT_TURBO_CONFIG", path),
            ("AGENT_TURBO_EMBED_URL", "http://env"),
            ("AGENT_TURBO_SCHEMA", "env"),
        ];
        let overrides = Overrides { schema: Some("flag".to_owned()), ..Overrides::default() };
        let settings = settings(&variables, overrides).unwrap();
        assert_eq!(
            (settings.pool_max, settings.embed_url.as_str(), settings.schema.as_str()),
            (7, "http://env", "flag")
        );
        assert_eq!(settings.pool_min, 2);
    }

    #[test]
    fn every_setting_can_be_given_in_the_environment() {
        for (name, like) in fields() {
            let variable = if name == "database_url" {
                "DATABASE_URL".to_owned()
            } else {
                format!("{PREFIX}{}", name.to_uppercase())
            };
            let value = match like {
                Value::Integer(_) => "3",
                Value::Boolean(_) => "true",
                _ => "text",
            };
            assert!(settings(&[(&variable, value)], Overrides::default()).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_source_and_without_secrets() {
        let cases = [
            ("pool_maks = 1", "pool_maks"),
            ("pool_max = 'many'", "invalid type"),
            ("database_url = 'postgresql://u:hunter2@h", "config"),
        ];
        for (text, expected) in cases {
            let file = file(text);
            let overrides = Overrides { config: Some(file.path().to_owned()), ..Overrides::default() };
            let error = settings(&[], overrides).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
            assert!(error.contains(expected) || expected == "config", "{error}");
        }
        let error =
            settings(&[("AGENT_TURBO_POOL_MAX", "many")], Overrides::default()).unwrap_err().to_string();
        assert!(error.contains("AGENT_TURBO_POOL_MAX") && error.contains("whole number"), "{error}");
        let missing = Overrides { config: Some("/nonexistent/config.toml".into()), ..Overrides::default() };
        assert!(settings(&[], missing).unwrap_err().to_string().contains("no such file"));
        let secret =
            settings(&[("DATABASE_URL", "postgresql://u:hunter2@h/d")], Overrides::default()).unwrap();
        assert!(!format!("{secret:?}").contains("hunter2"));
    }
}
