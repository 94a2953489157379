//! Known patterns in what a kernel said: what they mean, and what to do.

use serde::Serialize;
use vtd_qi::campaign::findings::Findings;
use vtd_qi::campaign::published::PublishedBug;
use vtd_qi::impl_qi::{Generation, Rules, TimeOut};

use crate::dmesg::{FaultKind, KernelLog, ReportedFault};
use crate::kernels::KernelGenerations;

/// A known pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnownPattern {
    /// What was seen.
    pub what: String,
    /// What it means.
    pub means: String,
    /// What to do.
    pub advice: String,
}

/// From so many time-outs on, one behind the other in the ring, they are taken for endless.
const MANY: usize = 3;

const NO_ATS: &str =
    "boot with pci=noats, so that no device-TLB is there to be asked; look at the device (reset, power, hot-unplug)";

/// The patterns in a text.
pub fn patterns(log: &KernelLog) -> Vec<KnownPattern> {
    [endless_time_outs(log), ice_then_ite(log), repeated_iqe(log), lockup(log)].into_iter().flatten().collect()
}

/// A batch that is posted again lies a few slots further on; so far at most, with several CPUs.
const NEAR: u8 = 48;

fn endless_time_outs(log: &KernelLog) -> Option<KnownPattern> {
    let ites: Vec<_> = log.of_kind(FaultKind::Ite).collect();
    let (first, last) = (ites.first()?, ites.last()?);
    let span = match (first.seconds, last.seconds) {
        (Some(from), Some(to)) if ites.len() > 1 => format!(" in {:.1} s", to - from),
        _ => String::new(),
    };
    let again = ites.windows(2).filter(|pair| match (pair[0].iqh(), pair[1].iqh()) {
        (Some(before), Some(after)) => (1..=NEAR).contains(&after.wrapping_sub(before)),
        _ => pair[0].head.is_some() && pair[0].head == pair[1].head,
    });
    let what = format!("{} time-out(s) (ITE){span}", ites.len());
    if again.count() + 1 < MANY {
        return Some(KnownPattern { what, means: progress(&ites), advice: NO_ATS.to_string() });
    }
    let named = ites.iter().any(|fault| fault.number != 0);
    let returns = log.kernel.as_ref().is_some_and(|kernel| {
        let gives_up = |rules: &Rules| rules.time_out == TimeOut::Return;
        !kernel.generations.is_empty() && rules_of(kernel).all(gives_up)
    });
    let why = match (named, returns) {
        (false, _) => {
            "the unit does not name the device (SID 0), so the driver cannot know and posts the request again"
        }
        (true, false) => {
            "a driver that never returns -ETIMEDOUT (g1, g3, g4r, g5r) posts the request again, whoever is gone"
        }
        (true, true) => "the device is still listed as present, so the driver posts the request again",
    };
    Some(KnownPattern {
        what: what + ", one behind the other in the ring",
        means: format!("endless -EAGAIN for a device that does not answer{}: {why}", finding("device-gone")),
        advice: format!("{NO_ATS}; no published commit ends this"),
    })
}

/// What time-outs that are not posted again say of the ring between them.
fn progress(ites: &[&ReportedFault]) -> String {
    let stands: Vec<_> = ites.iter().map(|ite| ite.iqh()).collect();
    let known: Vec<u8> = stands.iter().flatten().copied().collect();
    let went = match &known[..] {
        [first, .., last] if known.iter().all(|slot| slot == first) && first == last => {
            format!(
                "IQH stands at slot {first} at each of those that show it, so nothing is seen to go on in between; a driver that posts \
                 again would have moved it, and which bug this is is not decided"
            )
        }
        [_, .., _] if known.len() == ites.len() => "the ring has gone on between them".to_string(),
        _ => "whether the ring has gone on since is not said".to_string(),
    };
    format!("a device did not answer; {went}")
}

fn ice_then_ite(log: &KernelLog) -> Option<KnownPattern> {
    let first = |kind| log.faults.iter().position(|fault| fault.kind == kind);
    let (ice, ite) = (first(FaultKind::Ice)?, first(FaultKind::Ite)?);
    (ice < ite).then(|| KnownPattern {
        what: "a completion error (ICE), then a time-out (ITE)".to_string(),
        means:
            "a device has answered wrongly and then no more, as after a reset of a GPU that was not told to the IOMMU"
                .to_string(),
        advice: NO_ATS.to_string(),
    })
}

