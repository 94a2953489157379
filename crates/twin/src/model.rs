//! Models: a specification of spec/ with values for its constants and the properties to check, as a `.cfg` file holds them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::cfg::CfgFile;
use super::code::without_comments;
use super::{TwinError, Value};
use stateright_temporal::graph::{Coverage, Limits, Search};
use vtd_qi::fingerprint::fingerprint;
use vtd_qi::impl_qi::{
    Action, AfterIte, CleanUp, FaultCheck, FaultClass, Faults, Generation, Handout, Hardware, IqeAt, Itesid, Layout,
    Length, Lock, Order, Publish, Reclaim, RingCfg, Room, Rules, Safety, SlotFairness, ValidRing,
};
use vtd_qi::scenario::{Check, Scenario, Table};
use vtd_qi::spec::{self, Loss, SpecCfg};
use vtd_qi::with_ring;
use vtd_qi::words::Word;
use vtd_qi_tla::{PLAIN_GENERATIONS, RingModule};

/// What the constants of a model say, as a configuration of the Rust model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// spec/QI.tla and [`vtd_qi::spec`].
    Spec(SpecCfg),
    /// spec/QISubmitSync.tla, spec/QIRing.tla or spec/QIRingFaults.tla, and [`vtd_qi::impl_qi`]; the twin's hardware has no
    /// [`vtd_qi::impl_qi::Quirk`].
    Ring(ValidRing),
}

/// A property of a model, by the side of TLA+ that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Property {
    /// Every variable holds what it may hold; in Rust the types say so.
    TypeOk,
    /// The safety of [`vtd_qi::spec`].
    ObservedAfterExecution,
    /// Its liveness.
    SpecLiveness,
    /// Its liveness with faults: if aborts come to an end.
    LivenessIfAbortsEnd,
    /// A property of the ring.
    Ring(Check),
}

impl Property {
    /// The properties of a subject.
    pub fn of(subject: &Subject) -> Vec<Property> {
        match subject {
            Subject::Spec(cfg) if cfg.faults == spec::SpecFaults::EarlyDone => {
                vec![Property::TypeOk, Property::ObservedAfterExecution]
            }
            Subject::Spec(cfg) => {
                let mut all = vec![Property::TypeOk, Property::ObservedAfterExecution, Property::SpecLiveness];
                all.extend((cfg.faults == spec::SpecFaults::Possible).then_some(Property::LivenessIfAbortsEnd));
                all
            }
            Subject::Ring(cfg) => {
                let about_faults = |check: &Check| matches!(check, Check::Safety(safety) if safety.needs_faults());
                let has = |check: &Check| RingModule::of(cfg) == RingModule::Faults || !about_faults(check);
                [Property::TypeOk].into_iter().chain(Check::all().filter(has).map(Property::Ring)).collect()
            }
        }
    }

    /// Its name in spec/: that of the Rust side in the other spelling.
    pub fn name(self) -> String {
        match self {
            Property::TypeOk => "TypeOK".into(),
            Property::ObservedAfterExecution => "ObservedAfterExecution".into(),
            Property::SpecLiveness => camel(Check::WdEventuallyObservedDone.name()),
            Property::LivenessIfAbortsEnd => "WdEventuallyObservedDoneIfAbortsEnd".into(),
            Property::Ring(check) => camel(check.name()),
        }
    }

    /// Whether it is a predicate of one state in the twin.
    pub fn is_invariant(self) -> bool {
        match self {
            Property::TypeOk | Property::ObservedAfterExecution => true,
            Property::SpecLiveness | Property::LivenessIfAbortsEnd => false,
            Property::Ring(check) => matches!(check, Check::Safety(_) | Check::NoDeadlock) && !self.is_about_steps(),
        }
    }

    /// Whether it is a predicate of one step in the twin. In Rust it is one of the state in which that step can be done next.
    pub fn is_about_steps(self) -> bool {
        matches!(
            self,
            Property::Ring(Check::Safety(
                Safety::NoOverwriteInFlight
                    | Safety::IqtDiffersFromIqh
                    | Safety::SuccessAfterExecution
                    | Safety::NoStrangerDone
                    | Safety::NoStrayStatusWrite
            ))
        )
    }

    /// Whether it is about infinite runs, so that fairness matters.
    fn needs_fairness(self) -> bool {
        match self {
            Property::TypeOk | Property::ObservedAfterExecution => false,
            Property::SpecLiveness | Property::LivenessIfAbortsEnd => true,
            Property::Ring(check) => !check.is_safety(),
        }
    }
}

