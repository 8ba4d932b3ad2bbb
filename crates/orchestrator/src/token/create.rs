use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::secret::{Parts, generate};
use super::{AccessToken, token_columns};
use crate::name::check_name;
use crate::{Error, Orchestrator, Result};

const MAX_PROJECTS: usize = 100;

/// A token to be made. What is left out is not restricted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewToken {
    /// What its owner calls it.
    pub name: String,
    /// The projects that it opens; all, when empty.
    pub projects: Vec<String>,
    /// The role in which it works.
    pub role: Option<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A token that was just made.
#[derive(Clone, Serialize)]
pub struct CreatedToken {
    /// What is to be shown. It is nowhere else, and cannot be found out again.
    pub secret: String,
    /// The token.
    #[serde(flatten)]
    pub token: AccessToken,
}

impl fmt::Debug for CreatedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedToken").field("token", &self.token).finish_non_exhaustive()
    }
}

impl NewToken {
    fn check(&self) -> Result<()> {
        check_name("the token's name", &self.name)?;
        if let Some(role) = &self.role {
            check_name("the role", role)?;
        }
        if self.projects.len() > MAX_PROJECTS {
            return Err(Error::bad_input(
                "the projects",
                format!("{} are more than {MAX_PROJECTS}", self.projects.len()),
            ));
        }
        self.projects.iter().try_for_each(|project| check_name("the project", project))?;
        match self.expires_at {
            Some(at) if at <= Timestamp::now() => {
                Err(Error::bad_input("the token's end", format!("{at} has passed")))
            }
            _ => Ok(()),
        }
    }
}

impl Orchestrator {
    /// Makes a token. Repeated after a lost answer it makes another one; the list shows both.
    #[tracing::instrument(name = "orchestrator.create_token", skip_all, fields(name = new.name))]
    pub async fn create_token(&self, new: &NewToken) -> Result<CreatedToken> {
        new.check()?;
        let secret = generate();
        let parts = Parts::of(&secret).ok_or(Error::NoFreeId)?;
        let projects = (!new.projects.is_empty()).then_some(&new.projects);
        let row = self
            .db
            .query_opt(
                "create_token",
                concat!(
                    // The same id is our own, from an attempt whose answer was lost.
                    "-- create_token
                     INSERT INTO access_tokens AS a (token_id, name, token_hash, projects, role, expires_at)
                     VALUES ($1, $2, $3, $4, $5, $6)
                     ON CONFLICT (token_id) DO UPDATE SET name = a.name WHERE a.token_hash = EXCLUDED.token_hash
                     RETURNING ",
                    token_columns!()
                ),
                &[&parts.id, &new.name, &parts.hash(), &projects, &new.role, &new.expires_at],
            )
            .await?
            .ok_or(Error::NoFreeId)?;
        Ok(CreatedToken { token: AccessToken::from_row(&row)?, secret })
    }
}
