//! A state of the model as the relation sees it: with positions in place of slots.

use vtd_qi::impl_qi::{Desc, Order, Owner, Pc, Ring, State, Status};

use crate::relation::{BROUGHT, Transition, WHO};
use crate::term::{Evaluation, Valuation};
use crate::vars::{Domain, ID, STALE, Sort, StateVar, WD};

/// A position or a status that belongs to nobody.
pub const NOBODY: i64 = -1;

const ONE: usize = StateVar::Pc as usize;
const SUBMITTERS: usize = StateVar::Status as usize;
const PER_SUBMITTER: usize = SUBMITTERS - ONE;
const PER_POSITION: usize = StateVar::ALL.len() - SUBMITTERS;

/// What a position holds that no slot stands for.
const OUTSIDE: [i64; PER_POSITION] = [Status::Free as i64, STALE, NOBODY, NOBODY];

/// A state with positions in place of slots: one for each slot, from `free_tail` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unrolled {
    one: [i64; ONE],
    submitters: Vec<[i64; PER_SUBMITTER]>,
    first: i64,
    positions: Vec<[i64; PER_POSITION]>,
}

impl Valuation for Unrolled {
    fn value(&self, var: StateVar, index: i64) -> i64 {
        let at = var as usize;
        match var.domain() {
            Domain::One => self.one[at],
            // Nobody does nothing.
            Domain::Submitters => usize::try_from(index).map_or(0, |t| self.submitters[t][at - ONE]),
            Domain::Positions => {
                let position = usize::try_from(index - self.first).ok().and_then(|i| self.positions.get(i));
                position.unwrap_or(&OUTSIDE)[at - SUBMITTERS]
            }
        }
    }

    /// Positions from one before the window to two behind it; what lies further out is as the outermost.
    fn range(&self, sort: Sort) -> (i64, i64) {
        let tail = self.get(StateVar::Tail, 0);
        match sort {
            Sort::Bool => (0, 2),
            Sort::Int => (tail - 1, tail + self.get(StateVar::Length, 0) + 2),
            Sort::Submitter => (0, self.submitters.len() as i64),
        }
    }
}

/// Why a state of the model is none of the relation.
pub type NoPlace = String;

impl Unrolled {
    /// The state of a ring, with `free_tail` at a position of the caller's choice.
    ///
    /// # Errors
    /// What of it has no place in the relation: a register out of order, a descriptor of nobody's in hardware.
    pub fn of<const N: usize, const T: usize>(
        ring: &Ring<N, T>,
        state: &State<N, T>,
        tail: i64,
    ) -> Result<Unrolled, NoPlace> {
        let (length, queue) = (ring.length(), state.queue());
        let position = |slot| tail + i64::from(length.distance(queue.free_tail, slot));
        if state.iqt() != queue.free_head {
            return Err("IQT is not free_head".into());
        }
        let mut unrolled = Unrolled {
            one: [0; ONE],
            submitters: vec![[0; PER_SUBMITTER]; ring.cfg().submitters],
            first: tail,
            positions: vec![OUTSIDE; length.slots().into()],
        };
        let pipelined = ring.cfg().hardware.order == Order::Pipelined;
        let holder = state.lock_holder();
        for (var, value) in [
            (StateVar::Length, length.slots().into()),
            (StateVar::Pipelined, pipelined.into()),
            (StateVar::Tail, tail),
            (StateVar::Head, position(queue.free_head)),
            (StateVar::Iqh, position(state.iqh())),
            (StateVar::FreeCnt, queue.free_cnt.into()),
            (StateVar::Held, holder.is_some().into()),
            (StateVar::Holder, holder.map_or(0, |t| t as i64)),
        ] {
            unrolled.set(var, 0, value);
        }
        for slot in length.iter() {
            let at = position(slot);
            unrolled.set(StateVar::Status, at, state.status(slot) as i64);
            if let Owner::Submitter(t) = state.ghost().done_by(slot) {
                unrolled.set(StateVar::DoneBy, at, t.into());
            }
        }
        for t in 0..ring.cfg().submitters {
            unrolled.set_call(ring, state, t, position)?;
        }
        unrolled.set_completed(ring, state)?;
        Ok(unrolled)
    }

    /// A submitter's local variables, and what its batch holds.
    fn set_call<const N: usize, const T: usize>(
        &mut self,
        ring: &Ring<N, T>,
        state: &State<N, T>,
        t: usize,
        position: impl Fn(u8) -> i64,
    ) -> Result<(), NoPlace> {
        let call = state.call(t);
        let me = t as i64;
        self.set(StateVar::Pc, me, call.pc as i64);
        self.set(StateVar::Count, me, call.count.into());
        self.set(StateVar::At, me, call.at.into());
        self.set(StateVar::Executed, me, state.ghost().executed(t).into());
        if !has_batch(call.pc) {
            return Ok(());
        }
        // A batch that does not begin before `free_head` lies behind `free_tail`: it was reclaimed while somebody waits for it.
        let is_posted = ring.waiting(state, t) || call.pc == Pc::Mark;
        let is_reclaimed = is_posted && position(call.index) >= self.get(StateVar::Head, 0);
        let behind = if is_reclaimed { i64::from(ring.length().slots()) } else { 0 };
        let index = position(call.index) - behind;
        self.set(StateVar::Index, me, index);
        let written = if is_posted { call.slots() } else { call.written(&ring.cfg().rules) };
        for k in 0..i64::from(written) {
            let slot = ring.length().add(call.index, k as u16);
            let is_last = k == i64::from(call.count);
            // What hardware has fetched is looked at in hardware, by `set_completed`.
            let in_ring = !is_posted || index + k >= self.get(StateVar::Iqh, 0);
            let desc = match state.desc(slot) {
                _ if !in_ring && is_last => WD,
                _ if !in_ring => ID,
                Desc::Id { .. } => ID,
                Desc::Wd { target, .. } if target == slot => WD,
                _ => STALE,
            };
            if in_ring && !state.ghost().posted_by(slot).is(t) {
                return Err(format!("slot {slot} of T{}'s batch is not posted by it", t + 1));
            }
            self.set(StateVar::Owner, index + k, me);
            self.set(StateVar::Desc, index + k, desc);
        }
        Ok(())
    }