/// `no-slot-leak` as `NoSlotLeak`.
fn camel(name: &str) -> String {
    name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

impl Subject {
    /// The module that is checked.
    pub fn module(&self) -> &'static str {
        self.modules()[0]
    }

    /// All modules of the repository that the model is made of, the root first.
    pub fn modules(&self) -> &'static [&'static str] {
        match self {
            Subject::Spec(_) => &["MCQI", "QI"],
            Subject::Ring(cfg) => RingModule::of(cfg).files(),
        }
    }

    /// The behaviour specifications of its module.
    pub(super) fn specifications(&self) -> &'static [&'static str] {
        match self {
            Subject::Spec(_) => &["Spec", "FairSpec", "FaultFairSpec", "EarlyDoneSpec"],
            Subject::Ring(_) => &["Spec", "FairSpec", "SlotsFairSpec"],
        }
    }

    /// The first 8 bytes of the SHA-256 of what its modules in a directory say, one after the other, in hexadecimal. Comments
    /// say nothing.
    ///
    /// # Errors
    /// [`TwinError::Io`] if a module cannot be read.
    pub fn fingerprint(&self, spec: &Path) -> Result<String, TwinError> {
        let read = |module: &&str| {
            let file = spec.join(module).with_extension("tla");
            std::fs::read_to_string(&file).map(|text| without_comments(&text)).map_err(TwinError::io(&file, "read"))
        };
        Ok(fingerprint(self.modules().iter().map(read).collect::<Result<Vec<_>, _>>()?))
    }

    /// The constants of the specification, by name.
    pub fn constants(&self) -> BTreeMap<String, Value> {
        let numbers = |items: &mut dyn Iterator<Item = i64>| Value::Set(items.map(Value::Int).collect());
        let (submitters, counts) = match self {
            Subject::Spec(cfg) => (cfg.submitters, &cfg.counts),
            Subject::Ring(cfg) => (cfg.submitters, &cfg.counts),
        };
        let mut constants = BTreeMap::from([
            ("Submitters".to_string(), numbers(&mut (1..=submitters as i64))),
            ("Counts".to_string(), numbers(&mut counts.iter().map(|&count| count.into()))),
        ]);
        match self {
            Subject::Spec(cfg) => {
                // The seeded fault is no value of this constant, but a specification of its own.
                let faults = match cfg.faults {
                    spec::SpecFaults::None | spec::SpecFaults::EarlyDone => SPEC_FAULTS[0],
                    spec::SpecFaults::Possible => SPEC_FAULTS[1],
                };
                constants.insert("Loss".into(), word(&cfg.loss));
                constants.insert("Faults".into(), Value::str(faults));
            }
            Subject::Ring(cfg) => {
                constants.insert("Length".into(), Value::Int(cfg.length.slots().into()));
                constants.insert("Lock".into(), word(&cfg.lock));
                constants.insert("Hardware".into(), word(&cfg.hardware.order));
                constants.insert("Depth".into(), Value::Int(cfg.hardware.depth.into()));
                let module = RingModule::of(cfg);
                if let RingModule::SubmitSync(generation) = module {
                    constants.insert("Generation".into(), Value::str(generation));
                    return constants;
                }
                constants.insert("Handout".into(), word(&cfg.handout));
                for (rule, value) in cfg.rules.words().filter(|(rule, _)| module.rules().any(|own| own == *rule)) {
                    constants.insert(rule_constant(rule), Value::str(value));
                }
                if module == RingModule::Faults {
                    constants.insert("FaultClasses".into(), Value::Set(cfg.faults.classes.iter().map(word).collect()));
                    constants.insert("FaultBound".into(), Value::Int(cfg.faults.bound.into()));
                    constants.insert("Devices".into(), Value::Int(cfg.faults.devices.into()));
                    constants.insert("Itesid".into(), word(&cfg.faults.itesid));
                    constants.insert("AfterIte".into(), word(&cfg.faults.after_ite));
                }
            }
        }
        constants
    }

    /// The constants that are words or sets of words, each with every word that it takes.
    ///
    /// ```
    /// use vtd_qi_twin::Model;
    /// let models = Model::all();
    /// let words = models.find("seeded-wd-first-2x4").unwrap().subject.words();
    /// assert_eq!(words["RoomRule"], ["count-plus2", "count-plus1"]);
    /// assert!(!words.contains_key("Length"));
    /// ```
    pub fn words(&self) -> BTreeMap<String, Vec<&'static str>> {
        fn of<W: Word>() -> Vec<&'static str> {
            W::WORDS.iter().map(|(_, name)| *name).collect()
        }
        let Subject::Ring(cfg) = self else {
            return BTreeMap::from([("Loss".into(), of::<Loss>()), ("Faults".into(), SPEC_FAULTS.to_vec())]);
        };
        let mut words: Vec<(String, Vec<&'static str>)> =
            vec![("Lock".into(), of::<Lock>()), ("Hardware".into(), of::<Order>())];
        let module = RingModule::of(cfg);
        if let RingModule::SubmitSync(_) = module {
            words.push(("Generation".into(), PLAIN_GENERATIONS.map(|(name, _)| name).to_vec()));
            return words.into_iter().collect();
        }
        words.push(("Handout".into(), of::<Handout>()));
        words
            .extend(module.rules().map(|rule| (rule_constant(rule), Rules::values(rule).expect("the name of a rule"))));
        if module == RingModule::Faults {
            words.push(("FaultClasses".into(), of::<FaultClass>()));
            words.push(("Itesid".into(), of::<Itesid>()));
            words.push(("AfterIte".into(), of::<AfterIte>()));
        }
        words.into_iter().collect()
    }

    /// The configuration that constants stand for.
    ///
    /// # Errors
    /// [`TwinError::Model`] for an unknown, missing or unusable constant.
    pub fn from_constants(constants: &BTreeMap<String, Value>) -> Result<Subject, TwinError> {
        let mut given = Given(constants.clone());
        let subject =
            if constants.contains_key("Loss") { Subject::Spec(given.spec()?) } else { Subject::Ring(given.ring()?) };
        match given.0.keys().next() {
            None => Ok(subject),
            Some(unknown) => {
                let known: Vec<_> = subject.constants().into_keys().collect();
                Err(TwinError::Model(format!("there is no constant {unknown}; there are {}", known.join(", "))))
            }
        }
    }
}

/// The words of the constant Faults of the specification.
const SPEC_FAULTS: [&str; 2] = ["none", "possible"];

/// The name of a variant, as the scenario table and the constants of the twin spell it.
fn word<W: Word>(value: &W) -> Value {
    Value::str(value.name())
}

/// `room-wait` as `RoomWaitRule`.
fn rule_constant(rule: &str) -> String {
    camel(rule) + "Rule"
}

/// Constants that have not been used yet.
struct Given(BTreeMap<String, Value>);

impl Given {
    fn take(&mut self, name: &str) -> Result<Value, TwinError> {
        self.0.remove(name).ok_or_else(|| TwinError::Model(format!("the constant {name} has no value")))
    }

    fn number<N: TryFrom<i64>>(&mut self, name: &str) -> Result<N, TwinError> {
        let value = self.take(name)?;
        let number = match value {
            Value::Int(n) => n.try_into().ok(),
            _ => None,
        };
        number.ok_or_else(|| unusable(name, &value, "a number of its range"))
    }

    fn numbers(&mut self, name: &str) -> Result<Vec<u8>, TwinError> {
        let value = self.take(name)?;
        let Value::Set(items) = &value else { return Err(unusable(name, &value, "a set of numbers")) };
        let number = |item: &Value| match item {
            Value::Int(n) => u8::try_from(*n).map_err(|_| unusable(name, &value, "a set of numbers from 0 to 255")),
            _ => Err(unusable(name, &value, "a set of numbers")),
        };
        items.iter().map(number).collect()
    }

