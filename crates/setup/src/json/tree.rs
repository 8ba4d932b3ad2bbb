use jsonc_parser::ast::{Array, Object, ObjectProp, Value as Node};
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::Value;

use crate::server::{self, SERVER_NAME};
use crate::{Error, hooks};

/// Comments and trailing commas are taken; everything else is JSON to the letter.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Something of ours in a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// The members and items that lead to it.
    pub(crate) path: Vec<Step>,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Member(String),
    Item(usize),
}

/// The root of a document; `None` where there is none yet.
pub(crate) fn parse<'a>(text: &'a str, path: &std::path::Path) -> Result<Option<Node<'a>>, Error> {
    match parse_to_ast(text, &CollectOptions::default(), &OPTIONS) {
        Ok(parsed) => Ok(parsed.value),
        Err(error) => Err(Error::Syntax {
            path: path.to_owned(),
            line: error.line_display(),
            column: error.column_display(),
            why: error.kind().to_string(),
        }),
    }
}

/// The member of this name; of several the last, as clients read it.
pub(crate) fn member<'b, 'a>(object: &'b Object<'a>, name: &str) -> Option<&'b ObjectProp<'a>> {
    object.properties.iter().rev().find(|property| property.name.as_str() == name)
}

/// The items of an object or an array, and where they are.
pub(crate) fn items(container: &Node<'_>) -> Vec<(usize, usize)> {
    let range = |start: usize, end: usize| (start, end);
    match container {
        Node::Object(object) => {
            object.properties.iter().map(|property| range(property.start(), property.end())).collect()
        }
        Node::Array(array) => array.elements.iter().map(|item| range(item.start(), item.end())).collect(),
        _ => Vec::new(),
    }
}

/// Where a path leads.
pub(crate) fn at<'b, 'a>(root: &'b Node<'a>, path: &[Step]) -> Option<&'b Node<'a>> {
    path.iter().try_fold(root, |node, step| match (node, step) {
        (Node::Object(object), Step::Member(name)) => Some(&member(object, name)?.value),
        (Node::Array(array), Step::Item(index)) => array.elements.get(*index),
        _ => None,
    })
}

/// Everything that setting up made.
pub(crate) fn ours(root: &Node<'_>) -> Vec<Found> {
    let Node::Object(root) = root else { return Vec::new() };
    let mut found = Vec::new();
    if let Some(Node::Object(servers)) = member(root, "mcpServers").map(|property| &property.value)
        && let Some(entry) = member(servers, SERVER_NAME)
    {
        let value = Value::from(entry.value.clone());
        if server::is_ours(&value) {
            let path = vec![Step::Member("mcpServers".to_owned()), Step::Member(SERVER_NAME.to_owned())];
            found.push(Found { path, value });
        }
    }
    if let Some(Node::Object(events)) = member(root, "hooks").map(|property| &property.value) {
        for event in &events.properties {
            if let Node::Array(groups) = &event.value {
                let path =
                    vec![Step::Member("hooks".to_owned()), Step::Member(event.name.as_str().to_owned())];
                our_hooks(groups, &path, &mut found);
            }
        }
    }
    found
}

/// Groups of which all hooks are ours, and our hooks in groups of others.
fn our_hooks(groups: &Array<'_>, path: &[Step], found: &mut Vec<Found>) {
    for (index, group) in groups.elements.iter().enumerate() {
        let value = Value::from(group.clone());
        let Some(all) = value["hooks"].as_array() else { continue };
        let ours: Vec<usize> = (0..all.len()).filter(|hook| hooks::is_ours(&all[*hook])).collect();
        let group_path = [path, &[Step::Item(index)]].concat();
        if !ours.is_empty() && ours.len() == all.len() {
            found.push(Found { path: group_path, value });
            continue;
        }
        for hook in ours {
            let path =
                [group_path.as_slice(), &[Step::Member("hooks".to_owned()), Step::Item(hook)]].concat();
            found.push(Found { path, value: all[hook].clone() });
        }
    }
}

/// Where the next thing begins that is neither white space nor a comment.
pub(crate) fn skip_trivia(text: &str, mut at: usize) -> usize {
    loop {
        let rest = &text[at..];
        let trimmed = rest.trim_start();
        at += rest.len() - trimmed.len();
        let comment = if trimmed.starts_with("//") {
            trimmed.find('\n').unwrap_or(trimmed.len())
        } else if trimmed.starts_with("/*") {
            trimmed.find("*/").map_or(trimmed.len(), |end| end + 2)
        } else {
            return at;
        };
        at += comment;
    }
}

/// The white space that a line begins with, on which `at` is.
pub(crate) fn indent(text: &str, at: usize) -> &str {
    let line = &text[text[..at].rfind('\n').map_or(0, |newline| newline + 1)..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}
