use agent_turbo_db as db;

/// What can go wrong with machines.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Database(#[from] db::Error),
}

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The way out, where there is one that can be told in general.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Database(error) => error.hint(),
        }
    }
}

impl db::Retryable for Error {
    fn database_error(&self) -> Option<&db::Error> {
        match self {
            Self::Database(error) => Some(error),
        }
    }
}