    fn submitters(&mut self) -> Result<usize, TwinError> {
        let numbers = self.numbers("Submitters")?;
        if (1..).zip(&numbers).all(|(i, n)| i == *n) {
            Ok(numbers.len())
        } else {
            Err(TwinError::Model(format!("the constant Submitters is {numbers:?}, which is not {{1, .. n}}")))
        }
    }

    fn word<W: Word>(&mut self, name: &str) -> Result<W, TwinError> {
        match self.take(name)? {
            Value::Str(text) => {
                W::named(&text).map_err(|error| TwinError::Model(format!("the constant {name}: {error}")))
            }
            other => Err(unusable(name, &other, "a string")),
        }
    }

    fn words<W: Word>(&mut self, name: &str) -> Result<Vec<W>, TwinError> {
        let value = self.take(name)?;
        let Value::Set(items) = value else { return Err(unusable(name, &value, "a set of strings")) };
        items.into_iter().map(|item| Given(BTreeMap::from([(name.to_string(), item)])).word(name)).collect()
    }

    fn spec(&mut self) -> Result<SpecCfg, TwinError> {
        let loss = self.word("Loss")?;
        let faults = match self.take("Faults")? {
            Value::Str(text) if text == SPEC_FAULTS[0] => spec::SpecFaults::None,
            Value::Str(text) if text == SPEC_FAULTS[1] => spec::SpecFaults::Possible,
            other => return Err(unusable("Faults", &other, "\"none\" or \"possible\"")),
        };
        let cfg = SpecCfg { submitters: self.submitters()?, counts: self.numbers("Counts")?, loss, faults };
        cfg.clone().into_model().map_err(|error| TwinError::Model(error.to_string()))?;
        Ok(cfg)
    }

    /// Whether there is a `Generation`, or a set of `FaultClasses`, tells the module.
    fn ring(&mut self) -> Result<ValidRing, TwinError> {
        let length = self.number("Length")?;
        let ring = RingCfg {
            lock: self.word::<Lock>("Lock")?,
            hardware: Hardware { order: self.word::<Order>("Hardware")?, depth: self.number("Depth")? },
            submitters: self.submitters()?,
            counts: self.numbers("Counts")?,
            length: Length::new(length).map_err(|error| TwinError::Model(error.to_string()))?,
            ..RingCfg::new(Rules::G4, 1, [1])
        };
        let cfg = if self.0.contains_key("Generation") {
            RingCfg { rules: self.generation()?, ..ring }
        } else {
            self.ring_with_rules(ring)?
        };
        cfg.validate().map_err(|error| TwinError::Model(error.to_string()))
    }

    fn generation(&mut self) -> Result<Rules, TwinError> {
        let value = self.take("Generation")?;
        let known = PLAIN_GENERATIONS.iter().find(|(name, _)| value == Value::str(*name));
        known.map(|(_, rules)| *rules).ok_or_else(|| unusable("Generation", &value, "\"G3\" or \"G4\""))
    }

    /// Rules that are no constants mean nothing in their module, so they may be anything.
    fn ring_with_rules(&mut self, ring: RingCfg) -> Result<RingCfg, TwinError> {
        let module = if self.0.contains_key("FaultClasses") { RingModule::Faults } else { RingModule::Rules };
        let mut rules = ring.rules;
        for rule in module.rules() {
            let constant = rule_constant(rule);
            let Value::Str(value) = self.take(&constant)? else {
                return Err(TwinError::Model(format!("the constant {constant} is no string")));
            };
            let unusable = |error| TwinError::Model(format!("the constant {constant}: {error}"));
            rules.set(rule, &value).map_err(unusable)?;
        }
        let ring = RingCfg { rules, handout: self.word::<Handout>("Handout")?, ..ring };
        if module == RingModule::Rules {
            return Ok(ring);
        }
        let faults = Faults {
            classes: self.words::<FaultClass>("FaultClasses")?,
            bound: self.number("FaultBound")?,
            devices: self.number("Devices")?,
            itesid: self.word::<Itesid>("Itesid")?,
            after_ite: self.word::<AfterIte>("AfterIte")?,
            quirk: None,
        };
        let fault_check = if faults.classes.is_empty() { FaultCheck::Always } else { ring.fault_check };
        Ok(RingCfg { faults, fault_check, ..ring })
    }
}

fn unusable(name: &str, value: &Value, wanted: &str) -> TwinError {
    TwinError::Model(format!("the constant {name} is {value}, which is not {wanted}"))
}

/// The specification in which hardware may complete a batch of which IDs are left.
const EARLY_DONE_SPEC: &str = "EarlyDoneSpec";

/// A model: what a `.cfg` file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Its name: the file's without `.cfg`.
    pub name: String,
    /// What the file's first line says about it.
    pub about: String,
    /// The configuration.
    pub subject: Subject,
    /// What a waiting call is promised.
    pub slots: SlotFairness,
    /// The properties to check.
    pub properties: Vec<Property>,
}

