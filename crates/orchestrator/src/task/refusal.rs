use agent_turbo_db as db;

use crate::{Error, Result};

/// What the database's own rules refused, told apart by its SQLSTATE (see `V5__orchestration.sql`).
pub(crate) fn refusal(error: Error) -> Error {
    let Error::Database(
        db::Error::Statement { ref source, .. }
        | db::Error::BadInput { ref source, .. }
        | db::Error::Conflict { ref source, .. },
    ) = error
    else {
        return error;
    };
    let Some(refused) = source.as_db_error() else { return error };
    let detail = || refused.detail().unwrap_or_default().to_owned();
    match refused.code().code() {
        "AT001" => Error::UnknownDependencies(detail()),
        "AT002" => Error::DependencyCycle(detail()),
        _ if refused.constraint() == Some("agent_tasks_approved_by_somebody_else") => Error::OwnWork,
        _ => error,
    }
}

/// The same for a result.
pub(crate) fn explained<T>(result: Result<T>) -> Result<T> {
    result.map_err(refusal)
}
