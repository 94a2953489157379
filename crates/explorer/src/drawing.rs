//! The ring as stateright's Explorer shows it: a picture of each state with the timeline that led there, and states in words.
//!
//! The picture has three parts, from top to bottom:
//!
//! * the slots, each coloured and lettered by its status, with its descriptor and the submitter whose batch it is in. The
//!   hardware's registers IQH and IQT point from above, the driver's `free_head` and `free_tail` from below; a bar at the
//!   upper edge marks what is still to be fetched, one at the lower edge what is handed out;
//! * the rest of the state, a line each: `free_cnt`, the lock, what the hardware holds fetched, where each submitter stands;
//! * the [`Timeline`] so far, its last row highlighted. If the last state has occurred before, the rows since then are
//!   bracketed: they lead back to it, so they can be repeated.
//!
//! Its `<metadata>` holds the same state as a [`Frame`] in JSON, for a page that draws by itself.
//!
//! ```
//! use stateright::{Model, Path};
//! use vtd_qi_explorer::drawing::Drawn;
//! use vtd_qi::impl_qi::{Action, Ring, RingCfg, Rules};
//!
//! let ring = Drawn::new(Ring::<8, 3>::new(RingCfg::new(Rules::G4, 2, [1]))?);
//! let call = Action::Call { t: 0, request: 0 };
//! let path = Path::from_actions(&ring, ring.init_states()[0], &[call]).unwrap();
//! assert_eq!(path.encode(&ring), "0/0");
//! let svg = ring.as_svg(path).unwrap();
//! assert!(svg.contains("qi_submit_sync(1)"));
//! // `ring.checker().serve("127.0.0.1:3000")` shows it in a browser.
//! # Ok::<(), vtd_qi::impl_qi::RingError>(())
//! ```

use stateright::{Model, Path, Property};

use stateright_temporal::liveness::Run;
use vtd_qi::impl_qi::{Action, Desc, Label, Queue, Ring, Slot, State, Status, WideRing};
use vtd_qi::spec::escape;
use vtd_qi::timeline::Timeline;
use vtd_qi_page::frame::{Frame, Walk};
use vtd_qi_page::scene::{Scene, desc_name, name};

/// A [`Ring`] that can draw itself; in all else the ring.
///
/// The ring itself knows nothing of timelines, which are made from it.
#[derive(Clone, Debug)]
pub struct Drawn<const N: usize, const T: usize, const F: usize> {
    ring: Ring<N, T, F>,
    conditions: Vec<fn(&Ring<N, T, F>, &State<N, T, F>) -> bool>,
}

impl<const N: usize, const T: usize, const F: usize> Drawn<N, T, F> {
    /// The model of a ring, with pictures.
    pub fn new(ring: Ring<N, T, F>) -> Self {
        let conditions = ring.properties().into_iter().map(|property| property.condition).collect();
        Drawn { ring, conditions }
    }

    /// The ring.
    pub fn ring(&self) -> &Ring<N, T, F> {
        &self.ring
    }

    /// What holds in a state, by the number of the ring's property: a [`Property`] has room for a bare function only.
    fn condition<const I: usize>(&self, state: &State<N, T, F>) -> bool {
        self.conditions[I](&self.ring, state)
    }

    const CONDITIONS: [fn(&Self, &State<N, T, F>) -> bool; 16] = [
        Self::condition::<0>,
        Self::condition::<1>,
        Self::condition::<2>,
        Self::condition::<3>,
        Self::condition::<4>,
        Self::condition::<5>,
        Self::condition::<6>,
        Self::condition::<7>,
        Self::condition::<8>,
        Self::condition::<9>,
        Self::condition::<10>,
        Self::condition::<11>,
        Self::condition::<12>,
        Self::condition::<13>,
        Self::condition::<14>,
        Self::condition::<15>,
    ];
}

impl<const N: usize, const T: usize, const F: usize> Model for Drawn<N, T, F> {
    type State = State<N, T, F>;
    type Action = Action;

    fn init_states(&self) -> Vec<Self::State> {
        self.ring.init_states()
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        self.ring.actions(state, actions);
    }

