use std::ops::ControlFlow;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Row, ToSql};

use super::{Source, TableKind, quoted};
use crate::row::RowKey;
use crate::shape::{Role, Selected};
use crate::value::SqlValue;
use crate::{Error, Result};

/// A row as it is in the file: a value for each column of the table.
#[derive(Debug)]
pub(crate) struct RawRow {
    pub(crate) key: RowKey,
    pub(crate) values: Vec<SqlValue>,
}

impl Source {
    /// Hands the table's rows to `each`, in the order of their keys, until that has enough.
    pub(crate) fn rows(
        &self,
        table: &Selected,
        mut each: impl FnMut(RawRow) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut sql = self.select(table)?;
        if let Some(rowid) = table.info.rowid() {
            sql.push_str(&format!(" ORDER BY {rowid}"));
        }
        let mut read = || {
            let mut statement = self.connection.prepare(&sql)?;
            let mut rows = statement.query([self.max_value_bytes as i64])?;
            while let Some(row) = rows.next()? {
                if each(raw_row(table, row)?).is_break() {
                    break;
                }
            }
            Ok(())
        };
        read().map_err(self.failed())
    }

    /// The row of that key; `None` when there is none any more.
    pub(crate) fn row(&self, table: &Selected, key: &serde_json::Value) -> Result<Option<RawRow>> {
        let Some(RowKey(key)) = RowKey::from_json(key) else { return Ok(None) };
        let names: Vec<String> = match (table.info.rowid(), &key[..]) {
            (Some(rowid), [SqlValue::Integer(_)]) => vec![rowid.to_owned()],
            _ => table.info.key().iter().map(|index| quoted(&table.info.columns[*index].name)).collect(),
        };
        if names.is_empty() || names.len() != key.len() {
            return Ok(None);
        }
        let conditions: Vec<String> =
            names.iter().enumerate().map(|(index, name)| format!("{name} = ?{}", index + 2)).collect();
        let sql = format!("{} WHERE {}", self.select(table)?, conditions.join(" AND "));
        let mut params = vec![SqlValue::Integer(self.max_value_bytes as i64)];
        params.extend(key);
        let read = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut rows = statement.query(rusqlite::params_from_iter(params))?;
            rows.next()?.map(|row| raw_row(table, row)).transpose()
        };
        read().map_err(self.failed())
    }

    /// The number of the row, then each column with its size: what is too large, and what is not wanted, is not read.
    fn select(&self, table: &Selected) -> Result<String> {
        let rowid = match (table.info.kind, table.info.rowid()) {
            (TableKind::Table, Some(rowid)) => rowid,
            (TableKind::WithoutRowid, _) => "NULL",
            _ => {
                return Err(Error::BadSource {
                    file: self.file.clone(),
                    why: format!("the rows of {:?} cannot be told apart", table.info.name),
                });
            }
        };
        let mut sql = format!("SELECT {rowid}");
        for (column, role) in table.info.columns.iter().zip(&table.roles) {
            if *role == Some(Role::Ignore) {
                sql.push_str(", NULL, NULL");
            } else {
                let name = quoted(&column.name);
                sql.push_str(&format!(
                    ", CASE WHEN octet_length({name}) <= ?1 THEN {name} END, octet_length({name})"
                ));
            }
        }
        sql.push_str(&format!(" FROM main.{}", quoted(&table.info.name)));
        Ok(sql)
    }
}

fn raw_row(table: &Selected, row: &Row<'_>) -> rusqlite::Result<RawRow> {
    let rowid: Option<i64> = row.get(0)?;
    let mut values = Vec::with_capacity(table.info.columns.len());
    for index in 0..table.info.columns.len() {
        let value = match (row.get_ref(1 + 2 * index)?, row.get::<_, Option<i64>>(2 + 2 * index)?) {
            (ValueRef::Null, Some(bytes)) => SqlValue::TooLarge(bytes.unsigned_abs()),
            (ValueRef::Null, None) => SqlValue::Null,
            (ValueRef::Integer(number), _) => SqlValue::Integer(number),
            (ValueRef::Real(number), _) => SqlValue::Real(number),
            (ValueRef::Blob(bytes), _) => SqlValue::Blob(bytes.to_vec()),
            (ValueRef::Text(bytes), _) => match std::str::from_utf8(bytes) {
                Ok(text) => SqlValue::Text(text.to_owned()),
                Err(_) => SqlValue::NotUtf8(bytes.to_vec()),
            },
        };
        values.push(value);
    }
    Ok(RawRow { key: RowKey::of(table, rowid, &values), values })
}

impl ToSql for SqlValue {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null | Self::TooLarge(_) => ToSqlOutput::Owned(Value::Null),
            Self::Integer(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Self::Real(number) => ToSqlOutput::Owned(Value::Real(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::NotUtf8(bytes) => ToSqlOutput::Borrowed(ValueRef::Text(bytes)),
            Self::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}
