use std::sync::Arc;

use agent_turbo_orchestrator::AccessToken;

/// Who asks, and what he may see and do. Whoever answers a request finds it in the request's extensions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The token that he showed; `None` for whoever is on this machine and needs none.
    pub(crate) token_id: Option<Arc<str>>,
    /// The projects that exist for him; `None` for all.
    pub(crate) projects: Option<Arc<[String]>>,
    /// The role in which he works; `None` for any.
    pub(crate) role: Option<Arc<str>>,
}

/// What a caller may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// To him it does not exist.
    #[error("find the project {0:?}")]
    Project(String),
    /// His token is for another role.
    #[error("work in the role {wanted:?} with a token for the role {allowed:?}")]
    Role {
        /// What he asked for.
        wanted: String,
        /// What he may.
        allowed: String,
    },
    /// It concerns more than his projects.
    #[error("change what all projects share with a token for some of them")]
    Shared,
}

impl Caller {
    /// Whoever needs no token.
    pub(crate) fn unrestricted() -> Self {
        Self::default()
    }

    /// Whether rows of this project exist for him.
    pub(crate) fn sees(&self, project: &str) -> bool {
        self.projects.as_ref().is_none_or(|projects| projects.iter().any(|own| own == project))
    }

    /// Whether all projects exist for him.
    pub(crate) fn sees_everything(&self) -> bool {
        self.projects.is_none()
    }

    /// The project that was named, else `usual` if it exists for him, else his first one.
    pub(crate) fn project(&self, named: Option<String>, usual: &str) -> Result<String, Denied> {
        match (named, &self.projects) {
            (Some(named), _) if self.sees(&named) => Ok(named),
            (Some(named), _) => Err(Denied::Project(named)),
            (None, Some(projects)) if !self.sees(usual) => {
                projects.first().cloned().ok_or_else(|| Denied::Project(usual.to_owned()))
            }
            (None, _) => Ok(usual.to_owned()),
        }
    }

    /// The role that was named, else that of the token; `None` when neither says.
    pub(crate) fn role(&self, named: Option<String>) -> Result<Option<String>, Denied> {
        match (&self.role, named) {
            (Some(own), Some(wanted)) if **own != *wanted => {
                Err(Denied::Role { wanted, allowed: own.to_string() })
            }
            (Some(own), _) => Ok(Some(own.to_string())),
            (None, named) => Ok(named),
        }
    }

    /// For what is nobody's project.
    pub(crate) fn shared(&self) -> Result<(), Denied> {
        if self.sees_everything() { Ok(()) } else { Err(Denied::Shared) }
    }

    /// What keeps his keys apart from those of others.
    pub(crate) fn scope(&self) -> &str {
        self.token_id.as_deref().unwrap_or("loopback")
    }
}

impl From<AccessToken> for Caller {
    fn from(token: AccessToken) -> Self {
        Self {
            token_id: Some(token.token_id.into()),
            projects: token.projects.map(Into::into),
            role: token.role.map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Caller, Denied};

    fn of(projects: &[&str], role: Option<&str>) -> Caller {
        let projects = projects.iter().map(|project| (*project).to_owned()).collect::<Vec<_>>();
        Caller { token_id: Some("t".into()), projects: Some(projects.into()), role: role.map(Into::into) }
    }

    #[test]
    fn a_project_is_the_one_that_is_named_and_only_if_it_exists_for_the_caller() {
        let caller = of(&["a", "b"], None);
        assert_eq!(caller.project(Some("b".to_owned()), "default").unwrap(), "b");
        assert_eq!(caller.project(None, "default").unwrap(), "a");
        assert_eq!(caller.project(None, "b").unwrap(), "b");
        assert_eq!(caller.project(Some("A".to_owned()), "a"), Err(Denied::Project("A".to_owned())));
        assert_eq!(Caller::unrestricted().project(Some("x".to_owned()), "default").unwrap(), "x");
        assert!(caller.shared().is_err() && Caller::unrestricted().shared().is_ok());
    }

    #[test]
    fn a_role_is_that_of_the_token() {
        let caller = of(&["a"], Some("executor"));
        assert_eq!(caller.role(None).unwrap().as_deref(), Some("executor"));
        assert!(caller.role(Some("planner".to_owned())).is_err());
        assert_eq!(of(&["a"], None).role(Some("planner".to_owned())).unwrap().as_deref(), Some("planner"));
    }
}
