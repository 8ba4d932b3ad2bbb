use tree_sitter::{Node, Parser};

use super::lines::Lines;
use super::{Section, heading, prose};
use crate::Language;

/// Larger files are hardly written by people, and are split by their paragraphs.
const MAX_PARSED_BYTES: usize = 1 << 20;
/// How deep definitions may stand in each other.
const MAX_DEPTH: usize = 16;

/// What begins at a line.
struct Unit {
    line: usize,
    path: Vec<String>,
    /// Definitions are chunks of their own; what is between them is put together.
    is_definition: bool,
}

/// A section for each function or type, and for what stands between them. A type that is larger than a chunk is taken
/// apart into its members; comments and attributes go with what they stand before.
pub(super) fn sections(lines: &Lines<'_>, language: Language, chars: usize) -> Vec<Section> {
    let tree = (lines.text.len() <= MAX_PARSED_BYTES).then(|| parse(lines.text, language)).flatten();
    let Some(tree) = tree else { return prose::sections(lines) };
    let mut units = Units { lines, chars, found: Vec::new(), end: None };
    units.collect(tree.root_node(), &[], 0);
    let mut sections: Vec<Section> = Vec::new();
    let mut between = false;
    let units = units.found;
    for (number, unit) in units.iter().enumerate() {
        let start = if number == 0 { 0 } else { unit.line };
        let end = units.get(number + 1).map_or(lines.len(), |next| next.line);
        let goes_on =
            between && !unit.is_definition && sections.last().is_some_and(|last| last.path == unit.path);
        if !goes_on {
            let shown = usize::from(unit.is_definition);
            sections.push(Section { path: unit.path.clone(), shown, blocks: Vec::new() });
        }
        if let Some(last) = sections.last_mut() {
            last.blocks.push(start..end);
        }
        between = !unit.is_definition;
    }
    if sections.is_empty() { prose::sections(lines) } else { sections }
}

fn parse(text: &str, language: Language) -> Option<tree_sitter::Tree> {
    let grammar = match language {
        Language::C => tree_sitter_c::LANGUAGE.into(),
        Language::Cpp => tree_sitter_cpp::LANGUAGE.into(),
        Language::Go => tree_sitter_go::LANGUAGE.into(),
        Language::Java => tree_sitter_java::LANGUAGE.into(),
        Language::JavaScript => tree_sitter_javascript::LANGUAGE.into(),
        Language::Python => tree_sitter_python::LANGUAGE.into(),
        Language::Rust => tree_sitter_rust::LANGUAGE.into(),
        Language::Tsx => tree_sitter_typescript::LANGUAGE_TSX.into(),
        Language::TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(),
    };
    let mut parser = Parser::new();
    parser.set_language(&grammar).ok()?;
    parser.parse(text, None)
}

struct Units<'l, 'a> {
    lines: &'l Lines<'a>,
    chars: usize,
    found: Vec<Unit>,
    /// The last line of what was added last.
    end: Option<usize>,
}

impl Units<'_, '_> {
    fn collect(&mut self, node: Node<'_>, path: &[String], depth: usize) {
        let mut leading: Option<usize> = None;
        let mut cursor = node.walk();
        for child in node.named_children(&mut cursor) {
            let first = leading.unwrap_or(child.start_position().row);
            if is_leading(child.kind()) {
                leading = Some(first);
                continue;
            }
            leading = None;
            let Some((definition, name)) = self.definition(child) else {
                self.add(first, child, path.to_vec(), false);
                continue;
            };
            let path: Vec<String> = path.iter().cloned().chain([name]).collect();
            let last = last_row(child).min(self.lines.len().saturating_sub(1));
            let is_large = first <= last && self.lines.chars(&(first..last + 1)) > self.chars;
            self.add(first, child, path.clone(), true);
            if let Some(body) = members(definition).filter(|_| is_large && depth < MAX_DEPTH) {
                // Its own lines end where its first member begins.
                self.end = Some(body.start_position().row);
                self.collect(body, &path, depth + 1);
                self.end = Some(last);
            }
        }
        if let Some(first) = leading {
            self.add_lines(first, last_row(node), path.to_vec(), false);
        }
    }

