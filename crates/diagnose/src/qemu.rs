//! A QEMU log, judged by the bridge that replays logs: each life of each queue under each generation.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use vtd_qi::campaign::findings::Findings;
use vtd_qi::impl_qi::{GENERATIONS, Generation};
use vtd_qi_traces::qemu_log::{Life, Reader, TraceError};
use vtd_qi_traces::replay::{End, Ending, Options, ReplayVerdict, Replayed, judge_log};

/// A life of a queue, judged.
#[derive(Clone, Debug)]
pub struct JudgedLife {
    /// Which life of which unit.
    pub life: Life,
    /// What became of it under each generation that was asked.
    pub verdicts: Vec<(&'static Generation, Replayed)>,
}

/// Judges every life in a log, under the generations that the kernel may have, or under all.
///
/// # Errors
/// [`TraceError`], if the log cannot be read or never sets a queue up.
pub fn judge_qemu(log: &str, kernel: &[&str], cancel: Option<&AtomicBool>) -> Result<Vec<JudgedLife>, TraceError> {
    let options = Options { end: End::Anywhere, ..Options::default() };
    let generations: Vec<&Generation> = GENERATIONS
        .iter()
        .filter(|generation| match kernel {
            [] => generation.is_in_linux(),
            kernel => kernel.contains(&generation.name),
        })
        .collect();
    let mut go_on = || match cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let lives = judge_log(&mut Reader::new(log.as_bytes()), &generations, options, &mut |_| (), &mut go_on)?;
    Ok(lives.into_iter().map(|judged| JudgedLife { life: judged.life, verdicts: judged.verdicts }).collect())
}

impl JudgedLife {
    /// Whether some generation explains it without a broken promise and without a hang, and none explains it with one.
    pub fn is_fine(&self) -> bool {
        !self.group(Replayed::is_fine).is_empty() && self.harmed().is_empty()
    }

    /// The scenario or cell that has a run to the hang or the broken promise that it comes to, if that is a known one.
    pub fn shown_by(&self) -> Option<String> {
        self.harmed().into_iter().find_map(|(_, replayed)| match &replayed.verdict {
            ReplayVerdict::Accepted(accepted) => match &accepted.end {
                Ending::Stuck(stuck) => stuck.shown_by().map(String::from),
                _ => None,
            },
            ReplayVerdict::Broken(broken) => {
                let (number, _) = broken.breach.finding.as_ref()?;
                Findings::embedded().findings.get(number - 1).map(|finding| finding.cell.clone())
            }
            ReplayVerdict::Rejected(_) | ReplayVerdict::Unknown(_) => None,
        })
    }

    fn group(&self, wanted: impl Fn(&Replayed) -> bool) -> Vec<&(&'static Generation, Replayed)> {
        self.verdicts.iter().filter(|(_, replayed)| wanted(replayed)).collect()
    }

    /// The generations that explain it with a hang, or of which that is not known; if there is none, those that break a promise.
    fn harmed(&self) -> Vec<&(&'static Generation, Replayed)> {
        let hangs =
            self.group(|replayed| matches!(replayed.verdict, ReplayVerdict::Accepted(_)) && !replayed.is_fine());
        match hangs.is_empty() {
            true => self.group(|replayed| matches!(replayed.verdict, ReplayVerdict::Broken(_))),
            false => hangs,
        }
    }

    /// What it comes to, in one sentence: of the generations that say most for it, and of those that come to harm.
    pub fn verdict(&self) -> String {
        let (fine, harmed) = (self.group(Replayed::is_fine), self.harmed());
        match (&fine[..], &harmed[..]) {
            ([], []) => self.not_accepted(),
            (one, []) | ([], one) => told(one),
            (fine, harmed) => format!(
                "not decided, the kernel's version (in dmesg) would tell: either {}, or {}",
                told(fine),
                told(harmed)
            ),
        }
    }

    /// Why no generation explains it: the one that follows it furthest.
    fn not_accepted(&self) -> String {
        let stopped = self.verdicts.iter().map(|(generation, replayed)| match &replayed.verdict {
            ReplayVerdict::Rejected(rejection) => (rejection.line, generation.name, rejection.reason.to_string()),
            ReplayVerdict::Unknown(given_up) => {
                (given_up.line, generation.name, format!("not decided: {}", given_up.cause))
            }
            ReplayVerdict::Accepted(_) | ReplayVerdict::Broken(_) => (0, generation.name, String::new()),
        });
        match stopped.max_by_key(|(line, _, _)| *line) {
            Some((line, name, reason)) => {
                format!("no run of any generation that was asked; {name} follows it to line {line}: {reason}")
            }
            None => "no generation was asked".to_string(),
        }
    }
}

/// What some generations make of it that explain it alike.
fn told(those: &[&(&'static Generation, Replayed)]) -> String {
    let names = those.iter().map(|(generation, _)| generation.name).collect::<Vec<_>>().join(", ");
    match those.first().map(|(_, replayed)| &replayed.verdict) {
        Some(ReplayVerdict::Accepted(accepted)) => format!("a run of {names}; {}", ended(&accepted.end)),
        Some(ReplayVerdict::Broken(broken)) => {
            let breach = &broken.breach;
            let finding = breach
                .finding
                .as_ref()
                .map_or(String::new(), |(number, title)| format!(", finding {number} of docs/findings.md ({title})"));
            let (line, harm, end) = (breach.line, breach.harm, ended(&broken.end));
            format!("a run of {names} that breaks a promise at line {line}: {harm}{finding}; {end}")
        }
        _ => format!("no run of {names}"),
    }
}

fn ended(end: &Ending) -> String {
    match end {
        Ending::Stuck(stuck) => format!("it ends stuck: {}; {}", stuck.what(), stuck.fix()),
        Ending::Middle { .. } => "it ends in the middle, and each call can still return".to_string(),
        other => other.to_string(),
    }
}
