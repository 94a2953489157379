//! The Explorer's page and the report of `check --html` in a browser: what is in view, what the keys do, what is never claimed.

use fantoccini::key::Key;
use serde_json::Value;
use vtd_qi::scenario::Table;
use vtd_qi::temporal::graph::Limits;
use vtd_qi::verify::{Verdict, verify};
use vtd_qi_page::about::About;
use vtd_qi_page::report::{ReportData, ReportPart, ScenarioData};

use chromium::{Browser, Size};
use served::Explorer;

mod chromium;
#[allow(dead_code)] // The other test asks it by itself.
mod served;

/// What is to be seen before anything is scrolled.
const FIRST: [&str; 6] = ["h1", ".lead", ".say .sentence", ".ring svg", ".slider input", ".place"];

/// Looks at a page at each size, light and dark: whether its first things are in view, what axe says, what the browser
/// complains of.
async fn looks_well(browser: &Browser, url: &str, name: &str, first: &[&str]) {
    for size in Size::ALL {
        browser.size(size).await;
        for dark in [false, true] {
            browser.dark(dark).await;
            browser.open(url).await;
            browser.assert_in_view(first).await;
            browser.keep(&format!("{name}-{}x{}-{}", size.0, size.1, if dark { "dark" } else { "light" })).await;
            browser.assert_accessible(name).await;
            browser.assert_quiet().await;
        }
    }
}

#[tokio::test]
async fn the_counterexample_is_in_view_at_each_size() {
    let Some(browser) = Browser::start("the_counterexample_is_in_view_at_each_size").await else { return };
    let explorer = Explorer::start(&["g3-patch"]);
    let url = format!("http://{}/", explorer.addr);
    looks_well(&browser, &url, "explore-g3-patch", &FIRST).await;
    assert_eq!(browser.text("h1").await, "g3-patch-2x4");
    assert!(browser.text(".lead").await.contains("a thread waits for ever"));
    // It is opened at the step that does the harm, which changes a slot and strands T2.
    assert!(browser.text(".place").await.starts_with("Step 31 of 36"), "{}", browser.text(".place").await);
    assert!(browser.text(".say .sentence").await.contains("frees slot 2, which holds T2's WD"));
    assert_eq!(browser.texts(".slot.changed title").await, ["slot 2: WD2 (WD\u{2192}2) of T2, QI_FREE"]);
    assert!(browser.text(".where .bad").await.contains("waits in vain"));
    let later = browser.texts(".step.later .n").await;
    assert_eq!(later, ["32", "33", "34", "35", "36"], "later steps are grey");
    assert_eq!(browser.texts(".step.loop .n").await, ["34", "35", "36"], "the loop is bracketed");
    browser.close().await;
}

#[tokio::test]
async fn steps_go_to_the_end_and_round_the_loop() {
    let Some(browser) = Browser::start("steps_go_to_the_end_and_round_the_loop").await else { return };
    let explorer = Explorer::start(&["g3-patch"]);
    browser.open(&format!("http://{}/", explorer.addr)).await;
    for (key, place) in [
        (Key::Right, "Step 32 of 36"),
        (Key::End, "Step 36 of 36: in the loop (34 to 36)"),
        (Key::Right, "Step 34 of 36: in the loop (34 to 36)"),
        (Key::Left, "Step 33 of 36, then 34 to 36 for ever"),
        (Key::Home, "Step 0 of 36: the start"),
    ] {
        browser.press(key).await;
        assert_eq!(browser.text(".place").await.chars().take(place.len()).collect::<String>(), place);
    }
    browser.press(Key::End).await;
    assert!(browser.text(".where .bad").await.contains("waits in vain"), "T2 is stuck in the loop");
    // The address follows, and opens the same state again.
    let link = format!("#/steps/{}", explorer.link().unwrap());
    browser.until(&format!("location.hash === {link:?}")).await;
    browser.open(&format!("http://{}/{link}", explorer.addr)).await;
    assert!(browser.text(".place").await.starts_with("Step 36 of 36"));
    browser.assert_quiet().await;
    browser.close().await;
}

