//! Steps in whole sentences, for somebody who does not know the words of the driver.

use vtd_qi::impl_qi::{Call, Desc, Label, Mark, Outcome, Pc, Queue, Slot, Status, Step};

use crate::frame::Named;
use crate::scene::{Scene, name};

/// A step between two states, with the names that descriptors have after it.
pub(crate) struct Told<'a> {
    pub(crate) before: &'a Scene,
    pub(crate) after: &'a Scene,
    pub(crate) named: &'a Named,
    /// What hardware held fetched before.
    pub(crate) fetched: &'a [String],
    /// The step as the timeline tells it.
    pub(crate) text: &'a str,
}

impl Told<'_> {
    /// The step in a sentence.
    pub(crate) fn sentence(&self, label: Label) -> String {
        match label {
            Label::Call(t) => match self.after.calls[usize::from(t)].count {
                0 => format!("{} calls {} with a lone wait descriptor and no invalidation.", name(t.into()), self.text),
                1 => format!("{} calls {}: it wants one invalidation (ID) done.", name(t.into()), self.text),
                count => format!("{} calls {}: it wants {count} invalidations (IDs) done.", name(t.into()), self.text),
            },
            Label::Driver(step, t) => {
                let does = self.driver(step, t.into());
                format!("{}{}{does}.", name(t.into()), if does.starts_with('\'') { "" } else { " " })
            }
            Label::Fetch => {
                let slot = self.before.iqh;
                let what = self.slot(slot);
                format!("The hardware fetches {what} from slot {slot} and moves IQH on to {}.", self.after.iqh)
            }
            Label::Execute => format!("The hardware does what {} asks for.", self.text.trim_start_matches("execute ")),
            Label::Complete => match (self.fetched.first(), self.before.pending.first()) {
                (Some(wd), Some((Desc::Wd { target, .. }, _))) => {
                    let status = self.after.at(*target).status.name();
                    format!("The hardware comes to {wd} and writes {status} into slot {target}.")
                }
                _ => format!("The hardware is done with {}.", self.text),
            },
            Label::Iqe => {
                let slot = self.before.iqh;
                format!("The hardware finds the descriptor in slot {slot} invalid: it sets IQE and fetches no more.")
            }
            Label::TimeOut => format!("No answer comes from a device that is gone: {}.", self.text),
            Label::LoseAnswer => format!("The answer of a device is lost (an injected fault): {}.", self.text),
            Label::Ice => "A device sends an unexpected completion (an injected fault): ICE is set.".to_string(),
            Label::Remove => format!("A device is taken away (an injected fault): {}.", self.text),
        }
    }

    /// What is in a slot.
    fn slot(&self, slot: Slot) -> String {
        match self.named.slots[usize::from(slot)].as_str() {
            "" => format!("slot {slot}"),
            name => name.to_string(),
        }
    }

    /// A slot with what is in it.
    fn slot_with(&self, slot: Slot) -> String {
        match self.named.slots[usize::from(slot)].as_str() {
            "" => format!("slot {slot}"),
            name => format!("slot {slot}, which holds {name}"),
        }
    }

    /// A slot of a batch, and whose it is if it is not `t`'s.
    fn slot_of(&self, slot: Slot, t: usize) -> String {
        let others: Vec<_> = self.before.owners(slot).filter(|&owner| owner != t).collect();
        match (self.named.slots[usize::from(slot)].as_str(), others.first()) {
            ("", _) | (_, None) => self.slot_with(slot),
            (held, Some(&owner)) => {
                let kind = if held.starts_with("WD") { "WD" } else { "ID" };
                let owner_name = name(owner);
                let unseen = match self.before.waits(owner) {
                    true => format!("; {owner_name} has not seen it done"),
                    false => String::new(),
                };
                format!("slot {slot}, which holds {owner_name}'s {kind} ({held}){unseen}")
            }
        }
    }

    /// A driver's step as a predicate; what belongs to the submitter begins with an apostrophe.
    fn driver(&self, step: Step, t: usize) -> String {
        let (call, next) = (&self.before.calls[t], &self.after.calls[t]);
        match step {
            Step::Enqueue => "takes its place in the queue of the lock".to_string(),
            Step::Acquire | Step::Look if next.pc == Pc::NoRoom => {
                "has the lock but finds too few free slots".to_string()
            }
            Step::Acquire if call.pc == Pc::Acquire => format!("takes the lock and finds room{}", self.room(next)),
            Step::Look => format!("finds room{}", self.room(next)),
            Step::Acquire => format!("takes the lock again, to look whether {} is done", self.named.wds[t]),
            Step::Unlock => self.unlock(t),
            Step::WriteId => {
                let slot = call.id_slot(&self.before.rules, self.before.length, call.at);
                format!("writes {} into slot {slot}", self.slot(slot))
            }
            Step::IdInUse => {
                let slot = call.id_slot(&self.before.rules, self.before.length, call.at);
                format!("sets the status of slot {slot}, where {} is, to QI_IN_USE", self.slot(slot))
            }
            Step::WdInUse => {
                let slot = self.before.wait_index(t);
                format!("sets the status of slot {slot}, where {} is to be, to QI_IN_USE", self.named.wds[t])
            }
            Step::WriteWd => {
                let slot = self.before.wait_index(t);
                let wd = &self.named.wds[t];
                format!("writes {wd} into slot {slot}: once the hardware gets there, it is to write QI_DONE")
            }
            Step::WriteIqt => format!("moves IQT on to {}: the hardware may fetch what lies before it", self.after.iqt),
            Step::Poll => self.poll(t),
            Step::Mark => {
                let slot = match call.at == call.count {
                    true => self.before.wait_index(t),
                    false => call.id_slot(&self.before.rules, self.before.length, call.at),
                };
                let status = self.after.at(slot).status.name();
                let so = match self.before.rules.mark {
                    Mark::IdsDone => ", which is to say that the slot may be reclaimed",
                    _ => "",
                };
                format!("marks its {} in slot {slot} {status}{so}", self.slot(slot))
            }
            Step::Reclaim => self.reclaim(t),
            Step::ReclaimFree => format!("'s reclaim frees {}", self.slot_of(self.before.queue.free_tail, t)),
            fault_check => self.fault_check(fault_check, t),
        }
    }

    /// What a call that has found room is to get.
    fn room(&self, next: &Call) -> String {
        let (first, last) =
            (self.after.queue.free_head, self.after.length.add(self.after.queue.free_head, next.count.into()));
        match next.count {
            0 => format!(" for its batch: slot {first}"),
            _ => format!(" for its batch: slots {first} to {last}"),
        }
    }

    fn unlock(&self, t: usize) -> String {
        let (call, next) = (&self.before.calls[t], &self.after.calls[t]);
        match call.outcome {
            Outcome::Success if next.pc == Pc::Idle => "drops the lock and returns: success".to_string(),
            outcome if next.pc == Pc::Idle => format!("drops the lock and returns {}", outcome.errno()),
            Outcome::Again => "drops the lock and begins again (-EAGAIN)".to_string(),
            _ if call.pc == Pc::NoRoom => "drops the lock, so that others can make room".to_string(),
            _ if call.pc == Pc::DropLock => "drops the lock before it cleans up".to_string(),
            _ => format!("drops the lock, since {} is not done", self.named.wds[t]),
        }
    }

    fn poll(&self, t: usize) -> String {
        let slot = self.before.calls[t].polled_slot(&self.before.rules, self.before.length);
        let (held, wd) = (self.before.at(slot), &self.named.wds[t]);
        match held.status {
            Status::Done if held.done_by.is(t) => format!("sees QI_DONE in slot {slot}: {wd} is done"),
            Status::Done if slot == self.before.wait_index(t) => {
                format!("sees QI_DONE in slot {slot}, which was not written for {wd}, and takes it for its own")
            }
            Status::Done => {
                format!("sees QI_DONE in slot {slot}, which is not where {wd} is, and takes that for the end")
            }
            status if self.before.waits_in_vain(t) => {
                format!("looks for QI_DONE in slot {slot} and finds {}; nobody will write it any more", status.name())
            }
            status => format!("looks for QI_DONE in slot {slot} and finds {}: {wd} is not done yet", status.name()),
        }
    }

    fn reclaim(&self, t: usize) -> String {
        let Queue { free_tail, free_head, .. } = self.before.queue;
        let status = self.before.at(free_tail).status.name();
        let next = self.after.calls[t].pc;
        if next == Pc::ReclaimFree {
            return format!(
                "'s reclaim finds {status} in {}: it takes that for a slot to be freed",
                self.slot_with(free_tail)
            );
        }
        if self.after.queue.free_tail != free_tail {
            return format!("'s reclaim finds {status} and takes back {}", self.slot_of(free_tail, t));
        }
        match free_tail == free_head {
            true => "'s reclaim has come to the end of what was handed out".to_string(),
            false => format!("'s reclaim stops at {}, since it finds {status} there", self.slot_with(free_tail)),
        }
    }

    /// A step of the fault check.
    fn fault_check(&self, step: Step, t: usize) -> String {
        let (call, next) = (&self.before.calls[t], &self.after.calls[t]);
        let ends = match next.outcome {
            outcome if outcome == call.outcome || outcome == Outcome::Success => String::new(),
            outcome => format!("; it is to return {}", outcome.errno()),
        };
        let ends = ends.replace("it is to return -EAGAIN", "it is to begin again (-EAGAIN)");
        let at = call.check.head.unwrap_or(0);
        let does = match step {
            Step::CheckAbort => {
                let aborted = self.before.at(self.before.wait_index(t)).status == Status::Abort;
                format!("looks whether {} was aborted: it was{}", self.named.wds[t], if aborted { "" } else { " not" })
            }
            Step::ReadFsts => format!("reads the fault register ({})", self.text),
            Step::ReadIqh | Step::ReadIqt | Step::ReadIqer => format!("checks for faults ({})", self.text),
            Step::ClearIqe => "clears IQE, so that the hardware fetches on".to_string(),
            Step::ClearIte => "clears ITE, so that the hardware goes on".to_string(),
            Step::ClearIce => "clears ICE".to_string(),
            Step::Walk => {
                format!(
                    "walks back over the ring and finds {} in {}",
                    self.before.at(at).status.name(),
                    self.slot_with(at)
                )
            }
            Step::WalkAbort => format!("sets QI_ABORT in {}: its owner is to post again", self.slot_with(at)),
            Step::ReadDesc => format!("looks at the descriptor in slot {at}"),
            Step::PatchDesc => format!("writes over a descriptor ({})", self.text),
            other => format!("does {other:?}"),
        };
        does + &ends
    }
}
