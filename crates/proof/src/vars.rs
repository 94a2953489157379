//! The variables of the ring, for any number of submitters and any length.
//!
//! A position is a number that is never used twice: position `p` lies in slot `p mod QI_LENGTH`. The window of `QI_LENGTH`
//! positions from `free_tail` on names each slot once, so that no formula needs the remainder.

use vtd_qi::impl_qi::{Pc, Status};

use crate::term::Term;

/// What a term stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A truth value.
    Bool,
    /// A position, a count, a place in the driver, a status.
    Int,
    /// A submitter; a solver knows nothing of how many there are.
    Submitter,
}

/// A variable of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StateVar {
    /// `QI_LENGTH`; no step changes it.
    Length,
    /// Whether an ID behind a WD may execute before that WD has completed; no step changes it.
    Pipelined,
    /// The position of `free_tail`.
    Tail,
    /// The position of `free_head`, which is IQT but inside of the step that writes both.
    Head,
    /// The position of IQH.
    Iqh,
    /// How far hardware has completed: the position behind the last WD that has written its status.
    Comp,
    /// `free_cnt`.
    FreeCnt,
    /// Whether `q_lock` is held.
    Held,
    /// By whom, if it is.
    Holder,
    /// Where a submitter stands: [`Pc`] as a number.
    Pc,
    /// The position of the first slot of a submitter's batch.
    Index,
    /// How many IDs the batch has.
    Count,
    /// Which own slot a repeated step is at.
    At,
    /// A ghost: how many of the batch's IDs were executed.
    Executed,
    /// `desc_status` at a position: [`Status`] as a number.
    Status,
    /// The descriptor at a position: [`STALE`], [`ID`] or [`WD`].
    Desc,
    /// A ghost: who wrote the descriptor at a position.
    Owner,
    /// A ghost: whose WD wrote the DONE at a position.
    DoneBy,
}

/// A position where no descriptor has been written yet: what the slot holds is of no account.
pub const STALE: i64 = 0;
/// An ID.
pub const ID: i64 = 1;
/// A WD whose status address is its own slot.
pub const WD: i64 = 2;

/// What a variable has a value for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// One value in all.
    One,
    /// A value for each submitter.
    Submitters,
    /// A value for each position.
    Positions,
}

impl StateVar {
    /// All variables, in the order of their declaration.
    pub const ALL: [StateVar; 18] = [
        StateVar::Length,
        StateVar::Pipelined,
        StateVar::Tail,
        StateVar::Head,
        StateVar::Iqh,
        StateVar::Comp,
        StateVar::FreeCnt,
        StateVar::Held,
        StateVar::Holder,
        StateVar::Pc,
        StateVar::Index,
        StateVar::Count,
        StateVar::At,
        StateVar::Executed,
        StateVar::Status,
        StateVar::Desc,
        StateVar::Owner,
        StateVar::DoneBy,
    ];

    /// What it has a value for.
    pub fn domain(self) -> Domain {
        match self {
            var if var < StateVar::Pc => Domain::One,
            var if var < StateVar::Status => Domain::Submitters,
            _ => Domain::Positions,
        }
    }

    /// The sort of its values.
    pub fn sort(self) -> Sort {
        match self {
            StateVar::Pipelined | StateVar::Held => Sort::Bool,
            StateVar::Holder | StateVar::Owner | StateVar::DoneBy => Sort::Submitter,
            _ => Sort::Int,
        }
    }

    /// Its name in SMT-LIB.
    pub fn name(self) -> &'static str {
        match self {
            StateVar::Length => "QI_LENGTH",
            StateVar::Pipelined => "pipelined",
            StateVar::Tail => "free_tail",
            StateVar::Head => "free_head",
            StateVar::Iqh => "iqh",
            StateVar::Comp => "completed",
            StateVar::FreeCnt => "free_cnt",
            StateVar::Held => "held",
            StateVar::Holder => "holder",
            StateVar::Pc => "pc",
            StateVar::Index => "index",
            StateVar::Count => "count",
            StateVar::At => "at",
            StateVar::Executed => "executed",
            StateVar::Status => "desc_status",
            StateVar::Desc => "desc",
            StateVar::Owner => "owner",
            StateVar::DoneBy => "done_by",
        }
    }
}

/// A variable that has one value.
pub fn var(var: StateVar) -> Term {
    Term::Var(var)
}

/// A variable at a submitter or a position.
pub fn at(var: StateVar, index: &Term) -> Term {
    Term::At(var, Box::new(index.clone()))
}

/// A submitter stands at a place of the driver.
pub fn stands(submitter: &Term, pc: Pc) -> Term {
    at(StateVar::Pc, submitter).is(pc as i64)
}

/// A submitter stands at one of the places from the first to the last, in the order of [`Pc`].
pub fn stands_in(submitter: &Term, first: Pc, last: Pc) -> Term {
    at(StateVar::Pc, submitter).between(first as i64, last as i64)
}

/// A submitter has written IQT and not observed its DONE.
pub fn waits(submitter: &Term) -> Term {
    stands_in(submitter, Pc::Poll, Pc::PollAcquire)
}

/// A submitter holds the lock and writes a batch, up to the write of IQT.
pub fn posts(submitter: &Term) -> Term {
    stands_in(submitter, Pc::WriteId, Pc::WriteIqt)
}

/// The position of a submitter's WD.
pub fn wait_index(submitter: &Term) -> Term {
    at(StateVar::Index, submitter) + at(StateVar::Count, submitter)
}

/// A position lies in a submitter's batch.
pub fn in_batch(position: &Term, submitter: &Term) -> Term {
    position.clone().between(at(StateVar::Index, submitter), wait_index(submitter))
}

/// The status at a position is this one.
pub fn has_status(position: &Term, status: Status) -> Term {
    at(StateVar::Status, position).is(status as i64)
}
