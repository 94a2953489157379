//! All that was given, judged together: what one text says of a fault or a lockup counts for the ring that another shows.

use std::collections::BTreeMap;

use crate::dmesg::KernelLog;
use crate::dump::RingDump;
use crate::ftrace::{CallTrace, meaning};
use crate::judge::Bounds;
use crate::material::Material;
use crate::patterns::{KnownPattern, patterns};
use crate::qemu::{JudgedLife, judge_qemu};
use crate::unit::{Circumstances, JudgedUnit, judge_unit};
use crate::window::status_base;

/// The answer.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// The units of which there are dumps, each judged.
    pub units: Vec<JudgedUnit>,
    /// What the kernels' logs say, all together.
    pub log: KernelLog,
    /// The known patterns in it.
    pub patterns: Vec<KnownPattern>,
    /// The QEMU logs, by the name of their texts: each life of a queue, or why the log cannot be judged.
    pub qemu: Vec<(String, Result<Vec<JudgedLife>, String>)>,
}

impl Diagnosis {
    /// Judges what was given. A text that was given twice counts once.
    pub fn of(materials: &[Material], bounds: Bounds) -> Diagnosis {
        let distinct = || materials.iter().filter(|material| material.first_alike(materials).is_none());
        let mut log = KernelLog::default();
        for material in distinct() {
            log.lines += material.log.lines;
            log.kernel = material.log.kernel.clone().or(log.kernel);
            log.faults.extend(material.log.faults.iter().cloned());
            log.lockups.extend(material.log.lockups.iter().cloned());
        }
        let hung = distinct().map(|material| material.trace.hung().count()).sum();
        let circumstances = Circumstances::of(&log, hung);
        let mut rings: BTreeMap<(&str, u64, Option<u64>), Vec<&RingDump>> = BTreeMap::new();
        for dump in distinct().flat_map(|material| &material.dumps) {
            rings.entry((&dump.unit, dump.base, status_base(&dump.rows))).or_default().push(dump);
        }
        // Rings of one name that lie elsewhere are other rings, of other machines or other boots.
        let judge_ring = |(&(unit, base, status), dumps): (&(&str, u64, Option<u64>), &Vec<&RingDump>)| {
            let judged = judge_unit(dumps, &circumstances, bounds);
            let status = status.map_or(String::new(), |status| format!(", desc_status {status:#x}"));
            match rings.keys().filter(|(other, ..)| *other == unit).count() {
                1 => judged,
                _ => JudgedUnit { unit: format!("{unit} (Base {base:#x}{status})"), ..judged },
            }
        };
        let units = rings.iter().map(judge_ring).collect();
        let judge = |material: &Material| {
            let judged = judge_qemu(&material.qemu_log, &circumstances.generations, bounds.cancel);
            (material.name.clone(), judged.map_err(|error| error.to_string()))
        };
        let qemu = distinct().filter(|material| material.qemu > 0).map(judge).collect();
        Diagnosis { units, patterns: patterns(&log), log, qemu }
    }
}

/// What is wrong in a trace, or not decided, each in a sentence.
pub fn wrong_in(trace: &CallTrace) -> Vec<String> {
    let hung = trace.hung().map(|call| {
        let posted = match &call.posted[..] {
            [] => "it has posted nothing, so it waits for free slots or for the lock".to_string(),
            posted => format!("it has posted {}", posted.join("; ")),
        };
        format!(
            "line {}: the call of {} has not returned {:.3} s later: {posted}",
            call.line,
            call.task,
            trace.waited(call)
        )
    });
    let codes = trace.codes().into_iter().filter_map(|(code, times)| {
        let objection = meaning(code).err()?;
        Some(format!("{times} call(s) returned {code}: {objection}"))
    });
    let open: Vec<_> = trace.undecided().collect();
    let undecided = open.first().map(|(call, why)| {
        format!(
            "not decided: {} call(s), the first of {} at line {}, are not seen to return, and {why}",
            open.len(),
            call.task,
            call.line
        )
    });
    hung.chain(undecided).chain(codes).collect()
}