#[tokio::test]
async fn another_action_makes_a_run_by_hand() {
    let Some(browser) = Browser::start("another_action_makes_a_run_by_hand").await else { return };
    let explorer = Explorer::start(&["g3-patch"]);
    let url = format!("http://{}/", explorer.addr);
    browser.size(Size::ALL[0]).await;
    browser.open(&url).await;
    // The run takes one of the first actions.
    browser.press(Key::Home).await;
    browser.until("document.querySelectorAll('.possible button').length > 1").await;
    assert_eq!(browser.texts(".possible button.next").await.len(), 1);
    browser.click(".possible button:not(.next)").await;
    browser.until("location.hash.split('/').length === 4").await;
    assert!(browser.text(".place").await.starts_with("Step 1 of 1"));
    assert!(browser.text(".picker").await.contains("Back to run 1, which this one leaves after step 0"));
    browser.until("document.querySelectorAll('.possible button').length > 0").await;
    browser.click(".possible button").await;
    browser.until("location.hash.split('/').length === 5").await;
    browser.until("document.querySelectorAll('.possible button').length > 0").await;
    let second = browser.text(".say .sentence").await;
    browser.keep("explore-by-hand").await;

    // The link opens the same state, in a browser that knows nothing of the run.
    let link = browser.value("location.href").await.as_str().unwrap().to_string();
    browser.open(&link).await;
    assert_eq!(browser.text(".say .sentence").await, second);
    browser.open(&url).await;
    browser.press(Key::Home).await;
    browser.until("document.querySelectorAll('.possible button').length > 1").await;
    browser.click(".possible button:not(.next)").await;
    browser.until("document.querySelector('.place').innerText.startsWith('Step 1 of 1')").await;

    // It is judged, and copied.
    browser.click(".acts button").await;
    browser.until("document.querySelector('.judged') !== null").await;
    let judged = browser.text(".judged").await;
    browser.keep("explore-judged").await;
    assert!(
        judged.contains("wd-eventually-observed-done is not evaluated: the last state was not there before"),
        "{judged}"
    );
    browser.assert_accessible("what a run by hand shows").await;
    for (button, part) in [(2, "/#/steps/0/"), (3, "qi_submit_sync("), (4, "MODULE Trace"), (5, "\"counterexample\"")] {
        browser.click(&format!(".acts button:nth-of-type({button})")).await;
        browser
            .until(&format!("(document.querySelector('.made-run textarea') ?? {{}}).value?.includes({part:?})"))
            .await;
        browser.until("document.querySelector('.said').innerText.startsWith('Copied')").await;
    }
    browser.assert_accessible("another_action_makes_a_run_by_hand").await;

    // Back to where it leaves the counterexample, by the browser's button and by the page's.
    browser.back().await;
    browser.until("document.querySelector('.place').innerText.startsWith('Step 0 of 36')").await;
    browser.until("document.querySelectorAll('.possible button').length > 1").await;
    browser.click(".possible button:not(.next)").await;
    browser.click(".back").await;
    browser.until("document.querySelector('.place').innerText.startsWith('Step 0 of 36')").await;
    browser.assert_quiet().await;
    browser.close().await;
}

#[tokio::test]
async fn fingers_and_keys_are_enough() {
    let Some(browser) = Browser::start("fingers_and_keys_are_enough").await else { return };
    let explorer = Explorer::start(&["g3-patch"]);
    browser.size(Size(390, 844)).await;
    browser.open(&format!("http://{}/", explorer.addr)).await;
    for (from, to, place) in [(300, 100, "Step 32 of 36"), (100, 300, "Step 31 of 36"), (100, 120, "Step 31 of 36")] {
        let touch = |kind: &str, x: u32| {
            format!(
                "document.querySelector('.look').dispatchEvent(new TouchEvent({kind:?}, {{ bubbles: true, changedTouches: \
                 [new Touch({{ identifier: 1, target: document.querySelector('.look'), clientX: {x}, clientY: 400 }})] }}))"
            )
        };
        browser.value(&touch("touchstart", from)).await;
        browser.value(&touch("touchend", to)).await;
        assert!(browser.text(".place").await.starts_with(place), "{}", browser.text(".place").await);
    }
    // It plays, and stops.
    browser.press(Key::Home).await;
    browser.click(".buttons .strong").await;
    browser.until("document.querySelector('.place').innerText.startsWith('Step 2 of 36')").await;
    browser.click(".buttons .strong").await;
    // Tab comes to an action, which Enter takes.
    browser.until("document.querySelectorAll('.possible button').length > 1").await;
    browser.value("document.querySelector('.possible button:not(.next)').focus()").await;
    browser.press_on(".possible button:not(.next)", Key::Enter).await;
    browser.until("document.querySelector('.place').innerText.startsWith('Step 3 of 3')").await;
    browser.assert_quiet().await;
    browser.close().await;
}

