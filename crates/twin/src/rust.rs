//! The Rust side of a pairing: the unreduced graph, and every property judged on it.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::time::Instant;

use super::model::{Model, Property, Subject};
use super::{TwinError, Value};
use stateright_temporal::graph::{Coverage, Edge, Graph, Limits, Search, StateId};
use stateright_temporal::liveness::{self, Checker, Formula, Lasso, Run};
use vtd_qi::impl_qi::{Label, Ring, SlotFairness, State};
use vtd_qi::refine::{FairnessError, RingToSpec, StepVerdict, Steps, check_fairness, check_steps};
use vtd_qi::scenario::Check;
use vtd_qi::spec::{self, Loss, Spec, View};
use vtd_qi::verify::Verdict;
use vtd_qi::with_ring;
use vtd_qi_tla::Twin;

/// One side of a pairing.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// Distinct states.
    pub states: usize,
    /// Distinct (state, label, state) triples.
    pub transitions: usize,
    /// Breadth-first levels.
    pub depth: usize,
    /// The model's properties, in its order.
    pub verdicts: Vec<(Property, Verdict)>,
    /// Seconds for all of it.
    pub seconds: f64,
}

/// Explores the unreduced graph of a model and judges its properties.
///
/// # Errors
/// [`TwinError::Model`] if the configuration is not valid, or a fairness condition has nothing to be about.
pub fn check(model: &Model) -> Result<Side, TwinError> {
    check_within(model, Limits::default())
}

/// [`check`] within limits.
///
/// # Errors
/// See [`check`]; [`TwinError::Undecided`] too if a limit was reached: nothing holds of a graph that was cut.
pub fn check_within(model: &Model, limits: Limits) -> Result<Side, TwinError> {
    let started = Instant::now();
    let refused = |error: FairnessError| TwinError::Model(format!("{}: {error}", model.name));
    let mut side = match &model.subject {
        Subject::Spec(cfg) => {
            let spec = cfg.clone().into_model().map_err(|error| TwinError::Model(error.to_string()))?;
            let graph = Search::new(&spec, <Spec as Twin>::label).limits(limits).run();
            whole(&model.name, &graph, limits)?;
            side_of(&graph, &model.properties, |property| spec_violation(&spec, &graph, property)).map_err(refused)?
        }
        Subject::Ring(cfg) => with_ring!(cfg.clone(), |ring| {
            let graph = Search::new(&ring, |action| action.label()).limits(limits).run();
            whole(&model.name, &graph, limits)?;
            let judge = RingJudge { ring: &ring, graph: &graph, slots: model.slots };
            side_of(&graph, &model.properties, |property| judge.violation(property)).map_err(refused)
        })?,
    };
    side.seconds = started.elapsed().as_secs_f64();
    Ok(side)
}

/// A hash of the graph of a configuration in the twin's words: of its initial states, states and labelled transitions.
///
/// # Errors
/// [`TwinError::Model`] if the configuration is not valid.
pub fn graph_hash(subject: &Subject) -> Result<u64, TwinError> {
    match subject {
        Subject::Spec(cfg) => {
            let spec = cfg.clone().into_model().map_err(|error| TwinError::Model(error.to_string()))?;
            Ok(hash_of_steps(&spec, &Search::new(&spec, <Spec as Twin>::label).run()))
        }
        Subject::Ring(cfg) => {
            Ok(with_ring!(cfg.clone(), |ring| hash_of_steps(&ring, &Search::new(&ring, |action| action.label()).run())))
        }
    }
}

/// A hash of the initial states and of the labelled transitions, in whatever order they come.
fn hash_of_steps<M: Twin>(model: &M, graph: &Graph<M::State, M::Label>) -> u64 {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let states: Vec<u64> = graph.states().iter().map(|state| hasher.hash_one(model.every_variable(state))).collect();
    let labels: Vec<String> = graph.labels().iter().map(|label| M::action_name(*label)).collect();
    let steps = graph.ids().flat_map(|id| graph.edges(id).map(move |edge| (id, edge)));
    let hash_of = |(id, edge): (StateId, Edge)| {
        hasher.hash_one((states[id as usize], &labels[edge.label as usize], states[edge.target as usize]))
    };
    let initial = graph.initial().iter().map(|&id| states[id as usize]);
    initial.chain(steps.map(hash_of)).fold(0, u64::wrapping_add)
}

