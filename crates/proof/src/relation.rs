//! The steps of the ring as data: what has to hold before each, and what it assigns.
//!
//! Each [`Transition`] is one step of `src/impl_qi` under the same name, of some submitter `t`; a call also brings some count
//! `c`. Where a step of the driver goes one of two ways, there is a transition for each. The hardware fetches as far ahead as it
//! likes, and [`StateVar::Pipelined`] says whether it executes IDs out of order: the relation has the runs of every depth.
//!
//! There are no faults here. The rules that a generation's faults need are therefore not looked at: g5 is g4.

use thiserror::Error;
use vtd_qi::impl_qi::{CleanUp, IdStatus, Label, Layout, Mark, Pc, PollUntil, Publish, Reclaim, Room, RoomWait};
use vtd_qi::impl_qi::{Rules, Status, Step};

use crate::term::{Term, all, any, not};
use crate::vars::StateVar::*;
use crate::vars::{ID, STALE, StateVar, WD, at, has_status, stands, var, wait_index, waits};

/// The submitter whose step a transition is.
pub const WHO: char = 't';

/// The count that a call brings.
pub const BROUGHT: char = 'c';

/// What a step assigns to a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The variable.
    pub var: StateVar,
    /// Where, if it has a value for each submitter or position.
    pub at: Option<Term>,
    /// The new value, over the state before the step.
    pub to: Term,
}

/// A step: it can be done where its guard holds, and it changes what it assigns and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The name of the step, and which way it goes if there are two.
    pub name: &'static str,
    /// The step of the model that it is, of submitter 0 if it has one.
    pub label: Label,
    /// What has to hold before it.
    pub guard: Term,
    /// What it assigns.
    pub updates: Vec<Update>,
}

/// The ring under the rules of a generation.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Its steps.
    pub transitions: Vec<Transition>,
    /// Which slots are marked, and how they are reclaimed.
    pub clean_up: CleanUpKind,
    /// The least count that a call may bring.
    pub least: i64,
}

/// How a generation marks and reclaims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CleanUpKind {
    /// Until the 2024 fix: IDs become DONE, and what is DONE is reclaimed.
    Done,
    /// From the 2024 fix on: all own slots become FREE, and what is FREE is reclaimed up to `free_head`.
    Free,
}

/// Rules for which there is no relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("only rules that differ from g3's or g4's in nothing but what follows a fault can be proved for any number")]
pub struct NotTranslated;

impl CleanUpKind {
    /// How rules mark and reclaim.
    ///
    /// # Errors
    /// [`NotTranslated`], if they post, poll, mark or reclaim as neither g3 nor g4.
    pub fn of(rules: &Rules) -> Result<CleanUpKind, NotTranslated> {
        let posts_alike = rules.room == Room::CountPlus2
            && rules.room_wait == RoomWait::Unlock
            && rules.layout == Layout::WdLast
            && rules.id_status == IdStatus::InUse
            && rules.publish == Publish::StatusWdIqt
            && rules.poll == PollUntil::Done
            && rules.clean_up == CleanUp::Locked;
        match (rules.mark, rules.reclaim) {
            (Mark::IdsDone, Reclaim::WhileDone) if posts_alike => Ok(CleanUpKind::Done),
            (Mark::AllFree, Reclaim::WhileFreeToHead) if posts_alike => Ok(CleanUpKind::Free),
            _ => Err(NotTranslated),
        }
    }
}

impl Transition {
    /// Whether the driver does it, in a call.
    pub fn is_drivers(&self) -> bool {
        matches!(self.label, Label::Driver(..))
    }
}

impl Relation {
    /// The ring under rules, for calls that bring at least `least` IDs.
    ///
    /// # Errors
    /// [`NotTranslated`].
    pub fn of(rules: &Rules, least: i64) -> Result<Relation, NotTranslated> {
        let clean_up = CleanUpKind::of(rules)?;
        let mut transitions = post(least);
        transitions.extend(poll(clean_up));
        transitions.extend(match clean_up {
            CleanUpKind::Done => mark_done_and_reclaim(),
            CleanUpKind::Free => mark_free_and_reclaim(),
        });
        transitions.extend(hardware());
        Ok(Relation { transitions, clean_up, least })
    }

    /// The transition of a name.
    ///
    /// # Panics
    /// If there is none.
    pub fn transition(&self, name: &str) -> &Transition {
        let found = self.transitions.iter().find(|transition| transition.name == name);
        found.unwrap_or_else(|| panic!("no transition is called {name}"))
    }
}

