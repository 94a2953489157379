//! Cutting: the driver's function and what it names, taken out of a kernel's source with a C parser.
//!
//! Every definition at file level of the files looked at is put into an index by name: functions, macros, types, enumerators,
//! variables. Starting from `qi_submit_sync`, whatever a definition names is cut too, unless the shim provides it, and written in
//! an order in which each stands behind what it names. Where a name is defined several times (under `#ifdef`), the first counts.
//! Of `struct intel_iommu` the members that the cut functions name are kept, and no others.

use std::collections::{BTreeSet, HashSet};

use thiserror::Error;
use tree_sitter::Node;

use super::index::{Index, Item, Name, Space, What};
use super::parsed::{Broken, DEEPEST, Parsed, declared, visit};
use super::source::{Source, SourceFile};
use super::{far, words};

/// The function that is called; what it calls itself may have any name.
const ENTRY: &str = "qi_submit_sync";

/// Parameters of `qi_submit_sync` since Linux 5.8.
const PARAMETERS: [&str; 4] = ["struct intel_iommu *", "struct qi_desc *", "unsigned int", "unsigned long"];

/// What the glue behind the cut text names.
const GLUE: [&str; 5] = ["QI_LENGTH", "DMAR_IQH_REG", "DMAR_IQT_REG", "DMAR_FSTS_REG", "DMAR_IQER_REG"];

/// Members of `struct intel_iommu` that the glue sets.
const UNIT_MEMBERS: [&str; 3] = ["reg", "ecap", "qi"];

/// Functions that write to the log and do nothing else: their reads are not steps.
const LOGGING: [&str; 1] = ["qi_dump_fault"];

/// The text of our own that stands before the cut text.
pub(super) const SHIM_H: &str = concat!(include_str!("shim/shim.h"), include_str!("shim/words.h"));

/// What cannot be cut.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CutError {
    /// A function that is not there.
    #[error("{from}: function {name} was looked for in {file} and is not defined there")]
    Missing {
        /// The tree.
        from: String,
        /// The function.
        name: &'static str,
        /// Where it was looked for.
        file: String,
    },
    /// A function that takes something else.
    #[error("{from}: qi_submit_sync in {file} takes ({found}), and not all of ({}) as since Linux 5.8", PARAMETERS.join(", "))]
    Signature {
        /// The tree.
        from: String,
        /// Where it was found.
        file: String,
        /// Its parameters.
        found: String,
    },
    /// Names that nobody defines.
    #[error(
        "{from}: {} named by the functions cut, but neither defined in {files} nor known to the shim; --shim FILE.h can define what \
         is missing",
        listed(names)
    )]
    Unknown {
        /// The tree.
        from: String,
        /// Each name, and where it is named.
        names: Vec<(String, String)>,
        /// Where definitions were looked for.
        files: String,
    },
    /// A file that is no C, where that keeps a definition from being found.
    #[error("{from}: {broken}")]
    Broken {
        /// The tree.
        from: String,
        /// Where and how.
        broken: Broken,
    },
    /// Text that is nested deeper than any driver's.
    #[error("{from}: {file}:{line} is nested more than {DEEPEST} deep, which is more than is read")]
    Deep {
        /// The tree.
        from: String,
        /// The file.
        file: String,
        /// Its line.
        line: usize,
    },
    /// Definitions that name others, which name others, and so on, further than any driver's.
    #[error(
        "{from}: {name} is reached by definitions that name each other more than {DEEPEST} deep, which is more than is read"
    )]
    Chain {
        /// The tree.
        from: String,
        /// The name where it was given up.
        name: String,
    },
}

/// Most names that are listed.
const LISTED: usize = 5;

