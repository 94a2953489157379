//! A C source, parsed: its tree, and where it is no C.

use std::fmt;

use tree_sitter::{Node, Parser, Tree};

/// How deep a text may be nested: the kernel's is 44 deep.
pub(super) const DEEPEST: usize = 400;

/// How many lines below a name a stretch that is no C is taken for what hides it.
const BELOW: usize = 8;

/// From how many bytes on a stretch that is no C is taken for the reason why a definition is not found.
const LONG: usize = 200;

/// A place that does not parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The function in which it is; if something is missing, that begins in this line.
    pub function: Option<String>,
    /// What the parser misses there, if it is a single thing.
    pub missing: Option<String>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} does not parse as C", self.file, self.line)?;
        match (&self.missing, &self.function) {
            (Some(missing), Some(function)) => write!(f, ": {missing:?} is missing in {function}, which begins there"),
            (Some(missing), None) => write!(f, ": {missing:?} is missing there"),
            (None, Some(function)) => write!(f, ", in {function}; perhaps a brace or bracket is missing"),
            (None, None) => write!(f, "; perhaps a brace or bracket is missing there or before"),
        }
    }
}

pub(super) struct Parsed {
    pub path: String,
    pub text: String,
    pub tree: Tree,
}

impl Parsed {
    /// Parses a text.
    ///
    /// # Errors
    /// The line that is nested too deep, if one is: what follows goes down a tree by recursion.
    pub fn new(path: &str, text: &str) -> Result<Parsed, usize> {
        let mut parser = Parser::new();
        parser.set_language(&tree_sitter_c::LANGUAGE.into()).expect("the grammar fits the parser it was built for");
        let tree =
            parser.parse(without_attributes(text), None).expect("neither a time limit nor a cancellation is set");
        match too_deep(&tree) {
            Some(line) => Err(line),
            None => Ok(Parsed { path: path.to_string(), text: text.to_string(), tree }),
        }
    }

    /// The place that keeps most of the text from being parsed: a brace or bracket that is missing, or the longest stretch that
    /// is no C. Short stretches are not counted unless they lie right below one of the names that are looked for: the
    /// kernel's macros make many, which lose nothing but themselves.
    pub fn broken(&self, names: &[&str]) -> Option<Broken> {
        let lines: Vec<&str> = self.text.lines().collect();
        let hides = |node: &Node| {
            let row = node.start_position().row.min(lines.len().saturating_sub(1));
            let near = lines.get(row.saturating_sub(BELOW)..=row).unwrap_or_default();
            names.iter().any(|name| near.iter().any(|line| line.contains(name)))
        };
        let mut worst: Option<(usize, Node)> = None;
        visit(self.tree.root_node(), &mut |node| {
            let weight = match node.kind() {
                "{" | "}" | "(" | ")" | "[" | "]" if node.is_missing() => usize::MAX,
                "ERROR" if hides(&node) => node.byte_range().len().max(LONG),
                "ERROR" => node.byte_range().len(),
                _ if node.is_missing() && hides(&node) => LONG,
                _ => 0,
            };
            if weight >= LONG && worst.is_none_or(|(worst, _)| weight > worst) {
                worst = Some((weight, node));
            }
        });
        let (_, node) = worst?;
        let mut around = Some(node);
        while let Some(outer) = around.filter(|outer| outer.kind() != "function_definition") {
            around = outer.parent();
        }
        let function = around.and_then(|outer| outer.child_by_field_name("declarator")).and_then(declared);
        // What is missing is often missed at the end of the text only: where the function begins says more.
        let place = around.filter(|_| node.is_missing()).unwrap_or(node);
        Some(Broken {
            file: self.path.clone(),
            line: place.start_position().row + 1,
            function: function.map(|name| self.text(name).to_string()),
            missing: node.is_missing().then(|| node.kind().to_string()),
        })
    }

    pub fn text(&self, node: Node) -> &str {
        &self.text[node.byte_range()]
    }
}

/// Words before a function that say how it is to be compiled, and that the grammar of C does not know: with one of them it would
/// not find the function.
const ATTRIBUTES: [&str; 12] = [
    "noinline",
    "noinline_for_stack",
    "notrace",
    "__always_inline",
    "__cold",
    "__exit",
    "__init",
    "__must_check",
    "__noreturn",
    "__sched",
    "__used",
    "asmlinkage",
];

/// The text with spaces in place of [`ATTRIBUTES`], so that everything else stays where it was. Where they are defined they stay.
fn without_attributes(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut parsable = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with('#') {
            parsable.push_str(line);
            continue;
        }
        let mut rest = line;
        while let Some(start) = rest.find(word) {
            let (before, from) = rest.split_at(start);
            let (found, after) = from.split_at(from.find(|c| !word(c)).unwrap_or(from.len()));
            parsable.push_str(before);
            match ATTRIBUTES.contains(&found) {
                true => parsable.extend(std::iter::repeat_n(' ', found.len())),
                false => parsable.push_str(found),
            }
            rest = after;
        }
        parsable.push_str(rest);
    }
    parsable
}

/// The first line that is nested deeper than is read.
fn too_deep(tree: &Tree) -> Option<usize> {
    let mut cursor = tree.walk();
    loop {
        if cursor.depth() as usize > DEEPEST {
            return Some(cursor.node().start_position().row + 1);
        }
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return None;
            }
        }
    }
}

/// The declarator next to the name: what tells a function from a variable.
pub(super) fn innermost(mut node: Node) -> Node {
    while let Some(inner) = node.child_by_field_name("declarator") {
        if matches!(inner.kind(), "identifier" | "type_identifier" | "field_identifier") {
            break;
        }
        node = inner;
    }
    node
}

/// The identifier that a declarator declares.
pub(super) fn declared(node: Node) -> Option<Node> {
    match node.kind() {
        "identifier" | "type_identifier" | "field_identifier" | "primitive_type" => Some(node),
        "parenthesized_declarator" | "attributed_declarator" => node.named_child(0).and_then(declared),
        _ => node.child_by_field_name("declarator").and_then(declared),
    }
}

pub(super) fn visit<'a>(node: Node<'a>, f: &mut impl FnMut(Node<'a>)) {
    f(node);
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        visit(child, f);
    }
}
