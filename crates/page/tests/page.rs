//! What the page is given is what the ring holds, and the page keeps what it promises.

use stateright::Model;
use vtd_qi::campaign::matrix::Matrix;
use vtd_qi::impl_qi::{Owner, Status, WideRing, WideState};
use vtd_qi::scenario::{Check, Scenario, Table};
use vtd_qi::temporal::graph::Limits;
use vtd_qi::verify::{Report, Verdict, verify};
use vtd_qi::with_wide_ring;
use vtd_qi_page::about::About;
use vtd_qi_page::frame::{Frame, Walk};
use vtd_qi_page::picture::picture;
use vtd_qi_page::report::{MOST_BYTES, ReportData, SCRIPT, STYLE, source};
use vtd_qi_page::run::{ShownRun, shown_outcomes};

#[allow(dead_code)]
#[path = "../examples/documents.rs"]
mod documents;

fn checked(name: &str) -> (Scenario, Report) {
    let scenario = Table::embedded().find(name).unwrap().clone();
    let report = verify(&scenario, Limits::default());
    (scenario, report)
}

fn data(checked: &[(Scenario, Report)]) -> ReportData {
    let about = About {
        command: "check g3-patch --html FILE".into(),
        version: "0".into(),
        ..About::of("check", "scenarios", "check SCENARIO --html FILE")
    };
    ReportData::of(about, &checked.iter().map(|(scenario, report)| (scenario, report)).collect::<Vec<_>>())
}

/// Fails unless all that a frame says of a state is so.
fn compare<const F: usize>(ring: &WideRing<F>, state: &WideState<F>, frame: &Frame) {
    let queue = state.queue();
    assert_eq!((frame.iqh, frame.iqt, frame.free_cnt), (state.iqh(), state.iqt(), queue.free_cnt));
    assert_eq!((frame.free_head, frame.free_tail), (queue.free_head, queue.free_tail));
    for slot in ring.length().iter() {
        let letter = state.status(slot).letter().to_string();
        let owners = (0..ring.cfg().submitters).filter(|&t| {
            let call = state.call(t);
            call.has_index() && ring.length().distance(call.index, slot) < call.slots()
        });
        let owners: Vec<String> = owners.map(|t| format!("T{}", t + 1)).collect();
        match frame.slots.get(&slot) {
            Some(shown) => {
                assert_eq!((&shown.status, &shown.owners), (&letter, &owners), "slot {slot} of {state:?}");
                assert!(!shown.star || state.status(slot) == Status::Done, "slot {slot} of {state:?}");
            }
            None => assert!(state.status(slot) == Status::Free && owners.is_empty(), "slot {slot} of {state:?}"),
        }
    }
    assert_eq!(frame.fetched.len(), state.pending().count());
    assert_eq!(frame.lock.starts_with("free"), state.lock_holder().is_none());
    for t in 0..ring.cfg().submitters {
        let shown = &frame.submitters[&format!("T{}", t + 1)];
        assert_eq!(shown.waits.is_some(), ring.waiting(state, t));
        assert!(!shown.in_vain || state.pending().all(|(_, owner)| owner != Owner::Submitter(t as u8)));
    }
    assert_eq!(
        frame.faults.as_ref().is_some_and(|faults| faults.contains("ITE,")),
        F > 0 && state.fsts().names() == "ITE"
    );
    let properties = ring.properties();
    for (name, holds) in &frame.properties {
        let property = properties.iter().find(|property| property.name == name).unwrap();
        assert_eq!((property.condition)(ring, state), *holds, "{name} in {state:?}");
    }
}

/// Walks through a ring without aim, and compares each frame.
fn wander(scenario: &Scenario, steps: usize) {
    with_wide_ring!(scenario.cfg.clone(), |ring| {
        let mut walk = Walk::new(&ring);
        for i in 0..steps {
            let possible = walk.possible();
            let Some(action) = possible.get((i * i + i / 3) % possible.len().max(1)) else { return };
            assert!(walk.step(*action));
            compare(&ring, walk.state(), walk.frame());
            let step = walk.frame().step.as_ref().unwrap();
            assert!(step.sentence.ends_with('.') && !step.text.is_empty(), "{step:?}");
            assert_eq!(step.action, ring.format_action(action));
        }
    });
}