    fn next_state(&self, state: &Self::State, action: Self::Action) -> Option<Self::State> {
        self.ring.next_state(state, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let numbered = self.ring.properties().into_iter().enumerate();
        numbered
            .map(|(i, Property { expectation, name, .. })| Property {
                expectation,
                name,
                condition: Self::CONDITIONS[i],
            })
            .collect()
    }

    fn within_boundary(&self, state: &Self::State) -> bool {
        self.ring.within_boundary(state)
    }

    fn format_action(&self, action: &Self::Action) -> String {
        self.ring.format_action(action)
    }

    /// The state that the step leads to, in a few lines.
    fn format_step(&self, state: &Self::State, action: Self::Action) -> Option<String> {
        let next = self.ring.next_state(state, action)?;
        let scene = Scene::of(&self.ring.widened(), &next.widened());
        let lines = scene.slots_and_indices().into_iter().chain(scene.facts());
        Some(lines.map(|(name, fact)| format!("{name:<NAME$}{fact}\n")).collect())
    }

    fn as_svg(&self, path: Path<Self::State, Self::Action>) -> Option<String> {
        Some(draw(&self.ring, path))
    }
}

/// The state at the end of a path as a frame, and with it the last step.
fn frame<const F: usize>(ring: &WideRing<F>, actions: Vec<Action>) -> Frame {
    let mut walk = Walk::new(ring);
    for action in actions {
        walk.step(action);
    }
    walk.frame().clone()
}

/// Columns of text that the name of a fact takes.
const NAME: usize = 10;

/// A path as a run. If its last state has occurred before, the steps since then are a loop.
fn run<const N: usize, const T: usize, const F: usize>(
    path: Path<State<N, T, F>, Action>,
) -> (Run<State<N, T, F>, Label>, State<N, T, F>) {
    let path = path.into_vec();
    let states: Vec<_> = path.iter().map(|(state, _)| *state).collect();
    let last = states[states.len() - 1];
    let labels = path.iter().filter_map(|(_, action)| action.map(|action| action.label()));
    let mut stem: Vec<_> = labels.zip(states[1..].iter().copied()).collect();
    let seen = states[..states.len() - 1].iter().rposition(|state| *state == last);
    let cycle = seen.map_or(Vec::new(), |back| stem.split_off(back));
    (Run { initial: states[0], stem, cycle }, last)
}

// The drawing, in pixels. Letters of a monospaced font are 0.6 as wide as they are high.
const MARGIN: usize = 16;
const FONT: &str = "11.5";
const CHAR: usize = 7;
const LINE: usize = 17;
/// Height of a label of an arrow, and length of the arrow itself.
const LANE: usize = 13;
const ARROW: usize = 14;
const PER_ROW: u16 = 16;

const INK: &str = "#1b1b1b";
const FAINT: &str = "#6b6b6b";
const PAPER: &str = "#ffffff";
const RULE: &str = "#d0d0d0";
const HARDWARE: &str = "#0b4f8a";
const DRIVER: &str = "#7a2d6b";
const LAST_ROW: &str = "#fff0b3";

/// Fills that people with any kind of colour vision tell apart, and that black letters can be read on.
fn fill(status: Status) -> &'static str {
    match status {
        Status::Free => "#f1f1f1",
        Status::InUse => "#f0c95c",
        Status::Done => "#74c0ee",
        Status::Abort => "#e58a5a",
    }
}

/// A part of the drawing, in coordinates of its own.
struct Panel {
    width: usize,
    height: usize,
    body: String,
}

