//! The language in which the relation, the invariant and the claims are written.
//!
//! A [`Term`] is a value of one of three sorts: a truth value, an integer (a position of the ring, a count, a place in the
//! driver), or a submitter. It is printed as SMT-LIB 2 ([`crate::smt`]) for a solver and evaluated in a state of the ring
//! ([`Term::value`]), so that what a solver is asked and what the model is compared with are one text.

use std::ops::{Add, Sub};

use crate::vars::{Sort, StateVar};

/// A term over the variables of the ring, before a step and after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// An integer.
    Int(i64),
    /// A truth value.
    Bool(bool),
    /// A quantified variable, or a parameter of a step.
    Bound(char),
    /// A variable of the ring.
    Var(StateVar),
    /// A variable of the ring that has a value for each submitter or position, at one of them.
    At(StateVar, Box<Term>),
    /// An operator and what it is applied to.
    App(Operator, Vec<Term>),
    /// The term holds for every value of a variable.
    ForAll(char, Sort, Box<Term>),
    /// The value of a term after the step.
    After(Box<Term>),
}

/// An operator of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// The sum of two integers.
    Plus,
    /// The difference of two integers.
    Minus,
    /// The product of two integers.
    Times,
    /// Two values of one sort are the same.
    Equal,
    /// One integer is less than another.
    Less,
    /// One integer is not greater than another.
    AtMost,
    /// All of them hold.
    And,
    /// One of them holds.
    Or,
    /// It does not hold.
    Not,
    /// If the first holds, so does the second.
    Implies,
    /// The second if the first holds, else the third.
    Choose,
}

/// Where terms are evaluated: a state of the ring with finitely many submitters and positions.
pub trait Valuation {
    /// The value of a variable at an index, which is 0 for a variable without one. A truth value is 0 or 1.
    fn value(&self, var: StateVar, index: i64) -> i64;
    /// The values over which a quantifier ranges, first and behind the last.
    fn range(&self, sort: Sort) -> (i64, i64);
}

/// The state before a step, the state after it, and the values of the bound variables.
pub struct Evaluation<'a> {
    /// The state before the step.
    pub before: &'a dyn Valuation,
    /// The state after it; the same where there is no step.
    pub after: &'a dyn Valuation,
    /// The bound variables and their values, the innermost last.
    pub bound: Vec<(char, i64)>,
}

impl<'a> Evaluation<'a> {
    /// One state, in which nothing is bound.
    pub fn of(state: &'a dyn Valuation) -> Evaluation<'a> {
        Evaluation { before: state, after: state, bound: Vec::new() }
    }
}

impl Term {
    /// The term's value; a truth value is 0 or 1.
    ///
    /// # Panics
    /// If a bound variable has no value.
    pub fn value(&self, given: &mut Evaluation) -> i64 {
        match self {
            Term::Int(value) => *value,
            Term::Bool(value) => i64::from(*value),
            Term::Bound(name) => {
                let bound = given.bound.iter().rev().find(|(other, _)| other == name);
                bound.unwrap_or_else(|| panic!("{name} is bound")).1
            }
            Term::Var(var) => given.before.value(*var, 0),
            Term::At(var, index) => {
                let index = index.value(given);
                given.before.value(*var, index)
            }
            Term::App(operator, of) => operator.value(of, given),
            Term::ForAll(name, sort, body) => {
                let (first, end) = given.before.range(*sort);
                i64::from((first..end).all(|value| {
                    given.bound.push((*name, value));
                    let holds = body.value(given) != 0;
                    given.bound.pop();
                    holds
                }))
            }
            Term::After(term) => {
                let before = std::mem::replace(&mut given.before, given.after);
                let value = term.value(given);
                given.before = before;
                value
            }
        }
    }

    /// Whether the term holds in a state.
    pub fn holds(&self, state: &dyn Valuation) -> bool {
        self.value(&mut Evaluation::of(state)) != 0
    }

    /// The term with another in the place of a bound variable.
    pub fn with(&self, name: char, other: &Term) -> Term {
        match self {
            Term::Bound(bound) if *bound == name => other.clone(),
            Term::Int(_) | Term::Bool(_) | Term::Bound(_) | Term::Var(_) => self.clone(),
            Term::At(var, index) => Term::At(*var, Box::new(index.with(name, other))),
            Term::App(operator, of) => Term::App(*operator, of.iter().map(|term| term.with(name, other)).collect()),
            Term::ForAll(bound, ..) if *bound == name => self.clone(),
            Term::ForAll(bound, sort, body) => Term::ForAll(*bound, *sort, Box::new(body.with(name, other))),
            Term::After(term) => Term::After(Box::new(term.with(name, other))),
        }
    }

    /// Whether the term reads one of certain variables.
    pub fn reads(&self, which: impl Fn(StateVar) -> bool + Copy) -> bool {
        match self {
            Term::Var(var) => which(*var),
            Term::At(var, index) => which(*var) || index.reads(which),
            Term::App(_, of) => of.iter().any(|term| term.reads(which)),
            Term::ForAll(_, _, body) | Term::After(body) => body.reads(which),
            Term::Int(_) | Term::Bool(_) | Term::Bound(_) => false,
        }
    }

