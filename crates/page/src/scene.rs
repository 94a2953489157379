//! A state of the ring as plain data, and in words.

use std::ops::Range;

use stateright::Model;
use vtd_qi::impl_qi::{
    Call, Desc, Fsts, IdKind, Length, MAX_DEVICES, Owner, Pc, Queue, Rules, Safety, Slot, Status, WdData, WideRing,
    WideState,
};

/// A state of a ring, to be told or drawn: all that [`vtd_qi::impl_qi::State`] holds, whatever its capacity.
#[derive(Clone, Debug)]
pub struct Scene {
    /// `QI_LENGTH`.
    pub length: Length,
    /// The rules of the driver.
    pub rules: Rules,
    /// The slots, from 0.
    pub slots: Vec<SceneSlot>,
    /// The private fields.
    pub queue: Queue,
    /// The head register.
    pub iqh: Slot,
    /// The tail register.
    pub iqt: Slot,
    /// Who holds the lock.
    pub lock_holder: Option<usize>,
    /// Who is in the queue of the lock, in order.
    pub waiters: Vec<usize>,
    /// What hardware has fetched and not completed, oldest first.
    pub pending: Vec<(Desc, Owner)>,
    /// Where each submitter stands.
    pub calls: Vec<Call>,
    /// The fault register and the devices, where faults are modelled.
    pub faults: Option<FaultsShown>,
    /// The safety properties that say something of this ring, and whether each is true in this very state.
    pub safety: Vec<(Safety, bool)>,
}

/// A slot of a [`Scene`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SceneSlot {
    /// `desc_status` of the slot.
    pub status: Status,
    /// The descriptor in it.
    pub desc: Desc,
    /// Who posted the descriptor, until it is fetched.
    pub posted_by: Owner,
    /// For whose WD hardware wrote the `QI_DONE` that is in it.
    pub done_by: Owner,
}

/// What a state holds only where faults are modelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultsShown {
    /// The fault status register.
    pub fsts: Fsts,
    /// The device that ITESID names, 0 if none.
    pub itesid: u8,
    /// The devices that are gone, from 1.
    pub gone: Vec<u8>,
    /// How many faults have been injected.
    pub injected: u8,
}

impl Scene {
    /// Reads a state.
    pub fn of<const F: usize>(ring: &WideRing<F>, state: &WideState<F>) -> Scene {
        let slot = |slot: Slot| SceneSlot {
            status: state.status(slot),
            desc: state.desc(slot),
            posted_by: state.ghost().posted_by(slot),
            done_by: state.ghost().done_by(slot),
        };
        let faults = (F > 0).then(|| FaultsShown {
            fsts: state.fsts(),
            itesid: state.itesid(),
            gone: (1..=MAX_DEVICES).filter(|&device| state.is_gone(device)).collect(),
            injected: state.injected(),
        });
        // The ring's properties begin with these, in their order.
        let safety = Safety::ALL.into_iter().zip(ring.properties());
        let faultless = ring.cfg().faults.is_none();
        let safety = safety.filter(|(safety, _)| !(faultless && safety.needs_faults()));
        Scene {
            length: ring.length(),
            rules: ring.cfg().rules,
            slots: ring.length().iter().map(slot).collect(),
            queue: state.queue(),
            iqh: state.iqh(),
            iqt: state.iqt(),
            lock_holder: state.lock_holder(),
            waiters: state.waiters().collect(),
            pending: state.pending().collect(),
            calls: (0..ring.cfg().submitters).map(|t| state.call(t)).collect(),
            faults,
            safety: safety.map(|(safety, property)| (safety, (property.condition)(ring, state))).collect(),
        }
    }

    /// What is in a slot.
    pub fn at(&self, slot: Slot) -> SceneSlot {
        self.slots[usize::from(slot)]
    }

    /// The submitters, from 0.
    pub fn submitters(&self) -> Range<usize> {
        0..self.calls.len()
    }

    /// What is drawn as boxes and arrows, in words: slots that are neither FREE nor blank, registers and indices.
    pub fn slots_and_indices(&self) -> [(String, String); 2] {
        let Queue { free_head, free_tail, .. } = self.queue;
        let told = |&slot: &Slot| self.at(slot).status != Status::Free || self.at(slot).desc != Desc::Blank;
        let slots: Vec<_> = self.length.iter().filter(told).map(|slot| self.slot(slot)).collect();
        let indices = format!("IQH {}, IQT {}, free_head {free_head}, free_tail {free_tail}", self.iqh, self.iqt);
        [("slots".into(), or(slots.join(", "), "all blank and QI_FREE")), ("indices".into(), indices)]
    }

    /// A slot in words.
    pub fn slot(&self, slot: Slot) -> String {
        let owners: Vec<_> = self.owners(slot).map(name).collect();
        let of = if owners.is_empty() { String::new() } else { format!(" of {}", owners.join(" ")) };
        let SceneSlot { status, desc, .. } = self.at(slot);
        format!("{slot}: {}{of} {}", desc_name(desc), status.name())
    }

