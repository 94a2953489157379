//! One search: a generation, a kind of fault, a picture.

use stateright_temporal::graph::{Coverage, Edge, Graph, Search, StateId};
use stateright_temporal::liveness::Run;
use vtd_qi::campaign::hangs::HangKind;
use vtd_qi::impl_qi::{
    Action, FaultClass, Faults, Hardware, IdKind, Label, Length, Request, RingCfg, RingError, Rules, Slot, Status,
};
use vtd_qi::timeline::Timeline;

use crate::fates::Fates;
use crate::judge::{Bounds, Evidence, FaultGuess, Reached, Sighting};
use crate::model::{Onward, Planned, PlannedState, SLOTS, SUBMITTERS, SmallRing, SmallState, at_rest};
use crate::picture::{BatchPicture, Picture};

/// Of so many states it is asked whether they last.
const MOST_JUDGED: usize = 100;

/// A search that is set up.
pub(crate) struct Hunt<'a, const F: usize> {
    ring: SmallRing<F>,
    plan: Vec<Vec<Request>>,
    first: Slot,
    picture: &'a Picture,
    guess: FaultGuess,
    evidence: Evidence,
    bounds: Bounds<'a>,
}

/// The calls that may post a batch.
fn calls(batch: &BatchPicture, guess: FaultGuess) -> Vec<Request> {
    let request = batch.request(guess.class.is_some());
    let mut calls = vec![request];
    let with_invalid = |at: u8| {
        let kind = |(i, kind)| if i == usize::from(at) { IdKind::Invalid } else { kind };
        Request::of(&request.kinds().enumerate().map(kind).collect::<Vec<_>>())
    };
    match guess.class {
        Some(FaultClass::InvalidId) if request.faults() == 0 => calls.extend((0..request.count()).map(with_invalid)),
        Some(FaultClass::InvalidWd) => calls.push(request.with_invalid_wd()),
        _ => {}
    }
    calls
}

/// Why a ring cannot be set up: the generation posts no such batches, the fault makes no such slots, or the model is too small.
fn cannot(error: RingError) -> Reached {
    match error {
        RingError::OneIdOnly(_) | RingError::UnknownKind(_) => Reached::No { states: 0, alike: 0 },
        other => Reached::Unknown(other.to_string()),
    }
}

/// Why a search that has found so many states did not come to its end; `None` if it did.
fn cut(coverage: Coverage, states: usize) -> Option<String> {
    match coverage {
        Coverage::Complete => None,
        Coverage::Cancelled => Some("interrupted".to_string()),
        Coverage::CutByMemory => Some(format!("memory suffices for {states} states of a search and no more")),
        _ => Some(format!("there are more than {states} states to be searched")),
    }
}

/// The states of a graph that look like the picture and fit the evidence.
struct Fitting {
    states: Vec<StateId>,
    /// How a call may hang in them, where none is bound to.
    possible: Option<HangKind>,
}

impl<'a, const F: usize> Hunt<'a, F> {
    /// Sets it up, on a ring of so many slots unless the picture says how many are free.
    pub(crate) fn new(
        rules: Rules,
        guess: FaultGuess,
        picture: &'a Picture,
        evidence: Evidence,
        bounds: Bounds<'a>,
        room: usize,
    ) -> Result<Self, Reached> {
        let slots = picture.slots();
        let length = match usize::from(picture.rest) {
            rest if rest < 18 => slots + rest,
            _ => room.next_multiple_of(2),
        };
        if slots + 2 > SLOTS || length > SLOTS || picture.busy() > SUBMITTERS {
            let why = format!("{} batches in {slots} slots are more than is explored", picture.batches.len());
            return Err(Reached::Unknown(why));
        }
        let plan: Vec<Vec<Request>> = picture.batches.iter().map(|batch| calls(batch, guess)).collect();
        let mut requests: Vec<Request> = plan.concat();
        requests.extend(picture.odd.then(|| Request::plain(0)));
        requests.sort_unstable();
        requests.dedup();
        let cfg = RingCfg {
            length: Length::new(length.max(4) as u16).map_err(cannot)?,
            submitters: (picture.busy() + 1).clamp(2, SUBMITTERS),
            hardware: Hardware::pipelined(4),
            faults: faults(guess, &plan),
            ..RingCfg::new(rules, 2, [1])
        };
        let accepted = cfg.with_requests(requests).map_err(cannot)?;
        let first = Slot::from(picture.odd);
        Ok(Hunt { ring: SmallRing::of(accepted), plan, first, picture, guess, evidence, bounds })
    }