fn draw<const N: usize, const T: usize, const F: usize>(
    ring: &Ring<N, T, F>,
    path: Path<State<N, T, F>, Action>,
) -> String {
    let (run, state) = run(path.clone());
    let timeline = Timeline::of(ring, &run);
    let ring = ring.widened();
    let frame = frame(&ring, path.into_actions());
    let scene = Scene::of(&ring, &state.widened());
    let facts = scene.facts();
    let panels = [boxes(&scene), legend(), lines(&facts), rows(&timeline)];
    let width = 2 * MARGIN + panels.iter().map(|panel| panel.width).max().unwrap_or(0);
    let mut top = MARGIN;
    let mut body = String::new();
    for panel in &panels {
        body += &format!("<g transform='translate({MARGIN},{top})'>\n{}</g>\n", panel.body);
        top += panel.height + MARGIN;
    }
    let described: Vec<_> =
        scene.slots_and_indices().into_iter().chain(facts).map(|(n, f)| format!("{n}: {f}")).collect();
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' role='img' width='{width}' height='{top}' viewBox='0 0 {width} {top}' \
         font-family='ui-monospace, DejaVu Sans Mono, Menlo, Consolas, monospace' font-size='{FONT}' fill='{INK}'>\n\
         <title>Queued invalidation ring of {} slots after {} steps</title>\n<desc>{}</desc>\n\
         <metadata>{}</metadata>\n\
         <rect width='{width}' height='{top}' rx='6' fill='{PAPER}'/>\n{body}</svg>\n",
        ring.length().slots(),
        timeline.rows.len(),
        escape(&described.join("; ")),
        escape(&serde_json::to_string(&frame).expect("a frame is plain data")),
    )
}

/// How large a slot is drawn.
struct Cell {
    width: usize,
    height: usize,
    /// Where the status letter stands, and how large it is.
    letter: (usize, usize, usize),
    /// Whether there is room for all that is in the slot.
    full: bool,
}

impl Cell {
    const FULL: Cell = Cell { width: 66, height: 54, letter: (32, 31, 18), full: true };
    const SMALL: Cell = Cell { width: 38, height: 34, letter: (27, 16, 13), full: false };

    fn of(slots: u16) -> &'static Cell {
        if slots <= 2 * PER_ROW { &Cell::FULL } else { &Cell::SMALL }
    }

    fn centre(&self, slot: Slot) -> usize {
        self.left(slot) + self.width / 2 - 1
    }

    fn left(&self, slot: Slot) -> usize {
        usize::from(u16::from(slot) % PER_ROW) * self.width
    }
}

/// The slots in rows, with the arrows that point at them.
fn boxes(scene: &Scene) -> Panel {
    let Queue { free_head, free_tail, .. } = scene.queue;
    let length = scene.length;
    let cell = Cell::of(length.slots());
    let row_of = |slot: Slot| u16::from(slot) / PER_ROW;
    let mut body = String::new();
    let mut y = 0;
    for row in 0..length.slots().div_ceil(PER_ROW) {
        let here = |(name, slot): (&'static str, Slot)| (row_of(slot) == row).then_some((name, slot));
        let above: Vec<_> = [("IQH", scene.iqh), ("IQT", scene.iqt)].into_iter().filter_map(here).collect();
        let below: Vec<_> = [("free_head", free_head), ("free_tail", free_tail)].into_iter().filter_map(here).collect();
        if !above.is_empty() {
            y += ARROW + LANE * above.len();
        }
        body += &arrows(cell, &above, y, Side::Above);
        for slot in length.iter().filter(|&slot| row_of(slot) == row) {
            body += &slot_box(scene, cell, slot, y);
        }
        y += cell.height;
        body += &arrows(cell, &below, y - 2, Side::Below);
        if !below.is_empty() {
            y += ARROW + LANE * below.len();
        }
    }
    Panel { width: cell.width * usize::from(length.slots().min(PER_ROW)), height: y, body }
}

fn slot_box(scene: &Scene, cell: &Cell, slot: Slot, y: usize) -> String {
    let (x, width, height) = (cell.left(slot), cell.width - 2, cell.height - 2);
    let status = scene.at(slot).status;
    let (letter_x, letter_y, letter_size) = cell.letter;
    let mut out = format!(
        "<g><title>{}</title><rect x='{x}' y='{y}' width='{width}' height='{height}' fill='{}' stroke='{FAINT}'/>\
         <text x='{}' y='{}' font-size='9'>{slot}</text>\
         <text x='{}' y='{}' font-size='{letter_size}' font-weight='bold' text-anchor='middle'>{}</text>",
        escape(&scene.slot(slot)),
        fill(status),
        x + 3,
        y + 13,
        x + letter_x,
        y + letter_y,
        status.letter(),
    );
    let desc = match scene.at(slot).desc {
        Desc::Blank => String::new(),
        Desc::Wd { .. } if !cell.full => "WD".to_string(),
        desc => desc_name(desc),
    };
    out += &format!(
        "<text x='{}' y='{}' font-size='10' text-anchor='middle'>{desc}</text>",
        x + width / 2,
        y + height - 6
    );
    if cell.full {
        out += &format!(
            "<text x='{}' y='{}' font-size='10' font-weight='bold' text-anchor='end'>{}</text>",
            x + width - 3,
            y + 13,
            scene.owners(slot).map(name).collect::<Vec<_>>().join(" ")
        );
    }
    let bar = |y: usize, colour: &str| format!("<rect x='{x}' y='{y}' width='{width}' height='3' fill='{colour}'/>");
    if scene.is_to_be_fetched(slot) {
        out += &bar(y, HARDWARE);
    }
    if scene.is_handed_out(slot) {
        out += &bar(y + height - 3, DRIVER);
    }
    out + "</g>\n"
}

/// From which side an arrow points at a slot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Above,
    Below,
}

