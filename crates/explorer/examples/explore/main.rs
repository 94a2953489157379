//! Serves stateright's Explorer for the ring or for the specification, and prints the link that opens a counterexample.

use std::cell::OnceCell;
use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Parser, ValueEnum};
use stateright::{Model, Path};
use stateright_front::{Front, Page, hidden_address, leave_working_directory};
use stateright_temporal::graph::{Coverage, Limits, Search};
use stateright_temporal::liveness::{Checker, LivenessVerdict, Run, judge, realize};
use stateright_temporal::memory::Memory;
use vtd_qi::impl_qi::Action;
use vtd_qi::refine::spec_cfg;
use vtd_qi::scenario::Scenario;
use vtd_qi::spec::{self, Loss, Spec};
use vtd_qi::verify::{self, Report, verify};
use vtd_qi::with_ring;
use vtd_qi_explorer::drawing::Drawn;
use vtd_qi_explorer::page::page;
use vtd_qi_page::about::About;
use vtd_qi_page::run::shown_outcomes;
use vtd_qi_subject::{ConfigurationArgs, Own};
use vtd_qi_terminal::{Exit, Failure, Output, arguments, complain, interrupt, memory, unless_interrupted};

use subject::Subject;

mod subject;

/// Explore the model of VT-d queued invalidation in a browser, step by step, with pictures.
#[derive(Parser)]
#[command(after_help = "\
Examples:
  explore                                 the 2024 lockup on a ring of 4 slots
  explore g4-c01                          the same configuration with the fix
  explore --model lossy-spec              what the lockup looks like from above: a Done is lost
  explore g3-c01 --property R1 --addr 127.0.0.1:8080
  explore g5-lost-answer-in-order-drop-2x4    a cell of the verdict matrix
  explore g4-c01-2x4 --rule reclaim=never     a configuration made with the options of check

The page opens at the step of a counterexample that does the harm, and at the initial state where nothing is violated. Any \
action that is possible in the state in view can be taken. Addresses like #/steps/0/1/0 name a state by the actions that lead \
there; the link that is printed shows the counterexample to its end, its loop once. `check --list` shows the scenarios, cells and \
properties that there are.

It answers as localhost, as a loopback address or as the address that it listens on, under no other port than its own. \
No other page that the browser has open can command it or read what it answers. Stateright's own server, which it asks, \
listens at a loopback address drawn at random; other programs of this machine can find it there and ask what the page \
shows.

The search for a counterexample takes at most what --max-memory allows; what is not found by then is undecided. The \
page can let stateright search all of it by itself, which counts no memory: when it has taken half of that and 8 MB, \
or there is too little left to double its tables, explore ends and says so.

