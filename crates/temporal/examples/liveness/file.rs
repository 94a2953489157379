//! The file of graphs: what it may say, and why it cannot be used. `docs/liveness-files.md` describes it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::{self, Display};

use serde::de::{Error as _, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use stateright_temporal::graph::MAX_LABELS;
use thiserror::Error;

/// A graph, what is fair in it, and what is claimed of it.
#[derive(Debug)]
pub struct Case {
    /// No other case of the file is called so.
    pub id: Name,
    /// At least one.
    pub initial: Vec<u32>,
    pub edges: Vec<(u32, String, u32)>,
    pub conditions: Vec<Condition>,
    pub kind: Kind,
    pub p: HashSet<u32>,
    /// Empty unless the kind asks for it.
    pub q: HashSet<u32>,
    /// What is to become of the claim.
    pub expect: Option<Word>,
    /// What TLC said of it.
    pub tlc: Option<Word>,
    /// The names of the states, if they have any.
    names: Option<Vec<String>>,
}

impl Case {
    /// What the file calls a state.
    pub fn state(&self, state: u32) -> Name {
        match &self.names {
            Some(names) => Name::Text(names[state as usize].clone()),
            None => Name::Number(state.into()),
        }
    }
}

/// What tells fair runs from unfair ones, with states as numbers.
#[derive(Debug)]
pub enum Condition {
    Weak(Vec<String>),
    Strong(Vec<String>),
    Streett(Occurs, Occurs),
}

impl Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Condition::Weak(labels) => write!(f, "WF({})", labels.join(", ")),
            Condition::Strong(labels) => write!(f, "SF({})", labels.join(", ")),
            Condition::Streett(..) => write!(f, "a Streett pair"),
        }
    }
}

/// Being in one of these states, or a step with one of these labels.
#[derive(Debug)]
pub struct Occurs {
    pub states: HashSet<u32>,
    pub labels: Vec<String>,
}

/// What is claimed of every fair run.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Eventually,
    LeadsTo,
    AlwaysEventually,
    EventuallyAlways,
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Kind::Eventually => "eventually",
            Kind::LeadsTo => "leads_to",
            Kind::AlwaysEventually => "always_eventually",
            Kind::EventuallyAlways => "eventually_always",
        })
    }
}

/// A verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    Holds,
    Violated,
}

impl Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Word::Holds => "holds",
            Word::Violated => "violated",
        })
    }
}

/// What a state or a case is called: a number or a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Name {
    Number(u64),
    Text(String),
}

