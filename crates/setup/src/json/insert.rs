use std::path::Path;

use jsonc_parser::ast::Value as Node;
use jsonc_parser::common::Ranged as _;

use super::tree::{Step, at, indent, items, member, parse, skip_trivia};
use crate::fragment::{Fragment, Layout, quoted};
use crate::splice::{self, Splice};
use crate::{Error, Result};

/// Where something belongs: the members that lead to its container, and whether it is a member or an item of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) containers: Vec<String>,
    /// Its name in an object; `None` for the next item of an array.
    pub(crate) name: Option<String>,
}

/// Something that belongs into a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) place: Place,
    pub(crate) what: Fragment,
}

/// Puts it into its container, and makes the containers that are missing; returns these.
pub(crate) fn insert(
    text: &mut String,
    wanted: &Wanted,
    path: &Path,
    noted: &mut Vec<Splice>,
) -> Result<Vec<Vec<String>>> {
    let mut changed = text.clone();
    let Place { containers, name } = &wanted.place;
    let Some(root) = parse(text, path)? else {
        let whole = nested(containers, name.as_deref(), &wanted.what);
        let eol = eol(text);
        let layout = Layout::Lines { eol, base: "", unit: "  " };
        // After a line comment, a document needs a line of its own.
        let before = if text.trim().is_empty() || text.ends_with('\n') { "" } else { eol };
        splice::insert(&mut changed, text.len(), format!("{before}{}{eol}", whole.render(layout)), noted);
        *text = changed;
        return Ok((0..=containers.len()).map(|depth| containers[..depth].to_vec()).collect());
    };
    let depth = deepest(&root, containers);
    let steps: Vec<Step> = containers[..depth].iter().cloned().map(Step::Member).collect();
    let container = at(&root, &steps).unwrap_or(&root);
    let is_last = depth == containers.len();
    let expected = if is_last && name.is_none() { "is not a list" } else { "is not an object" };
    let fits = match container {
        Node::Object(object) => {
            let taken = is_last && name.as_ref().is_some_and(|name| member(object, name).is_some());
            if taken {
                let place = [containers.as_slice(), name.as_slice()].concat().join(".");
                return Err(Error::Taken { path: path.to_owned(), place });
            }
            !is_last || name.is_some()
        }
        Node::Array(_) => is_last && name.is_none(),
        _ => false,
    };
    if !fits {
        let place = containers[..depth].join(".");
        let place = if place.is_empty() { "the document".to_owned() } else { place };
        return Err(Error::Shape { path: path.to_owned(), place, why: expected });
    }
    let (name, what) = if is_last {
        (name.as_deref(), wanted.what.clone())
    } else {
        (Some(containers[depth].as_str()), nested(&containers[depth + 1..], name.as_deref(), &wanted.what))
    };
    let site = Site::of(text, &root, container, steps.is_empty());
    site.put(&mut changed, name, &what, noted);
    *text = changed;
    Ok((depth + 1..=containers.len()).map(|depth| containers[..depth].to_vec()).collect())
}

/// How many of the containers are there, one within the other.
fn deepest(root: &Node<'_>, containers: &[String]) -> usize {
    let mut node = root;
    for (depth, name) in containers.iter().enumerate() {
        match node {
            Node::Object(object) => match member(object, name) {
                Some(property) => node = &property.value,
                None => return depth,
            },
            _ => return depth,
        }
    }
    containers.len()
}

/// A piece within containers that have nothing else.
fn nested(containers: &[String], name: Option<&str>, what: &Fragment) -> Fragment {
    let inner = match name {
        Some(name) => Fragment::Object(vec![(name.to_owned(), what.clone())]),
        None => Fragment::List(vec![what.clone()]),
    };
    containers.iter().rev().fold(inner, |inner, name| Fragment::Object(vec![(name.clone(), inner)]))
}

/// A container, and how its file is laid out.
struct Site<'a> {
    text: &'a str,
    eol: &'a str,
    unit: String,
    start: usize,
    end: usize,
    items: Vec<(usize, usize)>,
    on_lines: bool,
}

impl<'a> Site<'a> {
    fn of(text: &'a str, root: &Node<'_>, container: &Node<'_>, is_root: bool) -> Self {
        let (start, end) = (container.start(), container.end());
        let items = items(container);
        let on_lines = match items.last() {
            Some((last, _)) => text[start..*last].contains('\n'),
            None => is_root || text[root.start()..start].contains('\n') || text[start..end].contains('\n'),
        };
        Self { text, eol: eol(text), unit: unit(text, root), start, end, items, on_lines }
    }

    fn put(&self, changed: &mut String, name: Option<&str>, what: &Fragment, noted: &mut Vec<Splice>) {
        let text = self.text;
        let base = indent(text, self.start);
        let inner = self.items.last().map(|(last, _)| indent(text, *last));
        // Items that begin on the line of their container are not indented.
        let inner = match inner {
            Some(inner) if inner.len() > base.len() => inner.to_owned(),
            _ => format!("{base}{}", self.unit),
        };
        let layout = if self.on_lines {
            Layout::Lines { eol: self.eol, base: &inner, unit: &self.unit }
        } else {
            Layout::Line
        };
        let item = match name {
            Some(name) => format!("{}: {}", quoted(name), what.render(layout)),
            None => what.render(layout),
        };
        let lead = if self.on_lines { format!("{}{inner}", self.eol) } else { " ".to_owned() };
        let Some((_, last)) = self.items.last().copied() else {
            let interior = &text[self.start + 1..self.end - 1];
            let filled = self.start + 1 + interior.trim_end().len();
            let lead = if self.on_lines || filled > self.start + 1 { lead } else { String::new() };
            let closes = self.on_lines && !text[filled..self.end].contains('\n');
            let tail = if closes { format!("{}{base}", self.eol) } else { String::new() };
            splice::insert(changed, filled, format!("{lead}{item}{tail}"), noted);
            return;
        };
        let comma = skip_trivia(text, last);
        if text[comma..].starts_with(',') {
            splice::insert(changed, self.after(comma + 1), format!("{lead}{item},"), noted);
            return;
        }
        let after = self.after(last);
        if after == last {
            splice::insert(changed, last, format!(",{lead}{item}"), noted);
        } else {
            splice::insert(changed, last, ",".to_owned(), noted);
            splice::insert(changed, after + 1, format!("{lead}{item}"), noted);
        }
    }

    /// Behind the comment on the same line, which belongs to what it stands behind.
    fn after(&self, at: usize) -> usize {
        if !self.on_lines {
            return at;
        }
        let rest = &self.text[at..self.end - 1];
        let line = rest.split('\n').next().unwrap_or(rest).trim_end();
        let comment = line.trim_start();
        let whole = comment.starts_with("//")
            || comment.starts_with("/*") && comment.ends_with("*/") && comment.matches("*/").count() == 1;
        if whole { at + line.len() } else { at }
    }
}

fn eol(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// What a level is indented by: as the first member of the document is, else two spaces.
fn unit(text: &str, root: &Node<'_>) -> String {
    let base = indent(text, root.start());
    let first = items(root).first().map_or("", |(first, _)| indent(text, *first));
    match first.strip_prefix(base) {
        Some(unit) if !unit.is_empty() => unit.to_owned(),
        _ => "  ".to_owned(),
    }
}
