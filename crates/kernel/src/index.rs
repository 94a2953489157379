//! The definitions at file level of parsed sources, by name.

use std::collections::HashMap;

use tree_sitter::Node;

use super::parsed::{Parsed, declared, innermost, visit};

/// The two name spaces of C.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Space {
    Tag,
    Ordinary,
}

pub(super) type Name = (Space, String);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Function,
    Macro,
    Struct,
    Other,
}

/// A definition.
pub(super) struct Item<'a> {
    pub what: What,
    pub node: Node<'a>,
    pub file: &'a Parsed,
}

/// All definitions at file level, by name.
#[derive(Default)]
pub(super) struct Index<'a> {
    pub items: Vec<Item<'a>>,
    pub names: HashMap<Name, usize>,
}

impl<'a> Index<'a> {
    pub fn add_file(&mut self, file: &'a Parsed) {
        self.add_below(file, file.tree.root_node());
    }

    pub fn add_below(&mut self, file: &'a Parsed, node: Node<'a>) {
        let mut cursor = node.walk();
        for child in node.named_children(&mut cursor) {
            self.add(file, child);
        }
    }

    pub fn add(&mut self, file: &'a Parsed, node: Node<'a>) {
        let mut put = |what, names: Vec<Name>| {
            let id = self.items.len();
            self.items.push(Item { what, node, file });
            for name in names {
                self.names.entry(name).or_insert(id);
            }
        };
        let ordinary = |node: Node| (Space::Ordinary, file.text(node).to_string());
        match node.kind() {
            "preproc_def" | "preproc_function_def" => {
                put(What::Macro, node.child_by_field_name("name").map(ordinary).into_iter().collect())
            }
            "function_definition" => {
                let name = node.child_by_field_name("declarator").and_then(declared);
                put(What::Function, name.map(ordinary).into_iter().collect())
            }
            "type_definition" => {
                let mut cursor = node.walk();
                let declarators = node.children_by_field_name("declarator", &mut cursor);
                let mut names: Vec<Name> = declarators.filter_map(declared).map(ordinary).collect();
                names.extend(node.child_by_field_name("type").map(|t| tags(file, t)).unwrap_or_default());
                put(What::Other, names)
            }
            "struct_specifier" | "union_specifier" if node.child_by_field_name("body").is_some() => {
                put(What::Struct, tags(file, node))
            }
            "enum_specifier" if node.child_by_field_name("body").is_some() => put(What::Other, tags(file, node)),
            "declaration" => {
                let mut cursor = node.walk();
                let defined = node.children_by_field_name("declarator", &mut cursor);
                let mut names: Vec<Name> = defined
                    .filter(|declarator| declarator.kind() == "init_declarator" || file.path.ends_with(".c"))
                    .filter(|declarator| innermost(*declarator).kind() != "function_declarator")
                    .filter_map(declared)
                    .map(ordinary)
                    .collect();
                names.extend(node.child_by_field_name("type").map(|t| tags(file, t)).unwrap_or_default());
                if !names.is_empty() {
                    put(What::Other, names)
                }
            }
            // DEFINE_STATIC_KEY_FALSE(name); and its like.
            "expression_statement" if file.text(node).starts_with("DEFINE_") => {
                let mut names = Vec::new();
                visit(node, &mut |node| {
                    if node.kind() == "identifier" && !file.text(node).starts_with("DEFINE_") {
                        names.push(ordinary(node));
                    }
                });
                put(What::Other, names)
            }
            "preproc_if"
            | "preproc_ifdef"
            | "preproc_else"
            | "preproc_elif"
            | "preproc_elifdef"
            | "linkage_specification"
            | "declaration_list"
            | "ERROR" => self.add_below(file, node),
            _ => {}
        }
    }

    pub fn get(&self, name: &Name) -> Option<usize> {
        self.names.get(name).copied()
    }
}

/// The tag and the enumerators that a specifier with a body defines.
fn tags(file: &Parsed, node: Node) -> Vec<Name> {
    let Some(body) = node.child_by_field_name("body") else { return Vec::new() };
    let mut names = Vec::new();
    if let Some(tag) = node.child_by_field_name("name") {
        names.push((Space::Tag, file.text(tag).to_string()));
    }
    if node.kind() == "enum_specifier" {
        let mut cursor = body.walk();
        for enumerator in body.named_children(&mut cursor) {
            if let Some(name) = enumerator.child_by_field_name("name") {
                names.push((Space::Ordinary, file.text(name).to_string()));
            }
        }
    }
    names
}
