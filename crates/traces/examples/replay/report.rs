//! What is said of a life of the queue: the verdict first, then each generation.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use vtd_qi::campaign::findings::Findings;
use vtd_qi::impl_qi::Generation;
use vtd_qi_terminal::printable;
use vtd_qi_terminal::style::{BAD, GOOD, Style, UNSURE, painted};
use vtd_qi_traces::qemu_log::{Facts, Summary};
use vtd_qi_traces::replay::{
    Accepted, Breach, BrokenPromise, Ending, GivenUp, Grain, Qemu, Rejection, ReplayVerdict, Replayed, ReplayedLife,
    SpecSteps,
};

/// What is said of a life of the queue.
#[derive(Serialize)]
pub struct Report {
    pub file: PathBuf,
    /// The life's number in the log, from 1, and the unit's.
    life: usize,
    unit: usize,
    /// The line of the set-up.
    from_line: u64,
    #[serde(skip)]
    lives: usize,
    lines: u64,
    /// How many threads write IQT; none if the log names no threads.
    cpus: Option<usize>,
    slots: u16,
    pub summary: Summary,
    ignored: BTreeMap<String, u64>,
    /// How many lines are no events of QEMU.
    other_lines: u64,
    #[serde(skip)]
    other_texts: Vec<(u64, String)>,
    pub verdict: Word,
    generations: Vec<Fit>,
}

/// What became of a life, in a word, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// A run that keeps all promises.
    Run,
    /// A run at whose end somebody can never return.
    Stuck,
    /// A run that breaks a promise.
    BreaksAPromise,
    Unknown,
    NotARun,
}

impl Display for Word {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Word::Run => "a run",
            Word::Stuck => "a run that ends stuck",
            Word::BreaksAPromise => "a run that breaks a promise",
            Word::Unknown => "unknown",
            Word::NotARun => "not a run",
        })
    }
}

impl Word {
    fn style(self) -> Style {
        match self {
            Word::Run => GOOD,
            Word::Unknown => UNSURE,
            Word::Stuck | Word::BreaksAPromise | Word::NotARun => BAD,
        }
    }
}

/// What became of a life under one generation.
#[derive(Serialize)]
struct Fit {
    generation: &'static str,
    verdict: Word,
    #[serde(skip_serializing_if = "Option::is_none")]
    spec_steps: Option<SpecSteps>,
    /// The promise that is broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    breach: Option<Breach>,
    /// How it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<Ending>,
    /// Where and why a replay was rejected or given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<Stopped>,
    most_states: usize,
    grain: Grain,
    /// Which unit may have written it: auto is either.
    unit: Qemu,
}

#[derive(Serialize)]
struct Stopped {
    line: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    reason: String,
}

impl Report {
    /// What is said of a life in a file, of whose log as a whole this is known.
    pub fn new(file: &Path, judged: ReplayedLife, facts: &Facts) -> Report {
        let ReplayedLife { life, threads, summary, verdicts } = judged;
        let generations: Vec<Fit> =
            verdicts.into_iter().map(|(generation, replayed)| Fit::of(generation, replayed)).collect();
        Report {
            file: file.into(),
            life: life.number + 1,
            unit: life.unit + 1,
            from_line: life.line,
            lives: facts.lives,
            lines: facts.lines,
            cpus: (threads > 0).then_some(threads),
            slots: life.length.slots(),
            summary,
            ignored: facts.ignored.clone(),
            other_lines: facts.others.count,
            other_texts: facts.others.shown.clone(),
            verdict: generations.iter().map(|fit| fit.verdict).min().unwrap_or(Word::Unknown),
            generations,
        }
    }