#[test]
fn frames_say_of_each_state_what_it_holds() {
    let table = Table::embedded();
    for family in ["g3-c01", "g4-c012-pipelined", "g4-c01-fifo", "seeded-wd-first"] {
        wander(table.select(family)[0], 3_000);
    }
    let matrix = Matrix::embedded();
    for name in ["g5-lost-answer-in-order-drop-2x4", "g5plus-ice-in-order-2x4"] {
        wander(&matrix.find(name).unwrap().scenario, 3_000);
    }
}

#[test]
fn a_run_is_told_as_the_terminal_tells_it() {
    let (scenario, report) = checked("g3-patch-2x4");
    let outcome = report.outcome(Check::WdEventuallyObservedDone).unwrap();
    let run = ShownRun::of(&scenario, outcome).unwrap();
    let (violation, frames) = (outcome.counterexample.as_ref().unwrap(), run.film.frames(&[]).unwrap());
    assert_eq!((run.stem, run.repeating, frames.len()), (33, 3, 37));
    for (frame, row) in frames[1..].iter().zip(&violation.timeline.rows) {
        assert_eq!(frame.step.as_ref().unwrap().text, row.text);
    }
    assert_eq!((run.harm, &run.stuck[..]), (Some(31), &["T2".to_string()][..]));
    let harm = frames[31].step.as_ref().unwrap();
    assert_eq!(harm.sentence, "T1's reclaim frees slot 2, which holds T2's WD (WD2); T2 has not seen it done.");
    assert!(harm.harm.is_some() && harm.slots == [2], "{harm:?}");
    assert!(frames[36].submitters["T2"].in_vain && !frames[30].submitters["T2"].in_vain);
}

#[test]
fn the_same_schedule_under_the_fixed_rules_ends_well() {
    let (scenario, report) = checked("g3-patch-2x4");
    let run = ShownRun::of(&scenario, &report.properties[0]).unwrap();
    let compared = run.compared.unwrap();
    assert_eq!(compared.generation, "g4");
    let (differs, why) = compared.differs.clone().unwrap();
    assert_eq!(run.film.frames(&[]).unwrap()[differs].step.as_ref().unwrap().text, "ID1=QI_DONE", "{why}");
    assert!(why.contains("\"ID1=QI_FREE\" under g4"), "{why}");
    assert!(compared.outcome.starts_with("T2 sees its QI_DONE in step "), "{}", compared.outcome);
    let frames = compared.film.frames(&[]).unwrap();
    assert!(frames.iter().all(|frame| !frame.submitters["T2"].in_vain));
}

#[test]
fn a_seeded_fault_is_compared_with_the_generation_that_lacks_it() {
    let (scenario, report) = checked("seeded-reclaim-to-head-2x4");
    let run = ShownRun::of(&scenario, shown_outcomes(&report)[0]).unwrap();
    assert_eq!(run.compared.unwrap().generation, "g4");
}

#[test]
fn what_a_page_is_given_can_be_read_again() {
    let data = data(&[checked("g3-c01-2x4"), checked("g4-c0-2x4")]);
    assert!(!data.runs.is_empty());
    let again: ReportData = serde_json::from_str(&serde_json::to_string(&data).unwrap()).unwrap();
    assert_eq!(again, data);
    let sentence = "Of 2 scenarios 1 keep every promise, 1 break one, and 0 are undecided. All is as expected.";
    assert_eq!(data.sentence, sentence);
    // The runs consist of the same frames that each has by itself.
    let shared: Vec<_> = again.runs.iter().map(|run| run.film.frames(&again.changes).unwrap()).collect();
    let by_itself = |run: &ShownRun| {
        let (scenario, report) = checked(&run.scenario);
        let mut outcomes = shown_outcomes(&report).into_iter();
        let outcome = outcomes.find(|outcome| outcome.check.name() == run.property).unwrap();
        ShownRun::of(&scenario, outcome).unwrap().film.frames(&[]).unwrap()
    };
    assert_eq!(shared, again.runs.iter().map(by_itself).collect::<Vec<_>>());
    // Each run is linked from the property that it violates.
    for (number, run) in (1..).zip(&data.runs) {
        let scenario = data.scenarios.iter().find(|scenario| scenario.name == run.scenario).unwrap();
        let property = scenario.properties.iter().find(|property| property.name == run.property).unwrap();
        assert_eq!((property.run, property.verdict), (Some(number), Verdict::Violated));
    }
}