fn listed(names: &[(String, String)]) -> String {
    let each: Vec<String> = names.iter().take(LISTED).map(|(name, user)| format!("{name} (in {user})")).collect();
    let more = names.len().saturating_sub(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more} {}", each.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// What was cut.
#[derive(Clone, Debug)]
pub struct CutText {
    /// Where from.
    pub from: String,
    /// The names of what was cut, in order.
    pub names: Vec<String>,
    /// The names that the functions use and the shim provides.
    pub shimmed: Vec<String>,
    /// The text, to be compiled behind the shim.
    pub text: String,
    /// What a reader has to know of how it is run.
    pub notes: Vec<String>,
    /// How the glue calls it.
    pub(super) call: String,
    /// Whether the tree has a register IQER.
    pub(super) has_iqer: bool,
}

/// The words of a macro's body, which is no piece of the C grammar: each with whether it is a member, and whether a tag.
fn words(text: &str) -> Vec<(String, bool, bool)> {
    let bytes = text.as_bytes();
    let mut words: Vec<(String, bool, bool)> = Vec::new();
    let (mut i, mut before) = (0, String::new());
    while i < bytes.len() {
        let start = i;
        match bytes[i] {
            quote @ (b'"' | b'\'') => {
                i += 1;
                while i < bytes.len() && bytes[i] != quote {
                    i += if bytes[i] == b'\\' { 2 } else { 1 };
                }
                i += 1;
                before.clear();
            }
            b'/' if bytes[i..].starts_with(b"/*") => {
                i = text[i + 2..].find("*/").map_or(bytes.len(), |end| i + 2 + end + 2)
            }
            b'/' if bytes[i..].starts_with(b"//") => i = text[i..].find('\n').map_or(bytes.len(), |end| i + end),
            c if c.is_ascii_alphabetic() || c == b'_' => {
                while i < bytes.len() && (bytes[i].is_ascii_alphanumeric() || bytes[i] == b'_') {
                    i += 1;
                }
                let word = &text[start..i];
                let tag = matches!(before.as_str(), "struct" | "union" | "enum");
                words.push((word.to_string(), before.ends_with('.') || before.ends_with("->"), tag));
                before = word.to_string();
            }
            c if c.is_ascii_digit() => {
                while i < bytes.len() && (bytes[i].is_ascii_alphanumeric() || bytes[i] == b'.') {
                    i += 1;
                }
                before.clear();
            }
            c if c.is_ascii_whitespace() || c == b'\\' => i += 1,
            c => {
                if before.chars().last().is_some_and(|last| last.is_ascii_alphanumeric() || last == '_') {
                    before.clear();
                }
                before.push(c as char);
                i += 1;
            }
        }
    }
    words
}

/// What a definition names.
#[derive(Default)]
struct Uses {
    names: Vec<Name>,
    /// Names that may be words of the macro's own context.
    perhaps: Vec<Name>,
    members: BTreeSet<String>,
}

fn uses(item: &Item) -> Uses {
    let file = item.file;
    let mut uses = Uses::default();
    let mut seen = HashSet::new();
    if item.what == What::Macro {
        let parameters: HashSet<String> = item
            .node
            .child_by_field_name("parameters")
            .map(|node| words(file.text(node)).into_iter().map(|(word, ..)| word).collect())
            .unwrap_or_default();
        let body = item.node.child_by_field_name("value").map_or("", |value| file.text(value));
        for (word, member, tag) in words(body) {
            match (member, tag) {
                (true, _) => {
                    uses.members.insert(word);
                }
                (_, true) => uses.perhaps.push((Space::Tag, word)),
                _ if parameters.contains(&word) => {}
                _ => uses.perhaps.push((Space::Ordinary, word)),
            }
        }
        return uses;
    }
    let mut locals: HashSet<&str> = HashSet::new();
    if item.what == What::Function {
        visit(item.node, &mut |node| {
            if node.kind() == "call_expression" && declares(file, node) {
                // LIST_HEAD(name); and its like.
                visit(node, &mut |node| {
                    if node.kind() == "identifier" && node.parent().is_some_and(|p| p.kind() == "argument_list") {
                        locals.insert(file.text(node));
                    }
                });
            }
            if matches!(node.kind(), "declaration" | "parameter_declaration") {
                let mut cursor = node.walk();
                let declarators = node.children_by_field_name("declarator", &mut cursor);
                locals.extend(declarators.filter_map(declared).map(|name| file.text(name)));
            }
        });
    }
    visit(item.node, &mut |node| {
        let text = file.text(node);
        match node.kind() {
            "field_identifier" => {
                uses.members.insert(text.to_string());
            }
            "identifier" | "type_identifier" => {
                let parent = node.parent().map_or("", |parent| parent.kind());
                let tag = matches!(parent, "struct_specifier" | "union_specifier" | "enum_specifier");
                let space = if tag { Space::Tag } else { Space::Ordinary };
                if parent == "enumerator" && node.parent().and_then(|p| p.child_by_field_name("name")) == Some(node) {
                    return;
                }
                if !seen.insert((space, text)) {
                    return;
                }
                // A pointer to a structure that nobody defines is C all the same; a local name may be a macro's, too.
                let list = if tag || locals.contains(text) { &mut uses.perhaps } else { &mut uses.names };
                list.push((space, text.to_string()));
            }
            _ => {}
        }
    });
    uses
}

/// Whether a call is of a macro that declares a variable, as the kernel names such macros.
fn declares(file: &Parsed, call: Node) -> bool {
    let name = call.child_by_field_name("function").map_or("", |function| file.text(function));
    name == "LIST_HEAD" || name.starts_with("DEFINE_") || name.starts_with("DECLARE_")
}

/// A structure reduced to the members that are used.
fn reduced(item: &Item, used: &BTreeSet<String>) -> (String, Vec<Name>) {
    let mut fields = String::new();
    let mut names = Vec::new();
    if let Some(body) = item.node.child_by_field_name("body") {
        visit(body, &mut |node| {
            if node.kind() != "field_declaration" || node.parent().is_some_and(|p| p.parent() == Some(body)) {
                let nested = node.parent().is_some_and(|p| !p.kind().starts_with("preproc"));
                if node.kind() != "field_declaration" || nested {
                    return;
                }
            }
            let mut cursor = node.walk();
            let mut declarators = node.children_by_field_name("declarator", &mut cursor);
            if declarators.any(|d| declared(d).is_some_and(|name| used.contains(item.file.text(name)))) {
                fields += &format!("\t{}\n", item.file.text(node));
                names.extend(uses(&Item { what: What::Struct, node, file: item.file }).names);
            }
        });
    }
    let tag = item.node.child_by_field_name("name").map_or("", |name| item.file.text(name));
    (format!("struct {tag} {{\n{fields}}};"), names)
}

/// Puts definitions in an order in which each stands behind what it names.
struct Writer<'a> {
    index: Index<'a>,
    shim: Index<'a>,
    members: BTreeSet<String>,
    written: HashSet<usize>,
    text: String,
    names: Vec<String>,
    shimmed: BTreeSet<String>,
    unknown: Unknown,
    /// How many definitions are being written, each for the sake of the one before.
    depth: usize,
    /// Where that became too many.
    too_deep: Option<String>,
}