impl Model {
    /// The behaviour specification that the properties need.
    pub fn specification(&self) -> &'static str {
        match (&self.subject, self.slots) {
            (Subject::Spec(cfg), _) if cfg.faults == spec::SpecFaults::EarlyDone => EARLY_DONE_SPEC,
            _ if !self.properties.iter().any(|property| property.needs_fairness()) => "Spec",
            (Subject::Spec(cfg), _) if cfg.faults == spec::SpecFaults::Possible => "FaultFairSpec",
            (_, SlotFairness::Unfair) => "FairSpec",
            (_, SlotFairness::Fair) => "SlotsFairSpec",
        }
    }

    /// The same model with other properties.
    pub fn with(&self, properties: &[Property]) -> Model {
        Model { properties: properties.to_vec(), ..self.clone() }
    }

    /// The `.cfg` file.
    pub fn to_cfg(&self) -> String {
        format!("\\* {}\n{}", self.about, self.statements())
    }

    /// A short hash of what the `.cfg` file says, without the comment in its first line.
    pub fn fingerprint(&self) -> String {
        fingerprint([self.statements()])
    }

    fn statements(&self) -> String {
        let mut text = "CONSTANTS\n".to_string();
        for (name, value) in self.subject.constants() {
            let _ = writeln!(text, "    {name} = {value}");
        }
        let _ = writeln!(text, "SPECIFICATION {}", self.specification());
        for (title, invariant) in [("INVARIANTS", true), ("PROPERTIES", false)] {
            let mut names =
                self.properties.iter().filter(|p| p.is_invariant() == invariant).map(|p| p.name()).peekable();
            if names.peek().is_some() {
                let _ = writeln!(text, "{title}");
                names.for_each(|name| _ = writeln!(text, "    {name}"));
            }
        }
        text + "ALIAS Drawn\nCHECK_DEADLOCK FALSE\n"
    }

    /// Reads a `.cfg` file: one of these models, or one that a person wrote over the modules of spec/.
    ///
    /// # Errors
    /// [`TwinError::Model`] for what the file may not say: an unknown constant or property, or a statement under which TLC
    /// would explore other states than those of the specification.
    pub fn parse(name: &str, text: &str) -> Result<Model, TwinError> {
        let about = text.lines().next().and_then(|line| line.strip_prefix("\\* ")).unwrap_or_default();
        let file = CfgFile::parse(text)?;
        let mut subject = Subject::from_constants(&file.constants)?;
        if let (EARLY_DONE_SPEC, Subject::Spec(cfg)) = (file.specification.as_str(), &mut subject) {
            if cfg.faults != spec::SpecFaults::None {
                return Err(TwinError::Model(format!("the specification {EARLY_DONE_SPEC} is of Faults = \"none\"")));
            }
            cfg.faults = spec::SpecFaults::EarlyDone;
        }
        let known = Property::of(&subject);
        let find = |(wanted, as_invariant): &(String, bool)| {
            let property = known.iter().copied().find(|property| property.name() == *wanted).ok_or_else(|| {
                let known: Vec<_> = known.iter().map(|property| property.name()).collect();
                TwinError::Model(format!("there is no property {wanted}; there are {}", known.join(", ")))
            })?;
            match (property.is_invariant(), as_invariant) {
                (true, false) => {
                    Err(TwinError::Model(format!("{wanted} is a predicate of states: name it under INVARIANTS")))
                }
                (false, true) => {
                    let what = if property.is_about_steps() { "steps" } else { "whole runs" };
                    Err(TwinError::Model(format!("{wanted} is about {what}: name it under PROPERTIES")))
                }
                _ => Ok(property),
            }
        };
        let properties = file.properties.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let slots = if file.specification == "SlotsFairSpec" { SlotFairness::Fair } else { SlotFairness::Unfair };
        let model = Model { name: name.into(), about: about.into(), subject, slots, properties };
        let specifications = model.subject.specifications();
        if !specifications.contains(&file.specification.as_str()) {
            let (wrong, module) = (&file.specification, model.subject.module());
            let known = specifications.join(", ");
            return Err(TwinError::Model(format!("{module} has no specification {wrong}; it has {known}")));
        }
        // Without a property of whole runs, fairness makes no difference.
        let needed = model.specification();
        if needed != "Spec" && file.specification != needed {
            let given = &file.specification;
            return Err(TwinError::Model(format!(
                "the specification is {given}, but these properties are checked of {needed}"
            )));
        }
        Ok(model)
    }

    /// Reads a `.cfg` file.
    ///
    /// # Errors
    /// [`TwinError::Io`], and what [`Model::parse`] says.
    pub fn read(file: &Path) -> Result<Model, TwinError> {
        let text = std::fs::read_to_string(file).map_err(TwinError::io(file, "read"))?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        Model::parse(&name, &text).map_err(|error| TwinError::Model(format!("{}: {error}", file.display())))
    }

    /// The models of `tlc --bench`.
    pub fn benches() -> Vec<Model> {
        benches()
    }

    /// The models of the embedded scenario table and those beside it, and why other scenarios have none.
    pub fn all() -> Selection {
        Selection::of(&Table::embedded())
    }
}

/// The models that are paired, and the scenarios that are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The models, in the order in which they are run.
    pub models: Vec<Model>,
    /// Scenarios without a twin, and why.
    pub left_out: Vec<(String, String)>,
}

/// A scenario has a twin if its unreduced graph has at most this many states, so that TLC judges its liveness in seconds.
pub const MOST_STATES: usize = 20_000;

impl Selection {
    /// The models of a table: of each scenario that is small enough one model of everything that is expected to hold, and one
    /// for each property that is expected to be violated; then those whose graphs are compared state for state.
    pub fn of(table: &Table) -> Selection {
        let mut selection = Selection { models: specifications(), left_out: Vec::new() };
        for scenario in &table.scenarios {
            match unreduced_states(&scenario.cfg) {
                Some(_) => selection.models.extend(models_of(scenario)),
                None => selection.left_out.push((
                    scenario.name.clone(),
                    format!("more than {MOST_STATES} states without reduction by rotation"),
                )),
            }
        }
        selection.models.extend(graphs());
        selection.models.extend(FAULTS.iter().flat_map(FaultModel::models));
        selection.models.extend(SMALL.iter().flat_map(SmallModel::models));
        selection
    }

    /// The model of a given name.
    pub fn find(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == name)
    }

    /// Writes the `.cfg` files of models into a directory, which is created if there is none.
    ///
    /// # Errors
    /// [`TwinError::Io`].
    pub fn write<'a>(models: impl IntoIterator<Item = &'a Model>, dir: &Path) -> Result<(), TwinError> {
        std::fs::create_dir_all(dir).map_err(TwinError::io(dir, "created"))?;
        for model in models {
            let file = dir.join(&model.name).with_extension("cfg");
            std::fs::write(&file, model.to_cfg()).map_err(TwinError::io(&file, "written"))?;
        }
        Ok(())
    }

    /// Checks that each `.cfg` file in a directory is one of these models, to the letter.
    ///
    /// # Errors
    /// [`TwinError::Model`] with the first file of which that is not so, [`TwinError::Io`].
    pub fn check_files(&self, dir: &Path) -> Result<(), TwinError> {
        for file in cfg_files(dir)? {
            let text = std::fs::read_to_string(&file).map_err(TwinError::io(&file, "read"))?;
            let model = file.file_stem().and_then(|name| self.find(name.to_str()?));
            let what = match model {
                None => "belongs to no model",
                Some(model) if model.to_cfg() != text => "is not what the scenario table says",
                Some(_) => continue,
            };
            return Err(TwinError::Model(format!("{} {what}; {GENERATED}", file.display())));
        }
        Ok(())
    }
}

