//! What a `.cfg` file says. Each statement that TLC knows is honoured or refused; none is passed over.

use std::collections::BTreeMap;

use super::{TwinError, Value};

/// The name of the drawing of a state in each module whose name begins with MC.
const ALIAS: &str = "Drawn";

/// What a `.cfg` file says.
#[derive(Default)]
pub(super) struct CfgFile {
    pub(super) constants: BTreeMap<String, Value>,
    pub(super) specification: String,
    /// Names of properties, and whether they are named as invariants.
    pub(super) properties: Vec<(String, bool)>,
}

/// A statement, as far as it is paired.
#[derive(Clone, Copy)]
enum Statement {
    Constants,
    Specification,
    Invariants,
    Properties,
    Alias,
    CheckDeadlock,
}

/// Which statement a word begins; `None` if it is none. One that cannot be paired is refused, with the reason.
fn statement(word: &str) -> Result<Option<Statement>, TwinError> {
    let refused = |why: &str| Err(TwinError::Model(format!("{word} is not paired: {why}")));
    match word {
        "CONSTANT" | "CONSTANTS" => Ok(Some(Statement::Constants)),
        "SPECIFICATION" => Ok(Some(Statement::Specification)),
        "INVARIANT" | "INVARIANTS" => Ok(Some(Statement::Invariants)),
        "PROPERTY" | "PROPERTIES" => Ok(Some(Statement::Properties)),
        "ALIAS" => Ok(Some(Statement::Alias)),
        "CHECK_DEADLOCK" => Ok(Some(Statement::CheckDeadlock)),
        "INIT" | "NEXT" => refused("name a SPECIFICATION instead"),
        "SYMMETRY" | "VIEW" | "CONSTRAINT" | "CONSTRAINTS" | "ACTION_CONSTRAINT" | "ACTION_CONSTRAINTS" => {
            refused("TLC would explore other states than the Rust side")
        }
        "POSTCONDITION" => refused("the Rust side has none"),
        "_PERIODIC" | "_RL_REWARD" | "TYPE" | "TYPE_CONSTRAINT" => refused("it is about other modes of TLC"),
        _ => Ok(None),
    }
}

impl CfgFile {
    pub(super) fn parse(text: &str) -> Result<CfgFile, TwinError> {
        let refused = |what: String| Err(TwinError::Model(what));
        let mut file = CfgFile::default();
        let mut alias = None;
        let mut deadlock = None;
        let mut current = None;
        let mut words = tokens(text)?.into_iter();
        while let Some(word) = words.next() {
            if let Some(next) = statement(&word)? {
                current = Some(next);
                continue;
            }
            // A statement of one word; a second one, there or in a statement of the same kind, contradicts it.
            let single = match current {
                None => return refused(format!("{word:?} is no statement of a model")),
                Some(Statement::Constants) => {
                    file.constant(word, words.next(), words.next())?;
                    continue;
                }
                Some(Statement::Invariants | Statement::Properties) => {
                    if file.properties.iter().any(|(known, _)| *known == word) {
                        return refused(format!("{word} is named twice"));
                    }
                    file.properties.push((word, matches!(current, Some(Statement::Invariants))));
                    continue;
                }
                Some(Statement::Specification) => {
                    let known = (!file.specification.is_empty()).then(|| file.specification.clone());
                    file.specification.clone_from(&word);
                    ("SPECIFICATION", known)
                }
                Some(Statement::Alias) => ("ALIAS", alias.replace(word.clone())),
                Some(Statement::CheckDeadlock) => ("CHECK_DEADLOCK", deadlock.replace(word.clone())),
            };
            if let (name, Some(known)) = single {
                return refused(format!("{name} is given twice: {known} and {word}"));
            }
        }
        if file.specification.is_empty() {
            return refused(
                "there is no SPECIFICATION; there are Spec, FairSpec, SlotsFairSpec, FaultFairSpec, EarlyDoneSpec"
                    .into(),
            );
        }
        if let Some(alias) = alias.filter(|alias| alias != ALIAS) {
            return refused(format!("there is no ALIAS {alias}; there is {ALIAS}"));
        }
        match deadlock.as_deref() {
            None | Some("FALSE") => Ok(file),
            Some("TRUE") => refused(
                "CHECK_DEADLOCK TRUE is not paired, since a run in which every call has returned may end: \
                 name the invariant NoDeadlock instead"
                    .into(),
            ),
            Some(other) => refused(format!("CHECK_DEADLOCK is {other}, which is neither TRUE nor FALSE")),
        }
    }

    fn constant(&mut self, name: String, sign: Option<String>, value: Option<String>) -> Result<(), TwinError> {
        let value = match (sign.as_deref(), value) {
            (Some("="), Some(value)) => value.parse::<Value>()?,
            _ => return Err(TwinError::Model(format!("the constant {name} is not given as NAME = VALUE"))),
        };
        if self.constants.insert(name.clone(), value).is_some() {
            return Err(TwinError::Model(format!("the constant {name} has two values")));
        }
        Ok(())
    }
}

/// The longest word of a file, in bytes: more than any set of a model has.
const LONGEST_WORD: usize = 1_000;