    fn add(&mut self, first: usize, node: Node<'_>, path: Vec<String>, is_definition: bool) {
        self.add_lines(first, last_row(node), path, is_definition);
    }

    /// What begins in a line that is taken belongs to what took it.
    fn add_lines(&mut self, first: usize, last: usize, path: Vec<String>, is_definition: bool) {
        if self.end.is_none_or(|end| first > end) && first < self.lines.len() {
            self.found.push(Unit { line: first, path, is_definition });
        }
        self.end = self.end.max(Some(last));
    }

    /// The definition that a node is or holds, and what it is called.
    fn definition<'t>(&self, node: Node<'t>) -> Option<(Node<'t>, String)> {
        let inner = match node.kind() {
            "export_statement" | "decorated_definition" => {
                node.child_by_field_name("declaration").or_else(|| node.child_by_field_name("definition"))?
            }
            "template_declaration" => {
                let mut cursor = node.walk();
                node.named_children(&mut cursor).find(|child| is_definition(child.kind()))?
            }
            _ => node,
        };
        let name = match inner.kind() {
            "lexical_declaration" | "variable_declaration" => {
                let variable = inner.named_child(0)?;
                let value = variable.child_by_field_name("value")?.kind();
                matches!(value, "arrow_function" | "function_expression" | "class")
                    .then(|| variable.child_by_field_name("name"))
                    .flatten()?
            }
            "impl_item" => {
                let of = self.text(inner.child_by_field_name("type")?);
                let name = inner.child_by_field_name("trait").map_or_else(
                    || format!("impl {of}"),
                    |implemented| format!("impl {} for {of}", self.text(implemented)),
                );
                return Some((inner, heading(&name)));
            }
            "type_declaration" => inner.named_child(0)?.child_by_field_name("name")?,
            kind if is_definition(kind) => {
                let mut name =
                    inner.child_by_field_name("name").or_else(|| inner.child_by_field_name("declarator"))?;
                // C names what it declares at the end of what it is declared as.
                while let Some(declarator) = name.child_by_field_name("declarator") {
                    name = declarator;
                }
                name
            }
            _ => return None,
        };
        Some((inner, heading(self.text(name))))
    }

    fn text(&self, node: Node<'_>) -> &str {
        self.lines.text.get(node.byte_range()).unwrap_or_default()
    }
}

/// Some nodes end with their line's end, which is where the next line begins.
fn last_row(node: Node<'_>) -> usize {
    let (start, end) = (node.start_position(), node.end_position());
    if end.column == 0 && end.row > start.row { end.row - 1 } else { end.row }
}

/// Where the members of a definition stand that may be taken apart.
fn members(definition: Node<'_>) -> Option<Node<'_>> {
    let has_members = matches!(
        definition.kind(),
        "impl_item"
            | "trait_item"
            | "mod_item"
            | "class_definition"
            | "class_declaration"
            | "abstract_class_declaration"
            | "interface_declaration"
            | "enum_declaration"
            | "record_declaration"
            | "internal_module"
            | "class_specifier"
            | "struct_specifier"
            | "namespace_definition"
    );
    has_members.then(|| definition.child_by_field_name("body")).flatten()
}

fn is_definition(kind: &str) -> bool {
    matches!(
        kind,
        "function_item"
            | "struct_item"
            | "enum_item"
            | "union_item"
            | "trait_item"
            | "mod_item"
            | "macro_definition"
            | "function_definition"
            | "class_definition"
            | "function_declaration"
            | "generator_function_declaration"
            | "class_declaration"
            | "abstract_class_declaration"
            | "method_definition"
            | "interface_declaration"
            | "enum_declaration"
            | "type_alias_declaration"
            | "internal_module"
            | "method_declaration"
            | "constructor_declaration"
            | "record_declaration"
            | "annotation_type_declaration"
            | "class_specifier"
            | "struct_specifier"
            | "enum_specifier"
            | "namespace_definition"
    )
}

/// Stands before what it belongs to.
fn is_leading(kind: &str) -> bool {
    matches!(kind, "comment" | "line_comment" | "block_comment" | "attribute_item" | "decorator")
}
