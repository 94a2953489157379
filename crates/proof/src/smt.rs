//! Terms as SMT-LIB 2, the language that z3, cvc5 and others read.
//!
//! A variable of the ring is a constant or a function that nothing is known of; the sort of submitters is one of which nothing
//! is known either. A step defines each variable that it assigns a second time, with `'` behind its name.

use std::fmt::Write;

use crate::obligation::Obligation;
use crate::relation::{BROUGHT, Transition, WHO};
use crate::term::{Operator, Term};
use crate::vars::{Domain, Sort, StateVar};

/// An obligation as a script without its `(check-sat)`.
pub fn script(obligation: &Obligation) -> String {
    format!("(set-logic ALL)\n{}{}", declarations(), assertions(obligation))
}

/// The declarations that all obligations share.
fn declarations() -> String {
    let mut text = String::from("(declare-sort Submitter 0)\n");
    for var in StateVar::ALL {
        let index = match var.domain() {
            Domain::One => "",
            Domain::Submitters => "Submitter",
            Domain::Positions => "Int",
        };
        let _ = writeln!(text, "(declare-fun {} ({index}) {})", var.name(), sort(var.sort()));
    }
    text
}

/// An obligation as assertions: they cannot all hold if it is discharged.
fn assertions(obligation: &Obligation) -> String {
    let mut text = String::new();
    for (name, of) in [(WHO, Sort::Submitter), (BROUGHT, Sort::Int)] {
        let _ = writeln!(text, "(declare-const {name} {})", sort(of));
    }
    let changed: Vec<StateVar> = obligation.transition.iter().flat_map(|by| &by.updates).map(|to| to.var).collect();
    if let Some(transition) = &obligation.transition {
        text += &definitions(transition);
        assert(&mut text, &transition.guard, &changed);
    }
    // What is to hold for every value fails for some, and these get names.
    let mut goal = &obligation.goal;
    let mut is_after = false;
    loop {
        match goal {
            Term::After(inner) => (goal, is_after) = (inner, true),
            Term::ForAll(name, of, inner) => {
                let _ = writeln!(text, "(declare-const {name} {})", sort(*of));
                goal = inner;
            }
            _ => break,
        }
    }
    let goal = if is_after { crate::term::after(goal.clone()) } else { goal.clone() };
    obligation.hypotheses.iter().for_each(|hypothesis| assert(&mut text, hypothesis, &changed));
    assert(&mut text, &crate::term::not(goal), &changed);
    text
}

/// The variables as they are after a step.
fn definitions(transition: &Transition) -> String {
    let mut text = String::new();
    for update in &transition.updates {
        let (name, of) = (update.var.name(), sort(update.var.sort()));
        let to = printed(&update.to, &[]);
        let _ = match (&update.at, update.var.domain()) {
            (Some(index), domain) => {
                let index = printed(index, &[]);
                let by = if domain == Domain::Submitters { "Submitter" } else { "Int" };
                writeln!(text, "(define-fun |{name}'| ((i {by})) {of} (ite (= i {index}) {to} ({name} i)))")
            }
            (None, _) => writeln!(text, "(define-fun |{name}'| () {of} {to})"),
        };
    }
    text
}

fn assert(text: &mut String, term: &Term, changed: &[StateVar]) {
    let _ = writeln!(text, "(assert {})", printed(term, changed));
}

fn sort(sort: Sort) -> &'static str {
    match sort {
        Sort::Bool => "Bool",
        Sort::Int => "Int",
        Sort::Submitter => "Submitter",
    }
}

/// A term in SMT-LIB 2; `changed` are the variables that the step assigns.
fn printed(term: &Term, changed: &[StateVar]) -> String {
    let mut text = String::new();
    print(&mut text, term, changed, false);
    text
}

fn print(text: &mut String, term: &Term, changed: &[StateVar], after: bool) {
    let name = |var: &StateVar| match after && changed.contains(var) {
        true => format!("|{}'|", var.name()),
        false => var.name().to_string(),
    };
    match term {
        Term::Int(value) if *value < 0 => *text += &format!("(- {})", value.unsigned_abs()),
        Term::Int(value) => *text += &value.to_string(),
        Term::Bool(value) => *text += &value.to_string(),
        Term::Bound(bound) => text.push(*bound),
        Term::Var(var) => *text += &name(var),
        Term::At(var, index) => {
            *text += &format!("({} ", name(var));
            print(text, index, changed, after);
            text.push(')');
        }
        Term::App(Operator::And, of) if of.is_empty() => *text += "true",
        Term::App(Operator::Or, of) if of.is_empty() => *text += "false",
        Term::App(operator, of) => {
            *text += &format!("({}", symbol(*operator));
            for term in of {
                text.push(' ');
                print(text, term, changed, after);
            }
            text.push(')');
        }
        Term::ForAll(bound, of, body) => {
            *text += &format!("(forall (({bound} {})) ", sort(*of));
            print(text, body, changed, after);
            text.push(')');
        }
        Term::After(term) => print(text, term, changed, true),
    }
}

fn symbol(operator: Operator) -> &'static str {
    match operator {
        Operator::Plus => "+",
        Operator::Minus => "-",
        Operator::Times => "*",
        Operator::Equal => "=",
        Operator::Less => "<",
        Operator::AtMost => "<=",
        Operator::And => "and",
        Operator::Or => "or",
        Operator::Not => "not",
        Operator::Implies => "=>",
        Operator::Choose => "ite",
    }
}