    /// Appends the terms at which certain variables are read.
    pub fn indices(&self, which: impl Fn(StateVar) -> bool + Copy, found: &mut Vec<Term>) {
        match self {
            Term::At(var, index) => {
                found.extend(Some(&**index).filter(|_| which(*var)).cloned());
                index.indices(which, found);
            }
            Term::App(_, of) => of.iter().for_each(|term| term.indices(which, found)),
            Term::ForAll(_, _, body) | Term::After(body) => body.indices(which, found),
            Term::Int(_) | Term::Bool(_) | Term::Bound(_) | Term::Var(_) => {}
        }
    }

    /// Two values are the same.
    pub fn is(self, other: impl Into<Term>) -> Term {
        Term::App(Operator::Equal, vec![self, other.into()])
    }

    /// Two values differ.
    pub fn is_not(self, other: impl Into<Term>) -> Term {
        not(self.is(other))
    }

    /// It is less.
    pub fn lt(self, other: impl Into<Term>) -> Term {
        Term::App(Operator::Less, vec![self, other.into()])
    }

    /// It is not greater.
    pub fn le(self, other: impl Into<Term>) -> Term {
        Term::App(Operator::AtMost, vec![self, other.into()])
    }

    /// It lies between two values, both included.
    pub fn between(self, low: impl Into<Term>, high: impl Into<Term>) -> Term {
        all([low.into().le(self.clone()), self.le(high)])
    }

    /// If this holds, so does the other.
    pub fn implies(self, other: Term) -> Term {
        Term::App(Operator::Implies, vec![self, other])
    }

    /// This if and only if the other.
    pub fn iff(self, other: Term) -> Term {
        self.is(other)
    }

    /// The first if this holds, else the second.
    pub fn choose(self, yes: impl Into<Term>, no: impl Into<Term>) -> Term {
        Term::App(Operator::Choose, vec![self, yes.into(), no.into()])
    }

    /// The product of two integers.
    pub fn times(self, other: Term) -> Term {
        Term::App(Operator::Times, vec![self, other])
    }
}

/// All of them hold.
pub fn all(terms: impl IntoIterator<Item = Term>) -> Term {
    Term::App(Operator::And, terms.into_iter().collect())
}

/// One of them holds.
pub fn any(terms: impl IntoIterator<Item = Term>) -> Term {
    Term::App(Operator::Or, terms.into_iter().collect())
}

/// It does not hold.
pub fn not(term: Term) -> Term {
    Term::App(Operator::Not, vec![term])
}

/// It holds for every submitter `name`.
pub fn every_submitter(name: char, body: impl FnOnce(Term) -> Term) -> Term {
    Term::ForAll(name, Sort::Submitter, Box::new(body(Term::Bound(name))))
}

/// It holds for the submitter that a term stands for before the step, whatever that term stands for behind it.
pub fn for_submitter(name: char, before: Term, body: impl FnOnce(Term) -> Term) -> Term {
    every_submitter(name, |submitter| submitter.clone().is(before).implies(body(submitter)))
}

/// It holds for every position `name`.
pub fn every_position(name: char, body: impl FnOnce(Term) -> Term) -> Term {
    Term::ForAll(name, Sort::Int, Box::new(body(Term::Bound(name))))
}

/// The value of a term after the step.
pub fn after(term: Term) -> Term {
    Term::After(Box::new(term))
}

impl Operator {
    fn value(self, of: &[Term], given: &mut Evaluation) -> i64 {
        match self {
            Operator::Plus => of[0].value(given) + of[1].value(given),
            Operator::Minus => of[0].value(given) - of[1].value(given),
            Operator::Times => of[0].value(given) * of[1].value(given),
            Operator::Equal => i64::from(of[0].value(given) == of[1].value(given)),
            Operator::Less => i64::from(of[0].value(given) < of[1].value(given)),
            Operator::AtMost => i64::from(of[0].value(given) <= of[1].value(given)),
            Operator::And => i64::from(of.iter().all(|term| term.value(given) != 0)),
            Operator::Or => i64::from(of.iter().any(|term| term.value(given) != 0)),
            Operator::Not => i64::from(of[0].value(given) == 0),
            Operator::Implies => i64::from(of[0].value(given) == 0 || of[1].value(given) != 0),
            Operator::Choose => match of[0].value(given) {
                0 => of[2].value(given),
                _ => of[1].value(given),
            },
        }
    }
}

impl From<i64> for Term {
    fn from(value: i64) -> Term {
        Term::Int(value)
    }
}

impl From<bool> for Term {
    fn from(value: bool) -> Term {
        Term::Bool(value)
    }
}

impl<T: Into<Term>> Add<T> for Term {
    type Output = Term;
    fn add(self, other: T) -> Term {
        Term::App(Operator::Plus, vec![self, other.into()])
    }
}

impl<T: Into<Term>> Sub<T> for Term {
    type Output = Term;
    fn sub(self, other: T) -> Term {
        Term::App(Operator::Minus, vec![self, other.into()])
    }
}