fn cfg_files(dir: &Path) -> Result<Vec<PathBuf>, TwinError> {
    let entries = std::fs::read_dir(dir).map_err(TwinError::io(dir, "read"))?;
    let files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let files = files.map_err(TwinError::io(dir, "read"))?;
    Ok(files.into_iter().filter(|file| file.extension().is_some_and(|e| e == "cfg")).collect())
}

const GENERATED: &str = "Generated: `cargo run --release --example tlc -- --write-models=DIR NAME` writes it again.";

/// A ring that this file describes.
fn ring_of(cfg: RingCfg) -> Subject {
    Subject::Ring(cfg.validate().expect("a configuration that is written here"))
}

fn models_of(scenario: &Scenario) -> Vec<Model> {
    let expected = |check: &Check| scenario.expected(check.name()).is_some_and(|expected| expected.violated);
    let (violated, holds): (Vec<Check>, Vec<Check>) = scenario.checks.iter().partition(|check| expected(check));
    let model = |name: String, what: String, properties| Model {
        name,
        about: format!("Scenario {}: {what}. {GENERATED}", scenario.name),
        subject: Subject::Ring(scenario.cfg.clone()),
        slots: scenario.slots,
        properties,
    };
    let mut holds: Vec<_> = [Property::TypeOk].into_iter().chain(holds.into_iter().map(Property::Ring)).collect();
    // As a `.cfg` file has them: invariants first.
    holds.sort_by_key(|property| !property.is_invariant());
    let holds = model(scenario.name.clone(), "what is expected to hold".into(), holds);
    let violated = violated.into_iter().map(|check| {
        let name = format!("{}--{}", scenario.name, check.name());
        model(name, format!("{} is expected to be violated", check.name()), vec![Property::Ring(check)])
    });
    [holds].into_iter().chain(violated).collect()
}

/// Models of the specification itself.
fn specifications() -> Vec<Model> {
    let with_faults = |name: &str, submitters, counts: &[u8], loss, faults, properties: &[Property]| Model {
        name: name.into(),
        about: format!("The specification, {submitters} submitters. {GENERATED}"),
        subject: Subject::Spec(SpecCfg { submitters, counts: counts.to_vec(), loss, faults }),
        slots: SlotFairness::Unfair,
        properties: properties.to_vec(),
    };
    let model = |name: &str, submitters, counts: &[u8], loss, properties: &[Property]| {
        with_faults(name, submitters, counts, loss, spec::SpecFaults::None, properties)
    };
    let faulty = |name: &str, submitters, counts: &[u8], properties: &[Property]| {
        with_faults(name, submitters, counts, Loss::None, spec::SpecFaults::Possible, properties)
    };
    let all = [Property::TypeOk, Property::ObservedAfterExecution, Property::SpecLiveness];
    vec![
        model("spec-c01-2", 2, &[0, 1], Loss::None, &all),
        model("spec-c01-3", 3, &[0, 1], Loss::None, &all),
        model("spec-c012-3", 3, &[0, 1, 2], Loss::None, &all[..2]),
        model("spec-lossy-c01-2", 2, &[0, 1], Loss::Done, &all[..2]),
        model("spec-lossy-c01-2--wd-eventually-observed-done", 2, &[0, 1], Loss::Done, &all[2..]),
        faulty("spec-faults-c01-2", 2, &[0, 1], &[all[0], all[1], Property::LivenessIfAbortsEnd]),
        faulty("spec-faults-c012-3", 3, &[0, 1, 2], &all[..2]),
        // Without the assumption that aborts end, a call can be aborted again and again.
        faulty("spec-faults-c01-2--wd-eventually-observed-done", 2, &[0, 1], &all[2..]),
        // A lost Done is not made good by aborts that end.
        with_faults(
            "spec-lossy-faults-c0-1--wd-eventually-observed-done-if-aborts-end",
            1,
            &[0],
            Loss::Done,
            spec::SpecFaults::Possible,
            &[Property::LivenessIfAbortsEnd],
        ),
        with_faults("spec-early-done-c1-1", 1, &[1], Loss::None, spec::SpecFaults::EarlyDone, &all[..1]),
        with_faults(
            "spec-early-done-c1-1--observed-after-execution",
            1,
            &[1],
            Loss::None,
            spec::SpecFaults::EarlyDone,
            &all[1..2],
        ),
    ]
}

/// Larger rings, of which the graphs are compared and little else is checked.
fn graphs() -> Vec<Model> {
    let kinds = [("g3", Rules::G3, Lock::StrongFair), ("g4", Rules::G4, Lock::StrongFair)];
    let fifo = kinds.map(|(name, rules, _)| (name, rules, Lock::Fifo));
    let model = |(generation, rules, lock): (&str, Rules, Lock)| {
        let Value::Str(lock_name) = word(&lock) else { unreachable!("a lock has a name") };
        let cfg = RingCfg { lock, length: Length::new(6).expect("even"), ..RingCfg::new(rules, 2, [0, 1]) };
        Model {
            name: format!("graph-{generation}-{lock_name}"),
            about: format!("A graph to compare state for state: {generation}, {lock_name} lock. {GENERATED}"),
            subject: ring_of(cfg),
            slots: SlotFairness::Unfair,
            properties: vec![Property::TypeOk, Property::Ring(Check::NoDeadlock)],
        }
    };
    kinds.into_iter().chain(fifo).map(model).chain(fault_graphs()).collect()
}

