//! The visible events of a trace, as spec/QITrace.tla reads them.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use serde_json::Value as Json;

use crate::qemu_log::{Event, Fetched, Trace, What};
use vtd_qi::impl_qi::Slot;

/// A step of the ring that a trace shows. What cannot be told is `None`: `null` in JSON, -1 in TLA+.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event")]
pub enum VisibleEvent {
    /// IQT is written.
    WriteIqt {
        /// The line's number.
        line: u64,
        /// The submitter, from 1.
        cpu: u8,
        /// The value.
        slot: u64,
        /// How many IDs are posted; none if IQT stays where it was.
        count: Option<u64>,
    },
    /// A descriptor is fetched.
    Fetch {
        /// The line's number.
        line: u64,
        /// The slot that was read from IQH just before.
        slot: Option<u64>,
        /// `ID` or `WD`.
        desc: &'static str,
        /// Whose status a WD will write.
        target: Option<Slot>,
    },
    /// A status is written.
    Complete {
        /// The line's number.
        line: u64,
        /// The slot whose status it is.
        target: Option<Slot>,
        /// What is written.
        data: u64,
    },
    /// ITE is set. `spec/QITrace.tla` refuses a trace with this event: it does not know faults.
    LoseAnswer {
        /// The line's number.
        line: u64,
        /// How many pending WDs are aborted.
        aborted: u64,
    },
    /// ITE is cleared; refused as `LoseAnswer` is.
    ClearIte {
        /// The line's number.
        line: u64,
        /// The submitter, from 1; 0 for a thread that is none.
        cpu: u8,
    },
}

impl VisibleEvent {
    /// The visible events of a trace, in its order.
    pub fn all(trace: &Trace) -> impl Iterator<Item = VisibleEvent> + '_ {
        let slots = u64::from(trace.length().slots());
        let (mut tail, mut ite, mut open) = (0, false, None);
        trace.events().iter().filter_map(move |&Event { line, thread, what, .. }| match what {
            // QEMU has no line for some kinds of IDs: IQH is read again, one slot on.
            What::Head { slot } => match open.replace((line, slot)) {
                Some((line, before)) if (before + 1) % slots == slot => {
                    Some(VisibleEvent::Fetch { line, slot: Some(before), desc: "ID", target: None })
                }
                _ => None,
            },
            What::Register { .. } | What::FstsRegister { .. } | What::NoAnswer { .. } | What::Pends { .. } => None,
            What::IqtWrite { slot } => {
                let count = ((slot % slots + slots - tail) % slots).checked_sub(1);
                tail = slot % slots;
                let cpu = trace.submitter(thread).map_or(0, |t| t + 1);
                Some(VisibleEvent::WriteIqt { line, cpu, slot, count })
            }
            What::Fetch { slot, desc: Fetched::Id { .. } } => {
                open = None;
                Some(VisibleEvent::Fetch { line, slot, desc: "ID", target: None })
            }
            What::Fetch { slot, desc: Fetched::Wd { address, .. } } => {
                open = None;
                Some(VisibleEvent::Fetch { line, slot, desc: "WD", target: trace.status_slot(address).ok() })
            }
            What::StatusWrite { address, data } => {
                Some(VisibleEvent::Complete { line, target: trace.status_slot(address).ok(), data })
            }
            What::Ite { aborted, .. } => {
                ite = true;
                Some(VisibleEvent::LoseAnswer { line, aborted })
            }
            What::Fsts { .. } => {
                let cpu = trace.submitter(thread).map_or(0, |t| t + 1);
                std::mem::take(&mut ite).then_some(VisibleEvent::ClearIte { line, cpu })
            }
        })
    }

    /// The event as a record. A number above TLC's largest is written as that: it is no slot and no data either way.
    fn to_tla(self) -> String {
        let number = |n: u64| Json::from(n.min(i32::MAX as u64));
        let mut json = serde_json::to_value(self).expect("an event is plain data");
        for field in json.as_object_mut().expect("an event has fields").values_mut() {
            *field = match field.take() {
                Json::Null => Json::from(-1),
                other => other.as_u64().map_or(other, number),
            };
        }
        record(&json)
    }
}

/// A flat JSON object of words and numbers as a record of TLA+, its fields in alphabetical order.
fn record(json: &Json) -> String {
    let fields: BTreeMap<&String, &Json> = json.as_object().into_iter().flatten().collect();
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name} |-> {value}")).collect();
    format!("[{}]", fields.join(", "))
}

/// The module `QITraceData`, which spec/QITrace.tla extends: the visible events of a trace, and the length of its ring.
pub fn events_module(trace: &Trace) -> String {
    let mut module = String::from(
        "---------------------------- MODULE QITraceData -----------------------------\n\
         (***************************************************************************)\n\
         (* The visible events of a trace, one a line; -1 is what cannot be told.   *)\n\
         (* Written by `cargo run --example replay -- --tla DIR TRACE'.             *)\n\
         (***************************************************************************)\n\
         EXTENDS Integers\n\n",
    );
    let events: Vec<String> = VisibleEvent::all(trace).map(|event| format!("    {}", event.to_tla())).collect();
    let length = trace.length().slots();
    let end = "=".repeat(77);
    write!(module, "TraceLength == {length}\n\nTrace == <<\n{}\n>>\n\n{end}\n", events.join(",\n"))
        .expect("writing to a string succeeds");
    module
}