/// The submitter whose step it is.
pub fn who() -> Term {
    Term::Bound(WHO)
}

fn set(of: StateVar, to: impl Into<Term>) -> Update {
    Update { var: of, at: None, to: to.into() }
}

/// A new value for the submitter whose step it is.
fn own(of: StateVar, to: impl Into<Term>) -> Update {
    put(of, who(), to)
}

fn put(of: StateVar, index: Term, to: impl Into<Term>) -> Update {
    Update { var: of, at: Some(index), to: to.into() }
}

fn goes(pc: Pc) -> Update {
    own(Pc, pc as i64)
}

fn step(name: &'static str, label: Label, guard: impl IntoIterator<Item = Term>, updates: Vec<Update>) -> Transition {
    Transition { name, label, guard: all(guard), updates }
}

fn driver(
    name: &'static str,
    by: Step,
    from: Pc,
    guard: impl IntoIterator<Item = Term>,
    to: Vec<Update>,
) -> Transition {
    let guard = [stands(&who(), from)].into_iter().chain(guard);
    step(name, Label::Driver(by, 0), guard, to)
}

/// One of the submitter's own variables.
fn mine(of: StateVar) -> Term {
    at(of, &who())
}

/// From the call to the write of IQT.
fn post(least: i64) -> Vec<Transition> {
    let t = who();
    let brought = Term::Bound(BROUGHT);
    let fits = brought.clone().between(least, var(Length) - 2);
    let lock_is_free = not(var(Held));
    let room = (mine(Count) + 2).le(var(FreeCnt));
    let takes_lock = [set(Held, true), set(Holder, t.clone())];
    let id_slot = mine(Index) + mine(At);
    let last_id = (mine(At) + 1).is(mine(Count));
    let with = |first: &[Update], rest: Vec<Update>| [first.to_vec(), rest].concat();
    vec![
        step("Call", Label::Call(0), [stands(&t, Pc::Idle), fits], vec![goes(Pc::Acquire), own(Count, brought)]),
        driver(
            "Acquire, room",
            Step::Acquire,
            Pc::Acquire,
            [lock_is_free.clone(), room.clone()],
            with(
                &takes_lock,
                vec![
                    own(Index, var(Head)),
                    own(At, 0),
                    own(Pc, mine(Count).is(0).choose(Pc::WdInUse as i64, Pc::WriteId as i64)),
                ],
            ),
        ),
        driver(
            "Acquire, no room",
            Step::Acquire,
            Pc::Acquire,
            [lock_is_free, not(room)],
            with(&takes_lock, vec![goes(Pc::NoRoom)]),
        ),
        driver("Unlock, no room", Step::Unlock, Pc::NoRoom, [], vec![set(Held, false), goes(Pc::Acquire)]),
        driver(
            "WriteId",
            Step::WriteId,
            Pc::WriteId,
            [],
            vec![put(Desc, id_slot.clone(), ID), put(Owner, id_slot.clone(), t.clone()), goes(Pc::IdInUse)],
        ),
        driver(
            "IdInUse",
            Step::IdInUse,
            Pc::IdInUse,
            [],
            vec![
                put(StateVar::Status, id_slot, Status::InUse as i64),
                own(At, last_id.clone().choose(0, mine(At) + 1)),
                own(Pc, last_id.choose(Pc::WdInUse as i64, Pc::WriteId as i64)),
            ],
        ),
        driver(
            "WdInUse",
            Step::WdInUse,
            Pc::WdInUse,
            [],
            vec![put(StateVar::Status, wait_index(&t), Status::InUse as i64), goes(Pc::WriteWd)],
        ),
        driver(
            "WriteWd",
            Step::WriteWd,
            Pc::WriteWd,
            [],
            vec![put(Desc, wait_index(&t), WD), put(Owner, wait_index(&t), t.clone()), goes(Pc::WriteIqt)],
        ),
        driver(
            "WriteIqt",
            Step::WriteIqt,
            Pc::WriteIqt,
            [],
            vec![set(Head, var(Head) + mine(Count) + 1), set(FreeCnt, var(FreeCnt) - mine(Count) - 1), goes(Pc::Poll)],
        ),
    ]
}