/// The same of rings with faults: what the smaller models have none of.
fn fault_graphs() -> Vec<Model> {
    let model = |name: &str, what: &str, cfg: RingCfg| Model {
        name: format!("graph-faults-{name}"),
        about: format!("A graph to compare state for state: {what}. {GENERATED}"),
        subject: ring_of(cfg),
        slots: SlotFairness::Unfair,
        properties: vec![Property::TypeOk, Property::Ring(Check::NoDeadlock)],
    };
    let one = |class| Faults::of([class], 1);
    let lost = Faults { after_ite: AfterIte::IdsRun, ..one(FaultClass::LostAnswer) };
    let wds_run = Faults { after_ite: AfterIte::WdsRun, ..one(FaultClass::LostAnswer) };
    let gone = Faults { itesid: Itesid::Zero, ..one(FaultClass::DeviceGone) };
    let two = Faults { devices: 2, ..Faults::of([FaultClass::InvalidId, FaultClass::DeviceGone], 2) };
    let pipelined = Hardware::pipelined(3);
    let ring = |rules, submitters, counts: &[u8], faults| RingCfg { faults, ..RingCfg::new(rules, submitters, counts) };
    let two_ids = |rules| RingCfg { hardware: pipelined, ..ring(rules, 1, &[0, 2], lost.clone()) };
    vec![
        model(
            "none",
            "no fault, but each access of the fault check",
            RingCfg { fault_check: FaultCheck::Always, ..ring(Rules::G5, 2, &[0, 1], Faults::none()) },
        ),
        model("lone-wds", "lone WDs, and an invalid ID", ring(Rules::G5_PLUS, 2, &[0, 1], one(FaultClass::InvalidId))),
        model("two-ids", "two IDs in a batch, one not answered", two_ids(Rules::G5)),
        model("two-ids-g5plus", "the same, g5plus", two_ids(Rules::G5_PLUS)),
        model(
            "fifo",
            "a FIFO lock, and a WD that outlives an ITE",
            RingCfg { lock: Lock::Fifo, hardware: pipelined, ..ring(Rules::G4, 2, &[1], wds_run) },
        ),
        model("itesid-zero", "old hardware, and a device that goes", ring(Rules::G3T, 2, &[1], gone)),
        model("two-devices", "two devices, and two faults", ring(Rules::G5_PLUS, 1, &[1], two)),
    ]
}

/// A ring on which one fault may be injected, and what is expected to be violated there.
///
/// The ring has 4 slots and each of 2 submitters brings one ID and the WD: with lone WDs beside them there are more states
/// than [`MOST_STATES`]. A call is promised slots, so that what keeps it from returning is the fault.
struct FaultModel {
    generation: &'static str,
    class: FaultClass,
    after_ite: AfterIte,
    order: Order,
    violated: &'static [&'static str],
}

/// A generation each time a rule about faults changes, each class of faults, each reading of what becomes of fetched work.
const FAULTS: &[FaultModel] = {
    use AfterIte::{Drop, IdsRun, WdsRun};
    use FaultClass::{DeviceGone, Ice, InvalidId, InvalidWd, LostAnswer};
    use Order::{InOrder, Pipelined};

    const fn fault(
        generation: &'static str,
        class: FaultClass,
        after_ite: AfterIte,
        order: Order,
        violated: &'static [&'static str],
    ) -> FaultModel {
        FaultModel { generation, class, after_ite, order, violated }
    }
    /// The WD's copy completes though its owner has returned, and the WD itself is still to come.
    const COPIED_WD: &[&str] = &[
        "iqt-differs-from-iqh",
        "hw-fetched-unowned",
        "no-slot-leak",
        "no-stray-status-write",
        "refines-fair-spec",
        "call-eventually-returns",
    ];
    /// An ID is lost and the WD behind it, fetched after that, completes.
    const LOST_ID: &[&str] = &["success-after-execution", "refines-spec", "refines-fair-spec"];
    /// The same, and a batch that was given up writes its status.
    const LOST_ID_AND_STRAY: &[&str] =
        &["success-after-execution", "no-stray-status-write", "refines-spec", "refines-fair-spec"];
    /// The same, on slots that are taken for free.
    const LOST_ID_AND_SLOTS: &[&str] = &[
        "success-after-execution",
        "no-slot-leak",
        "no-stray-status-write",
        "refines-spec",
        "refines-fair-spec",
        "call-eventually-returns",
    ];
    /// A batch is left behind in the ring by an owner that has returned `-ETIMEDOUT`.
    const LEFT_BEHIND: &[&str] = &[
        "hw-fetched-unowned",
        "no-slot-leak",
        "no-stray-status-write",
        "refines-spec",
        "refines-fair-spec",
        "call-eventually-returns",
    ];
    &[
        fault("g1", InvalidId, Drop, InOrder, COPIED_WD),
        fault("g1", LostAnswer, Drop, InOrder, LOST_ID_AND_STRAY),
        fault("g1", Ice, Drop, InOrder, &[]),
        fault(
            "g1",
            DeviceGone,
            WdsRun,
            InOrder,
            &[
                "success-after-execution",
                "no-stray-status-write",
                "refines-spec",
                "refines-fair-spec",
                "call-eventually-returns",
            ],
        ),
        fault("g3", InvalidId, Drop, Pipelined, COPIED_WD),
        fault("g3", LostAnswer, IdsRun, Pipelined, LOST_ID_AND_STRAY),
        fault(
            "g3t",
            DeviceGone,
            Drop,
            InOrder,
            &["hw-fetched-unowned", "no-stray-status-write", "refines-spec", "refines-fair-spec"],
        ),
        fault("g4", InvalidId, Drop, InOrder, COPIED_WD),
        fault("g4", LostAnswer, Drop, InOrder, LOST_ID_AND_SLOTS),
        fault("g4", Ice, Drop, Pipelined, &[]),
        fault("g4r", DeviceGone, Drop, Pipelined, LOST_ID_AND_SLOTS),
        fault("g5", InvalidId, Drop, InOrder, COPIED_WD),
        fault("g5", LostAnswer, Drop, InOrder, LOST_ID),
        fault("g5", LostAnswer, IdsRun, Pipelined, LOST_ID),
        fault("g5", LostAnswer, WdsRun, Pipelined, LOST_ID_AND_SLOTS),
        fault("g5", DeviceGone, Drop, InOrder, LEFT_BEHIND),
        fault(
            "g5r",
            DeviceGone,
            IdsRun,
            InOrder,
            &["success-after-execution", "refines-spec", "refines-fair-spec", "call-eventually-returns"],
        ),
        fault("g5plus", InvalidId, Drop, InOrder, &[]),
        fault("g5plus", LostAnswer, Drop, InOrder, &[]),
        fault("g5plus", LostAnswer, IdsRun, Pipelined, &[]),
        fault("g5plus", LostAnswer, WdsRun, InOrder, LOST_ID_AND_SLOTS),
        fault("g5plus", Ice, Drop, Pipelined, &[]),
        fault("g5plus", DeviceGone, Drop, InOrder, &[]),
        fault("g5plus", DeviceGone, IdsRun, Pipelined, &[]),
        fault("g5plus", InvalidWd, Drop, InOrder, &[]),
    ]
};

