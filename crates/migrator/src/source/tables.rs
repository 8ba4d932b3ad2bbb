use serde::Serialize;

use super::{Source, quoted};
use crate::Result;
use crate::shape::TableInfo;

/// A column, as the file declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its declared type, which binds nobody.
    pub declared: String,
    /// Its place in the primary key, from 1; 0 outside.
    pub key: u32,
}

/// What something that can be selected from is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// A table whose rows have numbers.
    Table,
    /// A table whose rows are known by their primary key alone.
    WithoutRowid,
    /// A view.
    View,
    /// A virtual table, such as one for full-text search.
    Virtual,
    /// Where a virtual table keeps its data.
    Shadow,
}

impl Source {
    /// Everything that can be selected from, less SQLite's own.
    pub(super) fn inspect(&self) -> Result<Vec<TableInfo>> {
        let read = || {
            let mut listed = self.connection.prepare("PRAGMA main.table_list")?;
            let listed = listed.query_map((), |row| {
                Ok((row.get::<_, String>("name")?, row.get::<_, String>("type")?, row.get::<_, bool>("wr")?))
            })?;
            let mut tables = Vec::new();
            for table in listed {
                let (name, kind, without_rowid) = table?;
                if name.to_ascii_lowercase().starts_with("sqlite_") {
                    continue;
                }
                let kind = match kind.as_str() {
                    "table" if without_rowid => TableKind::WithoutRowid,
                    "table" => TableKind::Table,
                    "view" => TableKind::View,
                    "virtual" => TableKind::Virtual,
                    _ => TableKind::Shadow,
                };
                let columns = match kind {
                    TableKind::Table | TableKind::WithoutRowid => self.columns(&name)?,
                    _ => Vec::new(),
                };
                tables.push(TableInfo { name, kind, columns });
            }
            tables.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(tables)
        };
        read().map_err(self.failed())
    }

    fn columns(&self, table: &str) -> rusqlite::Result<Vec<Column>> {
        let mut columns = self.connection.prepare(&format!("PRAGMA main.table_info({})", quoted(table)))?;
        let columns = columns.query_map((), |row| {
            Ok(Column {
                name: row.get("name")?,
                declared: row.get::<_, Option<String>>("type")?.unwrap_or_default(),
                key: row.get("pk")?,
            })
        })?;
        columns.collect()
    }

    /// Rows of a table.
    pub(crate) fn count(&self, table: &TableInfo) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM main.{}", quoted(&table.name));
        let rows: i64 = self.connection.query_row(&sql, (), |row| row.get(0)).map_err(self.failed())?;
        Ok(rows.unsigned_abs())
    }

    /// The average length of a column's texts in the table's first rows; 0 where it holds none.
    pub(crate) fn text_length(&self, table: &TableInfo, column: &Column) -> Result<f64> {
        let sql = format!(
            "SELECT coalesce(avg(CASE WHEN typeof(c) = 'text' THEN length(c) END), 0.0)
             FROM (SELECT {} AS c FROM main.{} LIMIT 100)",
            quoted(&column.name),
            quoted(&table.name)
        );
        self.connection.query_row(&sql, (), |row| row.get(0)).map_err(self.failed())
    }
}