/// Names that nobody defines, each with who names it first.
#[derive(Default)]
struct Unknown {
    names: Vec<(String, String)>,
    seen: HashSet<String>,
}

/// The structure of which members are left out.
const UNIT: &str = "intel_iommu";

impl Writer<'_> {
    /// Writes what the glue names, and last the entry point.
    fn all(&mut self) {
        for name in GLUE {
            self.need(&(Space::Ordinary, name.to_string()), "the glue", name != "DMAR_IQER_REG");
        }
        for name in ["q_inval", "qi_desc", UNIT] {
            self.need(&(Space::Tag, name.to_string()), "the glue", true);
        }
        self.need(&(Space::Ordinary, ENTRY.to_string()), "the glue", true);
    }

    fn need(&mut self, name: &Name, user: &str, certain: bool) {
        if self.shim.get(name).is_some() || words::is_made(&name.1) {
            self.shimmed.insert(name.1.clone());
        } else if let Some(id) = self.index.get(name) {
            self.write(id, name);
        } else if let Some(stub) = words::stub(&name.1) {
            if self.shimmed.insert(name.1.clone()) {
                self.text += &stub;
            }
        } else if certain && !name.1.starts_with("__builtin_") && self.unknown.seen.insert(name.1.clone()) {
            self.unknown.names.push((name.1.clone(), user.to_string()));
        }
    }

    fn write(&mut self, id: usize, name: &Name) {
        if !self.written.insert(id) {
            return;
        }
        if self.depth == DEEPEST {
            self.too_deep.get_or_insert_with(|| name.1.clone());
            return;
        }
        self.depth += 1;
        let item = &self.index.items[id];
        let (node, file, what) = (item.node, item.file, item.what);
        let (mut text, names, perhaps) = if *name == (Space::Tag, UNIT.to_string()) {
            let (text, names) = reduced(item, &self.members);
            (text, names, Vec::new())
        } else {
            let uses = uses(item);
            (file.text(node).trim_end().to_string(), uses.names, uses.perhaps)
        };
        for (names, certain) in [(names, true), (perhaps, false)] {
            for needed in names.iter().filter(|needed| *needed != name) {
                self.need(needed, &name.1, certain);
            }
        }
        if matches!(node.kind(), "struct_specifier" | "union_specifier" | "enum_specifier") && !text.ends_with(';') {
            text.push(';');
        }
        self.depth -= 1;
        // The compiler's words are about the tree's own lines.
        self.text += &format!("#line {} \"{}\"\n{text}\n\n", node.start_position().row + 1, file.path);
        match name.1.as_str() {
            "QI_LENGTH" => {
                self.text += "#ifdef VTD_QI_LENGTH\n#undef QI_LENGTH\n#define QI_LENGTH VTD_QI_LENGTH\n#endif\n\n"
            }
            logging if what == What::Function && LOGGING.contains(&logging) => {
                self.text += &format!(
                    "#define {logging}(...) (vtd_qi_log_enter(), (void)({logging})(__VA_ARGS__), vtd_qi_log_leave())\n\n"
                )
            }
            _ => {}
        }
        self.names.push(name.1.clone());
    }
}

