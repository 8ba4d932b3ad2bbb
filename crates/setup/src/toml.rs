//! Codex's configuration.

use std::ops::Range;
use std::path::Path;

use serde_json::{Map, Value};
use toml_edit::{Document, Item, TableLike};

use crate::fragment::Fragment;
use crate::server::{self, SERVER_NAME};
use crate::splice::{self, Splice, cut};
use crate::{Error, Result};

const SERVERS: &str = "mcp_servers";

/// Our server's entry, if there is one of our making.
pub(crate) fn ours(text: &str, path: &Path) -> Result<Option<Value>> {
    Ok(entry(text, path)?.filter(server::is_ours))
}

/// Puts our server's table at the end, where it is nobody else's.
pub(crate) fn insert(text: &mut String, what: &Fragment, path: &Path, noted: &mut Vec<Splice>) -> Result<()> {
    let place = format!("{SERVERS}.{SERVER_NAME}");
    if entry(text, path)?.is_some() {
        return Err(Error::Taken { path: path.to_owned(), place });
    }
    let eol = if text.find('\n').is_some_and(|at| text[..at].ends_with('\r')) { "\r\n" } else { "\n" };
    let mut table = match text.as_str() {
        "" => String::new(),
        text if text.ends_with('\n') => eol.to_owned(),
        _ => eol.repeat(2),
    };
    table += &format!("[{SERVERS}.{SERVER_NAME}]{eol}");
    if let Fragment::Object(members) = what {
        for (name, member) in members {
            table += &format!("{} = {}{eol}", key(name), rendered(&member.value()));
        }
    }
    let mut changed = text.clone();
    let mut splices = Vec::new();
    splice::insert(&mut changed, text.len(), table, &mut splices);
    // A table that is written on one line, or by dotted keys, takes no further ones.
    if entry(&changed, path).ok().flatten() != Some(what.value()) {
        let why = "is written in a way that nothing can be added to";
        return Err(Error::Shape { path: path.to_owned(), place: SERVERS.to_owned(), why });
    }
    *text = changed;
    noted.append(&mut splices);
    Ok(())
}

/// Takes our server's table out, with those below it; whether it was there.
pub(crate) fn remove_ours(text: &mut String, path: &Path) -> Result<bool> {
    if ours(text, path)?.is_none() {
        return Ok(false);
    }
    let mut changed = text.clone();
    let ranges = {
        let document = parse(text, path)?;
        let mut ranges = Vec::new();
        if let Some(item) = document.get(SERVERS).and_then(|servers| servers.get(SERVER_NAME)) {
            tables(item, &mut ranges);
        }
        ranges.sort_by_key(|range| range.start);
        ranges
    };
    for range in ranges.into_iter().rev() {
        let range = lines(&changed, range);
        cut(&mut changed, range);
    }
    if entry(&changed, path).ok() != Some(None) {
        let why = "is written in another way than setup does; remove it by hand";
        let place = format!("{SERVERS}.{SERVER_NAME}");
        return Err(Error::Shape { path: path.to_owned(), place, why });
    }
    *text = changed;
    Ok(true)
}

fn parse<'a>(text: &'a str, path: &Path) -> Result<Document<&'a str>> {
    Document::parse(text).map_err(|error| {
        let before = &text[..error.span().map_or(0, |span| span.start).min(text.len())];
        Error::Syntax {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.chars().rev().take_while(|character| *character != '\n').count() + 1,
            why: error.message().to_owned(),
        }
    })
}

fn entry(text: &str, path: &Path) -> Result<Option<Value>> {
    let document = parse(text, path)?;
    match document.get(SERVERS) {
        None => Ok(None),
        Some(servers) if servers.is_table_like() => Ok(servers.get(SERVER_NAME).map(value)),
        Some(_) => {
            let why = "is not a table";
            Err(Error::Shape { path: path.to_owned(), place: SERVERS.to_owned(), why })
        }
    }
}

fn value(item: &Item) -> Value {
    if let Some(table) = item.as_table_like() {
        return object(table);
    }
    match item {
        Item::Value(toml) => of_value(toml),
        _ => Value::Null,
    }
}

fn of_value(toml: &toml_edit::Value) -> Value {
    match toml {
        toml_edit::Value::String(text) => Value::from(text.value().as_str()),
        toml_edit::Value::Integer(number) => Value::from(*number.value()),
        toml_edit::Value::Float(number) => Value::from(*number.value()),
        toml_edit::Value::Boolean(flag) => Value::from(*flag.value()),
        toml_edit::Value::Datetime(time) => Value::from(time.value().to_string()),
        toml_edit::Value::Array(items) => items.iter().map(of_value).collect(),
        toml_edit::Value::InlineTable(table) => object(table),
    }
}

fn object(table: &dyn TableLike) -> Value {
    Value::Object(table.iter().map(|(name, item)| (name.to_owned(), value(item))).collect::<Map<_, _>>())
}

/// Where the tables are that make up an item, each from its header to the end of its last value: what comes
/// after that belongs to the next one.
fn tables(item: &Item, ranges: &mut Vec<Range<usize>>) {
    let Some(table) = item.as_table() else { return };
    // Others have no header of their own.
    if let Some(span) = table.span().filter(|_| !table.is_implicit() && !table.is_dotted()) {
        let values = table.get_values();
        let last = values.iter().filter_map(|(_, value)| value.span()).map(|span| span.end).max();
        ranges.push(span.start..last.unwrap_or(span.start));
    }
    for (_, item) in table {
        tables(item, ranges);
    }
}

/// The whole lines of a range, and the empty line before it.
fn lines(text: &str, range: Range<usize>) -> Range<usize> {
    let end = text[range.end..].find('\n').map_or(text.len(), |at| range.end + at + 1);
    let before = &text[..range.start];
    let start = ["\r\n", "\n"]
        .into_iter()
        .find(|eol| before.ends_with(&eol.repeat(2)) || before == *eol)
        .map_or(range.start, |eol| range.start - eol.len());
    start..end
}

fn key(name: &str) -> String {
    let bare =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if bare { name.to_owned() } else { toml_edit::Value::from(name).to_string() }
}

/// A value on one line.
fn rendered(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(rendered).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) => {
            let members =
                members.iter().map(|(name, member)| format!("{} = {}", key(name), rendered(member)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => toml_edit::Value::from(text.as_str()).to_string(),
        // TOML has no null, and so none was read.
        other => other.to_string(),
    }
}
