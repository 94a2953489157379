//! What is proved of which generation, and what came of it.

use std::time::{Duration, Instant};

use serde::Serialize;
use vtd_qi::impl_qi::{Ring, RingCfg, Rules};

use crate::link::{BreakingRun, Link, Mismatch};
use crate::liveness::{OBSERVED, REFINES_FAIRLY};
use crate::obligation::{INVARIANT, Obligation, obligations};
use crate::refinement::REFINES;
use crate::relation::{NotTranslated, Relation};
use crate::solver::{Reply, Solver, SolverError, SolverName};
use crate::window::MODULO;

/// A generation and the counts of its calls. The number of submitters, `QI_LENGTH` and the depth and the order of the hardware
/// are any.
#[derive(Clone, Debug)]
pub struct Theorem {
    /// The generation's name.
    pub generation: &'static str,
    /// Its rules.
    pub rules: Rules,
    /// The least count of a call.
    pub least: i64,
    /// The step at which the proof breaks, if it does: the published bug of 2024.
    pub breaks_at: Option<&'static str>,
}

/// Every theorem, by generation.
pub const THEOREMS: [Theorem; 4] = [
    Theorem { generation: "g3", rules: Rules::G3, least: 1, breaks_at: None },
    Theorem { generation: "g3", rules: Rules::G3, least: 0, breaks_at: Some("ReclaimFree") },
    Theorem { generation: "g4", rules: Rules::G4, least: 0, breaks_at: None },
    Theorem { generation: "g5", rules: Rules::G5, least: 0, breaks_at: None },
];

/// An obligation and what the solvers said of it.
#[derive(Clone, Debug, Serialize)]
pub struct Settled {
    /// The claim that it belongs to.
    pub claim: &'static str,
    /// The step.
    pub step: &'static str,
    /// The conjunct.
    pub conjunct: &'static str,
    /// What came of it.
    pub outcome: Settlement,
    /// How long each solver took, in seconds.
    pub seconds: Vec<(SolverName, f64)>,
}

/// What came of an obligation, by all solvers that were asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Settlement {
    /// Every solver says that it is discharged.
    Discharged,
    /// A solver says that it is not, and none that it is.
    Refuted,
    /// No solver refutes it and some do not know.
    Unknown,
    /// One solver discharges it and another refutes it.
    Disputed,
}

/// What came of a theorem.
#[derive(Clone, Debug, Serialize)]
pub struct ProofReport {
    /// The generation's name.
    pub generation: &'static str,
    /// The least count of a call.
    pub least_count: i64,
    /// Its obligations, claim by claim.
    pub obligations: Vec<Settled>,
}

impl Theorem {
    /// The ring that it is about.
    ///
    /// # Errors
    /// [`NotTranslated`], which no generation of [`THEOREMS`] is.
    pub fn relation(&self) -> Result<Relation, NotTranslated> {
        Relation::of(&self.rules, self.least)
    }

    /// Its obligations.
    ///
    /// # Errors
    /// [`NotTranslated`].
    pub fn obligations(&self) -> Result<Vec<Obligation>, NotTranslated> {
        Ok(obligations(&self.relation()?))
    }

    /// What it is about, in a line.
    pub fn title(&self) -> String {
        let least = self.least;
        format!(
            "{}, no faults, any number of submitters, any even QI_LENGTH from 4 on, any count from {least} to QI_LENGTH - 2",
            self.generation
        )
    }

    /// Asks solvers about every obligation; `progress` is told before each.
    ///
    /// # Errors
    /// Any [`SolverError`].
    pub fn prove(
        &self,
        obligations: &[Obligation],
        solvers: &mut [Solver],
        mut progress: impl FnMut(&Obligation),
    ) -> Result<ProofReport, SolverError> {
        let mut settled = Vec::new();
        for obligation in obligations {
            progress(obligation);
            settled.push(settle(obligation, solvers)?);
        }
        Ok(ProofReport { generation: self.generation, least_count: self.least, obligations: settled })
    }

    /// The shortest run of a small ring under its rules that breaks the invariant: two submitters, the shortest ring, the least
    /// count. It is executed step by step, and each step before the last keeps the invariant.
    ///
    /// # Errors
    /// A [`Mismatch`]: the ring is none of the relation.
    ///
    /// # Panics
    /// If the rules are not translated.
    pub fn breach(&self) -> Result<Option<BreakingRun>, Mismatch> {
        let relation = self.relation().expect("every theorem is about rules that are translated");
        let cfg = RingCfg::new(self.rules, 2, [self.least as u8]);
        let ring = Ring::<8, 3>::new(cfg).expect("two submitters with a small batch fit the shortest ring");
        Link::new(&ring, &relation).breach()
    }

