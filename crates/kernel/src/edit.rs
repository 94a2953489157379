//! Single-rule edits: a generation that no package carries, made at run time from a newer tree.
//!
//! An edit takes one rule of the driver back. It is found in the syntax tree by what it is, not by its text, and what is put in
//! its place is ours. A tree that has been edited is labelled as such wherever it is named.

use thiserror::Error;
use tree_sitter::{Node, Parser, Tree};

use super::source::{DMAR_C, Source};

/// A rule to be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The ITE walk visits odd slots only, as before the 2026 fix: g5 becomes g4.
    OddWalk,
    /// MARK and RECLAIM as before the 2024 fix: g4 becomes g3.
    MarkDone,
    /// A time-out of a device that is gone is not returned: g5 becomes g5r.
    Retry,
}

impl Edit {
    /// All of them, by name.
    pub const ALL: [(&'static str, Edit); 3] =
        [("odd-walk", Edit::OddWalk), ("mark-done", Edit::MarkDone), ("retry", Edit::Retry)];

    /// The edit of a name.
    pub fn named(name: &str) -> Option<Edit> {
        Edit::ALL.iter().find(|(known, _)| *known == name).map(|(_, edit)| *edit)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Edit::ALL.iter().find(|(_, edit)| *edit == self).map_or("", |(name, _)| name)
    }
}

/// An edit that finds nothing to do.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{from}: edit {edit} looks for {what} in {DMAR_C} and does not find it; perhaps the tree has that rule already"
)]
pub struct EditError {
    from: String,
    edit: &'static str,
    what: &'static str,
}

/// Takes a rule back.
///
/// # Errors
/// [`EditError`] if the rule is not found.
pub fn edit(source: &Source, edit: Edit) -> Result<Source, EditError> {
    let mut edited = source.clone();
    let text = &source.files[0].text;
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_c::LANGUAGE.into()).expect("the grammar fits the parser it was built for");
    let tree: Tree = parser.parse(text, None).expect("neither a time limit nor a cancellation is set");
    let file = File { text, root: tree.root_node() };
    let (what, changes) = match edit {
        Edit::OddWalk => ("the walk of qi_check_fault by single slots", file.odd_walk()),
        Edit::MarkDone => ("MARK and RECLAIM with QI_FREE", file.mark_done()),
        Edit::Retry => ("the return of -ETIMEDOUT in qi_check_fault", file.retry()),
    };
    let Some(mut changes) = changes else {
        return Err(EditError { from: source.from.display().to_string(), edit: edit.name(), what });
    };
    changes.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut text = text.clone();
    for (range, replacement) in changes {
        text.replace_range(range, &replacement);
    }
    edited.files[0].text = text;
    edited.edits.push(format!("edited: {}", edit.name()));
    Ok(edited)
}

type Changes = Vec<(std::ops::Range<usize>, String)>;

struct File<'a> {
    text: &'a str,
    root: Node<'a>,
}

impl<'a> File<'a> {
    fn text(&self, node: Node) -> &'a str {
        &self.text[node.byte_range()]
    }

    /// All nodes below one, in order, that satisfy a condition.
    fn all(&self, node: Node<'a>, condition: &dyn Fn(Node) -> bool) -> Vec<Node<'a>> {
        let mut found = Vec::new();
        let mut todo = vec![node];
        while let Some(node) = todo.pop() {
            if condition(node) {
                found.push(node);
            }
            let mut cursor = node.walk();
            let children: Vec<Node> = node.children(&mut cursor).collect();
            todo.extend(children.into_iter().rev());
        }
        found
    }

    fn function(&self, name: &str) -> Option<Node<'a>> {
        let is = |node: Node| {
            let declared = node.child_by_field_name("declarator").map_or("", |declarator| self.text(declarator));
            node.kind() == "function_definition" && declared.starts_with(name)
        };
        self.all(self.root, &is).first().copied()
    }

    /// Assignments to a variable of a name.
    fn assignments(&self, node: Node<'a>, name: &str) -> Vec<Node<'a>> {
        self.all(node, &|node| {
            node.kind() == "assignment_expression"
                && node.child_by_field_name("left").is_some_and(|left| self.text(left) == name)
        })
    }

    fn odd_walk(&self) -> Option<Changes> {
        let function = self.function("qi_check_fault")?;
        let walk = *self.all(function, &|node| node.kind() == "do_statement").first()?;
        let condition = self.all(walk.child_by_field_name("condition")?, &|node| node.kind() == "identifier");
        let cursor = self.text(*condition.first()?);
        let step = *self.assignments(walk.child_by_field_name("body")?, cursor).first()?;
        let one = *self.all(step, &|node| node.kind() == "number_literal" && self.text(node) == "1").first()?;
        // The last assignment before the walk that computes with the length of the ring is where it begins.
        let begins = self.assignments(function, cursor);
        let begin = begins
            .into_iter()
            .rfind(|node| node.end_byte() < walk.start_byte() && self.text(*node).contains("QI_LENGTH"))?;
        let end = begin.parent()?.end_byte();
        Some(vec![(one.byte_range(), "2".to_string()), (end..end, format!(" {cursor} |= 1;"))])
    }

    fn mark_done(&self) -> Option<Changes> {
        let submit = self.function("qi_submit_sync")?;
        let frees = |node: Node| {
            node.kind() == "assignment_expression"
                && node.child_by_field_name("right").is_some_and(|right| self.text(right) == "QI_FREE")
        };
        let mark = *self.all(submit, &frees).first()?;
        let mut around = mark;
        while around.kind() != "for_statement" {
            around = around.parent()?;
        }
        let bound = around.child_by_field_name("condition")?.child_by_field_name("operator")?;
        if self.text(bound) != "<=" {
            return None;
        }
        let reclaim = self.function("reclaim_free_desc")?;
        let queue = *self.all(reclaim, &|node| node.kind() == "parameter_declaration").first()?;
        let queue = *self.all(queue, &|node| node.kind() == "identifier").first()?;
        let status = format!("{q}->desc_status[{q}->free_tail]", q = self.text(queue));
        let walk = *self.all(reclaim, &|node| node.kind() == "while_statement").first()?;
        let condition = walk.child_by_field_name("condition")?;
        let body = walk.child_by_field_name("body")?.start_byte() + 1;
        Some(vec![
            (mark.child_by_field_name("right")?.byte_range(), "QI_DONE".to_string()),
            (bound.byte_range(), "<".to_string()),
            (condition.byte_range(), format!("({status} == QI_DONE || {status} == QI_ABORT)")),
            (body..body, format!(" {status} = QI_FREE;")),
        ])
    }

    fn retry(&self) -> Option<Changes> {
        let function = self.function("qi_check_fault")?;
        let returns = |node: Node| node.kind() == "return_statement" && self.text(node).contains("ETIMEDOUT");
        let statement = *self.all(function, &returns).first()?;
        Some(vec![(statement.byte_range(), ";".to_string())])
    }
}
