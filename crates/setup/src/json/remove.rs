use std::path::Path;

use jsonc_parser::ast::Value as Node;
use jsonc_parser::common::Ranged as _;

use super::tree::{Step, at, items, member, ours, parse, skip_trivia};
use crate::Result;
use crate::splice::cut;

/// Takes everything of ours out, and then those containers of `made` that are empty; whether there was anything.
pub(crate) fn remove_ours(text: &mut String, made: &[Vec<String>], path: &Path) -> Result<bool> {
    let mut found_any = false;
    loop {
        let Some(root) = parse(text, path)? else { return Ok(found_any) };
        let Some(found) = ours(&root).into_iter().next() else { break };
        let changed = without(text, &root, &found.path);
        *text = changed;
        found_any = true;
    }
    if found_any {
        for container in made {
            remove_empty(text, container, path)?;
        }
    }
    Ok(found_any)
}

/// Takes a container out that we made, with those in it, when nothing else is in it.
fn remove_empty(text: &mut String, container: &[String], path: &Path) -> Result<()> {
    let steps: Vec<Step> = container.iter().cloned().map(Step::Member).collect();
    let Some(root) = parse(text, path)? else { return Ok(()) };
    let Some(node) = at(&root, &steps) else { return Ok(()) };
    if !is_hollow(text, node) {
        return Ok(());
    }
    let changed = if steps.is_empty() {
        // What stands around the document, such as a comment, is somebody's.
        let rest = format!("{}{}", &text[..root.start()], &text[root.end()..]);
        if rest.trim().is_empty() { String::new() } else { text.clone() }
    } else {
        without(text, &root, &steps)
    };
    *text = changed;
    Ok(())
}

/// Whether there is nothing in it but containers of which this holds as well.
fn is_hollow(text: &str, node: &Node<'_>) -> bool {
    let inner = || text[node.start() + 1..node.end() - 1].trim().is_empty();
    match node {
        Node::Object(object) if object.properties.is_empty() => inner(),
        Node::Array(array) if array.elements.is_empty() => inner(),
        Node::Object(object) => object.properties.iter().all(|property| is_hollow(text, &property.value)),
        _ => false,
    }
}

/// The text without the member or item that a path leads to.
fn without(text: &str, root: &Node<'_>, path: &[Step]) -> String {
    let mut changed = text.to_owned();
    let Some((last, above)) = path.split_last() else { return changed };
    let Some(container) = at(root, above) else { return changed };
    let index = match (container, last) {
        (Node::Object(object), Step::Member(name)) => member(object, name)
            .and_then(|wanted| object.properties.iter().position(|property| std::ptr::eq(property, wanted))),
        (Node::Array(array), Step::Item(index)) => Some(*index).filter(|index| *index < array.elements.len()),
        _ => None,
    };
    let Some(index) = index else { return changed };
    let items = items(container);
    let (mut start, mut end) = items[index];
    let comma = skip_trivia(text, end);
    let mut comma_before = None;
    if text[comma..].starts_with(',') {
        end = comma + 1;
    } else if index > 0 {
        comma_before = Some(skip_trivia(text, items[index - 1].1)).filter(|at| text[*at..].starts_with(','));
    }
    let before = &text[..start];
    let line_before = before.trim_end_matches([' ', '\t']);
    let line_after = text[end..].trim_start_matches([' ', '\t']);
    if line_before.ends_with('\n') && (line_after.starts_with('\n') || line_after.starts_with("\r\n")) {
        // The whole line.
        start = line_before.len() - if line_before.ends_with("\r\n") { 2 } else { 1 };
        end = text.len() - line_after.len();
    } else if index > 0 && line_before.len() < start && !line_before.ends_with('\n') {
        start = line_before.len();
    } else if end == comma + 1 {
        end = text.len() - line_after.len();
    }
    if items.len() == 1 && is_blank(text, container, start..end) {
        (start, end) = (container.start() + 1, container.end() - 1);
    }
    cut(&mut changed, start..end);
    if let Some(comma) = comma_before {
        cut(&mut changed, comma..comma + 1);
    }
    changed
}

/// Whether a container has nothing but white space, a range left aside.
fn is_blank(text: &str, container: &Node<'_>, range: std::ops::Range<usize>) -> bool {
    let before = text.get(container.start() + 1..range.start).unwrap_or_default();
    let after = text.get(range.end..container.end() - 1).unwrap_or_default();
    before.trim().is_empty() && after.trim().is_empty()
}