#[test]
fn what_a_name_says_is_no_part_of_the_page() {
    let (mut scenario, mut report) = checked("g3-patch-2x4");
    let name = "</script><!--<script>alert(1)//&'\"";
    (scenario.name, report.name) = (name.to_string(), name.to_string());
    let html = data(&[(scenario, report)]).html();
    assert_eq!((html.matches("<script").count(), html.matches("</script").count()), (3, 3));
    assert!(!html.contains("<!--"));
    let json = html.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let read: ReportData = serde_json::from_str(json).unwrap();
    assert_eq!(read.scenarios[0].name, name);
}

#[test]
fn nothing_but_its_own_script_and_style_may_run() {
    let html = data(&[checked("g4-c0-2x4")]).html();
    let policy = html.split("content=\"default-src 'none'").nth(1).unwrap().split("\">").next().unwrap();
    let scripts: Vec<&str> =
        html.split("<script>").skip(1).map(|rest| rest.split("</script>").next().unwrap()).collect();
    assert_eq!(scripts.len(), 2);
    for part in scripts.into_iter().chain([STYLE, SCRIPT]) {
        assert!(policy.contains(&source(part)), "{policy}");
    }
    assert_eq!(source(""), "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='", "what everybody has for nothing");
    assert!(!policy.contains("unsafe") && !policy.contains("http"));
    for elsewhere in ["src=", "@import", "url(", "fetch(", "XMLHttpRequest", "import("] {
        assert!(!html.contains(elsewhere), "{elsewhere}");
    }
}

#[test]
fn a_page_is_small_enough_to_be_sent_and_says_what_it_leaves_out() {
    let one = checked("g3-patch-2x4");
    let many = vec![one.clone(); 400];
    let data = data(&many);
    let bytes = data.html().len();
    assert!(bytes <= MOST_BYTES && bytes > MOST_BYTES / 2, "{bytes} bytes");
    assert!(!data.left_out.is_empty());
    assert_eq!(data.runs.len() + data.left_out.len(), many.len());
    // So many that there is no room for what was found of each.
    let most = self::data(&vec![one; 4_000]);
    assert!(most.html().len() <= MOST_BYTES, "{} bytes", most.html().len());
    assert!(most.scenarios.len() < 4_000 && most.not_shown == 4_000 - most.scenarios.len());
    assert!(most.sentence.contains("4000 scenarios"), "{}", most.sentence);
}

/// `cargo run -p vtd-qi-page --example documents -- docs` makes them anew.
#[test]
fn the_documents_are_what_is_made_now() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (name, made) in documents::documents() {
        assert!(made.len() < 200_000, "{name} has {} bytes", made.len());
        let kept = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(kept == made, "docs/{name} is not what the program makes now");
    }
}

#[test]
fn a_picture_shows_the_ring_before_and_after_the_step() {
    let (scenario, report) = checked("g3-patch-2x4");
    let run = ShownRun::of(&scenario, &report.properties[0]).unwrap();
    let svg = picture(&run, &[], run.harm.unwrap()).unwrap();
    let svg = roxmltree::Document::parse(&svg).unwrap();
    let texts: Vec<&str> =
        svg.descendants().filter(|node| node.has_tag_name((SVG, "text"))).filter_map(|t| t.text()).collect();
    let statuses: Vec<&str> = texts.iter().copied().filter(|text| text.starts_with("QI_")).collect();
    assert_eq!(statuses, ["QI_FREE", "QI_FREE", "QI_DONE*", "QI_FREE", "QI_FREE", "QI_FREE", "QI_FREE", "QI_FREE"]);
    assert!(texts.iter().any(|text| text.contains("T2 still waits for QI_DONE in WD2")), "{texts:?}");
    assert_eq!(picture(&run, &[], 0), None);
    assert_eq!(picture(&run, &[], 37), None);
}

const SVG: &str = "http://www.w3.org/2000/svg";