/// Cuts `qi_submit_sync` and what it needs. What is defined in none of the files that are parsed is looked for in those that they
/// reach by `#include`.
///
/// # Errors
/// [`CutError`] if the function is missing or takes something else, or names what nobody defines.
pub fn cut(source: &Source) -> Result<CutText, CutError> {
    let from = source.name();
    let parsed = |file: &SourceFile| {
        let deep = |line| CutError::Deep { from: from.clone(), file: file.path.clone(), line };
        Parsed::new(&file.path, &file.text).map_err(deep)
    };
    let mut files = source.files.iter().map(parsed).collect::<Result<Vec<_>, _>>()?;
    let mut far: Vec<&SourceFile> = source.far.iter().collect();
    loop {
        let unknown = match cut_of(source, &files) {
            Err(CutError::Unknown { names, .. }) => names,
            result => return result,
        };
        let before = files.len();
        for (name, _) in &unknown {
            let at = far.iter().position(|file| far::has_word(&file.text, name) && defines(file, name));
            files.extend(at.map(|at| parsed(far.remove(at))).transpose()?);
        }
        if files.len() > before {
            continue;
        }
        // Nobody has it; perhaps because what defines it does not parse.
        let names: Vec<&str> = unknown.iter().map(|(name, _)| name.as_str()).take(LISTED).collect();
        if let Some(broken) = files.iter().find_map(|file| file.broken(&names)) {
            return Err(CutError::Broken { from, broken });
        }
        return cut_of(source, &files);
    }
}

/// Whether a file defines a name at file level; one that is nested too deep defines nothing.
fn defines(file: &SourceFile, name: &str) -> bool {
    let Ok(parsed) = Parsed::new(&file.path, &file.text) else { return false };
    let mut index = Index::default();
    index.add_file(&parsed);
    [Space::Ordinary, Space::Tag].into_iter().any(|space| index.get(&(space, name.to_string())).is_some())
}