fn repeated_iqe(log: &KernelLog) -> Option<KnownPattern> {
    let iqes: Vec<_> = log.of_kind(FaultKind::Iqe).collect();
    let repeated = iqes.windows(2).any(|pair| pair[0].head.is_some() && pair[0].head == pair[1].head);
    let last = iqes.last()?;
    if !repeated {
        return Some(KnownPattern {
            what: format!("{} invalid descriptor(s) (IQE)", iqes.len()),
            means: match last.head {
                Some(head) if head.qw0 & 15 == 0 => {
                    "hardware has fetched a descriptor that was never written: the unit or its emulation is at fault"
                        .to_string()
                }
                _ => "the unit refuses a descriptor; its caller gets -EINVAL if it was the first of its batch"
                    .to_string(),
            },
            advice: "compare the descriptor's type with what the unit supports (capability registers, firmware)"
                .to_string(),
        });
    }
    let inside = last.prior.is_some_and(|prior| prior.slot().is_none() && prior.qw0 & 15 != 0);
    Some(KnownPattern {
        what: "IQE again and again at one descriptor".to_string(),
        means: match inside {
            true => format!(
                "an invalid ID that is not the first of its batch is never repaired{}: IQE stays set",
                finding("invalid-id")
            ),
            false => {
                "the invalid descriptor is not taken away: nothing is fetched any more, and everybody waits".to_string()
            }
        },
        advice:
            "no published commit mends this; find out who submits the descriptor (ftrace event intel_iommu:qi_submit)"
                .to_string(),
    })
}

fn lockup(log: &KernelLog) -> Option<KnownPattern> {
    let ours: Vec<_> = log.in_driver().collect();
    let hard = ours.iter().any(|lockup| lockup.hard);
    let ite = log.of_kind(FaultKind::Ite).next().is_some();
    let count = ours.len();
    let what = match (count, hard) {
        (0, _) => return None,
        (_, true) => format!("{count} lockup(s) in qi_submit_sync, a hard one among them"),
        (_, false) => format!("{count} soft lockup(s) in qi_submit_sync"),
    };
    let means = match (hard, ite) {
        (true, true) => {
            "interrupts are off, as they are while a call holds q_lock and while it polls: either the ITE walk over odd slots never meets \
             its end (the bug of 2026), or a call waits for a WD that the time-out has aborted (the bug of 2026) or whose DONE was taken \
             away (the bug of 2024)"
        }
        (true, false) => {
            "interrupts are off, as they are while a call holds q_lock and while it polls, so both published bugs fit: that of 2024, which \
             needs no fault, and that of 2026, if the line of an ITE has not been written any more"
        }
        (false, true) => {
            "a call waits for ever: its WD was aborted by the time-out and nobody told it so (the bug of 2026 in g1 to g4), or it posts again for ever"
        }
        (false, false) => {
            "a call waits for ever for its WD: without any fault only the bug of 2024 does that (g3, g3t), if the lines of a fault are \
             not merely missing"
        }
    };
    let commit = |bug: PublishedBug| format!("{} ({})", bug.commit(), bug.year());
    let (of_2024, of_2026) = (commit(PublishedBug::LostDone), commit(PublishedBug::OddWalk));
    let advice = match (hard, ite) {
        (false, false) => {
            format!(
                "look for commit {of_2024} in the kernel; read debugfs invalidation_queue and give it to diagnose too"
            )
        }
        (false, true) => format!(
            "look for commit {of_2026} in the kernel; until then boot with pci=noats; give diagnose a dump of the ring too"
        ),
        (true, _) => format!(
            "look for the commits {of_2026} and {of_2024} in the kernel; until then boot with pci=noats; give diagnose a dump of the \
             ring too, read from memory"
        ),
    };
    let means = format!("{means}{}", mended(log, hard || !ite, hard || ite));
    Some(KnownPattern { what, means, advice })
}

/// The rules of the generations that a kernel may have.
fn rules_of(kernel: &KernelGenerations) -> impl Iterator<Item = &'static Rules> {
    kernel.generations.iter().filter_map(|name| Some(&Generation::named(name)?.rules))
}

/// The number of the finding about calls that never return under a class of faults, as it stands in a sentence.
fn finding(class: &str) -> String {
    let findings = Findings::embedded();
    let number = findings.about(class, "call-eventually-returns").map(|(number, _)| number);
    number.map_or(String::new(), |number| format!(", finding {number}"))
}

/// Which of the published bugs that were named the kernel does not have by its version.
fn mended(log: &KernelLog, of_2024: bool, of_2026: bool) -> String {
    let Some(kernel) = log.kernel.as_ref().filter(|kernel| !kernel.generations.is_empty()) else {
        return String::new();
    };
    let named = PublishedBug::ALL.into_iter().zip([of_2024, of_2026]).filter(|(_, named)| *named);
    let not_there = named.filter(|(bug, _)| !rules_of(kernel).any(|rules| bug.is_in(rules)));
    let told = not_there.map(|(bug, _)| {
        let (release, generations, year) = (&kernel.release, kernel.generations.join(" or "), bug.year());
        format!("; but by its version kernel {release} is of generation {generations}, which does not have the bug of {year}")
    });
    told.collect()
}