    /// Whether what came of it is what is expected of it: everything discharged, or everything but conjuncts at the one step.
    pub fn is_as_expected(&self, report: &ProofReport) -> bool {
        let mut open = report.open().peekable();
        match self.breaks_at {
            None => open.peek().is_none(),
            Some(step) => open.peek().is_some() && open.all(|of| of.step == step && of.outcome == Settlement::Refuted),
        }
    }
}

/// What a claim rests on: the invariant, which its obligations assume, that positions may stand for slots, and for the
/// specification's fairness both steps and liveness.
fn rests_on(claim: &str) -> &'static [&'static str] {
    match claim {
        INVARIANT => &[],
        MODULO => &[INVARIANT],
        REFINES_FAIRLY => &[INVARIANT, MODULO, REFINES, OBSERVED],
        _ => &[INVARIANT, MODULO],
    }
}

fn settle(obligation: &Obligation, solvers: &mut [Solver]) -> Result<Settled, SolverError> {
    let mut replies = Vec::new();
    let mut seconds = Vec::new();
    for solver in solvers {
        let asked = Instant::now();
        replies.push(solver.ask(obligation)?);
        seconds.push((solver.name(), asked.elapsed().as_secs_f64()));
    }
    let outcome = Settlement::of(&replies);
    let Obligation { claim, step, conjunct, .. } = *obligation;
    Ok(Settled { claim, step, conjunct, outcome, seconds })
}

impl Settlement {
    /// What comes of replies.
    ///
    /// ```
    /// use vtd_qi_proof::{solver::Reply, theorem::Settlement};
    /// assert_eq!(Settlement::of(&[Reply::Discharged, Reply::Unknown]), Settlement::Unknown);
    /// assert_eq!(Settlement::of(&[Reply::Discharged, Reply::Refuted]), Settlement::Disputed);
    /// // Nobody was asked.
    /// assert_eq!(Settlement::of(&[]), Settlement::Unknown);
    /// ```
    pub fn of(replies: &[Reply]) -> Settlement {
        let said = |reply| replies.contains(&reply);
        match (said(Reply::Discharged), said(Reply::Refuted), said(Reply::Unknown)) {
            (true, true, _) => Settlement::Disputed,
            (true, false, false) => Settlement::Discharged,
            (false, true, _) => Settlement::Refuted,
            (_, false, _) => Settlement::Unknown,
        }
    }
}

impl ProofReport {
    /// Notes which of the obligations, in their order, a run of the ring refutes: a solver need not know that any more.
    pub fn refute(&mut self, obligations: &[Obligation], breach: &BreakingRun) {
        let settled = self.obligations.iter_mut().zip(obligations);
        for (of, _) in settled.filter(|(_, obligation)| breach.refutes(obligation)) {
            of.outcome = match of.outcome {
                Settlement::Discharged | Settlement::Disputed => Settlement::Disputed,
                Settlement::Refuted | Settlement::Unknown => Settlement::Refuted,
            };
        }
    }

    /// The names of the claims.
    pub fn claims(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = self.obligations.iter().map(|of| of.claim).collect();
        names.dedup();
        names
    }

    /// The obligations of a claim.
    pub fn of_claim(&self, claim: &str) -> impl Iterator<Item = &Settled> {
        self.obligations.iter().filter(move |of| of.claim == claim)
    }

    /// The obligations that are not discharged.
    pub fn open(&self) -> impl Iterator<Item = &Settled> {
        self.obligations.iter().filter(|of| of.outcome != Settlement::Discharged)
    }

    /// Whether a claim is proved: its obligations are discharged, and so are those of each claim that it rests on.
    pub fn is_proved(&self, claim: &str) -> bool {
        let is_discharged = |name: &str| {
            let mut obligations = self.of_claim(name).peekable();
            obligations.peek().is_some() && obligations.all(|of| of.outcome == Settlement::Discharged)
        };
        is_discharged(claim) && rests_on(claim).iter().all(|name| is_discharged(name))
    }

    /// How long a solver took for all of it.
    pub fn time(&self, solver: SolverName) -> Duration {
        let seconds = self.obligations.iter().flat_map(|of| &of.seconds).filter(|(name, _)| *name == solver);
        Duration::from_secs_f64(seconds.map(|(_, seconds)| seconds).sum())
    }

    /// How long a solver took for the obligation that took it longest.
    pub fn slowest(&self, solver: SolverName) -> Duration {
        let seconds = self.obligations.iter().flat_map(|of| &of.seconds).filter(|(name, _)| *name == solver);
        Duration::from_secs_f64(seconds.map(|(_, seconds)| *seconds).fold(0.0, f64::max))
    }
}