Exit code: 130 stopped by a signal, 1 ended because the memory was used up, 2 unusable arguments or an address that is \
not to be had.")]
struct Args {
    /// A scenario, a cell of the verdict matrix, or a family: then its first scenario that is expected to violate something, or else
    /// its first; g3-c01-2x4 if left out
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// The configuration that is changed or begun with a generation.
    #[command(flatten)]
    configuration: ConfigurationArgs,
    /// What to explore of it
    #[arg(long, value_enum, default_value = "ring")]
    model: ModelArg,
    /// The property whose counterexample to show, by name or by code; if left out, all that the scenario is asked for, and
    /// wd-eventually-observed-done first
    #[arg(long, value_name = "NAME")]
    property: Option<String>,
    /// How much memory the search may take, like 500M or 2G; three quarters of what is available if left out. The program itself takes
    /// up to 64 MB beside that
    #[arg(long, value_name = "SIZE", value_parser = memory::size)]
    max_memory: Option<ByteSize>,
    /// Where to listen; with port 0, any free port
    #[arg(long, default_value = "127.0.0.1:3000")]
    addr: SocketAddr,
    /// Show the page that stateright brings along, which is all there is of the specification
    #[arg(long)]
    stock: bool,
    /// Take the page from this folder: index.htm, app.js, app.css, knockout-3.5.0.js; what it lacks is stateright's own
    #[arg(long, value_name = "DIR", conflicts_with = "stock")]
    ui: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModelArg {
    /// The ring: slots, registers, lock and the timeline so far
    Ring,
    /// The specification with the scenario's submitters and counts: a sequence diagram
    Spec,
    /// The specification that may lose a Done
    LossySpec,
}

fn main() -> ExitCode {
    vtd_qi_terminal::run(program)
}

fn program(out: &mut Output) -> Result<Exit, Failure> {
    let Some(args) = arguments::<Args>(out)? else { return Ok(Exit::Success) };
    let subject = Subject::of(args.name.as_deref(), args.property.as_deref(), &args.configuration);
    let subject = match args.model {
        ModelArg::Ring => subject,
        ModelArg::Spec | ModelArg::LossySpec => subject.and_then(|it| it.of_specification(&args.configuration)),
    };
    let subject = subject.map_err(Failure::Unusable)?;
    let page = args.ui.as_deref().map(Page::in_folder).transpose().map_err(Failure::unusable)?;
    let allowed = memory::allowance(args.max_memory, THREADS)?;
    let listener = listen(args.addr).map_err(Failure::Unusable)?;
    let page = page.or(args.stock.then(Page::default));
    let place = Place { listener, page, allowed };
    if !args.addr.ip().is_loopback() {
        complain(format_args!("warning: everybody who reaches {} is answered", args.addr));
    }
    leave_working_directory()
        .map_err(|error| Failure::unusable(format_args!("no empty folder can be made: {error}")))?;
    match args.model {
        ModelArg::Ring => explore_ring(out, subject, place),
        ModelArg::Spec => explore_spec(out, &subject.scenario, Loss::None, place),
        ModelArg::LossySpec => explore_spec(out, &subject.scenario, Loss::Done, place),
    }
}

/// How many threads there are, about: the front's, and those of stateright's server and search.
const THREADS: usize = 8;

/// Where the Explorer is to be seen, with which page if not with ours, and how much memory it may take. The address is held
/// until a front listens on it.
struct Place {
    listener: TcpListener,
    page: Option<Page>,
    allowed: usize,
}

fn listen(addr: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(addr).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => format!("{addr} is in use by another program; choose another address with --addr"),
        _ => format!("cannot listen on {addr}: {error}"),
    })
}

/// A run to link to and what it shows, or what to say in its place.
type Link<A> = Result<(String, Vec<A>), String>;

const NONE: &str = "no counterexample was found";

fn explore_ring(out: &mut Output, Subject { scenario, own, .. }: Subject, place: Place) -> Result<Exit, Failure> {
    complain(format_args!("looking for a counterexample of {}", scenario.name));
    let (searched, memory) = (scenario.clone(), Memory::of(place.allowed));
    let report = unless_interrupted(move |cancel| {
        verify(&searched, Limits { memory: Some(&memory), cancel: Some(cancel), ..Limits::default() })
    });
    let Some(report) = report.filter(|_| !interrupted()) else { return not_found(out, &scenario) };
    let title = format!("{}, {} slots", title(&scenario, "the ring"), scenario.cfg.length.slots());
    with_ring!(scenario.cfg.clone(), |ring| {
        let page = place.page.clone().unwrap_or_else(|| page(&ring.widened(), &scenario, &report, about(own)));
        serve(out, Drawn::new(ring), &title, violation(&report), Place { page: Some(page), ..place })
    })
}

/// What the page says of itself.
fn about(own: Option<Own>) -> About {
    let not_asked = own.iter().flat_map(|own| &own.not_asked).map(|check| check.name().to_string()).collect();
    let version = env!("CARGO_PKG_VERSION").to_string();
    About { version, own: own.map(|own| own.what), not_asked, ..About::default() }
}

