//! Mutants of the relation and of the invariant, made one after the other by rule, to see that a mistake in either is noticed.

use crate::invariant::{Named, invariant, named};
use crate::obligation::Obligation;
use crate::relation::{Relation, Transition, Update};
use crate::term::{Operator, Term, all};
use crate::vars::{Sort, StateVar, at, var};

/// A relation with one mistake.
#[derive(Clone, Debug)]
pub struct RelationMutant {
    /// What the mistake is.
    pub what: String,
    /// The relation with it.
    pub relation: Relation,
    /// An obligation that shows, if it is discharged, that the mistake is none: wherever the invariant holds, what was left out
    /// is so anyway.
    pub harmless: Option<Obligation>,
}

/// An invariant with one mistake.
#[derive(Clone, Debug)]
pub struct InvariantMutant {
    /// What the mistake is.
    pub what: String,
    /// In which conjunct.
    pub conjunct: &'static str,
    /// The invariant with it.
    pub invariant: Vec<Named>,
}

/// Each transition without one part of its guard, without one of its assignments, or with another value in one.
pub fn of_relation(relation: &Relation) -> Vec<RelationMutant> {
    let mut mutants = Vec::new();
    for (number, transition) in relation.transitions.iter().enumerate() {
        let mut push = |what: String, mutated: Transition, harmless: Option<(Term, Term)>| {
            let mut altered = relation.clone();
            altered.transitions[number] = mutated;
            let harmless = harmless.map(|(guard, goal)| follows(relation, guard, goal));
            mutants.push(RelationMutant { what: format!("{}: {what}", transition.name), relation: altered, harmless });
        };
        let Term::App(Operator::And, guards) = &transition.guard else { continue };
        for left_out in 0..guards.len() {
            let rest = all(without(guards, left_out));
            let harmless = (rest.clone(), guards[left_out].clone());
            let mutated = Transition { guard: rest, ..transition.clone() };
            push(format!("without part {left_out} of its guard"), mutated, Some(harmless));
        }
        for left_out in 0..transition.updates.len() {
            let update = &transition.updates[left_out];
            let mutated = Transition { updates: without(&transition.updates, left_out), ..transition.clone() };
            let as_before = current(update).is(update.to.clone());
            let what = format!("does not assign {}", update.var.name());
            push(what, mutated, Some((transition.guard.clone(), as_before)));
            let mut updates = transition.updates.clone();
            updates[left_out].to = other(update);
            let what = format!("assigns something else to {}", update.var.name());
            push(what, Transition { updates, ..transition.clone() }, None);
        }
    }
    mutants
}

/// Each conjunct with each of its comparisons made strict or lax, or moved by one.
pub fn of_invariant(relation: &Relation) -> Vec<InvariantMutant> {
    let conjuncts = invariant(relation);
    let mut mutants = Vec::new();
    for (number, conjunct) in conjuncts.iter().enumerate() {
        for place in 0..comparisons(&conjunct.term) {
            let mut left = place;
            let mut altered = conjuncts.clone();
            altered[number] = named(conjunct.name, moved(&conjunct.term, &mut left));
            let what = format!("{}, comparison {place}", conjunct.name);
            mutants.push(InvariantMutant { what, conjunct: conjunct.name, invariant: altered });
        }
    }
    mutants
}

fn without<T: Clone>(list: &[T], left_out: usize) -> Vec<T> {
    list.iter().enumerate().filter(|(number, _)| *number != left_out).map(|(_, item)| item.clone()).collect()
}

/// The value that an assignment overwrites.
fn current(update: &Update) -> Term {
    update.at.as_ref().map_or(var(update.var), |index| at(update.var, index))
}

/// Another value than the one that is assigned.
fn other(update: &Update) -> Term {
    match update.var.sort() {
        Sort::Bool => update.to.clone().is(false),
        Sort::Int => update.to.clone() + 1,
        // Whoever holds the lock is somebody else, or nobody knows whose the position is.
        Sort::Submitter => at(StateVar::Owner, &var(StateVar::Tail)),
    }
}

fn follows(relation: &Relation, guard: Term, goal: Term) -> Obligation {
    let hypotheses = invariant(relation).into_iter().map(|conjunct| conjunct.term).chain([guard]).collect();
    let (claim, step, conjunct) = ("mutant", "every state", "harmless");
    Obligation { claim, step, conjunct, hypotheses, transition: None, goal }
}

/// How many comparisons a term has.
fn comparisons(term: &Term) -> usize {
    match term {
        Term::App(operator, of) => usize::from(is_comparison(*operator)) + of.iter().map(comparisons).sum::<usize>(),
        Term::ForAll(_, _, body) | Term::After(body) | Term::At(_, body) => comparisons(body),
        _ => 0,
    }
}

fn is_comparison(operator: Operator) -> bool {
    matches!(operator, Operator::Less | Operator::AtMost)
}

/// The term with the comparison numbered `left` moved: `<` becomes `<=` and the other way round.
fn moved(term: &Term, left: &mut usize) -> Term {
    match term {
        Term::App(operator, of) => {
            let mut operator = *operator;
            if is_comparison(operator) {
                if *left == 0 {
                    operator = if operator == Operator::Less { Operator::AtMost } else { Operator::Less };
                }
                *left = left.wrapping_sub(1);
            }
            Term::App(operator, of.iter().map(|term| moved(term, left)).collect())
        }
        Term::ForAll(name, sort, body) => Term::ForAll(*name, *sort, Box::new(moved(body, left))),
        Term::After(body) => Term::After(Box::new(moved(body, left))),
        Term::At(var, index) => Term::At(*var, Box::new(moved(index, left))),
        _ => term.clone(),
    }
}
