//! All that was given, judged together: what one text says of a fault or a lockup counts for the ring that another shows.

use std::collections::BTreeSet;

use crate::descriptor::DescriptorKind;
use crate::dmesg::KernelLog;
use crate::dump::RingDump;
use crate::ftrace::{CallTrace, meaning};
use crate::judge::Bounds;
use crate::material::Material;
use crate::patterns::{KnownPattern, patterns};
use crate::qemu::{JudgedLife, judge_qemu};
use crate::unit::{Circumstances, JudgedUnit, UnitJudge, judge_unit};
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
        let rings = rings(distinct().collect());
        let mut judge = UnitJudge::new(&circumstances, bounds);
        let mut judge_ring = |ring: &Ring| {
            let judged = judge_unit(&ring.readings(), &mut judge);
            let others = || rings.iter().filter(|other| other.key.0 == ring.key.0);
            let mut unit = ring.key.0.to_string();
            if others().count() > 1 {
                let (_, base, status) = ring.key;
                let status = status.map_or(String::new(), |status| format!(", desc_status {status:#x}"));
                // Of rings that lie at one place it is told where they stand.
                let at = match others().filter(|other| other.key == ring.key).count() {
                    1 => String::new(),
                    _ => format!(", line {} of {}", ring.dumps[0].1.line, ring.dumps[0].0.name),
                };
                unit += &format!(" (Base {base:#x}{status}{at})");
            }
            JudgedUnit { unit, ..judged }
        };
        let units = rings.iter().map(&mut judge_ring).collect();
        let judge = |material: &Material| {
            let judged = judge_qemu(&material.qemu_log, &circumstances.generations, bounds.cancel);
            (material.name.clone(), judged.map_err(|error| error.to_string()))
        };
        let qemu = distinct().filter(|material| material.qemu > 0).map(judge).collect();
        Diagnosis { units, patterns: patterns(&log), log, qemu }
    }
}

/// A ring: its unit's name, and where it and its statuses lie. Rings of one name that lie elsewhere are of other machines or boots.
type RingKey<'a> = (&'a str, u64, Option<u64>);

/// The dumps that may be readings of one ring in one boot, in the order in which they were given.
struct Ring<'a> {
    key: RingKey<'a>,
    dumps: Vec<(&'a Material, &'a RingDump)>,
}

impl<'a> Ring<'a> {
    fn readings(&self) -> Vec<&'a RingDump> {
        self.dumps.iter().map(|(_, dump)| *dump).collect()
    }

    /// Whether a dump may be a later reading: the kernels that the files name are the same, and what was written once is not blank again.
    fn may_go_on(&self, material: &Material, dump: &RingDump) -> bool {
        let (before, last) = self.dumps[self.dumps.len() - 1];
        let release = |material: &'_ Material| material.log.kernel.as_ref().map(|kernel| kernel.release.clone());
        let other_kernel = release(before).zip(release(material)).is_some_and(|(one, other)| one != other);
        let written = |dump: &RingDump| {
            let slots = dump.rows.iter().filter(|row| DescriptorKind::of(row.qw0) != DescriptorKind::Blank);
            slots.map(|row| row.slot).collect::<BTreeSet<_>>()
        };
        !other_kernel && written(last).is_subset(&written(dump))
    }
}

/// The rings of which there are dumps, by name and place. Two machines of one kind may have theirs at one place.
fn rings<'a>(materials: Vec<&'a Material>) -> Vec<Ring<'a>> {
    let mut rings: Vec<Ring<'a>> = Vec::new();
    for (material, dump) in
        materials.into_iter().flat_map(|material| material.dumps.iter().map(move |dump| (material, dump)))
    {
        let key = (dump.unit.as_str(), dump.base, status_base(&dump.rows));
        match rings.iter_mut().find(|ring| ring.key == key && ring.may_go_on(material, dump)) {
            Some(ring) => ring.dumps.push((material, dump)),
            None => rings.push(Ring { key, dumps: vec![(material, dump)] }),
        }
    }
    rings.sort_by(|one, other| one.key.cmp(&other.key));
    rings
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
    let miscounted: Vec<_> = trace.miscounted().collect();
    let counts = miscounted.first().map(|call| {
        format!(
            "{} call(s) have not posted what they brought, the first of {} at line {}: it brought {} ID(s) and posted {}; each attempt \
             posts every ID once",
            miscounted.len(),
            call.task,
            call.line,
            call.count.unwrap_or(0),
            call.posted.len()
        )
    });
    hung.chain(undecided).chain(codes).chain(counts).collect()
}