/// Refuses a graph that is not all of its model.
///
/// # Errors
/// [`TwinError::Undecided`] with the limit that was reached.
pub(super) fn whole<S, L>(name: &str, graph: &Graph<S, L>, limits: Limits) -> Result<(), TwinError> {
    match graph.coverage() {
        Coverage::Complete => Ok(()),
        coverage => Err(TwinError::Undecided(format!(
            "{name} has more than {} states, and {}",
            graph.len(),
            why_cut(coverage, limits)
        ))),
    }
}

/// Why a graph is not all of its model: the end of a sentence.
fn why_cut(coverage: Coverage, limits: Limits) -> String {
    match (coverage, limits.memory) {
        (Coverage::CutByMemory, Some(memory)) => format!("the {memory} of memory that were allowed are used"),
        (Coverage::CutByMemory, None) => "the machine gives no more memory".into(),
        (Coverage::CutByMaxStates, _) => format!("{} are the most that are searched", limits.max_states),
        (Coverage::Cancelled, _) => "the search was interrupted".into(),
        (other, _) => {
            unreachable!("a model of the twin has no boundary and no canonical form, and so is not {other:?}")
        }
    }
}

fn side_of<S, L>(
    graph: &Graph<S, L>,
    properties: &[Property],
    violation: impl Fn(Property) -> Result<Option<Lasso>, FairnessError>,
) -> Result<Side, FairnessError> {
    assert_eq!(graph.coverage(), Coverage::Complete, "nothing holds of a graph that was cut");
    let verdict = |&property: &Property| {
        let violated = violation(property)?.is_some();
        Ok::<_, FairnessError>((property, if violated { Verdict::Violated } else { Verdict::Holds }))
    };
    Ok(Side {
        states: graph.len(),
        transitions: graph.transitions(),
        depth: graph.depth(),
        verdicts: properties.iter().map(verdict).collect::<Result<_, _>>()?,
        seconds: 0.0,
    })
}

/// Most states of a search for a run that TLC is to execute: such models are small, and their states have no room for more.
const MOST_SEARCHED: usize = 1_000_000;

/// A run of the unreduced model that violates a property, in the words of the twin; `None` if it holds. At most [`MOST_SEARCHED`]
/// states are searched.
///
/// # Errors
/// See [`check`]; [`TwinError::Undecided`] too if nothing was found within the limits and there are more states.
pub(super) fn counterexample(
    model: &Model,
    property: Property,
    limits: Limits,
) -> Result<Option<Run<Value, String>>, TwinError> {
    let limits = Limits { max_states: limits.max_states.min(MOST_SEARCHED), ..limits };
    let refused = |error: FairnessError| TwinError::Model(format!("{}: {error}", model.name));
    let cut = |coverage, states| match coverage {
        Coverage::Complete => Ok(None),
        _ => Err(TwinError::Undecided(format!(
            "{}: {} is unknown: no run violates it in {states} states, there are more, and {}",
            model.name,
            property.name(),
            why_cut(coverage, limits)
        ))),
    };
    match &model.subject {
        Subject::Spec(cfg) => {
            let spec = cfg.clone().into_model().map_err(|error| TwinError::Model(error.to_string()))?;
            let graph = Search::new(&spec, <Spec as Twin>::label).limits(limits).run();
            let lasso = spec_violation(&spec, &graph, property).map_err(refused)?;
            lasso.map_or_else(|| cut(graph.coverage(), graph.len()), |lasso| Ok(Some(in_words(&spec, &graph, &lasso))))
        }
        Subject::Ring(cfg) => with_ring!(cfg.clone(), |ring| {
            let graph = Search::new(&ring, |action| action.label()).limits(limits).run();
            let judge = RingJudge { ring: &ring, graph: &graph, slots: model.slots };
            let lasso = judge.violation(property).map_err(refused)?;
            lasso.map_or_else(|| cut(graph.coverage(), graph.len()), |lasso| Ok(Some(in_words(&ring, &graph, &lasso))))
        }),
    }
}

