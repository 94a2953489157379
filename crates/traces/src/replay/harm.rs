//! Promises: which one a step breaks, and what is known of it.

use std::sync::{Arc, LazyLock};

use super::Breach;
use super::abstraction::Followed;
use super::runs::{LogState, Run};
use super::tracker::Tracker;
use vtd_qi::campaign::findings::Findings;
use vtd_qi::impl_qi::{Desc, Fsts, MAX_SUBMITTERS, Owner, Pc, Safety, Status};

/// The name of the promise that the specification is followed, where no property of the ring says it.
const REFINES: &str = "refines-spec";

/// What it means to a caller that it is broken.
const REFINES_HARM: &str = "a caller is told what the specification does not allow";

impl Tracker {
    /// Follows a step of the ring with the specification, and asks for the safety properties where something went wrong before.
    pub(super) fn judge(&mut self, run: &Run, next: &mut Run) {
        if run.breach.is_some() {
            return;
        }
        let mut refused = None;
        match self.spec.follow(&self.ring, &run.state, &next.state, run.steps) {
            Followed::Steps(steps) => next.steps = steps,
            Followed::Refused { from, to } => refused = Some((from, to)),
        }
        if refused.is_none() && !self.faulty {
            return;
        }
        let property = match refused {
            None => self.violated(&next.state),
            Some(_) => Some(self.refused(&next.state)),
        };
        let Some(property) = property else { return };
        let (before, after) = (self.describe(&run.state), self.describe(&next.state));
        let spec = |state: String| format!(" (to the specification: {})", without_idle(&state));
        let (from, to) = refused.map_or_else(Default::default, |(from, to)| (spec(from), spec(to)));
        next.breach = Some(Arc::new(Breach {
            line: self.line,
            text: self.text.clone(),
            property: property.map_or(REFINES, Safety::name),
            harm: property.map_or(REFINES_HARM, Safety::harm),
            finding: finding(property.map_or(REFINES, Safety::name), &run.state, &next.state),
            before: before + &from,
            after: after + &to,
        }));
    }

    /// Whether the specification follows what was done at once; then the run counts its steps.
    pub(super) fn follows(&mut self, run: &Run, next: &mut Run) -> bool {
        match self.spec.follow(&self.ring, &run.state, &next.state, run.steps) {
            Followed::Steps(steps) => {
                next.steps = steps;
                true
            }
            Followed::Refused { .. } => false,
        }
    }

    /// The safety property that is violated in a state.
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether any is; the inner one names it, if it has a name"
    )]
    fn violated(&self, state: &LogState) -> Option<Option<Safety>> {
        let broken = self.promises.iter().find(|promise| !(promise.condition)(&self.ring, state))?;
        Some(Safety::ALL.into_iter().find(|safety| safety.name() == broken.name))
    }

    /// The safety property behind a step that the specification does not have: violated after it, or when somebody looks next.
    fn refused(&self, state: &LogState) -> Option<Safety> {
        if let Some(Some(safety)) = self.violated(state) {
            return Some(safety);
        }
        (0..MAX_SUBMITTERS).filter(|&t| self.ring.waiting(state, t)).find_map(|t| {
            let call = state.call(t);
            let slot = call.polled_slot(&self.ring.cfg().rules, self.ring.length());
            match () {
                () if state.status(slot) != Status::Done => None,
                () if !state.ghost().done_by(slot).is(t) => Some(Safety::NoStrangerDone),
                () => (state.ghost().executed(t) < call.count).then_some(Safety::SuccessAfterExecution),
            }
        })
    }

    /// A state in a line: registers, the slots that are not FREE, who waits for what.
    pub(super) fn describe(&self, state: &LogState) -> String {
        let mut said = format!("IQH = {}, IQT = {}", state.iqh(), state.iqt());
        if state.fsts() != Fsts::NONE {
            said += &format!(", FSTS {}", state.fsts().names());
        }
        let length = self.ring.length();
        let busy: Vec<String> = length
            .iter()
            .filter(|&slot| state.status(slot) != Status::Free)
            .map(|slot| {
                let posted = match (state.desc(slot), length.within(slot, state.iqh(), state.iqt())) {
                    (_, false) => "",
                    (Desc::Wd { .. }, true) => " WD",
                    (_, true) => " ID",
                };
                format!("{slot} {}{posted}", state.status(slot).name().trim_start_matches("QI_"))
            })
            .collect();
        match &busy[..] {
            [] => said += "; every slot is FREE",
            busy => {
                let shown = busy.len().min(12);
                let more = if busy.len() > shown { format!(", {} more", busy.len() - shown) } else { String::new() };
                said += &format!("; slots {}{more}", busy[..shown].join(", "));
            }
        }
        for t in (0..MAX_SUBMITTERS).filter(|&t| state.call(t).pc != Pc::Idle) {
            let cpu = self.seen.cpu(t);
            let lock = if state.lock_holder() == Some(t) { " with the lock" } else { "" };
            said += &match self.ring.waiting(state, t) {
                true => format!("; CPU {cpu} waits for slot {}{lock}", self.ring.wait_index(&state.call(t))),
                false => format!("; CPU {cpu} is in a call{lock}"),
            };
        }
        let fetched = state.pending().filter(|(desc, _)| matches!(desc, Desc::Wd { .. })).count();
        if fetched > 0 {
            let strangers = state.pending().filter(|(_, owner)| *owner == Owner::Returned).count();
            let of = if strangers > 0 { ", some of calls that have returned" } else { "" };
            let wds = if fetched == 1 { "1 WD is".into() } else { format!("{fetched} WDs are") };
            said += &format!("; {wds} fetched and not completed{of}");
        }
        said
    }
}

/// A state of the specification without the submitters that are idle.
fn without_idle(state: &str) -> String {
    let (calls, rest) = state.split_once(" | ").unwrap_or((state, ""));
    let words: Vec<&str> = calls.split(' ').collect();
    let calls: Vec<String> =
        words.chunks(2).filter(|call| call.last() != Some(&"idle")).map(|call| call.join(" ")).collect();
    let parts = [calls.join(" "), rest.to_string()];
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "all idle".into() } else { parts.join(" | ") }
}

/// The finding that a property belongs to: its number in docs/findings.md, from 1, and its title.
fn finding(property: &str, before: &LogState, after: &LogState) -> Option<(usize, String)> {
    static FINDINGS: LazyLock<Findings> = LazyLock::new(Findings::embedded);
    let refused = |state: &LogState| {
        (0..MAX_SUBMITTERS).any(|t| state.call(t).outcome == vtd_qi::impl_qi::Outcome::Invalid)
            || state.fsts().has(Fsts::IQE)
            || state.pending().any(|(_, owner)| owner == Owner::Returned)
    };
    let class = if refused(before) || refused(after) { "invalid-id" } else { "lost-answer" };
    let (number, finding) = FINDINGS.about(class, property)?;
    Some((number, finding.title.clone()))
}
