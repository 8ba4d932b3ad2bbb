use serde::{Deserialize, Serialize};

use crate::Result;
use crate::name::check_name;

/// For whom a landing context is: an agent of some role and platform in a project.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContextScope {
    /// The project that it works in.
    pub project: String,
    /// Its role; `None` shows the ready tasks of every role.
    pub role: Option<String>,
    /// Its platform; `None` shows the ready tasks of every platform.
    pub platform: Option<String>,
}

impl ContextScope {
    /// Every role and platform of a project.
    pub fn project(name: impl Into<String>) -> Self {
        Self { project: name.into(), role: None, platform: None }
    }

    pub(super) fn check(&self) -> Result<()> {
        check_name("the project", &self.project)?;
        check_name("the role", self.role.as_deref().unwrap_or("any"))?;
        check_name("the platform", self.platform.as_deref().unwrap_or("any"))
    }

    /// One text for each scope: a JSON array, in which no part can be taken for another.
    pub(super) fn cache_key(&self) -> String {
        serde_json::json!([self.project, self.role, self.platform]).to_string()
    }
}