/// The same from files that have been parsed, the driver's first.
fn cut_of(source: &Source, files: &[Parsed]) -> Result<CutText, CutError> {
    let from = source.name();
    let given = source.shim.as_ref().map(|given| {
        let deep = |line| CutError::Deep { from: from.clone(), file: given.path.clone(), line };
        Parsed::new(&given.path, &given.text).map_err(deep)
    });
    let given = given.transpose()?;
    let shim_file = Parsed::new("shim.h", SHIM_H).expect("the shim is not deep");
    let (mut index, mut shim) = (Index::default(), Index::default());
    files.iter().for_each(|file| index.add_file(file));
    shim.add_file(&shim_file);
    add_prototypes(&mut shim, &shim_file);

    if let Some(given) = &given {
        shim.add_file(given);
        add_prototypes(&mut shim, given);
    }
    let entry = index.get(&(Space::Ordinary, ENTRY.to_string()));
    let Some(entry) = entry.filter(|&id| index.items[id].what == What::Function) else {
        if let Some(broken) = files[0].broken(&[ENTRY]) {
            return Err(CutError::Broken { from, broken });
        }
        return Err(CutError::Missing { from, name: ENTRY, file: files[0].path.clone() });
    };
    let item = &index.items[entry];
    let parameters = parameter_types(item);
    let Some(call) = words::call(ENTRY, &parameters, &PARAMETERS) else {
        return Err(CutError::Signature { from, file: item.file.path.clone(), found: parameters.join(", ") });
    };
    let mut notes = Vec::new();
    if parameters.len() > PARAMETERS.len() {
        let more: Vec<&str> = parameters.iter().map(String::as_str).filter(|kind| !PARAMETERS.contains(kind)).collect();
        let what = "takes more than since Linux 5.8 and is given zeros and cells of its own";
        notes.push(format!("{ENTRY} {what}: {}", more.join(", ")));
    }
    let members = reachable_members(&index, &shim);
    let mut writer = Writer {
        index,
        shim,
        members,
        written: HashSet::new(),
        text: String::new(),
        names: Vec::new(),
        shimmed: BTreeSet::new(),
        unknown: Unknown::default(),
        depth: 0,
        too_deep: None,
    };
    writer.all();
    if let Some(name) = writer.too_deep {
        return Err(CutError::Chain { from, name });
    }
    if !writer.unknown.names.is_empty() {
        let files: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        return Err(CutError::Unknown { from, names: writer.unknown.names, files: files.join(", ") });
    }
    let has_iqer = writer.names.iter().any(|name| name == "DMAR_IQER_REG");
    let shimmed = writer.shimmed.into_iter().collect();
    let given = source.shim.as_ref().map_or(String::new(), |given| {
        format!("#line 1 \"{}\"\n{}\n", given.path.replace(['"', '\\', '\n'], "_"), given.text)
    });
    let text = given + &writer.text;
    Ok(CutText { from, names: writer.names, shimmed, text, notes, call, has_iqer })
}

/// Functions that the shim declares: they count as provided.
fn add_prototypes<'a>(shim: &mut Index<'a>, file: &'a Parsed) {
    visit(file.tree.root_node(), &mut |node| {
        if node.kind() == "function_declarator"
            && let Some(name) = declared(node)
        {
            let id = shim.items.len();
            shim.items.push(Item { what: What::Function, node, file });
            shim.names.entry((Space::Ordinary, file.text(name).to_string())).or_insert(id);
        }
    });
}

/// The members named by anything that will be cut.
fn reachable_members(index: &Index, shim: &Index) -> BTreeSet<String> {
    let mut members: BTreeSet<String> = UNIT_MEMBERS.into_iter().map(String::from).collect();
    let mut todo: Vec<usize> = index.get(&(Space::Ordinary, ENTRY.to_string())).into_iter().collect();
    let mut seen: HashSet<usize> = todo.iter().copied().collect();
    while let Some(id) = todo.pop() {
        let item = &index.items[id];
        if !matches!(item.what, What::Function | What::Macro) {
            continue;
        }
        let uses = uses(item);
        members.extend(uses.members);
        for name in uses.names.iter().chain(&uses.perhaps).filter(|name| shim.get(name).is_none()) {
            todo.extend(index.get(name).filter(|&id| seen.insert(id)));
        }
    }
    members
}

