//! What the whole trace says ahead of its lines: who posts what, and which IDs get no answer.

use crate::qemu_log::{Event, Fetched, Trace, What};
use vtd_qi::impl_qi::{IdKind, Length, MAX_IDS, Request, Rules, Slot};

/// What a trace says ahead.
pub(super) struct Plan {
    /// The IQT writes, in their order.
    pub posts: Vec<Post>,
    /// The fetches, in their order.
    pub fetches: Vec<Fetch>,
    /// The calls that are made.
    pub requests: Vec<Request>,
}

/// An IQT write.
#[derive(Clone, Copy)]
pub(super) struct Post {
    /// The submitter.
    pub t: u8,
    /// How many IDs it posts, if that is possible.
    pub ids: Option<u8>,
    /// The position of such a call among the requests; none too if the rules know no such call or there are too many.
    pub request: Option<u8>,
    /// Which fetch is that of its first descriptor.
    first: usize,
}

/// A fetch.
pub(super) struct Fetch {
    fetched: Fetched,
    /// Whether it is one that a line says gets no answer.
    pub unanswered: bool,
    /// The IQT write that posted it and its place in the batch, if that can be told.
    pub posted: Option<(usize, u8)>,
}

impl Plan {
    /// With `kinds`, requests tell IDs for devices from those for the unit.
    pub fn of(trace: &Trace, rules: &Rules, kinds: bool) -> Plan {
        let mut fetches = fetches(trace);
        let mut plan = Plan { posts: Vec::new(), fetches: Vec::new(), requests: Vec::new() };
        let mut first = 0;
        for (number, (t, ids)) in posts(trace).enumerate() {
            let request = ids.filter(|&ids| ids == 1 || !rules.one_id_only()).map(|ids| {
                let kind = |k: u8| match fetches.get(first + usize::from(k)).map(|fetch| fetch.fetched) {
                    // Which device it is would matter only if one were gone.
                    Some(Fetched::Id { device: true, .. }) if kinds => IdKind::Device(1),
                    _ => IdKind::Unit,
                };
                Request::of(&(0..ids).map(kind).collect::<Vec<_>>())
            });
            let request = request.and_then(|request| plan.number(request));
            plan.posts.push(Post { t, ids, request, first });
            // Behind an impossible one nothing is fetched any more.
            let slots = ids.map_or(0, |ids| usize::from(ids) + 1);
            for (place, fetch) in fetches.iter_mut().skip(first).take(slots).enumerate() {
                fetch.posted = Some((number, place as u8));
            }
            first += slots;
        }
        if plan.requests.is_empty() {
            plan.requests.push(Request::plain(rules.one_id_only().into()));
        }
        Plan { fetches, ..plan }
    }

    fn number(&mut self, request: Request) -> Option<u8> {
        let known = self.requests.iter().position(|other| *other == request);
        let number = known.unwrap_or_else(|| {
            if self.requests.len() < 255 {
                self.requests.push(request);
            }
            self.requests.iter().position(|other| *other == request).unwrap_or(255)
        });
        u8::try_from(number).ok().filter(|&number| number < 255)
    }

    /// Whether two IQT writes post the same IDs, as far as place `place` of the batch says.
    pub fn alike(&self, one: usize, other: usize, place: u8) -> bool {
        let at = |post: usize| self.fetches.get(self.posts[post].first + usize::from(place)).map(|fetch| fetch.fetched);
        match (at(one), at(other)) {
            (Some(one @ Fetched::Id { .. }), Some(other @ Fetched::Id { .. })) => one == other,
            _ => true,
        }
    }
}

/// The fetches, and which of them get no answer: what a line says before hardware reads IQH again.
fn fetches(trace: &Trace) -> Vec<Fetch> {
    let mut fetches: Vec<Fetch> = Vec::new();
    let mut last = None;
    for event in trace.events() {
        match event.what {
            What::Head { .. } => last = None,
            What::Fetch { slot, desc } => {
                last = slot;
                fetches.push(Fetch { fetched: desc, unanswered: false, posted: None });
            }
            What::NoAnswer { slot } if last == Some(slot) => {
                let fetch = fetches.last_mut().expect("a slot has been fetched");
                fetch.unanswered = matches!(fetch.fetched, Fetched::Id { device: true, .. });
            }
            _ => {}
        }
    }
    fetches
}

/// Who posts, and how many IDs: `None` where that is no possible number.
fn posts(trace: &Trace) -> impl Iterator<Item = (u8, Option<u8>)> + '_ {
    let length = trace.length();
    let most = u16::from(MAX_IDS).min(length.slots() - 2);
    let mut tail = 0;
    trace.events().iter().filter_map(move |&Event { thread, what, .. }| {
        let What::IqtWrite { slot } = what else { return None };
        let before = tail;
        let slots = in_ring(slot, length).map(|slot| {
            tail = slot;
            length.distance(before, slot)
        });
        let count = slots.and_then(|slots| slots.checked_sub(1)).filter(|ids| *ids <= most);
        Some((trace.submitter(thread)?, count.map(|ids| ids as u8)))
    })
}

pub(super) fn in_ring(slot: u64, length: Length) -> Option<Slot> {
    (slot < length.slots().into()).then_some(slot as Slot)
}
