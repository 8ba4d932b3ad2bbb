use serde::Serialize;

use super::{Mapping, Role, Shape, recognise};
use crate::report::Skipped;
use crate::source::{Column, Source, TableKind};
use crate::{Error, Options, Result};

/// A table of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableInfo {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: TableKind,
    /// Its columns; none for what is not read.
    pub columns: Vec<Column>,
}

/// A table that is imported.
#[derive(Debug, Clone)]
pub(crate) struct Selected {
    pub(crate) info: TableInfo,
    pub(crate) shape: Shape,
    pub(crate) mapping: Mapping,
    /// Of each column.
    pub(crate) roles: Vec<Option<Role>>,
    /// The columns of the content, in their order in the text.
    pub(crate) content: Vec<usize>,
}

impl TableInfo {
    /// The columns of its primary key, in the key's order.
    pub(crate) fn key(&self) -> Vec<usize> {
        let mut key: Vec<usize> =
            (0..self.columns.len()).filter(|index| self.columns[*index].key > 0).collect();
        key.sort_by_key(|index| self.columns[*index].key);
        key
    }

    /// A name of the rows' numbers that no column has.
    pub(crate) fn rowid(&self) -> Option<&'static str> {
        if self.kind != TableKind::Table {
            return None;
        }
        let taken = |name: &str| self.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
        ["rowid", "_rowid_", "oid"].into_iter().find(|name| !taken(name))
    }

    /// Whether a column is another name of the rows' numbers.
    pub(crate) fn is_rowid(&self, index: usize) -> bool {
        self.kind == TableKind::Table
            && self.key() == [index]
            && self.columns[index].declared.eq_ignore_ascii_case("integer")
    }
}

impl Selected {
    pub(crate) fn new(info: &TableInfo, shape: Shape, mapping: Mapping) -> Result<Self> {
        let mut roles = vec![None; info.columns.len()];
        let mut content = Vec::new();
        for (role, name) in &mapping.columns {
            let Some(index) = info.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
            else {
                let names: Vec<&str> = info.columns.iter().map(|column| column.name.as_str()).collect();
                let why = format!("{} has no column {name:?}; it has {}", info.name, names.join(", "));
                return Err(Error::bad_input("the mapping", why));
            };
            roles[index] = Some(*role);
            if *role == Role::Content {
                content.push(index);
            }
        }
        Ok(Self { info: info.clone(), shape, mapping, roles, content })
    }
}

/// The tables to be imported, and those that are left out.
pub(crate) fn select(source: &Source, options: &Options) -> Result<(Vec<Selected>, Vec<Skipped>)> {
    if let Some(name) = &options.table {
        let table = source.table(name).ok_or_else(|| {
            let names: Vec<&str> = source.tables.iter().map(|table| table.name.as_str()).collect();
            Error::bad_input("the table", format!("there is no {name:?}; there is: {}", names.join(", ")))
        })?;
        if let Some(why) = table.unreadable() {
            return Err(Error::bad_input("the table", format!("{name:?} is {why}")));
        }
        let found = match &options.mapping {
            Some(mapping) => Some((Shape::Mapped, mapping.clone())),
            None => recognise(&table.name, &table.columns),
        };
        let Some((shape, mapping)) = found else {
            return Err(unrecognised(source, Some(table))?);
        };
        return Ok((vec![Selected::new(table, shape, mapping)?], Vec::new()));
    }
    if options.mapping.is_some() {
        return Err(Error::bad_input("the mapping", "name the table that it is for as well"));
    }
    let (mut selected, mut skipped) = (Vec::new(), Vec::new());
    for table in &source.tables {
        match (table.unreadable(), recognise(&table.name, &table.columns)) {
            (Some(why), _) => skipped.push(Skipped { table: table.name.clone(), why }),
            (None, Some((shape, mapping))) => selected.push(Selected::new(table, shape, mapping)?),
            (None, None) => {
                skipped.push(Skipped { table: table.name.clone(), why: "a table of another kind" });
            }
        }
    }
    if selected.is_empty() {
        return Err(unrecognised(source, None)?);
    }
    Ok((selected, skipped))
}

impl TableInfo {
    /// Why its rows are not imported, if they are not.
    fn unreadable(&self) -> Option<&'static str> {
        match self.kind {
            TableKind::View => Some("a view, whose rows are those of tables"),
            TableKind::Virtual => Some("a virtual table"),
            TableKind::Shadow => Some("a virtual table's own data"),
            TableKind::Table if self.rowid().is_none() => {
                Some("a table whose columns hide the numbers of its rows")
            }
            TableKind::Table | TableKind::WithoutRowid => None,
        }
    }
}

fn unrecognised(source: &Source, only: Option<&TableInfo>) -> Result<Error> {
    let candidates = source
        .tables
        .iter()
        .filter(|table| table.unreadable().is_none() && only.is_none_or(|only| only.name == table.name));
    let mut proposals = Vec::new();
    for table in candidates {
        proposals.extend(super::propose(source, table)?);
    }
    // Most text first.
    proposals.sort_by(|one, other| other.score().total_cmp(&one.score()));
    if proposals.is_empty() {
        return Ok(Error::BadSource {
            file: source.file.clone(),
            why: "it holds no table with texts".to_owned(),
        });
    }
    Ok(Error::Unrecognised { file: source.file.clone(), proposals })
}