impl FaultModel {
    fn cfg(&self) -> RingCfg {
        let generation = Generation::named(self.generation).expect("a generation's name");
        let faults = Faults { after_ite: self.after_ite, ..Faults::of([self.class], 1) };
        RingCfg { faults, hardware: Hardware { order: self.order, depth: 2 }, ..RingCfg::new(generation.rules, 2, [1]) }
    }

    fn name(&self) -> String {
        let after_ite = if self.class.times_out() { format!("-{}", self.after_ite.name()) } else { String::new() };
        let hardware = if self.order == Order::Pipelined { "-pipelined" } else { "" };
        format!("faults-{}-{}{after_ite}{hardware}", self.generation, self.class.name())
    }

    /// A model of what is expected to hold, and one for each property that is not.
    fn models(&self) -> Vec<Model> {
        let model = |name: String, what: &str, properties: Vec<Property>| Model {
            name,
            about: format!("{} with one {}: {what}. {GENERATED}", self.generation, self.class.name()),
            subject: ring_of(self.cfg()),
            // Where fairness says nothing, a file does not tell what kind of it is assumed.
            slots: if properties.iter().any(|p| p.needs_fairness()) {
                SlotFairness::Fair
            } else {
                SlotFairness::Unfair
            },
            properties,
        };
        let (violated, holds): (Vec<Check>, Vec<Check>) =
            Check::under_faults().partition(|check| self.violated.contains(&check.name()));
        let mut holds: Vec<_> = [Property::TypeOk].into_iter().chain(holds.into_iter().map(Property::Ring)).collect();
        // As a `.cfg` file has them: invariants first.
        holds.sort_by_key(|property| !property.is_invariant());
        let violated = violated.into_iter().map(|check| {
            let name = format!("{}--{}", self.name(), check.name());
            model(name, &format!("{} is expected to be violated", check.name()), vec![Property::Ring(check)])
        });
        [model(self.name(), "what is expected to hold", holds)].into_iter().chain(violated).collect()
    }
}

/// A ring with seeded rules or with faults that no other model has, as small as shows what it is there for: a test asks that
/// each value of each constant makes a difference in some model, and that each property is violated in one.
struct SmallModel {
    name: &'static str,
    /// What it is there for.
    what: &'static str,
    rules: Rules,
    submitters: usize,
    count: u8,
    faults: SmallFaults,
    /// A property that has to be violated there, if it is there for one.
    violated: Option<&'static str>,
}

/// The faults of a [`SmallModel`].
#[derive(Clone, Copy)]
enum SmallFaults {
    None,
    /// One of a class.
    One(FaultClass),
    /// Two devices may go, and hardware that is pipelined goes on with IDs after an ITE.
    TwoDevicesGone,
}

/// On a ring of 4 slots; each call brings the same number of IDs.
const SMALL: &[SmallModel] = &{
    const fn alone(name: &'static str, what: &'static str, rules: Rules) -> SmallModel {
        SmallModel { name, what, rules, submitters: 1, count: 1, faults: SmallFaults::None, violated: None }
    }
    let early_iqt = Rules { publish: Publish::StatusIqtWd, ..Rules::G4 };
    [
        SmallModel {
            submitters: 2,
            violated: Some("iqt-differs-from-iqh"),
            ..alone("count-plus1", "room for count + 1 slots", Rules { room: Room::CountPlus1, ..Rules::G3 })
        },
        SmallModel {
            violated: Some("hw-fetched-unowned"),
            ..alone("status-iqt-wd", "IQT is written before the WD", early_iqt)
        },
        SmallModel {
            violated: Some("no-overwrite-in-flight"),
            ..alone(
                "wd-iqt-status",
                "the WD's status is set after IQT is written",
                Rules { publish: Publish::WdIqtStatus, ..Rules::G4 },
            )
        },
        SmallModel {
            submitters: 2,
            count: 0,
            violated: Some("no-stranger-done"),
            ..alone("to-head", "RECLAIM up to free_head", Rules { reclaim: Reclaim::ToHead, ..Rules::G4 })
        },
        SmallModel {
            violated: Some("lock-held-on-access"),
            ..alone("unlocked", "MARK and RECLAIM without the lock", Rules { clean_up: CleanUp::Unlocked, ..Rules::G4 })
        },
        SmallModel {
            violated: Some("lock-eventually-dropped"),
            ..alone("no-head-guard", "RECLAIM has no end", Rules { reclaim: Reclaim::WhileFree, ..Rules::G4 })
        },
        SmallModel {
            count: 2,
            faults: SmallFaults::One(FaultClass::Ice),
            violated: Some("einval-only-if-invalid"),
            ..alone(
                "blank-wd",
                "a slot is fetched before the WD is written there, and its owner takes that IQE for its own",
                Rules { iqe_at: IqeAt::Any, ..early_iqt },
            )
        },
        SmallModel {
            count: 2,
            faults: SmallFaults::One(FaultClass::InvalidId),
            ..alone("second-id-invalid", "the second ID of a batch is invalid", Rules::G5)
        },
        SmallModel {
            count: 2,
            faults: SmallFaults::One(FaultClass::LostAnswer),
            ..alone(
                "first-id-lost",
                "the first of two IDs in hardware is not answered, and both are dropped",
                Rules::G5,
            )
        },
        SmallModel {
            faults: SmallFaults::One(FaultClass::DeviceGone),
            violated: Some("etimedout-only-if-gone"),
            ..alone(
                "wd-first-device-gone",
                "a call succeeds before its ID is executed, and the next one is told that it timed out",
                Rules { layout: Layout::WdFirst, ..Rules::G3T },
            )
        },
        SmallModel {
            count: 2,
            faults: SmallFaults::TwoDevicesGone,
            ..alone(
                "two-time-outs",
                "a second device times out while ITE is set, and ITESID stays; nothing is reclaimed, to keep the graph small",
                Rules { reclaim: Reclaim::Never, ..Rules::G5 },
            )
        },
    ]
};