/// Names, `=`, strings, numbers and whole sets, without comments.
fn tokens(text: &str) -> Result<Vec<String>, TwinError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let skipped = |end: Option<usize>, comment: &str| {
            end.ok_or_else(|| TwinError::Model(format!("a comment that begins with {comment} has no end")))
        };
        let end = if rest.starts_with("\\*") {
            rest = rest[rest.find('\n').unwrap_or(rest.len())..].trim_start();
            continue;
        } else if rest.starts_with("(*") {
            rest = rest[skipped(rest.find("*)"), "(*")? + 2..].trim_start();
            continue;
        } else if rest.starts_with('=') {
            1
        } else if let Some(quoted) = rest.strip_prefix('"') {
            quoted.find('"').map(|end| end + 2).ok_or_else(|| TwinError::Model("a string has no end".into()))?
        } else if rest.starts_with('{') {
            rest.find('}').map(|end| end + 1).ok_or_else(|| TwinError::Model("a set has no end".into()))?
        } else {
            rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len())
        };
        // What is said against the file is to be a sentence, whatever is in the file.
        let token: String = rest[..end].chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
        if let Some(control) = token.chars().find(|c| c.is_control()) {
            return Err(TwinError::Model(format!("there is the control character {control:?} in a word")));
        }
        if token.len() > LONGEST_WORD {
            return Err(TwinError::Model(format!("a word has {} bytes, more than {LONGEST_WORD}", token.len())));
        }
        tokens.push(token);
        rest = rest[end..].trim_start();
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use crate::{Model, Selection};

    /// How what is said against the file of a model with a change begins.
    #[track_caller]
    fn refused(name: &str, from: &str, to: &str, message: &str) {
        static MODELS: LazyLock<Selection> = LazyLock::new(Model::all);
        let text = MODELS.find(name).unwrap().to_cfg();
        assert!(text.contains(from), "{text}");
        let found = Model::parse(name, &text.replace(from, to)).unwrap_err().to_string();
        assert!(found.starts_with(message), "{found}");
    }

    #[test]
    fn every_statement_is_honoured_or_refused() {
        let deadlock = "CHECK_DEADLOCK FALSE";
        let ring = |to: &str, message: &str| refused("g4-c0-2x4", deadlock, to, message);
        ring(
            "CHECK_DEADLOCK TRUE",
            "CHECK_DEADLOCK TRUE is not paired, since a run in which every call has returned may end: \
             name the invariant NoDeadlock instead",
        );
        ring("CHECK_DEADLOCK maybe", "CHECK_DEADLOCK is maybe, which is neither TRUE nor FALSE");
        ring("CHECK_DEADLOCK FALSE TRUE", "CHECK_DEADLOCK is given twice: FALSE and TRUE");
        ring("ALIAS Other", "ALIAS is given twice: Drawn and Other");
        ring("SPECIFICATION Spec", "SPECIFICATION is given twice: FairSpec and Spec");
        ring("INVARIANT NoDeadlock", "NoDeadlock is named twice");
        ring("INVARIANT Nonsense", "there is no property Nonsense; there are TypeOK, FreeCntConsistent,");
        let message = "HwFetchedUnowned is a predicate of states: name it under INVARIANTS";
        refused("seeded-wd-first-2x4--no-overwrite-in-flight", deadlock, "PROPERTY HwFetchedUnowned", message);
        let message = "NoStrayStatusWrite is about steps: name it under PROPERTIES";
        refused("graph-faults-fifo", deadlock, "INVARIANT NoStrayStatusWrite", message);
        let message = "NoStrangerDone is about steps: name it under PROPERTIES";
        refused("g3-c01-2x4", deadlock, "INVARIANT NoStrangerDone", message);
        ring("INVARIANT RefinesLossySpec", "RefinesLossySpec is about whole runs: name it under PROPERTIES");
        ring("INIT Init", "INIT is not paired: name a SPECIFICATION instead");
        ring("NEXT Next", "NEXT is not paired: name a SPECIFICATION instead");
        ring("POSTCONDITION Accepted", "POSTCONDITION is not paired: the Rust side has none");
        ring("CONSTANT Depth = 3", "the constant Depth has two values");
        ring("CONSTANT Width <- Depth", "the constant Width is not given as NAME = VALUE");
        for word in ["SYMMETRY", "VIEW", "CONSTRAINT", "CONSTRAINTS", "ACTION_CONSTRAINT", "ACTION_CONSTRAINTS"] {
            ring(
                &format!("{word} X"),
                &format!("{word} is not paired: TLC would explore other states than the Rust side"),
            );
        }
        refused("g4-c0-2x4", "ALIAS Drawn", "ALIAS Other", "there is no ALIAS Other; there is Drawn");
        refused("g4-c0-2x4", "CONSTANTS\n", "X CONSTANTS\n", "\"X\" is no statement of a model");
        refused("g4-c0-2x4", "Depth = 2", "Depth = {{{{", "Generation is a model value, and the twin has none");
    }

    #[test]
    fn a_specification_belongs_to_its_module() {
        let specification = "SPECIFICATION FairSpec";
        let message = "MCQI has no specification SlotsFairSpec; it has Spec, FairSpec, FaultFairSpec, EarlyDoneSpec";
        refused("spec-c01-2", specification, "SPECIFICATION SlotsFairSpec", message);
        let message = "MCQISubmitSync has no specification FaultFairSpec; it has Spec, FairSpec, SlotsFairSpec";
        refused("g4-c0-2x4", specification, "SPECIFICATION FaultFairSpec", message);
        let message = "the specification is Spec, but these properties are checked of FairSpec";
        refused("g4-c0-2x4", specification, "SPECIFICATION Spec", message);
    }
}