/// The types of a function's parameters, with single spaces.
fn parameter_types(item: &Item) -> Vec<String> {
    let mut types = Vec::new();
    let Some(declarator) = item.node.child_by_field_name("declarator") else { return types };
    let mut list = None;
    visit(declarator, &mut |node| {
        if node.kind() == "parameter_list" && list.is_none() {
            list = Some(node);
        }
    });
    let Some(list) = list else { return types };
    let mut cursor = list.walk();
    for parameter in list.named_children(&mut cursor).filter(|node| node.kind() == "parameter_declaration") {
        let mut text = item.file.text(parameter).to_string();
        if let Some(name) = parameter.child_by_field_name("declarator").and_then(declared) {
            let at = name.start_byte() - parameter.start_byte();
            text.replace_range(at..at + (name.end_byte() - name.start_byte()), "");
        }
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        types.push(if text == "unsigned" { "unsigned int".to_string() } else { text });
    }
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A driver of our own, as small as can be cut.
    const TREE: &str = "
#ifndef GUARD
#define QI_LENGTH 256
#define DMAR_IQH_REG 1
#define DMAR_IQT_REG 2
#define DMAR_FSTS_REG 3
struct qi_desc { u64 qw0; };
struct q_inval { raw_spinlock_t q_lock; int *desc_status; };
struct unknown_to_all;
struct intel_iommu {
    void *reg;
#ifdef CONFIG_X
    struct missing other;
    u32 wanted;
#endif
    u64 ecap;
    struct q_inval *qi;
};
enum { FIRST, SECOND };
#define shift(iommu) ((iommu)->wanted + OTHER)
#define OTHER 4
static inline void reclaim_free_desc(struct q_inval *qi) { qi->desc_status[SECOND] = 0; }
static int qi_check_fault(struct intel_iommu *iommu) { return readl(iommu->reg + DMAR_FSTS_REG); }
static int unused(void) { return nobody_knows(); }
int qi_submit_sync(struct intel_iommu *iommu, struct qi_desc *desc,
                   unsigned count, unsigned long options)
{
    int first = shift(iommu);
    reclaim_free_desc(iommu->qi);
    return first + qi_check_fault(iommu);
}
#endif
";

    fn source(text: &str) -> Source {
        let file = SourceFile { path: super::super::source::DMAR_C.to_string(), text: text.to_string() };
        Source::of(std::path::Path::new("/tree"), vec![file]).unwrap()
    }

    #[test]
    fn what_is_needed_is_cut_and_nothing_else() {
        let cut = cut(&source(TREE)).unwrap();
        let place = |name: &str| cut.names.iter().position(|n| n == name).unwrap_or_else(|| panic!("no {name}"));
        assert!(place("shift") < place("qi_submit_sync") && place("SECOND") < place("reclaim_free_desc"));
        assert!(place("OTHER") > 0 && !cut.names.iter().any(|name| name == "unused"));
        assert!(cut.text.contains("u32 wanted;") && !cut.text.contains("missing"), "{}", cut.text);
        assert!(cut.shimmed.iter().any(|name| name == "readl") && !cut.has_iqer);
    }

    #[test]
    fn a_missing_function_another_signature_and_an_unknown_name_are_said() {
        let missing = cut(&source(&TREE.replace("qi_submit_sync(struct", "qi_submit(struct"))).unwrap_err().to_string();
        assert_eq!(
            missing,
            "/tree: function qi_submit_sync was looked for in drivers/iommu/intel/dmar.c and is not defined there"
        );
        let other = cut(&source(&TREE.replace("unsigned count, ", ""))).unwrap_err().to_string();
        assert!(
            other.contains("takes (struct intel_iommu *, struct qi_desc *, unsigned long), and not all of ("),
            "{other}"
        );
        let unknown = cut(&source(&TREE.replace("return first", "return nobody(first)"))).unwrap_err().to_string();
        assert!(unknown.contains("nobody (in qi_submit_sync) is named by"), "{unknown}");
    }

    #[test]
    fn a_helper_is_cut_out_of_a_header_that_is_reached() {
        // What does not parse lies near that name, and hides nothing.
        let hidden = "DEFINE_MANY(helper_a);\nstruct x * y dmar_tbl;\n/* helper */\nint z = @;\n";
        let text =
            format!("{hidden}{}", TREE.replace("return first", "LIST_HEAD(list);\n\treturn helper(first) + list"));
        let mut source = source(&text);
        let far = |path: &str, text: &str| SourceFile { path: path.to_string(), text: text.to_string() };
        source.far = vec![
            far("include/linux/user.h", "static inline int other(void) { return helper(1); }"),
            far(
                "include/linux/helper.h",
                "static inline int helper(int n) { return n + DEEPER; }\n#define LIST_HEAD(name) int name = 0\nint nobody = unknown;",
            ),
            far("include/linux/deeper.h", "#define DEEPER 3"),
        ];
        let cut = cut(&source).unwrap();
        let place = |name: &str| cut.names.iter().position(|n| n == name).unwrap();
        assert!(place("DEEPER") < place("helper") && !cut.names.iter().any(|name| name == "other" || name == "nobody"));
        source.far.pop();
        let said = self::cut(&source).unwrap_err().to_string();
        assert!(said.contains("DEEPER (in helper) is named by") || said.contains("does not parse"), "{said}");
    }

    #[test]
    fn helpers_may_have_any_name() {
        let text = TREE.replace("qi_check_fault", "qi_look").replace("reclaim_free_desc", "reclaim");
        assert!(cut(&source(&text)).unwrap().names.contains(&"qi_look".to_string()));
    }

    const DRIVER: &str = include_str!("../tests/kernel/driver.c");

    fn said(text: &str) -> String {
        cut(&source(text)).unwrap_err().to_string()
    }

    #[test]
    fn a_missing_brace_is_said_by_its_place_and_not_by_what_it_hides() {
        let (mut placed, mut misplaced) = (0, Vec::new());
        for (at, brace) in DRIVER.match_indices(['{', '}']) {
            let mut text = DRIVER.to_string();
            text.replace_range(at..at + 1, "");
            let Err(error) = cut(&source(&text)) else { continue };
            let line = DRIVER[..at].lines().count();
            match &error {
                CutError::Broken { broken, .. } if (broken.line..broken.line + 70).contains(&(line + 10)) => {
                    placed += 1
                }
                _ => misplaced.push(format!("{brace} of line {line}: {error}")),
            }
        }
        assert!(misplaced.is_empty() && placed > 10, "{placed} placed, but not {misplaced:#?}");
    }

    #[test]
    fn text_that_is_nested_too_deep_is_refused() {
        let deep = format!("int deep = {}1{};", "(".repeat(50_000), ")".repeat(50_000));
        assert!(said(&format!("{TREE}\n{deep}")).contains("is nested more than 400 deep"));
        let chain: String = (0..50_000).map(|n| format!("#define M{n} M{}\n", n + 1)).collect();
        let text = TREE.replace("#define OTHER 4", &format!("#define OTHER M0\n{chain}"));
        assert!(said(&text).contains("by definitions that name each other more than 400 deep"));
    }

    #[test]
    fn a_long_list_of_unknown_names_is_shortened() {
        let calls: String = (0..3_000).map(|n| format!("nobody{n}(); ")).collect();
        let said = said(&TREE.replace("return first", &format!("{calls} return first")));
        assert!(said.contains("nobody4 (in qi_submit_sync) and 2995 more are named by") && said.len() < 400, "{said}");
    }

    #[test]
    fn no_mutated_text_panics() {
        let rounds: u64 = std::env::var("VTD_QI_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
        let pieces = [
            "{",
            "}",
            "(",
            ")",
            "#",
            "\n",
            "\\",
            "/*",
            "*/",
            "\"",
            "'",
            ";",
            "#define X X",
            "struct",
            "é",
            "\0",
            "#if 1\n",
        ];
        let mut fine = 0;
        for round in 0..rounds {
            let mut rng = crate::search::Rng::new(round);
            let mut text: Vec<char> = DRIVER.chars().collect();
            for _ in 0..=rng.below(6) {
                let (from, length) = (rng.below(text.len()), rng.below(40));
                let to = (from + length).min(text.len());
                match rng.below(4) {
                    0 => drop(text.drain(from..to)),
                    1 => {
                        let copy = text[from..to].to_vec();
                        let at = rng.below(text.len());
                        text.splice(at..at, copy);
                    }
                    2 => drop(text.splice(from..from, pieces[rng.below(pieces.len())].chars())),
                    _ => text[from] = (rng.next() % 128) as u8 as char,
                }
            }
            let text: String = text.into_iter().collect();
            match cut(&source(&text)) {
                Ok(_) => fine += 1,
                Err(error) => assert!(error.to_string().len() < 1_000, "round {round}: {error}"),
            }
        }
        assert!(fine > 0, "no mutated text was cut: the fuzzer is too rough");
    }
}