    /// The submitters in whose batch a slot is: more than one if it was handed out again while its owner still waits.
    pub fn owners(&self, slot: Slot) -> impl Iterator<Item = usize> {
        self.submitters().filter(move |&t| {
            let call = &self.calls[t];
            call.has_index() && self.length.distance(call.index, slot) < call.slots()
        })
    }

    /// Whether hardware has still to fetch a slot.
    pub fn is_to_be_fetched(&self, slot: Slot) -> bool {
        self.length.within(slot, self.iqh, self.iqt)
    }

    /// Whether a slot is handed out.
    pub fn is_handed_out(&self, slot: Slot) -> bool {
        self.queue.free_cnt == 0 || self.length.within(slot, self.queue.free_tail, self.queue.free_head)
    }

    /// The slot of a submitter's WD.
    pub fn wait_index(&self, t: usize) -> Slot {
        self.calls[t].wait_index(&self.rules, self.length)
    }

    /// Whether a submitter has posted and not yet seen that it is done.
    pub fn waits(&self, t: usize) -> bool {
        self.calls[t].waiting(&self.rules)
    }

    /// Whether a submitter waits for a `QI_DONE` that nobody will write: no WD of it is in the ring or in hardware, and none was
    /// written for it.
    pub fn waits_in_vain(&self, t: usize) -> bool {
        let mine = |slot: &SceneSlot| slot.posted_by.is(t) || slot.done_by.is(t);
        self.waits(t) && !self.slots.iter().any(mine) && !self.pending.iter().any(|(_, owner)| owner.is(t))
    }

    /// What is not drawn as boxes and arrows: `free_cnt`, the lock, the hardware, the submitters.
    pub fn facts(&self) -> Vec<(String, String)> {
        let pending = self.pending.iter().map(|(desc, owner)| format!("{} of {owner}", desc_name(*desc)));
        let pending: Vec<_> = pending.collect();
        let mut facts = vec![
            ("free_cnt".into(), format!("{} of {}", self.queue.free_cnt, self.length.slots())),
            ("q_lock".into(), self.lock()),
            ("hardware".into(), format!("holds fetched: {}", or(pending.join(", then "), "nothing"))),
        ];
        facts.extend(self.submitters().map(|t| (name(t), self.submitter(t))));
        facts
    }

    /// Who holds the lock, who is in line for it, and who wants it.
    pub fn lock(&self) -> String {
        let wants = |t: &usize| matches!(self.calls[*t].pc, Pc::Acquire | Pc::PollAcquire) && !self.waiters.contains(t);
        let wanted: Vec<_> = self.submitters().filter(wants).collect();
        let mut text = self.lock_holder.map_or("free".to_string(), |t| format!("held by {}", name(t)));
        for (how, who) in [("in line: ", &self.waiters), ("wanted by ", &wanted)] {
            if !who.is_empty() {
                text += &format!("; {how}{}", who.iter().map(|&t| name(t)).collect::<Vec<_>>().join(", "));
            }
        }
        text
    }

    /// Where a submitter stands.
    pub fn submitter(&self, t: usize) -> String {
        let call = &self.calls[t];
        let Some(step) = call.pc.step(&self.rules) else { return "idle".to_string() };
        let last = self.length.add(call.index, call.count.into());
        let slots = match (call.has_index(), call.count) {
            (false, _) => String::new(),
            (true, 0) => format!(" in slot {last}"),
            (true, _) => format!(" in slots {} to {last}", call.index),
        };
        let waits = if self.waits(t) { ", waits for its WD" } else { "" };
        format!("qi_submit_sync({}){slots}{waits}; next: {step:?}", call.count)
    }
}

/// What a submitter is called: `T1` on.
pub fn name(submitter: usize) -> String {
    format!("T{}", submitter + 1)
}

/// What is in a descriptor, in a few letters: the arrow of a WD points at the slot that it writes.
pub fn desc_name(desc: Desc) -> String {
    match desc {
        Desc::Blank => "blank".to_string(),
        Desc::Id { kind: IdKind::Unit, .. } => "ID".to_string(),
        Desc::Id { kind: IdKind::Device(device), .. } => format!("ID(d{device})"),
        Desc::Id { kind: IdKind::Invalid, .. } => "ID(!)".to_string(),
        Desc::Wd { target, data: WdData::Done } => format!("WD\u{2192}{target}"),
        Desc::Wd { target, data } => format!("WD({})\u{2192}{target}", data.status().name()),
        Desc::InvalidWd { target } => format!("WD(!)\u{2192}{target}"),
    }
}

fn or(text: String, if_empty: &str) -> String {
    if text.is_empty() { if_empty.to_string() } else { text }
}