#[tokio::test]
async fn each_run_of_the_report_can_be_picked() {
    let Some(browser) = Browser::start("each_run_of_the_report_can_be_picked").await else { return };
    let explorer = Explorer::start(&["g3-c01-2x4"]);
    browser.open(&format!("http://{}/", explorer.addr)).await;
    let runs = browser.texts(".picker option").await;
    assert!(runs.len() > 1 && runs[0].starts_with("1. wd-eventually-observed-done"), "{runs:?}");
    let steps = runs[1].split(['(', ' ']).find_map(|word| word.parse::<usize>().ok()).unwrap();
    browser.click(".picker option:nth-of-type(2)").await;
    browser.until(&format!("document.querySelector('.place').innerText.includes(' of {steps}')")).await;
    assert_eq!(browser.value("document.querySelector('.picker select').value").await, "2");
    // The table leads to the run too, and the browser back.
    let linked = browser.text(".verdicts a").await.replace("step through run ", "");
    assert_ne!(linked, "2");
    browser.click(".verdicts a").await;
    browser.until(&format!("document.querySelector('.picker select').value === {linked:?}")).await;
    browser.back().await;
    browser.until("document.querySelector('.picker select').value === '2'").await;
    browser.assert_quiet().await;
    browser.close().await;
}

/// Fails unless the table shows the verdicts of the report, and of the state in view what was evaluated there.
async fn assert_nothing_is_claimed(browser: &Browser, report: &Value) {
    let rows = browser.value(
        "[...document.querySelectorAll('.verdicts tbody tr')].map((row) => [row.querySelector('code').innerText, \
         row.querySelector('.verdict').innerText, row.querySelector('.here').innerText])",
    );
    let rows: Vec<[String; 3]> = serde_json::from_value(rows.await).unwrap();
    let properties = report["report"]["scenarios"][0]["properties"].as_array().unwrap();
    assert_eq!(rows.len(), properties.len());
    let evaluated = report["report"]["runs"][0]["film"]["first"]["properties"].as_object().cloned();
    for ([name, verdict, here], property) in rows.iter().zip(properties) {
        assert_eq!(*name, property["name"]);
        assert!(verdict.ends_with(property["verdict"].as_str().unwrap()), "{name}: {verdict}");
        let words = match evaluated.as_ref().is_none_or(|evaluated| evaluated.contains_key(name)) {
            true => &["true here", "false here", "not evaluated in a single state"][..],
            false => &["not evaluated in a single state"],
        };
        assert!(words.contains(&here.as_str()), "{name}: {here}");
    }
    assert!(rows.iter().any(|[.., here]| here == "true here") || rows.len() == 1, "{rows:?}");
}

#[tokio::test]
async fn no_property_is_shown_as_holding_that_was_not_evaluated() {
    let Some(browser) = Browser::start("no_property_is_shown_as_holding_that_was_not_evaluated").await else { return };
    for args in [&["g3-c01-2x4"][..], &["seeded-reclaim-to-head-2x4"], &["g4-c01-2x4"]] {
        let explorer = Explorer::start(args);
        let report = explorer.json("/.report");
        browser.open(&format!("http://{}/", explorer.addr)).await;
        assert_nothing_is_claimed(&browser, &report).await;
        browser.press(Key::Home).await;
        assert_nothing_is_claimed(&browser, &report).await;
        // Both counts stand there by their names.
        browser.until("document.querySelector('.counts').innerText.includes('states that stateright has seen')").await;
        assert!(browser.text(".counts").await.contains("states, up to rotation of the ring"));
        let text = browser.text("main").await;
        let held = report["report"]["scenarios"][0]["properties"].as_array().unwrap();
        let held = held.iter().filter(|property| property["verdict"] == "holds").count();
        assert_eq!(text.matches("\u{2713} holds").count(), held + usize::from(args == ["g4-c01-2x4"]), "{text}");
        browser.assert_quiet().await;
        browser.leave().await;
    }
    browser.close().await;
}

#[tokio::test]
async fn where_nothing_is_violated_it_begins_at_the_start() {
    let Some(browser) = Browser::start("where_nothing_is_violated_it_begins_at_the_start").await else { return };
    let explorer = Explorer::start(&["g4-c01-2x4"]);
    looks_well(&browser, &format!("http://{}/", explorer.addr), "explore-g4-c01", &FIRST).await;
    assert!(browser.text(".place").await.starts_with("Step 0 of 0"));
    browser.until("document.querySelectorAll('.possible button').length > 1").await;
    // An address that names no state is said to, and the start is shown.
    browser.open(&format!("http://{}/#/steps/0/99", explorer.addr)).await;
    assert!(browser.text(".note.bad").await.contains("there is no action 99"));
    browser.close().await;
}

#[tokio::test]
async fn two_runs_stand_beside_each_other() {
    let Some(browser) = Browser::start("two_runs_stand_beside_each_other").await else { return };
    let explorer = Explorer::start(&["g3-patch"]);
    browser.size(Size(1366, 768)).await;
    browser.open(&format!("http://{}/", explorer.addr)).await;
    browser.click(".check input").await;
    browser.until("document.querySelector('.beside') !== null").await;
    assert!(browser.text(".beside h2").await.contains("g4"));
    assert!(browser.text(".difference").await.contains("is the first that is another one"));
    browser.keep("explore-beside").await;
    browser.assert_accessible("two_runs_stand_beside_each_other").await;
    browser.press(Key::End).await;
    assert!(browser.text(".place").await.starts_with("Step "));
    browser.assert_quiet().await;
    browser.close().await;
}

