//! Checking many scenarios at a time, with progress on standard error.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use indicatif::HumanCount;
use stateright_temporal::graph::Limits;
use stateright_temporal::memory::Memory;
use vtd_qi::scenario::Scenario;
use vtd_qi::verify::{Detail, Report, not_checked, verify_with};
use vtd_qi_terminal::{ProgressLine, complain};

/// How to check.
#[derive(Clone, Copy)]
pub struct How {
    /// Worker threads.
    pub threads: usize,
    /// Give a scenario up when it has more states than this; as many as fit into memory if `None`.
    pub max_states: Option<u32>,
    /// How many bytes all searches together may take.
    pub memory: usize,
    /// What is made of counterexamples.
    pub detail: Detail,
}

/// What a worker is at.
struct Doing {
    scenario: usize,
    since: Instant,
    states: Arc<AtomicUsize>,
}

/// How many threads the machine runs at once.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How long a worker may take to notice that it was cancelled.
const GRACE: Duration = Duration::from_secs(2);

/// Checks all scenarios, several at a time, and returns the reports in their order.
///
/// After Ctrl-C the rest is unknown; a worker that does not notice in time is left behind.
/// `done` is called with each report as it comes.
pub fn run_all(
    scenarios: &[Scenario],
    how: How,
    cancel: &'static AtomicBool,
    mut done: impl FnMut(usize, &Report),
) -> Vec<Report> {
    let threads = how.threads;
    let workers = threads.min(scenarios.len());
    let owned: Vec<Scenario> = scenarios.to_vec();
    let queue = Arc::new(Mutex::new(owned.into_iter().enumerate()));
    let (send, receive) = mpsc::channel();
    let mut doing: Vec<Arc<Mutex<Option<Doing>>>> = Vec::new();
    for memory in Memory::of(how.memory).split(workers) {
        let (send, queue, max_states) = (send.clone(), queue.clone(), how.max_states);
        let mine = Arc::new(Mutex::new(None));
        let shown = mine.clone();
        let worker = move || loop {
            let Some((i, scenario)) = queue.lock().expect("no panic holds it").next() else { return };
            let states = Arc::new(AtomicUsize::new(0));
            *mine.lock().expect("no panic holds it") =
                Some(Doing { scenario: i, since: Instant::now(), states: states.clone() });
            let progress = |found: usize, _: usize| states.store(found, Ordering::Relaxed);
            let limits = Limits {
                max_states: max_states.map_or(usize::MAX, |n| n as usize),
                memory: Some(&memory),
                threads: (threads / workers).max(1),
                cancel: Some(cancel),
                progress: Some(&progress),
            };
            let report = verify_with(&scenario, limits, how.detail);
            *mine.lock().expect("no panic holds it") = None;
            if send.send((i, report)).is_err() {
                return;
            }
        };
        match std::thread::Builder::new().spawn(worker) {
            Ok(_) => doing.push(shown),
            Err(error) => complain(format_args!("warning: {} of {workers} workers: {error}", doing.len())),
        }
    }
    drop(send);
    let mut reports: Vec<Option<Report>> = scenarios.iter().map(|_| None).collect();
    let mut line = ProgressLine::new();
    let mut cancelled: Option<Instant> = None;
    loop {
        match receive.recv_timeout(Duration::from_millis(200)) {
            Ok((i, report)) => {
                done(i, &report);
                reports[i] = Some(report);
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        if cancel.load(Ordering::Relaxed) && cancelled.get_or_insert_with(Instant::now).elapsed() > GRACE {
            break;
        }
        let at_work = doing.iter().filter_map(|doing| {
            let doing = doing.lock().ok()?;
            let Doing { scenario, since, states } = doing.as_ref()?;
            let states = HumanCount(states.load(Ordering::Relaxed) as u64);
            let name = &scenarios[*scenario].name;
            Some(match since.elapsed().as_secs() {
                0 => name.clone(),
                seconds => format!("{name} {seconds} s, {states} states"),
            })
        });
        let at_work: Vec<String> = at_work.collect();
        let (finished, all) = (reports.iter().flatten().count(), scenarios.len());
        line.show_part(finished, all, "scenarios", &at_work.join("; "));
    }
    line.clear();
    let rest = |(report, scenario): (Option<Report>, &Scenario)| {
        let why = if cancelled.is_some() { "cancelled" } else { "the check failed, see standard error" };
        report.unwrap_or_else(|| not_checked(scenario, why))
    };
    reports.into_iter().zip(scenarios).map(rest).collect()
}