/// The counterexample that the page begins with.
fn violation(report: &Report) -> Link<Action> {
    let Some(outcome) = shown_outcomes(report).first().copied() else {
        let undecided = report.properties.iter().find(|outcome| outcome.verdict == verify::Verdict::Unknown);
        let but = undecided.map_or(String::new(), |outcome| {
            let why = outcome.detail.as_ref().map_or(String::new(), |why| format!(": {why}"));
            format!(", but {} is undecided{why}", outcome.check.name())
        });
        return Err(format!("{NONE}{but}"));
    };
    let violation = outcome.counterexample.as_ref().expect("it was filtered for that");
    let detail = outcome.detail.as_ref().map_or(String::new(), |detail| format!(" ({detail})"));
    let repeating = match violation.repeating {
        0 => String::new(),
        steps => format!(", then {steps} for ever"),
    };
    let title = format!("violates {}{detail}: {} steps{repeating}", outcome.check.name(), violation.stem);
    Ok((title, violation.actions.clone()))
}

fn explore_spec(out: &mut Output, scenario: &Scenario, loss: Loss, place: Place) -> Result<Exit, Failure> {
    let spec = spec_cfg(&scenario.cfg, loss).into_model().map_err(Failure::unusable)?;
    let what = match loss {
        Loss::None => "the specification",
        Loss::Done => "the specification that may lose a Done",
    };
    let (searched, memory) = (spec.clone(), Memory::of(place.allowed));
    let link = unless_interrupted(move |cancel| {
        let limits = Limits { max_states: 1_000_000, memory: Some(&memory), cancel: Some(cancel), ..Limits::default() };
        never_observed(&searched, limits)
    });
    let Some(link) = link.filter(|_| !interrupted()) else { return not_found(out, scenario) };
    serve(out, spec, &title(scenario, what), link, place)
}

/// A fair run on which a submitter waits for ever, judged again from the definitions.
fn never_observed(spec: &Spec, limits: Limits) -> Link<spec::SpecAction> {
    let undecided = |why: &dyn Display| format!("{NONE}, but wd-eventually-observed-done is undecided: {why}");
    let graph = Search::new(spec, spec::label).limits(limits).run();
    let fairness = spec.fairness();
    let checker = Checker::new(&graph, &fairness).map_err(|error| undecided(&error))?;
    for t in 0..spec.cfg().submitters as u8 {
        let observed = spec.observed(t);
        let lasso = match checker.check(&observed, None).map_err(|error| undecided(&error))? {
            LivenessVerdict::Violated(lasso) => lasso,
            LivenessVerdict::Holds | LivenessVerdict::Vacuous(_) => continue,
            LivenessVerdict::Unknown(coverage) => {
                let used = match (coverage, limits.memory) {
                    (Coverage::CutByMemory, Some(memory)) => format!(", and the {memory} of memory are used"),
                    _ => String::new(),
                };
                return Err(undecided(&format!("it has more than {} states{used}", graph.len())));
            }
        };
        let run = realize(spec, spec::label, None, &graph, &lasso).map_err(|error| undecided(&error))?;
        judge(spec, spec::label, &fairness, &observed, &run).map_err(|error| undecided(&error))?;
        let title =
            format!("violates wd-eventually-observed-done (T{} waits for ever): {} steps", t + 1, run.stem.len());
        return Ok((title, actions(spec, &run)));
    }
    Err(NONE.to_string())
}

/// The actions of a run, its loop taken once.
fn actions(spec: &Spec, run: &Run<spec::SpecState, spec::SpecLabel>) -> Vec<spec::SpecAction> {
    let mut before = &run.initial;
    let mut actions = Vec::new();
    for (label, after) in run.stem.iter().chain(&run.cycle) {
        let mut steps = spec.next_steps(before).into_iter();
        let step = steps.find(|(action, next)| spec::label(action) == *label && next == after);
        actions.extend(step.map(|(action, _)| action));
        before = after;
    }
    actions
}