fn in_words<M: Twin>(model: &M, graph: &Graph<M::State, M::Label>, lasso: &Lasso) -> Run<Value, String> {
    let step = |edge: &Edge| {
        let name = M::action_name(graph.labels()[edge.label as usize]);
        (name, model.variables(graph.state(edge.target)))
    };
    Run {
        initial: model.variables(graph.state(lasso.start)),
        stem: lasso.stem.iter().map(step).collect(),
        cycle: lasso.cycle.iter().map(step).collect(),
    }
}

/// A shortest run that ends in a state, or stutters there.
fn path_to<S, L>(graph: &Graph<S, L>, state: StateId) -> Lasso {
    Lasso::along(graph, graph.path_to(state))
}

/// A shortest run to a state that violates an invariant of the model itself.
fn invariant_violation<S, L>(graph: &Graph<S, L>, name: &str) -> Option<Lasso> {
    let finding = graph.findings().iter().find(|finding| finding.name == name);
    finding.expect("a property of the model").state.map(|state| path_to(graph, state))
}

/// The first violation among several parts of a property.
fn first<E>(
    verdicts: impl IntoIterator<Item = Result<liveness::LivenessVerdict, E>>,
) -> Result<Option<Lasso>, FairnessError>
where
    FairnessError: From<E>,
{
    let mut violations = verdicts.into_iter().map(|verdict| verdict.map(lasso_of));
    Ok(violations.find_map(Result::transpose).transpose()?)
}

fn lasso_of(verdict: liveness::LivenessVerdict) -> Option<Lasso> {
    match verdict {
        liveness::LivenessVerdict::Violated(lasso) => Some(lasso),
        // None was found. Where the graph was cut, that is for the caller to say.
        liveness::LivenessVerdict::Holds
        | liveness::LivenessVerdict::Vacuous(_)
        | liveness::LivenessVerdict::Unknown(_) => None,
    }
}

fn spec_violation(
    spec: &Spec,
    graph: &Graph<spec::SpecState, spec::SpecLabel>,
    property: Property,
) -> Result<Option<Lasso>, FairnessError> {
    match property {
        Property::TypeOk => Ok(None),
        Property::ObservedAfterExecution => Ok(invariant_violation(graph, "observed-after-execution")),
        Property::SpecLiveness => {
            let checker = Checker::new(graph, &spec.fairness())?;
            first((0..spec.cfg().submitters as u8).map(|t| checker.check(&spec.observed(t), None)))
        }
        Property::LivenessIfAbortsEnd => {
            let mut fairness = spec.fairness();
            fairness.push(spec.aborts_end());
            let checker = Checker::new(graph, &fairness)?;
            first((0..spec.cfg().submitters as u8).map(|t| checker.check(&spec.observed(t), None)))
        }
        Property::Ring(_) => unreachable!("a model of the specification has no property of the ring"),
    }
}

struct RingJudge<'a, const N: usize, const T: usize, const F: usize> {
    ring: &'a Ring<N, T, F>,
    graph: &'a Graph<State<N, T, F>, Label>,
    slots: SlotFairness,
}

