//! How a trace ends: idle, in the middle, or stuck.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;
use stateright::Model;
use stateright_temporal::graph::{Coverage, Limits, Search};

use super::runs::{LogRing, LogState, Run};
use super::tracker::{GoOn, Tracker};
use vtd_qi::campaign::hangs::HangKind;
use vtd_qi::campaign::published::PublishedBug;
use vtd_qi::impl_qi::{Action, Desc, Fsts, HwStep, MAX_SUBMITTERS, Outcome, Pc};

/// How a trace ends.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub enum Ending {
    /// No call is pending, the ring is empty, the hardware done.
    Idle,
    /// Calls are pending, and each of them can still return.
    Middle {
        /// The state, in one of the runs.
        state: String,
    },
    /// Calls are pending that can never return, unless somebody else's call changes that.
    Stuck(Stuck),
    /// Whether those who are in calls can return was not found out: so many states were looked at.
    NotFound {
        /// How many.
        states: usize,
    },
    /// It was not asked for.
    NotJudged,
}

/// Calls that can never return.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stuck {
    /// The CPUs whose calls they are.
    pub cpus: Vec<u64>,
    /// What kind of hang it is.
    pub hang: HangKind,
    /// The published bug that it is.
    #[serde(skip)]
    pub bug: Option<PublishedBug>,
    /// The state, in one of the runs.
    pub state: String,
}

impl Stuck {
    /// What it is, in a sentence.
    pub fn what(&self) -> &'static str {
        match self.hang {
            HangKind::EndlessWalk => {
                "a hard lockup: the walk over odd slots after an ITE never meets its end, with the lock held and interrupts off"
            }
            HangKind::MissedWd => {
                "a soft lockup: the walk over odd slots after an ITE has stepped over an aborted WD (missed WD), whose owner polls for ever"
            }
            HangKind::LostDone => {
                "a soft lockup: another CPU has reclaimed a DONE before its owner had looked (lost DONE), who polls for ever"
            }
            HangKind::UnclaimedIqe => {
                "a soft lockup: the unit has refused an ID that is not the first of its batch, no CPU takes that IQE for its own, \
                 and the unit fetches nothing any more"
            }
            HangKind::LockKept | HangKind::EndlessRetry | HangKind::NoRoom | HangKind::Other => {
                "no known hang: those who are in calls wait for what never comes"
            }
        }
    }

    /// Which kernels have it, and what mends it.
    pub fn fix(&self) -> &'static str {
        match self.bug {
            Some(bug) => bug.fix(),
            None if self.hang == HangKind::UnclaimedIqe => {
                "no published commit mends it; the rules iqe-at=any and iqe-patch=null-wd would (docs/findings.md, \
                 \"An invalid ID that is not the first of its batch is never repaired\")"
            }
            None => "nothing that is known mends it",
        }
    }

    /// The scenario or cell that has a run to such a hang.
    pub fn shown_by(&self) -> Option<&'static str> {
        match self.bug {
            Some(bug) => Some(bug.shown_by()),
            None => (self.hang == HangKind::UnclaimedIqe).then_some("g5-invalid-id-in-order-2x4"),
        }
    }
}

impl Display for Ending {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Idle => write!(f, "it ends idle"),
            Ending::Middle { state } => write!(f, "it ends in the middle: {state}"),
            Ending::Stuck(stuck) => {
                let cpus: Vec<String> = stuck.cpus.iter().map(u64::to_string).collect();
                let (s, never) = if cpus.len() == 1 { ("", "never returns") } else { ("s", "never return") };
                write!(
                    f,
                    "it ends stuck: CPU{s} {} {never}. It is {}; {}. The state: {}",
                    cpus.join(", "),
                    stuck.what(),
                    stuck.fix(),
                    stuck.state
                )
            }
            Ending::NotFound { states } => {
                write!(f, "whether those who are in calls can return is unknown: {states} states were looked at")
            }
            Ending::NotJudged => write!(f, "how it ends was not judged"),
        }
    }
}

/// So many states are looked at, at most, to see that somebody can never return.
const STATES: usize = 20_000;

/// So many steps are taken by turns, at most, to see that everybody can return.
const TURNS: usize = 20_000;

impl Tracker {
    /// How runs end that do not end idle: stuck if in each of them the same submitters can never return.
    pub(super) fn how_it_ends(&self, runs: &[Run], go_on: GoOn) -> Ending {
        let in_call = |run: &Run, t: u8| run.call(t).pc != Pc::Idle;
        let mut stuck: Vec<u8> =
            (0..MAX_SUBMITTERS as u8).filter(|&t| runs.iter().all(|run| in_call(run, t))).collect();
        for run in runs {
            let returned = self.by_turns(&run.state);
            stuck.retain(|t| !returned[usize::from(*t)]);
        }
        if stuck.is_empty() {
            return Ending::Middle { state: self.describe(&runs[0].state) };
        }
        let calls = Pending { ring: &self.ring, initial: runs.iter().map(|run| run.state).collect() };
        let limits = Limits { max_states: STATES, ..Limits::default() };
        let graph = Search::new(&calls, Action::label).limits(limits).run();
        if go_on().is_break() || graph.coverage() != Coverage::Complete {
            return Ending::NotFound { states: graph.len() };
        }
        stuck.retain(|&t| {
            let can = graph.leading_to(|id| graph.state(id).call(t.into()).pc == Pc::Idle);
            !graph.initial().iter().any(|&id| can[id as usize])
        });
        match stuck.is_empty() {
            true => Ending::Middle { state: self.describe(&runs[0].state) },
            false => {
                let hang = self.hang(&runs[0].state, &stuck);
                Ending::Stuck(Stuck {
                    hang,
                    bug: hang.bug(&self.ring.cfg().rules),
                    cpus: stuck.iter().map(|&t| self.seen.cpu(t)).collect(),
                    state: self.describe(&runs[0].state),
                })
            }
        }
    }