    /// Prints the verdict, and what there is to say beside.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let word = self.verdict.to_string();
        let sentence = self.sentence().replacen(&word, &painted(self.verdict.style(), &word), 1);
        writeln!(out, "{}: {sentence}", self.name())?;
        self.print_details(out)
    }

    /// Prints what there is to say beside the verdict.
    pub fn print_details(&self, out: &mut impl Write) -> io::Result<()> {
        let Summary { iqt_writes, wds, status_writes, ites, aborted, batches, laps, outstanding, .. } = &self.summary;
        let cpus = self.cpus.map_or("not named".into(), |cpus| cpus.to_string());
        writeln!(
            out,
            "  {} lines, ring of {} slots, CPUs {cpus}, IQT writes {iqt_writes}, WDs fetched {wds}, status writes \
             {status_writes}, laps {laps:.1}",
            self.lines, self.slots
        )?;
        if let Some(fit) = self.best().filter(|fit| fit.verdict != Word::NotARun) {
            writeln!(out, "  written by {}", wrote(fit.unit))?;
        }
        writeln!(out, "  batches (IDs per WD): {}", list(batches, |ids, times| format!("{times} of {ids}")))?;
        let outstanding = list(outstanding, |batches, times| format!("{batches}, {times} times"));
        writeln!(out, "  outstanding at an IQT write: {outstanding}")?;
        if *ites > 0 {
            writeln!(out, "  device time-outs: ITE set {ites} times, WDs aborted {aborted}")?;
        }
        let said = self.generations.iter().map(Fit::said).collect::<Vec<_>>();
        // Generations of which the same is to be said stand together.
        for (first, text) in said.iter().enumerate().filter(|(at, text)| !said[..*at].contains(text)) {
            let alike = self.generations.iter().zip(&said).skip(first).filter(|(_, other)| *other == text);
            let names: Vec<&str> = alike.map(|(fit, _)| fit.generation).collect();
            writeln!(out, "  {}: {text}", names.join(", "))?;
        }
        writeln!(out, "  other events: {}", list(&self.ignored, |kind, times| format!("{kind} {times}")))?;
        if self.other_lines > 0 {
            writeln!(out, "  lines that are no events of QEMU: {}", self.other_lines)?;
            for (line, text) in &self.other_texts {
                writeln!(out, "    line {line}: {}", printable(text))?;
            }
        }
        Ok(())
    }

    /// What the log, and the life in it, is called.
    pub fn name(&self) -> String {
        let file = printable(&self.file.to_string_lossy()).into_owned();
        match self.lives {
            1 => file,
            lives => {
                format!("{file}, life {} of {lives} (unit {}, from line {})", self.life, self.unit, self.from_line)
            }
        }
    }

    /// The generations of a verdict.
    fn of(&self, word: Word) -> Vec<&'static str> {
        self.generations.iter().filter(|fit| fit.verdict == word).map(|fit| fit.generation).collect()
    }

    /// The first generation that has the life's verdict.
    fn best(&self) -> Option<&Fit> {
        self.generations.iter().find(|fit| fit.verdict == self.verdict)
    }

    /// The verdict in a sentence.
    pub fn sentence(&self) -> String {
        let Some(best) = self.best() else { return "nothing was judged".into() };
        let word = self.verdict;
        let names = self.of(self.verdict).join(", ");
        match self.verdict {
            Word::Run => {
                let end = best.end.as_ref().map_or(String::new(), |end| format!("; {}", short(end)));
                let stuck = self.of(Word::Stuck);
                let or = match stuck.is_empty() {
                    true => String::new(),
                    false => format!(
                        ". If the machine hung here, it was {}, of which this is a run that ends stuck",
                        stuck.join(" or ")
                    ),
                };
                format!("{word} of {names}{end}{or}")
            }
            Word::Stuck => match &best.end {
                Some(Ending::Stuck(stuck)) => {
                    format!("{word}, of {names}: {}; {}", stuck.what(), stuck.fix())
                }
                _ => format!("{word}, of {names}"),
            },
            Word::BreaksAPromise => match &best.breach {
                Some(Breach { line, property, harm, .. }) => {
                    format!("{word} of {names}: at line {line} {property} is broken, {harm}")
                }
                None => format!("{word} of {names}"),
            },
            Word::Unknown => match &best.stopped {
                Some(Stopped { line, reason, .. }) => format!("{word} from line {line}: {reason}"),
                None => format!(
                    "{word}: it is a run of {names}, but whether somebody is stuck at its end was not found out"
                ),
            },
            Word::NotARun => {
                // The generation that goes furthest says most.
                let last = self.generations.iter().filter_map(|fit| Some((fit, fit.stopped.as_ref()?)));
                match last.max_by_key(|(_, stopped)| stopped.line) {
                    Some((_, stopped)) if self.generations.len() > 1 => {
                        format!("{word} of any generation: at line {} {}", stopped.line, stopped.reason)
                    }
                    Some((fit, stopped)) => {
                        format!("{word} of {}: at line {} {}", fit.generation, stopped.line, stopped.reason)
                    }
                    None => word.to_string(),
                }
            }
        }
    }

    /// The first generation with a verdict.
    fn first(&self, word: Word) -> Option<&Fit> {
        self.generations.iter().find(|fit| fit.verdict == word)
    }

    /// The scenario or cell that has the shortest run to the hang or the broken promise, if that is a known one.
    pub fn known_as(&self) -> Option<String> {
        let stuck = self.first(Word::Stuck).and_then(|fit| fit.end.as_ref());
        let broken = self.first(Word::BreaksAPromise).and_then(|fit| fit.breach.as_ref());
        match (stuck, broken) {
            (Some(Ending::Stuck(stuck)), _) => stuck.shown_by().map(String::from),
            (_, Some(Breach { finding: Some((number, _)), .. })) => {
                Findings::embedded().findings.get(number - 1).map(|finding| finding.cell.clone())
            }
            _ => None,
        }
    }

    /// What to do next.
    pub fn next(&self) -> String {
        match self.known_as() {
            Some(name) => format!("check {name} shows the shortest run to such a state, and why"),
            _ if self.verdict == Word::NotARun => {
                "look at the line above it; --prefix leaves the end of a log that is cut off unjudged".into()
            }
            _ if self.verdict == Word::Unknown => "the same with --generation NAME judges one generation".into(),
            _ => "check g3-patch shows a run that a log cannot show, step by step".into(),
        }
    }
}

