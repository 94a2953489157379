//! A whole log judged as it is read: each life of the queue, under several generations.

use std::io::BufRead;

use super::judge::Judge;
use super::tracker::GoOn;
use super::{Options, Replayed};
use crate::qemu_log::{Life, LogEntry, Reader, Summary, TraceError, What};
use vtd_qi::impl_qi::Generation;

/// A life of the queue, judged.
#[derive(Clone, Debug)]
pub struct ReplayedLife {
    /// Which life of which unit.
    pub life: Life,
    /// How many threads write IQT; 0 if the log names none.
    pub threads: usize,
    /// What it contains.
    pub summary: Summary,
    /// What became of it under each generation.
    pub verdicts: Vec<(&'static Generation, Replayed)>,
}

/// A life that is being judged.
struct Judging {
    life: Life,
    judge: Judge,
    summary: Summary,
    threads: Vec<u64>,
}

impl Judging {
    fn end(self, lines: u64, go_on: GoOn) -> Option<ReplayedLife> {
        let Judging { life, judge, summary, threads } = self;
        judge.uses_the_ring().then(|| ReplayedLife {
            life,
            threads: threads.len(),
            summary,
            verdicts: judge.end(lines, go_on),
        })
    }
}

/// Judges every life of a log that uses the ring, in the order in which they end. `at` is told the line of each event; where `go_on`
/// breaks, what has not been judged by then is unknown.
///
/// # Errors
/// [`TraceError`], if the log cannot be read or never sets a queue up.
///
/// ```
/// use std::ops::ControlFlow;
///
/// use vtd_qi::impl_qi::GENERATIONS;
/// use vtd_qi_traces::qemu_log::Reader;
/// use vtd_qi_traces::replay::{Options, judge_log};
///
/// let log = "\
/// vtd_inv_qi_setup addr 0x1000 size 256
/// vtd_inv_qi_tail write tail 1
/// vtd_inv_qi_head read head 0
/// vtd_inv_desc invalidate desc type wait high 0x2000 low 0x200000025
/// vtd_inv_desc_wait_sw wait invalidate status write addr 0x2000 data 0x2\n";
/// let mut reader = Reader::new(log.as_bytes());
/// let generations: Vec<_> = GENERATIONS.iter().collect();
/// let lives = judge_log(&mut reader, &generations, Options::default(), &mut |_| (), &mut || ControlFlow::Continue(()))?;
/// assert_eq!((lives.len(), lives[0].summary.wds, reader.facts().lines), (1, 1, 5));
/// assert!(lives[0].verdicts.iter().all(|(generation, replayed)| replayed.is_fine() == (generation.name != "g1")));
/// # Ok::<(), vtd_qi_traces::qemu_log::TraceError>(())
/// ```
pub fn judge_log<R: BufRead>(
    reader: &mut Reader<R>,
    generations: &[&'static Generation],
    options: Options,
    at: &mut dyn FnMut(u64),
    go_on: GoOn,
) -> Result<Vec<ReplayedLife>, TraceError> {
    let mut lives: Vec<Judging> = Vec::new();
    let mut judged = Vec::new();
    for entry in reader.by_ref() {
        match entry? {
            LogEntry::Life(life) => {
                if let Some(before) = lives.iter().position(|other| other.life.unit == life.unit) {
                    judged.extend(lives.remove(before).end(life.line - 1, go_on));
                }
                let judge = Judge::new(life, generations.iter().copied(), options);
                lives.push(Judging { life, judge, summary: Summary::new(life.length), threads: Vec::new() });
            }
            LogEntry::Event { life, event, text } => {
                at(event.line);
                let Some(life) = lives.iter_mut().find(|other| other.life.number == life) else { continue };
                life.summary.count(&event.what);
                if let (What::IqtWrite { .. }, Some(thread)) = (event.what, event.thread)
                    && !life.threads.contains(&thread)
                {
                    life.threads.push(thread);
                }
                life.judge.event(&event, &text, go_on);
            }
        }
        if go_on().is_break() {
            break;
        }
    }
    let lines = reader.facts().lines;
    judged.extend(lives.into_iter().filter_map(|life| life.end(lines, go_on)));
    Ok(judged)
}