impl<const N: usize, const T: usize, const F: usize> RingJudge<'_, N, T, F> {
    fn violation(&self, property: Property) -> Result<Option<Lasso>, FairnessError> {
        let check = match property {
            Property::Ring(check) => check,
            Property::TypeOk => return Ok(None),
            _ => unreachable!("a model of the ring has no property of the specification"),
        };
        match check {
            Check::Safety(_) => Ok(invariant_violation(self.graph, check.name())),
            Check::NoDeadlock => Ok(self.graph.ids().find(|&id| self.is_stuck(id)).map(|id| path_to(self.graph, id))),
            Check::RefinesSpec => Ok(self.step_failure(&self.steps(Loss::None))),
            Check::RefinesLossySpec => Ok(self.step_failure(&self.steps(Loss::Done))),
            Check::RefinesFairSpec => self.unfair_image(),
            Check::WdEventuallyObservedDone => self.unkept(|t| self.ring.observed(t)),
            Check::CallEventuallyPosted => self.unkept(|t| self.ring.posted(t)),
            Check::CallEventuallyReturns => self.unkept(|t| self.ring.returned(t)),
            Check::LockEventuallyDropped => self.unkept(|t| self.ring.lock_dropped(t)),
        }
    }

    fn is_stuck(&self, id: StateId) -> bool {
        self.graph.is_terminal(id) && self.ring.has_calls(self.graph.state(id))
    }

    fn mapping(&self, loss: Loss) -> RingToSpec<'_, N, T, F> {
        RingToSpec::new(self.ring, loss).expect("the specification takes every submitter and count that the ring takes")
    }

    /// Step refinement as TLC judges it: whether the mapping is vacuous is no question there.
    fn steps(&self, loss: Loss) -> Steps<View, spec::SpecLabel> {
        check_steps(self.graph, &self.mapping(loss), |_| true)
    }

    fn step_failure(&self, steps: &Steps<View, spec::SpecLabel>) -> Option<Lasso> {
        match &steps.verdict {
            StepVerdict::Holds | StepVerdict::Unknown(_) => None,
            StepVerdict::InitialFails(state) => Some(path_to(self.graph, *state)),
            StepVerdict::StepFails { path: before, step } => {
                Some(Lasso::along(self.graph, before.iter().chain([step]).copied().collect()))
            }
            other => unreachable!("every action may go unused and the graph is whole, not {other:?}"),
        }
    }

    fn unfair_image(&self) -> Result<Option<Lasso>, FairnessError> {
        let mapping = self.mapping(Loss::None);
        let steps = self.steps(Loss::None);
        if let Some(failure) = self.step_failure(&steps) {
            return Ok(Some(failure));
        }
        let fairness = self.ring.fairness(self.slots, self.graph.labels());
        let checker = Checker::new(self.graph, &fairness)?;
        // What the specification never offers is fair to any run.
        let conditions = mapping.fairness().filter(|condition| steps.offer(condition));
        first(conditions.map(|c| check_fairness(self.graph, &steps, checker.pairs(), &c, None)))
    }

    /// A run on which the claim about some submitter is false.
    fn unkept<'a>(
        &'a self,
        claim: impl Fn(usize) -> Formula<'a, State<N, T, F>, Label>,
    ) -> Result<Option<Lasso>, FairnessError> {
        let fairness = self.ring.fairness(self.slots, self.graph.labels());
        let checker = Checker::new(self.graph, &fairness)?;
        first((0..self.ring.cfg().submitters).map(|t| checker.check(&claim(t), None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stateright_temporal::memory::Memory;

    #[test]
    fn a_search_for_a_run_has_limits() {
        let selection = Model::all();
        let model = selection.find("g3-c01-2x4").expect("a model of the table");
        let observed = Property::Ring(Check::WdEventuallyObservedDone);
        let search = |limits| counterexample(model, observed, limits);
        assert!(matches!(search(Limits::default()), Ok(Some(_))));
        let unknown = |limits, words: [&str; 2]| {
            let Err(TwinError::Undecided(why)) = search(limits) else { panic!("it is decided") };
            assert!(why.contains("unknown") && words.iter().all(|word| why.contains(word)), "{why}");
        };
        unknown(Limits { max_states: 200, ..Limits::default() }, ["in 200 states", "200 are the most"]);
        let memory = Memory::of(200_000);
        unknown(Limits { memory: Some(&memory), ..Limits::default() }, ["states", "the 200.0 kB of memory"]);
        let Err(TwinError::Undecided(why)) = check_within(model, Limits { memory: Some(&memory), ..Limits::default() })
        else {
            panic!("it fits")
        };
        assert!(why.contains("g3-c01-2x4 has more than") && why.contains("the 200.0 kB of memory"), "{why}");
    }
}