/// Steps through a run by the arrow key, and returns how many milliseconds each step took until it was laid out.
const STEPS: &str = "const done = arguments[0]; (async () => { const took = []; \
    const until = (wanted) => new Promise((found) => { const look = () => wanted() ? found() : setTimeout(look, 5); look(); }); \
    for (let i = 0; i < 60; i++) { const before = document.querySelector('.place b').textContent; const begun = performance.now(); \
    document.dispatchEvent(new KeyboardEvent('keydown', { key: i % 30 < 15 ? 'ArrowLeft' : 'ArrowRight' })); \
    const watch = () => document.querySelector('.place b').textContent !== before; \
    for (let turn = 0; turn < 20 && !watch(); turn++) await Promise.resolve(); \
    if (!watch()) await until(watch); \
    document.body.getBoundingClientRect().height; took.push(performance.now() - begun); \
    await new Promise((found) => setTimeout(found, 100)); } return took; })().then(done, (error) => done(String(error)));";

#[tokio::test]
async fn a_step_on_a_ring_of_256_slots_is_measured() {
    let Some(browser) = Browser::start("a_step_on_a_ring_of_256_slots_is_measured").await else { return };
    let explorer = Explorer::start(&["g3-c1-real-2x256"]);
    // A run by hand: always the first of the actions that are possible.
    let url = format!("http://{}/#/steps{}", explorer.addr, "/0".repeat(61));
    looks_well(&browser, &url, "explore-256", &FIRST).await;
    browser.size(Size(1366, 768)).await;
    browser.open(&url).await;
    assert_eq!(browser.texts(".slot").await.len(), 256);
    browser.press(Key::End).await;
    let took = browser.measured(STEPS).await;
    let mut took: Vec<f64> = serde_json::from_value(took.clone()).unwrap_or_else(|_| panic!("{took}"));
    took.sort_by(f64::total_cmp);
    let (median, most) = (took[took.len() / 2], took[took.len() * 95 / 100]);
    browser.say(&format!("a step on a ring of 256 slots takes {median:.1} ms, 95 of 100 at most {most:.1} ms\n"));
    browser.assert_quiet().await;
    browser.close().await;
}

#[tokio::test]
async fn the_report_is_a_page_that_needs_nothing_else() {
    let Some(browser) = Browser::start("the_report_is_a_page_that_needs_nothing_else").await else { return };
    let table = Table::embedded();
    let scenario = table.find("g3-patch-2x4").unwrap();
    let report = verify(scenario, Limits::default());
    let about = About { command: "check g3-patch --html FILE".into(), ..About::default() };
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("g3-patch.html");
    std::fs::write(&path, ReportData::of(about, &[(scenario, &report)]).html()).unwrap();
    let url = format!("file://{}", path.display());
    looks_well(&browser, &url, "report-g3-patch", &FIRST).await;
    assert!(browser.text(".place").await.starts_with("Step 31 of 36"));
    browser.press(Key::End).await;
    assert!(browser.text(".place").await.starts_with("Step 36 of 36: in the loop"));
    assert!(browser.text(".where .bad").await.contains("waits in vain"));
    browser.open(&format!("{url}#run=1&step=17")).await;
    assert!(browser.text(".place").await.starts_with("Step 17 of 36"));
    browser.click(".check input").await;
    assert!(browser.text(".beside h2").await.contains("g4"));
    browser.assert_quiet().await;
    browser.close().await;
}

/// The pages of the kernel's C and of replay have drawings as a terminal shows them, wider than a telephone.
#[tokio::test]
async fn a_report_of_drawings_can_be_read_at_each_size() {
    let Some(browser) = Browser::start("a_report_of_drawings_can_be_read_at_each_size").await else { return };
    let scenario = Table::embedded().find("g3-patch-2x4").unwrap().clone();
    let report = verify(&scenario, Limits::default());
    let run = report.properties.iter().find_map(|outcome| outcome.counterexample.as_ref()).expect("it is violated");
    let mut data = ScenarioData::told("comparison", "The C and the model part.", Verdict::Violated);
    data.drawings = vec![run.timeline.to_string()];
    let parts = vec![ReportPart { data, runs: Vec::new() }];
    let page = ReportData::of_parts(About::default(), "The C is none of the generations.".into(), parts);
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("drawings.html");
    std::fs::write(&path, page.html()).unwrap();
    looks_well(&browser, &format!("file://{}", path.display()), "report-drawings", &["h1", ".lead"]).await;
    assert!(browser.text("main").await.contains("WD1=QI_DONE"), "the drawing is there");
    browser.close().await;
}