impl SmallModel {
    fn cfg(&self) -> RingCfg {
        let cfg = RingCfg::new(self.rules, self.submitters, [self.count]);
        match self.faults {
            SmallFaults::None => cfg,
            SmallFaults::One(class) => RingCfg { faults: Faults::of([class], 1), ..cfg },
            SmallFaults::TwoDevicesGone => {
                let gone = Faults::of([FaultClass::DeviceGone], 2);
                let faults = Faults { devices: 2, after_ite: AfterIte::IdsRun, ..gone };
                RingCfg { faults, hardware: Hardware::pipelined(2), ..cfg }
            }
        }
    }

    /// A model whose graph is compared, and one of the property that is violated.
    fn models(&self) -> Vec<Model> {
        let model = |name: String, expected: String, property: Property| Model {
            name,
            about: format!("{}{expected}. {GENERATED}", self.what),
            subject: ring_of(self.cfg()),
            slots: SlotFairness::Unfair,
            properties: vec![property],
        };
        let name = format!("small-{}", self.name);
        let violated = self.violated.map(|violated| {
            let check = Check::named(violated).expect("a property's name");
            let expected = format!(": {violated} is expected to be violated");
            model(format!("{name}--{violated}"), expected, Property::Ring(check))
        });
        [model(name, String::new(), Property::TypeOk)].into_iter().chain(violated).collect()
    }
}

/// The models of `tlc --bench`: the largest safety model and a liveness model that TLC finishes in minutes.
fn benches() -> Vec<Model> {
    let model = |name: &str, submitters, length, properties: Vec<Property>| {
        let length = Length::new(length).expect("even");
        Model {
            name: name.into(),
            about: format!("For the clock. {GENERATED}"),
            subject: ring_of(RingCfg { length, ..RingCfg::new(Rules::G4, submitters, [0, 1]) }),
            slots: SlotFairness::Unfair,
            properties,
        }
    };
    let safety = Safety::ALL.into_iter().filter(|safety| !safety.needs_faults());
    let safety = safety.map(|safety| Property::Ring(Check::Safety(safety))).collect();
    vec![
        model("bench-safety", 3, 6, safety),
        model("bench-liveness", 2, 6, vec![Property::Ring(Check::WdEventuallyObservedDone)]),
    ]
}

/// The number of states of a ring, if it is at most [`MOST_STATES`].
fn unreduced_states(cfg: &ValidRing) -> Option<usize> {
    let limits = Limits { max_states: MOST_STATES, ..Limits::default() };
    with_ring!(cfg.clone(), |ring| {
        let graph = Search::new(&ring, Action::label).limits(limits).run();
        (graph.coverage() == Coverage::Complete).then_some(graph.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cfg(change: impl Fn(String) -> String) -> Result<Model, TwinError> {
        Model::parse("own", &change(graphs()[0].to_cfg()))
    }

    fn message(change: impl Fn(String) -> String) -> String {
        cfg(change).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read_back() {
        for model in Model::all().models {
            let read = Model::parse(&model.name, &model.to_cfg()).unwrap();
            assert_eq!(read.to_cfg(), model.to_cfg());
            // Rules about faults mean nothing where nothing fails, and no file holds them.
            if !model.subject.modules().contains(&"MCQIRing") {
                assert_eq!(read, model);
            }
        }
    }

    #[test]
    fn names_are_spelled_in_both_ways() {
        assert_eq!(camel("wd-eventually-observed-done"), "WdEventuallyObservedDone");
        assert_eq!(rule_constant("room-wait"), "RoomWaitRule");
    }

    #[test]
    fn comments_and_layout_mean_nothing() {
        let squeezed = cfg(|text| text.replace("Length = 6", "(* the\nring *) Length=6 \\* slots"));
        assert_eq!(squeezed.unwrap().subject, graphs()[0].subject);
    }

    #[test]
    fn unusable_models_are_refused_with_the_value() {
        assert_eq!(
            message(|text| text.replace("Depth = 2", "Depth = 9")),
            "a hardware that holds 9 fetched descriptors cannot be modelled; the depth must be 1 to 4"
        );
        assert!(message(|text| text.replace("Length = 6", "Width = 6")).ends_with("the constant Length has no value"));
        assert!(
            message(|text| text.replace("Length = 6", "Length = 6 Width = 6"))
                .starts_with("there is no constant Width; there are Counts, Depth, Generation,")
        );
        assert_eq!(
            message(|text| text.replace("Length = 6", "Length = 6 Length = 8")),
            "the constant Length has two values"
        );
        assert_eq!(
            message(|text| text.replace("{1, 2}", "{1, 3}")),
            "the constant Submitters is [1, 3], which is not {1, .. n}"
        );
        assert_eq!(
            message(|text| text.replace("Length = 6", "Length = \"six\"")),
            "the constant Length is \"six\", which is not a number of its range"
        );
        assert!(
            message(|text| text.replace("\"strong-fair\"", "\"weak\""))
                .starts_with("the constant Lock: \"weak\" is no value of lock; there are strong-fair, fifo")
        );
        assert_eq!(
            message(|text| text.replace("\"G3\"", "\"G5\"")),
            "the constant Generation is \"G5\", which is not \"G3\" or \"G4\""
        );
        assert!(
            message(|text| text.replace("NoDeadlock", "NoDeadlok"))
                .starts_with("there is no property NoDeadlok; there are TypeOK,")
        );
        assert_eq!(
            message(|text| text + "SYMMETRY Perms"),
            "SYMMETRY is not paired: TLC would explore other states than the Rust side"
        );
        assert_eq!(
            message(|text| text.replace("NoDeadlock", "NoDeadlock\nPROPERTY WdEventuallyObservedDone")),
            "the specification is Spec, but these properties are checked of FairSpec"
        );
        assert_eq!(
            message(|text| text.replace("SPECIFICATION Spec", "")),
            "there is no SPECIFICATION; there are Spec, FairSpec, SlotsFairSpec, FaultFairSpec, EarlyDoneSpec"
        );
    }

    #[test]
    fn each_scenario_has_a_twin_or_a_reason() {
        let table = Table::embedded();
        let selection = Selection::of(&table);
        for scenario in &table.scenarios {
            let left_out = selection.left_out.iter().any(|(name, _)| *name == scenario.name);
            assert!(left_out != selection.find(&scenario.name).is_some(), "{}", scenario.name);
        }
    }
}