/// Arrows with their edge of the slots at `edge`. Each has a line of text of its own, so that labels of neighbours do not
/// collide; two at the same slot share the arrow.
fn arrows(cell: &Cell, labels: &[(&str, Slot)], edge: usize, side: Side) -> String {
    let colour = if side == Side::Above { HARDWARE } else { DRIVER };
    let mut out = String::new();
    for (lane, &(name, slot)) in labels.iter().enumerate() {
        let x = cell.centre(slot);
        let shared = labels[..lane].iter().any(|&(_, other)| other == slot);
        let length = ARROW + lane * LANE;
        let (baseline, from, tip, head) = match side {
            Side::Above => (edge - length - 2, edge - length + 1, edge - 1, -6),
            Side::Below => (edge + length + 9, edge + length - 1, edge + 1, 6),
        };
        out += &format!("<text x='{x}' y='{baseline}' text-anchor='middle' fill='{colour}'>{name}</text>");
        if !shared {
            out += &format!(
                "<path d='M{x},{from} V{tip} m-4,{head} l4,{} l4,{head}' fill='none' stroke='{colour}' stroke-width='1.5'/>",
                -head
            );
        }
    }
    out + "\n"
}

fn legend() -> Panel {
    let mut body = String::new();
    let mut x = 0;
    for status in [Status::Free, Status::InUse, Status::Done, Status::Abort] {
        let text = format!("{} {}", status.letter(), status.name());
        body += &format!(
            "<rect x='{x}' y='0' width='12' height='12' fill='{}' stroke='{FAINT}'/><text x='{}' y='10'>{text}</text>",
            fill(status),
            x + 18
        );
        x += 18 + CHAR * (text.len() + 2);
    }
    for (colour, y, text) in [(HARDWARE, 0, "to be fetched"), (DRIVER, 9, "handed out")] {
        body += &format!(
            "<rect x='{x}' y='0' width='12' height='12' fill='none' stroke='{RULE}'/>\
             <rect x='{x}' y='{y}' width='12' height='3' fill='{colour}'/><text x='{}' y='10'>{text}</text>",
            x + 18
        );
        x += 18 + CHAR * (text.len() + 2);
    }
    Panel { width: x, height: 12, body: body + "\n" }
}

fn lines(facts: &[(String, String)]) -> Panel {
    let text_x = NAME * CHAR;
    let line = |(i, (name, fact)): (usize, &(String, String))| {
        let y = LINE * i + 12;
        let (name, fact) = (escape(name), escape(fact));
        format!("<text x='0' y='{y}' fill='{FAINT}'>{name}</text><text x='{text_x}' y='{y}'>{fact}</text>\n")
    };
    let longest = facts.iter().map(|(_, fact)| fact.chars().count()).max().unwrap_or(0);
    Panel {
        width: text_x + CHAR * longest,
        height: LINE * facts.len(),
        body: facts.iter().enumerate().map(line).collect(),
    }
}