/// The poll loop, and the way out of the function.
fn poll(clean_up: CleanUpKind) -> Vec<Transition> {
    let done = has_status(&wait_index(&who()), Status::Done);
    let marks = match clean_up {
        CleanUpKind::Free => own(Pc, Pc::Mark as i64),
        CleanUpKind::Done => own(Pc, mine(Count).is(0).choose(Pc::Reclaim as i64, Pc::Mark as i64)),
    };
    vec![
        driver("Poll, DONE", Step::Poll, Pc::Poll, [done.clone()], vec![own(At, 0), marks]),
        driver("Poll, not DONE", Step::Poll, Pc::Poll, [not(done)], vec![goes(Pc::PollUnlock)]),
        driver("Unlock, polling", Step::Unlock, Pc::PollUnlock, [], vec![set(Held, false), goes(Pc::PollAcquire)]),
        driver(
            "Acquire, polling",
            Step::Acquire,
            Pc::PollAcquire,
            [not(var(Held))],
            vec![set(Held, true), set(Holder, who()), goes(Pc::Poll)],
        ),
        driver(
            "Unlock, returning",
            Step::Unlock,
            Pc::Return,
            [],
            vec![set(Held, false), goes(Pc::Idle), own(Executed, 0)],
        ),
    ]
}

/// MARK with a status, of the own slots up to the last.
fn mark(status: Status, last: Term) -> Transition {
    driver(
        "Mark",
        Step::Mark,
        Pc::Mark,
        [],
        vec![
            put(StateVar::Status, mine(Index) + mine(At), status as i64),
            own(At, last.clone().choose(0, mine(At) + 1)),
            own(Pc, last.choose(Pc::Reclaim as i64, Pc::Mark as i64)),
        ],
    )
}

/// G1, G3: IDs become DONE; what is DONE is set FREE and passed.
fn mark_done_and_reclaim() -> Vec<Transition> {
    let ready = has_status(&var(Tail), Status::Done);
    vec![
        mark(Status::Done, (mine(At) + 1).is(mine(Count))),
        driver("Reclaim, go on", Step::Reclaim, Pc::Reclaim, [ready.clone()], vec![goes(Pc::ReclaimFree)]),
        driver("Reclaim, end", Step::Reclaim, Pc::Reclaim, [not(ready)], vec![goes(Pc::Return)]),
        driver(
            "ReclaimFree",
            Step::ReclaimFree,
            Pc::ReclaimFree,
            [],
            vec![
                put(StateVar::Status, var(Tail), Status::Free as i64),
                set(Tail, var(Tail) + 1),
                set(FreeCnt, var(FreeCnt) + 1),
                goes(Pc::Reclaim),
            ],
        ),
    ]
}

/// From G4 on: all own slots become FREE; what is FREE and not `free_head` is passed.
fn mark_free_and_reclaim() -> Vec<Transition> {
    let ready = all([has_status(&var(Tail), Status::Free), var(Tail).is_not(var(Head))]);
    vec![
        mark(Status::Free, mine(At).is(mine(Count))),
        driver(
            "Reclaim, go on",
            Step::Reclaim,
            Pc::Reclaim,
            [ready.clone()],
            vec![set(Tail, var(Tail) + 1), set(FreeCnt, var(FreeCnt) + 1)],
        ),
        driver("Reclaim, end", Step::Reclaim, Pc::Reclaim, [not(ready)], vec![goes(Pc::Return)]),
    ]
}

/// The remapping unit; `t` is the submitter whose descriptor acts.
fn hardware() -> Vec<Transition> {
    let t = who();
    let next_id = mine(Index) + mine(Executed);
    let oldest = mine(Index).is(var(Comp));
    vec![
        step(
            "Fetch",
            Label::Fetch,
            [var(Iqh).lt(var(Head)), at(Desc, &var(Iqh)).is_not(STALE)],
            vec![set(Iqh, var(Iqh) + 1)],
        ),
        step(
            "Execute",
            Label::Execute,
            [
                waits(&t),
                mine(Executed).lt(mine(Count)),
                next_id.clone().lt(var(Iqh)),
                at(Desc, &next_id).is(ID),
                any([var(Pipelined), oldest.clone()]),
            ],
            vec![own(Executed, mine(Executed) + 1)],
        ),
        step(
            "Complete",
            Label::Complete,
            [
                waits(&t),
                oldest,
                mine(Executed).is(mine(Count)),
                wait_index(&t).lt(var(Iqh)),
                at(Desc, &wait_index(&t)).is(WD),
            ],
            vec![
                put(StateVar::Status, wait_index(&t), Status::Done as i64),
                put(DoneBy, wait_index(&t), t.clone()),
                set(Comp, wait_index(&t) + 1),
            ],
        ),
    ]
}
