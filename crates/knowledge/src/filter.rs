use std::str::FromStr;

use agent_turbo_db::types::ToSql;
use serde_json::{Map, Value};

use crate::{Error, Project, Result};

/// Which entries count. Everything that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Filter {
    /// The project, whole and to the letter; `None` for all.
    pub project: Option<Project>,
    /// One of these types, if any is given.
    pub knowledge_types: Vec<String>,
    /// This category.
    pub category: Option<String>,
    /// All of these tags.
    pub tags: Vec<String>,
    /// Metadata that holds all of these members, with these values (`jsonb @>`).
    pub metadata: Map<String, Value>,
    /// Entries in which states.
    pub states: States,
}

/// Which entries count, by whether they are found at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum States {
    /// Those that nothing hides.
    #[default]
    Current,
    /// Every entry.
    All,
    /// Those that wait for approval.
    Quarantined,
    /// Those whose place another one took.
    Superseded,
    /// Those whose time is over.
    Expired,
}

/// A filter as SQL: conditions on `k`, and their parameters.
pub(crate) struct Conditions {
    /// ` AND …` for each part that is given.
    pub(crate) sql: String,
    pub(crate) params: Vec<Box<dyn ToSql + Send + Sync>>,
}

impl Filter {
    /// Everything in one project.
    pub fn project(project: Project) -> Self {
        Self { project: Some(project), ..Self::default() }
    }

    /// Whether it leaves out entries of its project.
    pub(crate) fn is_narrower_than_project(&self) -> bool {
        let Self { project: _, knowledge_types, category, tags, metadata, states } = self;
        let few = matches!(states, States::Quarantined | States::Superseded | States::Expired);
        few || !(knowledge_types.is_empty() && category.is_none() && tags.is_empty() && metadata.is_empty())
    }

    /// The same filter makes the same text, so that its prepared statement is found again. Parameters are numbered
    /// from `first`.
    pub(crate) fn conditions(&self, first: usize) -> Result<Conditions> {
        self.validate()?;
        let mut conditions = Conditions { sql: self.states.condition().to_owned(), params: Vec::new() };
        let mut add = |before: &str, after: &str, value: Box<dyn ToSql + Send + Sync>| {
            let number = first + conditions.params.len();
            conditions.sql.push_str(&format!(" AND {before}${number}{after}"));
            conditions.params.push(value);
        };
        if let Some(project) = &self.project {
            add("k.project = ", "", Box::new(project.as_str().to_owned()));
        }
        if !self.knowledge_types.is_empty() {
            add("k.knowledge_type = ANY(", ")", Box::new(self.knowledge_types.clone()));
        }
        if let Some(category) = &self.category {
            add("k.category = ", "", Box::new(category.clone()));
        }
        if !self.tags.is_empty() {
            add("k.tags @> ", "", Box::new(self.tags.clone()));
        }
        if !self.metadata.is_empty() {
            add("k.metadata @> ", "", Box::new(Value::Object(self.metadata.clone())));
        }
        Ok(conditions)
    }

    /// A filter on nothing would silently find nothing.
    pub(crate) fn validate(&self) -> Result<()> {
        let values = [("a type filter", &self.knowledge_types[..]), ("a tag filter", &self.tags[..])];
        for (what, values) in values.into_iter().chain([("a category filter", self.category.as_slice())]) {
            for value in values {
                check_label(what, value)?;
            }
        }
        check_metadata(&self.metadata)
    }
}

impl States {
    /// What hides an entry is defined by `knowledge_is_found` in `migrations/V9__quality.sql`.
    fn condition(self) -> &'static str {
        match self {
            Self::Current => " AND knowledge_is_found(k.superseded_by, k.quarantined_at, k.expires_at)",
            Self::All => "",
            Self::Quarantined => " AND k.quarantined_at IS NOT NULL",
            Self::Superseded => " AND k.superseded_by IS NOT NULL",
            Self::Expired => " AND k.expires_at <= now()",
        }
    }

    /// Whether entries may come to count by the time alone, so that no answer may be remembered.
    pub(crate) fn grow_with_time(self) -> bool {
        self == Self::Expired
    }
}

impl FromStr for States {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "current" => Ok(Self::Current),
            "all" => Ok(Self::All),
            "quarantined" => Ok(Self::Quarantined),
            "superseded" => Ok(Self::Superseded),
            "expired" => Ok(Self::Expired),
            _ => Err(Error::bad_input(
                "the state",
                format!("{name:?} is none of current, all, quarantined, superseded, expired"),
            )),
        }
    }
}

/// Types, categories and tags: at most 256 bytes without control characters, and something.
///
/// # Errors
/// [`Error::BadInput`] about `what`.
pub fn check_label(what: &'static str, value: &str) -> Result<()> {
    if value.trim().is_empty() {
        Err(Error::bad_input(what, "it is empty"))
    } else if value.len() > 256 {
        Err(Error::bad_input(what, "it has more than 256 bytes"))
    } else if value.chars().any(char::is_control) {
        Err(Error::bad_input(what, format!("{value:?} holds control characters")))
    } else {
        Ok(())
    }
}

/// JSON may hold `\u0000`, jsonb may not.
pub(crate) fn check_metadata(metadata: &Map<String, Value>) -> Result<()> {
    fn holds_nul(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(values) => values.iter().any(holds_nul),
            Value::Object(members) => {
                members.iter().any(|(key, value)| key.contains('\0') || holds_nul(value))
            }
            _ => false,
        }
    }
    if metadata.iter().any(|(key, value)| key.contains('\0') || holds_nul(value)) {
        return Err(Error::bad_input(
            "the metadata",
            "it holds a NUL character, which PostgreSQL cannot store",
        ));
    }
    Ok(())
}