/// The timeline: a column for each submitter, one for the hardware, one for the ring; a row for each step.
fn rows(timeline: &Timeline) -> Panel {
    let titles = timeline.titles();
    let mut widths: Vec<usize> = titles.iter().map(|title| title.len()).collect();
    for row in &timeline.rows {
        let width = &mut widths[timeline.column(row)];
        *width = (*width).max(row.text.chars().count());
    }
    // The number of a row, then the columns, each with its left edge.
    let first = 5 * CHAR;
    let edges: Vec<usize> = std::iter::once(first)
        .chain(widths.iter().scan(first, |x, width| {
            *x += CHAR * (width + 3);
            Some(*x)
        }))
        .collect();
    let ring_x = edges[titles.len()];
    let rings = timeline.rows.iter().map(|row| &row.ring).chain([&timeline.start]).map(ToString::to_string);
    let width = ring_x + CHAR * (2 + rings.map(|ring| ring.chars().count()).max().unwrap_or(0));
    let last = timeline.rows.len();
    let y = |row: usize| LINE * (row + 2) - 4;
    let mut body =
        format!("<rect x='0' y='{}' width='{width}' height='{LINE}' fill='{LAST_ROW}'/>\n", y(last) + 4 - LINE);
    for (title, x) in titles.iter().map(String::as_str).chain(["ring"]).zip(&edges) {
        body += &format!(
            "<text x='{}' y='{}' font-weight='bold'>{title}</text><path d='M{x},2 V{}' stroke='{RULE}'/>\n",
            x + CHAR,
            LINE - 4,
            y(last) + 4
        );
    }
    body += &format!("<path d='M0,{LINE} H{width}' stroke='{FAINT}'/>\n");
    body += &cells(0, y(0), &[(ring_x, &timeline.start.to_string())], last == 0);
    for (i, row) in (1..).zip(&timeline.rows) {
        body +=
            &cells(i, y(i), &[(edges[timeline.column(row)], &row.text), (ring_x, &row.ring.to_string())], i == last);
    }
    let mut height = y(last) + 4;
    if timeline.repeating > 0 {
        let back = last - timeline.repeating;
        let (top, bottom) = (y(back + 1) + 4 - LINE + 3, y(last) + 1);
        body += &format!(
            "<path d='M-2,{top} h-6 V{bottom} h6' fill='none' stroke='{INK}' stroke-width='1.5'/>\
             <text x='{}' y='{}' fill='{FAINT}'>back in the state after step {back}: from there these steps can repeat</text>\n",
            first + CHAR,
            height + LINE - 4
        );
        height += LINE;
    }
    Panel { width, height, body }
}