    /// Makes the search.
    pub(crate) fn run(&self) -> Reached {
        let initial = at_rest(&self.ring, self.first);
        let planned = Planned { ring: &self.ring, plan: self.plan.clone(), initial };
        let graph = Search::new(&planned, Action::label).limits(self.bounds.limits()).run();
        let alike: Vec<StateId> = graph.ids().filter(|&id| self.looks_alike(graph.state(id))).collect();
        let not_found = || match cut(graph.coverage(), graph.len()) {
            None => {
                // All slots may be alike, and yet the evidence beside them speaks against it.
                let alike = graph.states().iter().map(|state| self.alike(state)).max().unwrap_or(0);
                Reached::No { states: graph.len(), alike }
            }
            Some(why) => Reached::Unknown(why),
        };
        if alike.is_empty() {
            return not_found();
        }
        let from = alike.iter().map(|&id| graph.state(id).ring).collect();
        let onward = Onward { ring: &self.ring, from };
        let canonical = |state: &SmallState<F>| self.ring.canonical(state);
        let after = Search::new(&onward, Action::label).canonical(&canonical).limits(self.bounds.limits()).run();
        if let Some(why) = cut(after.coverage(), after.len()) {
            return Reached::Unknown(why);
        }
        let fates = Fates::new(&self.ring, &after);
        match self.fitting(&graph, alike, &fates) {
            Err(why) => Reached::Unknown(why),
            Ok(fitting) if fitting.states.is_empty() => not_found(),
            Ok(fitting) => Reached::Yes(Box::new(self.sighting(&graph, &fitting, &fates))),
        }
    }

    fn fitting(
        &self,
        graph: &Graph<PlannedState<F>, Label>,
        alike: Vec<StateId>,
        fates: &Fates<'_, F>,
    ) -> Result<Fitting, String> {
        let fits = |id: &StateId| self.evidence_fits(graph.state(*id), fates);
        let mut states: Vec<StateId> = alike.iter().copied().filter(fits).collect();
        // A ring is mostly read with the lock free, which the reader has taken; one of a hard lockup is read from memory.
        let keeps_lock =
            |id: &StateId| matches!(fates.of(&graph.state(*id).ring), Some(HangKind::EndlessWalk | HangKind::LockKept));
        let is_free = |id: &StateId| graph.state(*id).ring.lock_holder().is_none();
        if self.evidence.hard && states.iter().any(keeps_lock) {
            states.retain(keeps_lock);
        } else if states.iter().any(is_free) {
            states.retain(is_free);
        }
        // What posts again and again does not stand still.
        let may_move = self.evidence.hangs && !self.evidence.still && !self.evidence.hard;
        if !states.is_empty() || !may_move {
            return Ok(Fitting { states, possible: None });
        }
        // No call is bound to hang. Perhaps one hangs if things go badly again and again.
        let Some((from, hang)) = fates.may_hang(self.bounds.cancel)? else {
            return Ok(Fitting { states, possible: None });
        };
        let is_from = |id: &StateId| self.ring.canonical(&graph.state(*id).ring) == from;
        Ok(Fitting { states: alike.into_iter().filter(is_from).collect(), possible: Some(hang) })
    }

