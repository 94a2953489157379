//! Known patterns in what a kernel said: what they mean, and what to do.

use serde::Serialize;

use crate::dmesg::{FaultKind, KernelLog};

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
        (Some(before), Some(after)) => after.wrapping_sub(before) <= NEAR,
        _ => pair[0].head.is_some() && pair[0].head == pair[1].head,
    });
    let what = format!("{} time-out(s) (ITE){span}", ites.len());
    if again.count() + 1 < MANY {
        return Some(KnownPattern {
            what,
            means: "a device did not answer; the ring has gone on between them, as far as is said".to_string(),
            advice: NO_ATS.to_string(),
        });
    }
    let named = ites.iter().any(|fault| fault.number != 0);
    let returns = log.kernel.as_ref().is_some_and(|kernel| {
        !kernel.generations.is_empty() && kernel.generations.iter().all(|name| ["g3t", "g4", "g5"].contains(name))
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
        means: format!("endless -EAGAIN for a device that does not answer, finding 4: {why}"),
        advice: format!("{NO_ATS}; no published commit ends this"),
    })
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
            true => "an invalid ID that is not the first of its batch is never repaired, finding 5: IQE stays set"
                .to_string(),
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
            "the ITE walk over odd slots never meets its end, with q_lock held and interrupts off: the bug of 2026"
        }
        (true, false) => {
            "a CPU keeps q_lock, or waits for it, with interrupts off; the line of the ITE may not have been written any more"
        }
        (false, true) => {
            "a call waits for ever: its WD was aborted by the time-out and nobody told it so (the bug of 2026 in g1 to g4), or it posts again for ever"
        }
        (false, false) => {
            "a call waits for ever for its WD: without any fault only the bug of 2024 does that (g3, g3t), if the lines of a fault are \
             not merely missing"
        }
    };
    let advice = match (hard, ite) {
        (false, false) => {
            "look for commit 3cf74230c139 (2024) in the kernel; read debugfs invalidation_queue and give it to diagnose too"
        }
        _ => {
            "look for commit fe89277c9ceb (2026) in the kernel; until then boot with pci=noats; give diagnose a dump of the ring too"
        }
    };
    Some(KnownPattern { what, means: means.to_string(), advice: advice.to_string() })
}
