//! A run of the specification as a sequence diagram, which stateright's Explorer shows beside a path.

use stateright::actor::Envelope;
use stateright::{Model, Path};

use super::{
    HARDWARE, MAX_SUBMITTERS, Message, Spec, SpecAction, SpecState, SpecStep, id, submitter, submitters_in, view,
};

// The drawing, in pixels: a column of text, then a time line for each party; a row for each step.
const TEXT: usize = 250;
const COLUMN: usize = 150;
const HEAD: usize = 70;
const ROW: usize = 30;

impl Spec {
    /// Draws a path as a sequence diagram, lost messages and those still in flight included. Each step is named on the
    /// left, with the state after it as a tooltip.
    pub(super) fn sequence_diagram(&self, path: Path<SpecState, SpecAction>) -> String {
        let parties = self.actors.actors.len();
        let in_flight = view(path.last_state());
        let path = path.into_vec();
        let end = path.len() - 1;
        let (width, height) = (TEXT + COLUMN * parties, HEAD + ROW * (end + 1));
        let mut svg = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' role='img' width='{width}' height='{height}' \
             viewBox='0 0 {width} {height}' font-family='sans-serif' font-size='12' fill='currentColor'>\n\
             <title>VT-d queued invalidation, {end} steps</title>\n\
             <defs><marker id='qi-arrow' markerWidth='12' markerHeight='10' refX='12' refY='5' orient='auto'>\
             <path d='M0,0 L12,5 L0,10 z'/></marker></defs>\n"
        );
        svg.extend((0..parties).map(|party| time_line(party, end)));
        // Row in which the last message from or to each submitter was sent.
        let mut sent = [0; MAX_SUBMITTERS];
        for (row, step) in path.windows(2).enumerate() {
            let [(_, Some(action)), (after, _)] = step else { unreachable!("the last state alone has no action") };
            svg += &format!(
                "<text x='10' y='{}'><title>{}</title>{}. {}</text>\n",
                y(row) + 4,
                escape(&view(after).to_string()),
                row + 1,
                escape(&self.format_action(action)),
            );
            match *action {
                SpecAction::SelectRandom { actor, .. } => sent[usize::from(submitter(actor))] = row,
                SpecAction::Timeout(_, SpecStep::Complete(t) | SpecStep::CompleteEarly(t) | SpecStep::Refuse(t)) => {
                    sent[usize::from(t)] = row
                }
                SpecAction::Timeout(_, SpecStep::Abort(batches)) => {
                    submitters_in(batches).for_each(|t| sent[usize::from(t)] = row);
                }
                SpecAction::Timeout(_, SpecStep::Execute(t)) => svg += &execution(t, row),
                SpecAction::Deliver { src, dst, msg } => {
                    svg += &flight(Envelope { src, dst, msg }, &sent, row, Fate::Arrives)
                }
                SpecAction::Drop(message) => svg += &flight(message, &sent, row, Fate::Lost),
                SpecAction::Crash(_) | SpecAction::Recover(_) => {
                    unreachable!("actors of the specification do not crash")
                }
            }
        }
        svg.extend(in_flight.messages().map(|message| flight(message, &sent, end, Fate::Open)));
        svg + "</svg>\n"
    }
}

fn x(party: usize) -> usize {
    TEXT + COLUMN / 2 + COLUMN * party
}

fn y(row: usize) -> usize {
    HEAD + ROW * row
}

fn time_line(party: usize, end: usize) -> String {
    let (name, role) = match party {
        HARDWARE => ("Hardware".into(), "invalidation unit"),
        t => (format!("T{t}"), "submitter"),
    };
    let (x, top, bottom) = (x(party), HEAD - 20, y(end));
    format!(
        "<g text-anchor='middle'><text x='{x}' y='20' font-weight='bold'>{name}</text><text x='{x}' y='36'>{role}</text>\
         <line x1='{x}' y1='{top}' x2='{x}' y2='{bottom}' stroke='currentColor' stroke-opacity='0.4'/></g>\n"
    )
}

fn execution(t: u8, row: usize) -> String {
    let (x, y) = (x(HARDWARE), y(row));
    format!(
        "<rect x='{}' y='{}' width='10' height='10'/><text x='{}' y='{}'>ID of T{}</text>\n",
        x - 5,
        y - 5,
        x + 10,
        y + 4,
        t + 1
    )
}

/// How the flight of a message ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is delivered: an arrow.
    Arrives,
    /// It is lost: a broken line to a cross.
    Lost,
    /// It is still in flight: a broken line.
    Open,
}

fn flight(message: Envelope<Message>, sent: &[usize; MAX_SUBMITTERS], row: usize, fate: Fate) -> String {
    let t = submitter(message.src.max(message.dst));
    let (x1, y1) = (x(message.src.into()), y(sent[usize::from(t)]));
    let (receiver, y2) = (x(message.dst.into()), y(row));
    let short = if receiver < x1 { receiver + COLUMN / 3 } else { receiver - COLUMN / 3 };
    let (x2, style, end) = match fate {
        Fate::Arrives => (receiver, "marker-end='url(#qi-arrow)'", String::new()),
        Fate::Lost => (short, "stroke-dasharray='4'", cross(short, y2)),
        Fate::Open => (short, "stroke-dasharray='4'", String::new()),
    };
    // The text stands between the submitter's time line and the one on its left, where no other message's text can be.
    let text = x(id(t).into()) - COLUMN / 2;
    let above = y1 + (y2 - y1) * text.abs_diff(x1) / x2.abs_diff(x1) - 8;
    format!(
        "<g><circle cx='{x1}' cy='{y1}' r='3'/>\
         <line x1='{x1}' y1='{y1}' x2='{x2}' y2='{y2}' stroke='currentColor' {style}/>\
         <text x='{text}' y='{above}' text-anchor='middle'>{}</text>{end}</g>\n",
        escape(&message.msg.to_string()),
    )
}

fn cross(x: usize, y: usize) -> String {
    format!(
        "<path d='M{},{} l12,12 m0,-12 l-12,12' stroke='red' stroke-width='3'/><text x='{}' y='{}' fill='red'>lost</text>",
        x - 6,
        y - 6,
        x + 10,
        y + 4
    )
}

/// Text as it has to be written between tags and in attributes of an XML document.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&apos;").replace('"', "&quot;")
}