/// The texts of one row of the timeline, each with the left edge of its column.
fn cells(number: usize, y: usize, texts: &[(usize, &String)], last: bool) -> String {
    let weight = if last { "bold" } else { "normal" };
    let number = format!("<text x='{}' y='{y}' text-anchor='end' fill='{FAINT}'>{number}</text>", 4 * CHAR);
    let cell = |(x, text): &(usize, &String)| {
        // Browsers collapse plain spaces, and the slots of the ring are to stand below one another.
        let text = escape(text).replace(' ', "\u{a0}");
        format!("<text x='{}' y='{y}'>{text}</text>", x + CHAR)
    };
    let texts: String = texts.iter().map(cell).collect();
    format!("<g font-weight='{weight}'>{number}{texts}</g>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use stateright_temporal::graph::Search;
    use vtd_qi::impl_qi::{Hardware, Length, Lock, RingCfg, Rules};

    /// The drawing of the state to which the actions of these names lead.
    fn after<const N: usize, const T: usize, const F: usize>(cfg: RingCfg, wanted: &[&str]) -> String {
        let drawn = Drawn::new(Ring::<N, T, F>::new(cfg).unwrap());
        let path = path(&drawn, wanted);
        drawn.as_svg(path).unwrap()
    }

    fn path<const N: usize, const T: usize, const F: usize>(
        drawn: &Drawn<N, T, F>,
        wanted: &[&str],
    ) -> Path<State<N, T, F>, Action> {
        let mut state = drawn.init_states()[0];
        let mut actions = Vec::new();
        for name in wanted {
            let steps = drawn.next_steps(&state);
            let step = steps.into_iter().find(|(action, _)| drawn.format_action(action) == *name);
            let (action, next) = step.unwrap_or_else(|| panic!("no {name} in {state:?}"));
            actions.push(action);
            state = next;
        }
        Path::from_actions(drawn, drawn.init_states()[0], &actions).unwrap()
    }

    const POST: [&str; 7] =
        ["T1 Call(1)", "T1 Acquire", "T1 WriteId", "T1 IdInUse", "T1 WdInUse", "T1 WriteWd", "T1 WriteIqt"];

    /// Position and text of every text element.
    fn texts<'a>(svg: &'a roxmltree::Document) -> Vec<(f64, &'a str)> {
        let elements = svg.descendants().filter(|node| node.has_tag_name((SVG, "text")));
        elements.map(|text| (text.attribute("x").unwrap().parse().unwrap(), text.text().unwrap_or(""))).collect()
    }

    const SVG: &str = "http://www.w3.org/2000/svg";

    #[test]
    fn letters_stand_in_the_slots_and_arrows_point_at_them() {
        let cfg = RingCfg::new(Rules::G3, 2, [0, 1]);
        let svg = after::<8, 3, 0>(cfg, &[&POST[..], &["Fetch", "Execute(0)", "Fetch", "Complete"]].concat());
        let svg = roxmltree::Document::parse(&svg).unwrap();
        let texts = texts(&svg);
        let slot = |x: f64| x as usize / Cell::FULL.width;
        let at =
            |wanted: &str| texts.iter().filter(|(_, text)| *text == wanted).map(|(x, _)| slot(*x)).collect::<Vec<_>>();
        // The ID is IN_USE for ever, hardware has written the WD's status, both are owned and fetched.
        assert_eq!((at("u"), at("D"), at(".")), (vec![0], vec![1], vec![2, 3]));
        assert_eq!((at("ID"), at("WD\u{2192}1")), (vec![0], vec![1]));
        assert_eq!((at("IQH"), at("IQT"), at("free_head"), at("free_tail")), (vec![2], vec![2], vec![2], vec![0]));
        assert!(
            texts.contains(&(70.0, "qi_submit_sync(1) in slots 0 to 1, waits for its WD; next: Poll")),
            "{texts:?}"
        );
    }

    #[test]
    fn slots_of_two_batches_name_both_owners() {
        // T2 waits in slot 0 while T1, whose reclaim has freed it, comes round to it again.
        let cfg = RingCfg { length: Length::new(4).unwrap(), ..RingCfg::new(Rules::G3, 2, [0]) };
        let ring = Ring::<8, 3>::new(cfg).unwrap();
        let graph = Search::new(&ring, Action::label).run();
        let mut scenes = graph.ids().map(|id| Scene::of(&ring.widened(), &graph.state(id).widened()));
        assert!(scenes.any(|scene| ring.length().iter().any(|slot| scene.owners(slot).eq([0, 1]))));
    }

    #[test]
    fn the_kernels_ring_is_drawn_in_sixteen_rows() {
        let cfg = RingCfg { length: Length::KERNEL, ..RingCfg::new(Rules::G4, 2, [1]) };
        let svg = after::<256, 8, 0>(cfg, &POST);
        let svg = roxmltree::Document::parse(&svg).unwrap();
        let tooltips: Vec<_> =
            svg.descendants().filter(|node| node.has_tag_name((SVG, "title"))).filter_map(|node| node.text()).collect();
        assert_eq!(tooltips.len(), 1 + 256, "the drawing and each slot has a title");
        assert_eq!(tooltips[1..3], ["0: ID of T1 QI_IN_USE", "1: WD\u{2192}1 of T1 QI_IN_USE"]);
        let texts = texts(&svg);
        assert_eq!(texts.iter().filter(|(_, text)| *text == "free_head").count(), 1);
        let rightmost = texts.iter().map(|(x, _)| *x as usize).max().unwrap();
        assert!(rightmost < 16 * Cell::FULL.width, "{rightmost}");
    }

    #[test]
    fn the_metadata_is_the_frame_of_the_state() {
        let cfg = RingCfg::new(Rules::G3, 2, [0, 1]);
        let ring = Ring::<8, 3>::new(cfg.clone()).unwrap();
        let steps = [&POST[..], &["Fetch", "Execute(0)", "Fetch", "Complete"]].concat();
        let path = path(&Drawn::new(ring.clone()), &steps);
        let ring = ring.widened();
        let mut walk = Walk::new(&ring);
        path.into_actions().into_iter().for_each(|action| assert!(walk.step(action)));
        let svg = after::<8, 3, 0>(cfg, &steps);
        let svg = roxmltree::Document::parse(&svg).unwrap();
        let metadata = svg.descendants().find(|node| node.has_tag_name((SVG, "metadata"))).unwrap();
        let frame: Frame = serde_json::from_str(metadata.text().unwrap()).unwrap();
        assert_eq!(frame, *walk.frame());
        assert_eq!(frame.step.unwrap().slots, [1], "the WD's status");
        assert!(frame.properties["free-cnt-consistent"]);
    }

    #[test]
    fn a_path_that_comes_back_is_bracketed() {
        let spin = ["T1 Poll", "T1 Unlock", "T1 Acquire"];
        let cfg = || RingCfg::new(Rules::G4, 1, [1]);
        let once = after::<8, 3, 0>(cfg(), &[&POST[..], &spin].concat());
        assert!(once.contains("back in the state after step 7"), "{once}");
        let almost = after::<8, 3, 0>(cfg(), &[&POST[..], &spin[..2]].concat());
        assert!(!almost.contains("back in the state"), "{almost}");
    }

    #[test]
    fn every_property_is_the_rings_own() {
        let ring = Ring::<8, 3>::new(RingCfg::new(Rules::G3, 2, [0, 1])).unwrap();
        let drawn = Drawn::new(ring.clone());
        let graph = Search::new(&ring, Action::label).run();
        assert_eq!(drawn.properties().len(), ring.properties().len());
        for (ours, theirs) in drawn.properties().into_iter().zip(ring.properties()) {
            assert_eq!((ours.name, &ours.expectation), (theirs.name, &theirs.expectation));
            for state in graph.ids().map(|id| graph.state(id)) {
                assert_eq!((ours.condition)(&drawn, state), (theirs.condition)(&ring, state), "{}", ours.name);
            }
        }
    }

    #[test]
    fn different_states_are_written_differently() {
        // The Explorer's page takes states whose `{:#?}` is the same for the same state.
        let ring = Ring::<8, 3>::new(RingCfg::new(Rules::G3, 2, [0, 1])).unwrap();
        let graph = Search::new(&ring, Action::label).run();
        let written: std::collections::HashSet<String> =
            graph.ids().map(|id| format!("{:#?}", graph.state(id))).collect();
        assert_eq!(written.len(), graph.len());
    }

    #[test]
    fn a_step_is_told_by_the_state_it_leads_to() {
        let cfg = RingCfg { lock: Lock::Fifo, hardware: Hardware::pipelined(2), ..RingCfg::new(Rules::G4, 3, [1]) };
        let drawn = Drawn::new(Ring::<8, 3>::new(cfg).unwrap());
        let queued = ["T1 Call(1)", "T1 Enqueue"];
        let path =
            path(&drawn, &[&queued[..], &POST[1..], &["Fetch", "T2 Call(1)", "T3 Call(1)", "T3 Enqueue"]].concat());
        let fetch = Action::Hardware(vtd_qi::impl_qi::HwStep::Fetch);
        let told = drawn.format_step(path.last_state(), fetch).unwrap();
        insta::assert_snapshot!(told, @r"
        slots     0: ID of T1 QI_IN_USE, 1: WD→1 of T1 QI_IN_USE
        indices   IQH 2, IQT 2, free_head 2, free_tail 0
        free_cnt  2 of 4
        q_lock    held by T1; in line: T3; wanted by T2
        hardware  holds fetched: ID of T1, then WD→1 of T1
        T1        qi_submit_sync(1) in slots 0 to 1, waits for its WD; next: Poll
        T2        qi_submit_sync(1); next: Acquire
        T3        qi_submit_sync(1); next: Acquire
        ");
    }
}
