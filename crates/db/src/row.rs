use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::{Error, Result};

/// Columns by name, with an error that says which one is wrong.
pub trait RowExt {
    /// The value of `column`.
    fn column<'a, T: FromSql<'a>>(&'a self, column: &str) -> Result<T>;
}

impl RowExt for Row {
    fn column<'a, T: FromSql<'a>>(&'a self, column: &str) -> Result<T> {
        self.try_get(column).map_err(|source| Error::CorruptRow { column: column.to_owned(), source })
    }
}
