//! A step of a run as a picture for a document: the ring before it and after it, and what it does, in one sentence.

use serde_json::Value;
use vtd_qi::spec::escape;

use crate::frame::{Frame, FrameSlot};
use crate::run::ShownRun;

const WIDTH: usize = 760;
const LEFT: usize = 96;
const CELL: (usize, usize) = (150, 62);

/// It brings its own paper, so that it can be read on a light page and on a dark one.
const STYLE: &str = "\
    text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;fill:#1c1e21}\
    .m{font-family:ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace}.s{fill:#595f69}.b{fill:#b3261e}\
    .p{fill:#ffffff;stroke:#d3d7dc}.f{fill:#f0f1f2}.u{fill:#f0c95c}.D{fill:#7cc4ee}.A{fill:#eb9a70}.c{stroke:#c9cdd3}\
    .o{fill:none;stroke:#b3261e;stroke-width:3}.q{fill:#1f56ad}.d{fill:#7a2d6b}.on{fill:#17181a}\
    @media (prefers-color-scheme:dark){text{fill:#e7e9ec}.s{fill:#a7adb7}.b{fill:#ff968c}.p{fill:#1c1f23;stroke:#363b42}\
    .f{fill:#2a2e34}.c{stroke:#4a5058}.o{stroke:#ff968c}.q{fill:#8bb5f5}.d{fill:#dda0d0}.on{fill:#17181a}}";

/// Draws a step of a run as SVG, with the changes that its film shares, on a ring of up to 4 slots; `None` if there is no such step, or
/// the ring is longer.
pub fn picture(run: &ShownRun, shared: &[Value], step: usize) -> Option<String> {
    let frames = run.film.frames(shared).ok()?;
    let (before, after) = (frames.get(step.checked_sub(1)?)?, frames.get(step)?);
    let taken = after.step.as_ref()?;
    let slots = usize::from(run.film.slots);
    if slots * CELL.0 + LEFT > WIDTH {
        return None;
    }
    let mut body = String::new();
    let mut y = 26;
    for line in textwrap::wrap(&taken.sentence, 60) {
        y += 26;
        body += &format!("<text x='24' y='{y}' font-size='20' font-weight='600'>{}</text>\n", escape(&line));
    }
    y += 26;
    body += &format!(
        "<text class='s' x='24' y='{y}' font-size='14'>step {step} of {}, as the timeline has it: \
         <tspan class='m s'>{} {}</tspan></text>\n",
        run.stem + run.repeating,
        escape(&taken.who),
        escape(&taken.text)
    );
    for (title, frame, changed) in [("before", before, &[][..]), ("after", after, &taken.slots[..])] {
        y += 46;
        body += &ring(title, frame, slots, changed, y);
        y += CELL.1 + 34;
    }
    let vain = after.submitters.iter().filter(|(_, submitter)| submitter.in_vain);
    for (name, submitter) in vain {
        y += 30;
        let waits = submitter.waits.as_deref().unwrap_or_default();
        let text = format!("{name} still waits for QI_DONE in {waits}, and nobody will write it any more.");
        body +=
            &format!("<text class='b' x='24' y='{y}' font-size='16' font-weight='600'>! {}</text>\n", escape(&text));
    }
    let height = y + 26;
    Some(format!(
        "<svg xmlns='http://www.w3.org/2000/svg' role='img' width='{WIDTH}' height='{height}' viewBox='0 0 {WIDTH} {height}'>\n\
         <title>{}</title>\n<style>{STYLE}</style>\n\
         <rect class='p' x='1' y='1' width='{}' height='{}' rx='10'/>\n{body}</svg>\n",
        escape(&taken.sentence),
        WIDTH - 2,
        height - 2
    ))
}

/// The slots in a row, the hardware's registers above them and the driver's fields below.
fn ring(title: &str, frame: &Frame, slots: usize, changed: &[u8], y: usize) -> String {
    let mut body = format!("<text class='s' x='24' y='{}' font-size='15'>{title}</text>\n", y + CELL.1 / 2 + 5);
    let nothing = FrameSlot { status: ".".to_string(), ..FrameSlot::default() };
    for number in 0..slots {
        let slot = frame.slots.get(&(number as u8)).unwrap_or(&nothing);
        body += &cell(number, slot, changed.contains(&(number as u8)), LEFT + number * CELL.0, y);
    }
    let pointers = [
        ("IQH", frame.iqh, "q", y - 10),
        ("IQT", frame.iqt, "q", y - 10),
        ("free_tail", frame.free_tail, "d", y + CELL.1 + 20),
        ("free_head", frame.free_head, "d", y + CELL.1 + 20),
    ];
    for pair in pointers.chunks(2) {
        let labels: Vec<_> = match pair {
            [(one, at, class, y), (other, same, ..)] if at == same => {
                vec![(format!("{one} = {other}"), *at, *class, *y)]
            }
            pair => pair.iter().map(|(label, at, class, y)| (label.to_string(), *at, *class, *y)).collect(),
        };
        for (label, at, class, y) in labels {
            let x = LEFT + usize::from(at) * CELL.0 + (CELL.0 - 6) / 2;
            let arrow = if class == "q" { "\u{2193}" } else { "\u{2191}" };
            body += &format!(
                "<text class='m {class}' x='{x}' y='{y}' font-size='13' text-anchor='middle'>{arrow} {label}</text>\n"
            );
        }
    }
    body
}

fn cell(number: usize, slot: &FrameSlot, changed: bool, x: usize, y: usize) -> String {
    let (width, height) = (CELL.0 - 6, CELL.1);
    let (fill, ink) = match slot.status.as_str() {
        "." => ("f", "s"),
        status => (status, "on"),
    };
    let status = match slot.status.as_str() {
        "." => "QI_FREE",
        "u" => "QI_IN_USE",
        "D" => "QI_DONE",
        _ => "QI_ABORT",
    };
    let star = if slot.star { "*" } else { "" };
    let middle = x + width / 2;
    let outline = format!("<rect class='o' x='{x}' y='{y}' width='{width}' height='{height}' rx='6'/>");
    format!(
        "<rect class='c {fill}' x='{x}' y='{y}' width='{width}' height='{height}' rx='6'/>{}\
         <text class='m {ink}' x='{}' y='{}' font-size='11'>{number}</text>\
         <text class='m {ink}' x='{}' y='{}' font-size='12' font-weight='700' text-anchor='end'>{}</text>\
         <text class='m {ink}' x='{middle}' y='{}' font-size='16' font-weight='700' text-anchor='middle'>{}</text>\
         <text class='m {ink}' x='{middle}' y='{}' font-size='13' text-anchor='middle'>{status}{star}</text>\n",
        if changed { outline } else { String::new() },
        x + 8,
        y + 17,
        x + width - 8,
        y + 17,
        slot.owners.join(" "),
        y + 32,
        escape(&slot.name),
        y + 52,
    )
}