    /// Who returns if everybody takes steps by turns, the hardware last.
    fn by_turns(&self, state: &LogState) -> [bool; MAX_SUBMITTERS] {
        let calls = Pending { ring: &self.ring, initial: Vec::new() };
        let (mut state, mut returned, mut actions) = (calls.timed_out(state), [false; MAX_SUBMITTERS], Vec::new());
        for turn in (0..=MAX_SUBMITTERS).cycle().take(TURNS) {
            actions.clear();
            calls.actions(&state, &mut actions);
            if let Some(action) = actions.iter().find(|action| by(action) == turn) {
                state = calls.next_state(&state, *action).unwrap_or(state);
            }
            for (t, returned) in returned.iter_mut().enumerate() {
                *returned |= state.call(t).pc == Pc::Idle;
            }
            if returned.iter().all(|returned| *returned) {
                break;
            }
        }
        returned
    }

    /// Which hang it is.
    fn hang(&self, state: &LogState, stuck: &[u8]) -> HangKind {
        let walks = |t: usize| matches!(state.call(t).pc, Pc::Walk | Pc::WalkAbort);
        let odd = self.ring.cfg().rules.ite_walk == vtd_qi::impl_qi::IteWalk::Odd;
        if state.lock_holder().is_some_and(walks) {
            return HangKind::EndlessWalk;
        }
        if state.fsts().has(Fsts::IQE) {
            return HangKind::UnclaimedIqe;
        }
        let passed = |&t: &u8| {
            let wd = self.ring.wait_index(&state.call(t.into()));
            self.ring.waiting(state, t.into()) && self.passed_over(state, t, wd)
        };
        let lost = |&t: &u8| {
            let wd = self.ring.wait_index(&state.call(t.into()));
            let free = state.status(wd) == vtd_qi::impl_qi::Status::Free;
            self.ring.waiting(state, t.into()) && state.call(t.into()).outcome == Outcome::Success && free
        };
        match () {
            () if odd && stuck.iter().any(passed) => HangKind::MissedWd,
            () if stuck.iter().any(lost) => HangKind::LostDone,
            () => HangKind::Other,
        }
    }
}

/// The calls that are pending: nobody else calls, and nothing goes wrong any more.
struct Pending<'a> {
    ring: &'a LogRing,
    initial: Vec<LogState>,
}

impl Pending<'_> {
    /// The state after an ID that gets no answer has timed out, if there is one: nothing else can become of it.
    fn timed_out(&self, state: &LogState) -> LogState {
        let oldest = state.pending().position(|(desc, _)| matches!(desc, Desc::Id { .. }));
        let lost = oldest.map(|position| HwStep::LoseAnswer { position: position as u8, kept: 0 });
        lost.and_then(|step| self.ring.next_state(state, Action::Hardware(step))).unwrap_or(*state)
    }
}

/// Who takes a step, by number: the submitters, then the hardware.
fn by(action: &Action) -> usize {
    match action {
        Action::Driver { t, .. } | Action::Call { t, .. } => (*t).into(),
        Action::Hardware(_) => MAX_SUBMITTERS,
    }
}

impl Model for Pending<'_> {
    type State = LogState;
    type Action = Action;

    fn init_states(&self) -> Vec<LogState> {
        self.initial.iter().map(|state| self.timed_out(state)).collect()
    }

    fn actions(&self, state: &LogState, actions: &mut Vec<Action>) {
        for t in 0..MAX_SUBMITTERS as u8 {
            let call = state.call(t.into());
            let waits = matches!(call.pc, Pc::Acquire | Pc::PollAcquire) && state.lock_holder().is_some();
            if let Some(step) = call.pc.step(&self.ring.cfg().rules).filter(|_| !waits) {
                actions.push(Action::Driver { t, step });
            }
        }
        self.ring.hardware_actions(state, actions);
        let goes_wrong =
            |step: &HwStep| matches!(step, HwStep::LoseAnswer { .. } | HwStep::Ice | HwStep::Remove { .. });
        actions.retain(|action| !matches!(action, Action::Hardware(step) if goes_wrong(step)));
    }

    fn next_state(&self, state: &LogState, action: Action) -> Option<LogState> {
        self.ring.next_state(state, action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vtd_qi::campaign::findings::Findings;
    use vtd_qi::campaign::matrix::Matrix;

    /// What no commit mends is a finding, whose cell shows it.
    #[test]
    fn an_unclaimed_iqe_is_a_finding() {
        let (findings, matrix) = (Findings::embedded(), Matrix::embedded());
        let stuck = Stuck { cpus: Vec::new(), hang: HangKind::UnclaimedIqe, bug: None, state: String::new() };
        let cell = matrix.find(stuck.shown_by().unwrap()).unwrap();
        let (_, finding) = findings.about(&cell.class, "call-eventually-returns").unwrap();
        assert!(finding.cell == cell.scenario.name && stuck.fix().contains(&finding.title));
    }
}
