use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::{Error, Result};

/// What a column means for an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Its text, or a part of that.
    Content,
    /// When it was made.
    CreatedAt,
    /// When it was last found.
    LastAccessed,
    /// How often it was found.
    AccessCount,
    /// Its category.
    Category,
    /// Its tags.
    Tags,
    /// Its type.
    Type,
    /// The session that it is from.
    Session,
    /// The platform of the agent that it is from.
    Platform,
    /// A JSON object that is its metadata.
    Metadata,
    /// JSON that belongs in the metadata under the column's name.
    Json,
    /// Nothing: it is not read.
    Ignore,
}

/// What the columns of a table mean; those that are not named are kept in the metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Roles and columns. `Content` may come several times, and so may `Tags`, `Json` and `Ignore`.
    pub columns: Vec<(Role, String)>,
    /// The type of all rows that name none.
    pub knowledge_type: Option<String>,
}

const NAMES: &[(Role, &str)] = &[
    (Role::Content, "content"),
    (Role::CreatedAt, "created_at"),
    (Role::LastAccessed, "last_accessed"),
    (Role::AccessCount, "access_count"),
    (Role::Category, "category"),
    (Role::Tags, "tags"),
    (Role::Type, "type"),
    (Role::Session, "session"),
    (Role::Platform, "platform"),
    (Role::Metadata, "metadata"),
    (Role::Json, "json"),
    (Role::Ignore, "ignore"),
];

/// Reads `content=title+body,created_at=ts,…`. Columns whose names hold more than letters, digits and `_` stand in double
/// quotes, with `""` for one of them.
///
/// # Errors
/// [`Error::BadInput`] that says which part is wrong.
pub fn parse_mapping(text: &str) -> Result<Mapping> {
    let bad = |why: String| Error::bad_input("the mapping", why);
    let mut columns: Vec<(Role, String)> = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) =
            rest.split_once('=').ok_or_else(|| bad(format!("{rest:?} is not of the form content=column")))?;
        let name = name.trim();
        let Some((role, _)) = NAMES.iter().find(|(_, known)| *known == name) else {
            let names: Vec<&str> = NAMES.iter().map(|(_, name)| *name).collect();
            return Err(bad(format!("{name:?} is not one of {}", names.join(", "))));
        };
        rest = after;
        loop {
            let (column, after) = column(rest).map_err(bad)?;
            if columns.iter().any(|(_, other)| other.eq_ignore_ascii_case(&column)) {
                return Err(bad(format!("the column {column:?} is named twice")));
            }
            if columns.iter().any(|(other, _)| other == role) && !role.may_repeat() {
                return Err(bad(format!("{name} is one column")));
            }
            columns.push((*role, column));
            rest = after.trim_start();
            match rest.strip_prefix('+') {
                Some(after) => rest = after,
                None => break,
            }
        }
        match rest.strip_prefix(',') {
            Some(after) if !after.trim().is_empty() => rest = after.trim_start(),
            None if rest.is_empty() => {}
            _ => return Err(bad(format!("after a column comes `,` or `+`, and not {rest:?}"))),
        }
    }
    if !columns.iter().any(|(role, _)| *role == Role::Content) {
        return Err(bad("it does not say which column is the content, as in content=body".to_owned()));
    }
    Ok(Mapping { columns, knowledge_type: None })
}

/// A column's name at the beginning of `text`, and what follows.
fn column(text: &str) -> Result<(String, &str), String> {
    let text = text.trim_start();
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find([',', '+']).unwrap_or(text.len());
        let name = text[..end].trim_end();
        return if name.is_empty() || name.contains(['"', '=']) {
            Err(format!("{name:?} is not the name of a column"))
        } else {
            Ok((name.to_owned(), &text[end..]))
        };
    };
    let mut name = String::new();
    loop {
        let (part, after) =
            rest.split_once('"').ok_or_else(|| format!("the quotes of {text:?} do not end"))?;
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(after) => {
                name.push('"');
                rest = after;
            }
            None if name.is_empty() => return Err("a column has an empty name".to_owned()),
            None => return Ok((name, after)),
        }
    }
}

impl Role {
    fn may_repeat(self) -> bool {
        matches!(self, Self::Content | Self::Tags | Self::Json | Self::Ignore)
    }

    fn name(self) -> &'static str {
        NAMES.iter().find(|(role, _)| *role == self).map_or("", |(_, name)| name)
    }
}

impl FromStr for Mapping {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse_mapping(text)
    }
}

/// As [`parse_mapping`] reads it; a type that is the same for all rows is not said.
impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        for (role, column) in &self.columns {
            match last {
                Some(other) if other == role => f.write_str("+")?,
                Some(_) => write!(f, ",{}=", role.name())?,
                None => write!(f, "{}=", role.name())?,
            }
            last = Some(role);
            if column.chars().all(|character| character.is_alphanumeric() || character == '_') {
                f.write_str(column)?;
            } else {
                write!(f, "\"{}\"", column.replace('"', "\"\""))?;
            }
        }
        Ok(())
    }
}

impl Serialize for Mapping {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_are_read_with_their_roles() {
        let mapping = parse_mapping(r#"content=title+"a, ""b""" , created_at = ts,ignore=vec+img"#).unwrap();
        let columns: Vec<(Role, &str)> =
            mapping.columns.iter().map(|(role, column)| (*role, column.as_str())).collect();
        assert_eq!(
            columns,
            [
                (Role::Content, "title"),
                (Role::Content, r#"a, "b""#),
                (Role::CreatedAt, "ts"),
                (Role::Ignore, "vec"),
                (Role::Ignore, "img"),
            ]
        );
        assert_eq!(mapping.to_string(), r#"content=title+"a, ""b""",created_at=ts,ignore=vec+img"#);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            "",
            "content",
            "content=",
            "content=a,",
            "content=a=b",
            "body=a",
            "created_at=a",
            "content=\"a",
            "content=a,content=A",
            "content=a,created_at=b+c",
            "content=\"a\"b",
            "content=\"\"",
            "content=a,,",
        ] {
            assert!(parse_mapping(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), like in "(content|tags|=|,|\\+|\"|a| ){0,12}") {
            let _ = parse_mapping(&text);
            let _ = parse_mapping(&like);
        }

        #[test]
        fn what_is_written_is_read(names in proptest::collection::hash_set("[a-d\",+= ]{0,5}[a-d]", 1..6)) {
            let mut columns: Vec<(Role, String)> = Vec::new();
            for name in names {
                if !columns.iter().any(|(_, other)| other.eq_ignore_ascii_case(&name)) {
                    columns.push((if columns.len() < 2 { Role::Content } else { Role::Json }, name));
                }
            }
            let mapping = Mapping { columns, knowledge_type: None };
            prop_assert_eq!(parse_mapping(&mapping.to_string()).unwrap(), mapping);
        }
    }
}