fn title(scenario: &Scenario, what: &str) -> String {
    let cfg = &scenario.cfg;
    format!("{}: {what}, {} submitters, counts {:?}", scenario.name, cfg.submitters, cfg.counts)
}

fn interrupted() -> bool {
    interrupt().load(Ordering::Relaxed)
}

/// A signal came before there was anything to see.
fn not_found(out: &mut Output, scenario: &Scenario) -> Result<Exit, Failure> {
    writeln!(out, "{}: interrupted before a counterexample was found", scenario.name)?;
    Ok(Exit::Interrupted)
}

/// What the program takes beside what its search takes: the page's answers, the stacks of threads.
const BESIDE: u64 = 8_000_000;

/// Starts stateright's Explorer out of sight and a front before it, prints where that is, and serves until a signal comes.
fn serve<M>(
    out: &mut Output,
    model: M,
    title: &str,
    link: Link<M::Action>,
    Place { listener, page, allowed }: Place,
) -> Result<Exit, Failure>
where
    M: Model + Send + Sync + 'static,
    M::Action: Debug + Send + Sync + Clone + PartialEq,
    M::State: Debug + Hash + Send + Sync + Clone + PartialEq,
{
    let addr = link_address(listener.local_addr().map_err(Failure::unusable)?);
    let found = match link {
        Ok((title, actions)) => {
            let initial = model.init_states().swap_remove(0);
            let path = Path::from_actions(&model, initial, &actions).expect("a counterexample is a run of the model");
            format!("{title}\nhttp://{addr}/#/steps/{}", path.encode(&model))
        }
        Err(none) => none,
    };
    let hidden =
        hidden_address().map_err(|error| Failure::unusable(format_args!("no loopback port is free: {error}")))?;
    let explorer = thread::spawn(move || drop(model.checker().serve(hidden)));
    let (before, ended) = (memory::resident(), OnceCell::new());
    let over = || {
        let grown = before.zip(memory::resident()).map(|(before, now)| now.saturating_sub(before));
        if let Some(why) = grown.and_then(|grown| used_up(grown, allowed)) {
            ended.get_or_init(|| why);
        }
        interrupted() || ended.get().is_some() || explorer.is_finished()
    };
    while TcpStream::connect(hidden).is_err() && !over() {
        thread::sleep(Duration::from_millis(10));
    }
    writeln!(out, "{title}\nhttp://{addr}/\n\n{found}\n\nCtrl-C stops it.")?;
    out.flush()?;
    let front = Front::new(listener, hidden).map_err(Failure::unusable)?.with_page(page.unwrap_or_default());
    front.serve(over).map_err(|error| Failure::unusable(format_args!("cannot serve on {addr}: {error}")))?;
    if interrupted() {
        return Ok(Exit::Interrupted);
    }
    let Some(why) = ended.get() else {
        return Err(Failure::unusable("stateright's Explorer has ended by itself"));
    };
    writeln!(
        out,
        "\nended: stateright's search has taken {why}, and its tables may double; what it has not found is unknown"
    )?;
    Ok(Exit::Negative)
}

/// Why a search that has taken so many bytes cannot go on: it has half of what was allowed, or there is not enough left
/// to double its tables, of which the old and the new are there at once.
fn used_up(taken: u64, allowed: usize) -> Option<String> {
    let si = |bytes| ByteSize::b(bytes).display().si();
    if taken > allowed as u64 / 2 + BESIDE {
        return Some(format!("half of the {} of memory that were allowed", si(allowed as u64)));
    }
    let available = memory::available(0);
    let too_little = available.size.as_u64() < 2 * taken + BESIDE;
    too_little.then(|| format!("{} of memory beside the {available}", si(taken)))
}

/// The address that a link on this machine can name: of all of them, a loopback one.
fn link_address(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listening.port())
}