impl Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Name::Number(number) => write!(f, "{number}"),
            Name::Text(text) => f.write_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Name;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "a number from 0 to {}, or a text", u64::MAX)
            }
            fn visit_u64<E>(self, number: u64) -> Result<Name, E> {
                Ok(Name::Number(number))
            }
            fn visit_str<E>(self, text: &str) -> Result<Name, E> {
                Ok(Name::Text(text.to_string()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Why the input cannot be used.
#[derive(Debug, Error)]
pub enum Unusable {
    #[error("it cannot be read as an array of cases: {}", in_words_of_json(.0))]
    Json(serde_json::Error),
    #[error("it has 0 cases, at least 1 is needed")]
    Empty,
    #[error("case {0} is there more than once, each case needs an id of its own")]
    Duplicate(Name),
    #[error("case {id}: {why}")]
    Case { id: Name, why: Why },
}

/// What the parser says, which calls an array a sequence.
fn in_words_of_json(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(", expected ") {
        Some((found, expected)) => format!("{found}, expected {}", expected.replace("a sequence", "an array")),
        None => text,
    }
}

/// What is wrong with a case.
#[derive(Debug, Error)]
pub enum Why {
    #[error("the states are given by n, their number, or by states, their names: by one of the two, here by {0}")]
    States(&'static str),
    #[error("there are 0 states, at least 1 is needed")]
    NoState,
    #[error("state {0:?} is there more than once, each state needs a name of its own")]
    DuplicateState(String),
    #[error("state {state} in {place} is not below n = {n}")]
    Number { state: u64, place: &'static str, n: u32 },
    #[error("state {state:?} in {place} is not one of the {known} states")]
    Unknown { state: String, place: &'static str, known: usize },
    #[error("state {state} in {place} is a number, but the states have names")]
    Unnamed { state: u64, place: &'static str },
    #[error("state {state} in {place} is given twice")]
    StateTwice { state: String, place: &'static str },
    #[error("edge [{from}, {label:?}, {to}] is given twice")]
    EdgeTwice { from: String, label: String, to: String },
    #[error("label {label:?} in {place} is given twice")]
    LabelTwice { label: String, place: &'static str },
    #[error("initial has 0 states, at least 1 is needed")]
    NoInitial,
    #[error("label {0:?} of an edge is missing in fair (give it \"WF\", \"SF\" or \"\")")]
    Unfair(String),
    #[error("conditions name the label {0:?}, which no edge bears")]
    Label(String),
    #[error("a condition has 0 labels, at least 1 is needed")]
    NoLabel,
    #[error("p or q of a Streett pair gives neither states nor labels")]
    NeverOccurs,
    #[error("kind is leads_to, which needs 2 sets of states, but q is missing")]
    Response,
    #[error("{labels} labels occur, at most {MAX_LABELS} can be numbered")]
    Labels { labels: usize },
    #[error("{conditions} fairness conditions are there, at most {MOST_CONDITIONS} are possible")]
    Conditions { conditions: usize },
    #[error("{conditions} fairness conditions over {edges} edges are {} facts to keep, at most {MOST_FACTS} are possible", conditions * edges)]
    Facts { conditions: usize, edges: usize },
}

/// Most pairs of a fairness condition and an edge: a few bits are kept for each.
const MOST_FACTS: usize = 1 << 30;

/// Most fairness conditions: each takes much more memory than its text does.
const MOST_CONDITIONS: usize = 1 << 16;

/// The cases of a file, which are at least one and each valid.
pub fn parse(text: &[u8]) -> Result<Vec<Case>, Unusable> {
    let raw: Vec<Raw> = serde_json::from_slice(text).map_err(Unusable::Json)?;
    if raw.is_empty() {
        return Err(Unusable::Empty);
    }
    let mut ids = HashSet::new();
    if let Some(case) = raw.iter().find(|case| !ids.insert(case.id.to_string())) {
        return Err(Unusable::Duplicate(case.id.clone()));
    }
    raw.into_iter()
        .map(|raw| {
            let id = raw.id.clone();
            raw.validated().map_err(|why| Unusable::Case { id, why })
        })
        .collect()
}

/// A case as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a case, which is an object")]
struct Raw {
    id: Name,
    n: Option<Count>,
    states: Option<Vec<String>>,
    initial: Option<Vec<Name>>,
    edges: Vec<RawEdge>,
    fair: Option<Fair>,
    #[serde(default)]
    conditions: Vec<RawCondition>,
    kind: Kind,
    p: Vec<Name>,
    q: Option<Vec<Name>>,
    expect: Option<Word>,
    tlc: Option<Word>,
}

/// How many states there are.
#[derive(Clone, Copy)]
struct Count(u32);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "a number of states from 1 to {}", u32::MAX)
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Count, E> {
                let count = u32::try_from(number).map(Count);
                count.map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
            }
        }
        deserializer.deserialize_u64(Number)
    }
}

#[derive(Deserialize)]
#[serde(expecting = "an edge, which is an array [from, label, to]")]
struct RawEdge(Name, String, Name);

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", expecting = "a condition, which is an object of weak, strong or streett")]
enum RawCondition {
    Weak(Vec<String>),
    Strong(Vec<String>),
    Streett(RawPair),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a Streett pair, which is an object of p and q")]
struct RawPair {
    p: RawOccurs,
    q: RawOccurs,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object of states, labels or both")]
struct RawOccurs {
    states: Option<Vec<Name>>,
    labels: Option<Vec<String>>,
}

/// The fairness of each label by itself, in the order of the file.
struct Fair(Vec<(String, Strength)>);

#[derive(Clone, Copy, Deserialize)]
enum Strength {
    #[serde(rename = "WF")]
    Weak,
    #[serde(rename = "SF")]
    Strong,
    #[serde(rename = "")]
    None,
}

impl<'de> Deserialize<'de> for Fair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Labels;
        impl<'de> Visitor<'de> for Labels {
            type Value = Fair;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object that gives each label \"WF\", \"SF\" or \"\"")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fair, M::Error> {
                let (mut labels, mut seen) = (Vec::new(), HashSet::new());
                while let Some((label, strength)) = map.next_entry::<String, Strength>()? {
                    if !seen.insert(label.clone()) {
                        return Err(M::Error::custom(format_args!("label {label:?} is in fair more than once")));
                    }
                    labels.push((label, strength));
                }
                Ok(Fair(labels))
            }
        }
        deserializer.deserialize_map(Labels)
    }
}

/// The states of a case by name or number.
struct States<'n> {
    n: u32,
    numbers: Option<HashMap<&'n str, u32>>,
}

impl<'n> States<'n> {
    fn new(n: Option<u32>, names: Option<&'n [String]>) -> Result<States<'n>, Why> {
        let (n, numbers) = match (n, names) {
            (Some(n), None) => (n, None),
            (None, Some(names)) => {
                let mut numbers = HashMap::new();
                for (number, name) in (0..).zip(names) {
                    if numbers.insert(name.as_str(), number).is_some() {
                        return Err(Why::DuplicateState(name.clone()));
                    }
                }
                (names.len() as u32, Some(numbers))
            }
            (Some(_), Some(_)) => return Err(Why::States("both")),
            (None, None) => return Err(Why::States("none")),
        };
        if n == 0 {
            return Err(Why::NoState);
        }
        Ok(States { n, numbers })
    }

    fn number(&self, place: &'static str, state: Name) -> Result<u32, Why> {
        match (state, &self.numbers) {
            (Name::Number(state), None) => match u32::try_from(state) {
                Ok(number) if number < self.n => Ok(number),
                _ => Err(Why::Number { state, place, n: self.n }),
            },
            (Name::Number(state), Some(_)) => Err(Why::Unnamed { state, place }),
            (Name::Text(state), numbers) => {
                let known = numbers.as_ref().and_then(|numbers| numbers.get(state.as_str()));
                let count = numbers.as_ref().map_or(0, HashMap::len);
                known.copied().ok_or(Why::Unknown { state, place, known: count })
            }
        }
    }

    /// The numbers of a list of states, in its order, none of them twice.
    fn list(&self, place: &'static str, states: Vec<Name>) -> Result<Vec<u32>, Why> {
        let numbers = states.into_iter().map(|state| self.number(place, state)).collect::<Result<Vec<_>, _>>()?;
        let mut seen = HashSet::new();
        match numbers.iter().find(|number| !seen.insert(**number)) {
            Some(&twice) => Err(Why::StateTwice { state: self.name(twice), place }),
            None => Ok(numbers),
        }
    }

    fn set(&self, place: &'static str, states: Vec<Name>) -> Result<HashSet<u32>, Why> {
        Ok(self.list(place, states)?.into_iter().collect())
    }

    /// What a message calls a state.
    fn name(&self, number: u32) -> String {
        let named = self.numbers.iter().flatten().find(|(_, known)| **known == number);
        named.map_or(number.to_string(), |(name, _)| format!("{name:?}"))
    }
}

impl Raw {
    fn validated(self) -> Result<Case, Why> {
        let states = States::new(self.n.map(|Count(n)| n), self.states.as_deref())?;
        let edge = |RawEdge(from, label, to)| Ok((states.number("edges", from)?, label, states.number("edges", to)?));
        let edges = self.edges.into_iter().map(edge).collect::<Result<Vec<_>, _>>()?;
        let mut seen = HashSet::new();
        if let Some((from, label, to)) = edges.iter().find(|edge| !seen.insert(*edge)) {
            return Err(Why::EdgeTwice { from: states.name(*from), label: label.clone(), to: states.name(*to) });
        }
        let borne: BTreeSet<&str> = edges.iter().map(|(_, label, _)| label.as_str()).collect();
        if borne.len() > MAX_LABELS {
            return Err(Why::Labels { labels: borne.len() });
        }
        let fair = self.fair.as_ref().map_or(0, |Fair(labels)| labels.len());
        if fair + self.conditions.len() > MOST_CONDITIONS {
            return Err(Why::Conditions { conditions: fair + self.conditions.len() });
        }
        let mut conditions = Vec::new();
        if let Some(Fair(labels)) = self.fair {
            let listed: HashSet<&str> = labels.iter().map(|(label, _)| label.as_str()).collect();
            if let Some(label) = borne.iter().find(|label| !listed.contains(*label)) {
                return Err(Why::Unfair(label.to_string()));
            }
            conditions.extend(labels.into_iter().filter_map(|(label, strength)| match strength {
                Strength::Weak => Some(Condition::Weak(vec![label])),
                Strength::Strong => Some(Condition::Strong(vec![label])),
                Strength::None => None,
            }));
        }
        for condition in self.conditions {
            conditions.push(condition.validated(&states, &borne)?);
        }
        if conditions.len().saturating_mul(edges.len()) > MOST_FACTS {
            return Err(Why::Facts { conditions: conditions.len(), edges: edges.len() });
        }
        let initial = match self.initial {
            None => vec![0],
            Some(initial) if initial.is_empty() => return Err(Why::NoInitial),
            Some(initial) => states.list("initial", initial)?,
        };
        let q = match (self.kind, self.q) {
            (Kind::LeadsTo, None) => return Err(Why::Response),
            (_, q) => states.set("q", q.unwrap_or_default())?,
        };
        let p = states.set("p", self.p)?;
        let (id, kind, expect, tlc, names) = (self.id, self.kind, self.expect, self.tlc, self.states);
        Ok(Case { id, initial, edges, conditions, kind, p, q, expect, tlc, names })
    }
}

impl RawCondition {
    fn validated(self, states: &States, borne: &BTreeSet<&str>) -> Result<Condition, Why> {
        let known = |place, labels: Vec<String>| {
            let mut seen = HashSet::new();
            for label in &labels {
                if !borne.contains(label.as_str()) {
                    return Err(Why::Label(label.clone()));
                }
                if !seen.insert(label) {
                    return Err(Why::LabelTwice { label: label.clone(), place });
                }
            }
            Ok(labels)
        };
        let some =
            |place, labels: Vec<String>| if labels.is_empty() { Err(Why::NoLabel) } else { known(place, labels) };
        let occurs = |occurs: RawOccurs| match occurs {
            RawOccurs { states: None, labels: None } => Err(Why::NeverOccurs),
            RawOccurs { states: met, labels } => Ok(Occurs {
                states: states.set("a Streett pair", met.unwrap_or_default())?,
                labels: known("a Streett pair", labels.unwrap_or_default())?,
            }),
        };
        Ok(match self {
            RawCondition::Weak(labels) => Condition::Weak(some("weak", labels)?),
            RawCondition::Strong(labels) => Condition::Strong(some("strong", labels)?),
            RawCondition::Streett(pair) => Condition::Streett(occurs(pair.p)?, occurs(pair.q)?),
        })
    }
}