/// How a life ends, in short.
fn short(end: &Ending) -> String {
    match end {
        Ending::Middle { .. } => "it ends in the middle of calls that can still return".into(),
        Ending::Stuck(_) => "it ends stuck".into(),
        end => end.to_string(),
    }
}

/// Which unit wrote a log.
fn wrote(unit: Qemu) -> &'static str {
    match unit {
        Qemu::Auto => "QEMU's own unit or one with a thread of its own",
        Qemu::Stock => "QEMU's own unit",
        Qemu::Async => "a unit with a thread of its own",
    }
}

fn list<K, V>(entries: &BTreeMap<K, V>, show: impl Fn(&K, &V) -> String) -> String {
    match entries.is_empty() {
        true => "none".into(),
        false => entries.iter().map(|(key, value)| show(key, value)).collect::<Vec<_>>().join(", "),
    }
}

impl Fit {
    fn of(generation: &Generation, replayed: Replayed) -> Fit {
        let Replayed { verdict, most_states, grain, unit } = replayed;
        let fit = Fit {
            generation: generation.name,
            verdict: Word::Run,
            spec_steps: None,
            breach: None,
            end: None,
            stopped: None,
            most_states,
            grain,
            unit,
        };
        match verdict {
            ReplayVerdict::Accepted(Accepted { steps, end }) => {
                let verdict = match end {
                    Ending::Stuck(_) => Word::Stuck,
                    Ending::NotFound { .. } => Word::Unknown,
                    Ending::Idle | Ending::Middle { .. } | Ending::NotJudged => Word::Run,
                };
                Fit { verdict, spec_steps: Some(steps), end: Some(end), ..fit }
            }
            ReplayVerdict::Broken(BrokenPromise { breach, end }) => {
                Fit { verdict: Word::BreaksAPromise, breach: Some(breach), end: Some(end), ..fit }
            }
            ReplayVerdict::Rejected(Rejection { line, text, reason, .. }) => {
                let stopped = Stopped { line, text: text.into(), reason: reason.to_string() };
                Fit { verdict: Word::NotARun, stopped: Some(stopped), ..fit }
            }
            ReplayVerdict::Unknown(GivenUp { line, cause }) => {
                let stopped = Stopped { line, text: String::new(), reason: cause.to_string() };
                Fit { verdict: Word::Unknown, stopped: Some(stopped), ..fit }
            }
        }
    }

    /// What is said of the generation, behind its name.
    fn said(&self) -> String {
        let grain = if self.grain == Grain::Steps { " (each hidden step by itself)" } else { "" };
        let mut said = format!("{}{grain}", self.verdict);
        if let Some(steps) = self.spec_steps {
            let SpecSteps { submit, accept, execute, complete, observe, abort, repost, refuse } = steps;
            said += &format!(
                ", at most {} states at once; steps of the specification: Submit {submit}, Accept {accept}, Execute {execute}, \
                 Complete {complete}, Observe {observe}",
                self.most_states
            );
            if abort > 0 {
                said += &format!(", Abort {abort}, Repost {repost}");
            }
            if refuse > 0 {
                said += &format!(", Refuse {refuse}");
            }
        }
        if let Some(Stopped { line, text, reason }) = &self.stopped {
            let from = if self.verdict == Word::Unknown { "from" } else { "at" };
            said += &format!(" {from} line {line}: {reason}");
            if !text.is_empty() {
                said += &format!("\n    {}", printable(text));
            }
        }
        if let Some(Breach { line, text, property, harm, finding, before, after }) = &self.breach {
            said += &format!("\n    line {line}: {property} is broken: {harm}\n    {}", printable(text));
            if let Some((number, title)) = finding {
                said += &format!("\n    finding {number} of docs/findings.md: {title}");
            }
            said += &format!("\n    before: {before}\n    after: {after}");
        }
        match &self.end {
            None | Some(Ending::Idle | Ending::NotJudged) => said,
            Some(end) => format!("{said}\n    {end}"),
        }
    }
}