    /// How far hardware has completed, which has to be what it still holds.
    fn set_completed<const N: usize, const T: usize>(
        &mut self,
        ring: &Ring<N, T>,
        state: &State<N, T>,
    ) -> Result<(), NoPlace> {
        let iqh = self.get(StateVar::Iqh, 0);
        let mut uncompleted: Vec<(i64, usize)> = (0..ring.cfg().submitters)
            .filter(|&t| {
                let wd = ring.wait_index(&state.call(t));
                let is_own = |(desc, owner): (Desc, Owner)| desc.ends_batch() && owner.is(t);
                ring.waiting(state, t) && (state.ghost().posted_by(wd).is(t) || state.pending().any(is_own))
            })
            .map(|t| (self.get(StateVar::Index, t as i64), t))
            .collect();
        uncompleted.sort_unstable();
        let completed = uncompleted.first().map_or(self.get(StateVar::Head, 0), |(index, _)| *index);
        self.set(StateVar::Comp, 0, completed);
        let mut held = Vec::new();
        for (index, t) in uncompleted {
            let call = state.call(t);
            let owner = Owner::Submitter(t as u8);
            let fetched = (iqh - index).clamp(0, call.count.into());
            let executed = i64::from(state.ghost().executed(t));
            held.extend((executed..fetched).map(|_| (Desc::ID, owner)));
            if iqh > index + i64::from(call.count) {
                held.push((Desc::wd(ring.wait_index(&call)), owner));
            }
        }
        match state.pending().eq(held.iter().copied()) {
            true => Ok(()),
            false => Err(format!("hardware holds {:?} and not {held:?}", state.pending().collect::<Vec<_>>())),
        }
    }

    /// The state after a step of a submitter, with the count that a call brings; `None` if it cannot be done.
    pub fn after(&self, transition: &Transition, who: i64, count: i64) -> Option<Unrolled> {
        let mut given = Evaluation { before: self, after: self, bound: vec![(WHO, who), (BROUGHT, count)] };
        if transition.guard.value(&mut given) == 0 {
            return None;
        }
        let mut next = self.clone();
        for update in &transition.updates {
            let at = update.at.as_ref().map_or(0, |at| at.value(&mut given));
            next.set(update.var, at, update.to.value(&mut given));
        }
        Some(next)
    }

    /// Where this state, made by a step of the relation, differs from the one that the model's step has made.
    ///
    /// What nobody will read again is not compared: the holder of a lock that is free, a batch that is over, who owned a
    /// position that nobody owns now.
    pub fn difference(&self, model: &Unrolled) -> Option<(StateVar, i64)> {
        let is_live = |var: StateVar, index: i64| match var {
            StateVar::Holder => model.get(StateVar::Held, 0) != 0,
            StateVar::Count => model.get(StateVar::Pc, index) != Pc::Idle as i64,
            StateVar::Index => has_batch(Pc::ALL[model.get(StateVar::Pc, index) as usize]),
            StateVar::Owner | StateVar::Desc => model.get(StateVar::Owner, index) != NOBODY,
            StateVar::DoneBy => {
                model.get(StateVar::Status, index) == Status::Done as i64 && {
                    let owner = model.get(StateVar::Owner, index);
                    owner != NOBODY && model.get(StateVar::Desc, index) == WD
                }
            }
            _ => true,
        };
        let indices = |var: StateVar| match var.domain() {
            Domain::One => 0..1,
            Domain::Submitters => 0..model.submitters.len() as i64,
            Domain::Positions => model.first..model.first + model.positions.len() as i64,
        };
        let all = StateVar::ALL.into_iter().flat_map(|var| indices(var).map(move |index| (var, index)));
        all.filter(|&(var, index)| is_live(var, index))
            .find(|&(var, index)| self.get(var, index) != model.get(var, index))
    }

    /// The value of a variable at an index, 0 for a variable without one.
    pub fn get(&self, var: StateVar, index: i64) -> i64 {
        Valuation::value(self, var, index)
    }

    fn set(&mut self, var: StateVar, index: i64, value: i64) {
        let at = var as usize;
        match var.domain() {
            Domain::One => self.one[at] = value,
            Domain::Submitters => self.submitters[index as usize][at - ONE] = value,
            Domain::Positions => {
                // A step of the relation may write where no slot is: then it differs from the model's, or is none of it.
                let position = usize::try_from(index - self.first).ok().and_then(|i| self.positions.get_mut(i));
                if let Some(position) = position {
                    position[at - SUBMITTERS] = value;
                }
            }
        }
    }
}

/// Whether a submitter has a batch of slots that anybody will still look at.
fn has_batch(pc: Pc) -> bool {
    (Pc::WriteId..=Pc::PollAcquire).contains(&pc) || pc == Pc::Mark
}