    fn sighting(&self, graph: &Graph<PlannedState<F>, Label>, fitting: &Fitting, fates: &Fates<'_, F>) -> Sighting {
        let states = &fitting.states;
        let ring = |id: StateId| &graph.state(id).ring;
        let hung = || states.iter().copied().filter(|&id| fates.of(ring(id)).is_some());
        let lasting = hung().take(MOST_JUDGED).find(|&id| fates.lasts(ring(id)));
        let leaking = || states.iter().copied().find(|&id| self.leaks(ring(id)));
        let shown = lasting.or_else(|| hung().next()).or_else(leaking).unwrap_or(states[0]);
        Sighting {
            guess: self.guess,
            hang: fates.of(ring(shown)).or(fitting.possible),
            lasts: lasting.or_else(leaking).is_some() || fitting.possible.is_some(),
            may_live: states.iter().any(|&id| fates.of(ring(id)).is_none() && !self.leaks(ring(id))),
            leaks: leaking().is_some(),
            fleeting: false,
            lock_held: states.iter().all(|&id| ring(id).lock_holder().is_some()),
            run: self.drawn(graph, &graph.path_to(shown)),
        }
    }

    /// Whether nothing is going on and slots are lost.
    fn leaks(&self, state: &SmallState<F>) -> bool {
        self.ring.at_rest(state) && state.queue().free_cnt < self.ring.length().slots()
    }

    /// Whether a state looks like the picture, slot by slot.
    fn looks_alike(&self, state: &PlannedState<F>) -> bool {
        self.alike(state) == self.picture.slots() + 1
    }

    /// How many slots of the picture, from its first, a state shares; one more if it shares the registers and all slots outside too.
    fn alike(&self, state: &PlannedState<F>) -> usize {
        if usize::from(state.posted) < self.plan.len() {
            return 0;
        }
        let (ring, length) = (&state.ring, self.ring.length());
        let (mut slot, mut alike) = (self.first, 0);
        for batch in &self.picture.batches {
            let own_wd = length.add(slot, batch.0.len() as u16 - 1);
            for seen in &batch.0 {
                let holds = seen.content.is(ring.desc(slot), own_wd, F > 0);
                if !holds || ring.status(slot) != seen.status || seen.fetched != self.is_fetched(state, alike) {
                    return alike;
                }
                alike += 1;
                slot = length.add(slot, 1);
            }
        }
        let mut outside = self.picture.slots() as u16..length.slots();
        let rest = ring.iqt() == slot
            && length.distance(ring.iqh(), slot) <= self.picture.slots() as u16
            && outside.all(|k| ring.status(length.add(self.first, k)) == Status::Free);
        alike + usize::from(rest)
    }

    /// Whether hardware has fetched the slot at a place of the picture.
    fn is_fetched(&self, state: &PlannedState<F>, place: usize) -> bool {
        let (length, end) = (self.ring.length(), self.picture.slots() as u16);
        place as u16 + length.distance(state.ring.iqh(), length.add(self.first, end)) < end
    }

    fn evidence_fits(&self, state: &PlannedState<F>, fates: &Fates<'_, F>) -> bool {
        let fate = || fates.of(&state.ring);
        (!self.evidence.hangs || fate().is_some())
            && (!self.evidence.still || fate().is_some() || self.leaks(&state.ring))
            && (!self.evidence.hard || fate() != Some(HangKind::EndlessRetry))
    }

    fn drawn(&self, graph: &Graph<PlannedState<F>, Label>, path: &[Edge]) -> Timeline {
        let steps = path.iter().map(|edge| (graph.labels()[edge.label as usize], graph.state(edge.target).ring));
        let run = Run { initial: graph.state(graph.initial()[0]).ring, stem: steps.collect(), cycle: Vec::new() };
        Timeline::of(&self.ring, &run)
    }
}

/// The faults of a search: what has been written over was invalid, and one more fault may occur.
fn faults(guess: FaultGuess, plan: &[Vec<Request>]) -> Faults {
    let Some(class) = guess.class else { return Faults::none() };
    let bound = 1 + plan.iter().filter_map(|calls| calls.first()).map(|request| request.faults()).sum::<u8>();
    let is_device = |kind| matches!(kind, IdKind::Device(_));
    let asks = plan.iter().flatten().any(|request| request.kinds().any(is_device));
    let faults = Faults::of([class], bound.min(15));
    Faults { after_ite: guess.after_ite, itesid: guess.itesid, devices: faults.devices.max(asks.into()), ..faults }
}
