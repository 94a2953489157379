// The page on which a ring is explored. What it shows of a state comes from stateright's Explorer (`/.states`), which holds a frame
// in the metadata of each drawing; verdicts and runs come from `/.report`. It is made of the components of page.js.
//
// A state is named by the indices of the actions that lead to it, as stateright numbers them: `#/steps/0/3/1`. The first is that of
// the initial state. A run is all that is shown of such a path: { number, indices, frames, stem, loop, harm, ... }; `number` is its
// place in the report, from 1, or null if it was made by hand; by its `id` the browser's history finds it again.
(function () {
"use strict";

const { html, render, useCallback, useEffect, useMemo, useRef, useState } = htmPreact;
const { completed, framesOf, runInWords, Player, ScenarioBody, SIGNS, Verdict } = vtdQiPage;

// ---- What the server says -------------------------------------------------------------------------------------------------------

// An answer, or an error that holds the server's sentence.
async function ask(path, { method = "GET", text = false } = {}) {
  const response = await fetch(path, { method });
  if (!response.ok) throw new Error((await response.text()).trim() || `the server answers ${response.status}`);
  return text ? response.text() : response.json();
}

// The frame in the metadata of a drawing.
function frameIn(svg) {
  const [from, to] = [svg.indexOf("<metadata>"), svg.indexOf("</metadata>")];
  const metadata = new DOMParser().parseFromString(`${svg.slice(from, to)}</metadata>`, "application/xml");
  return JSON.parse(metadata.documentElement.textContent);
}

// What can happen after a path: the index of each action, and the frame that it leads to.
async function possibleAfter(indices) {
  const steps = await ask(`/.states/${indices.join("/")}`);
  return steps.filter((step) => step.svg).map((step) => ({ index: step.actionIndex, frame: frameIn(step.svg) }));
}

// ---- Addresses and runs ---------------------------------------------------------------------------------------------------------

// The path that the address names; null if it names none.
function pathInAddress() {
  const named = /^#\/steps((?:\/\d+)+)\/?$/.exec(location.hash);
  return named ? named[1].slice(1).split("/").map(Number) : null;
}

function addressOf(indices) {
  return `#/steps/${indices.join("/")}`;
}

function beginsWith(indices, path) {
  return path.length <= indices.length && path.every((index, i) => index === indices[i]);
}

// How many steps two paths have in common.
function common(one, other) {
  let n = 0;
  while (n < one.length && n < other.length && one[n] === other[n]) n++;
  return Math.max(0, n - 1);
}

function runsOf({ report, paths }) {
  return report.runs.map((run, i) => ({ ...run, number: i + 1, id: `run ${i + 1}`, indices: paths[i], frames: framesOf(run.film, report.changes) }));
}

let made = 0;

// A run made by hand along a path.
function byHand(slots, indices, frames) {
  made += 1;
  const harm = frames.findIndex((frame) => frame.step && frame.step.harm);
  return { number: null, id: `made ${made}`, indices, frames, film: { slots }, stem: indices.length - 1, loop: 0, harm: harm < 0 ? undefined : harm, stuck: [] };
}

// The step at which a run is opened: that of the harm, or the end of its stem.
function opening(run) {
  return run.harm ?? run.stem;
}

// ---- What can happen next -------------------------------------------------------------------------------------------------------

function Possible({ possible, next, take, failed }) {
  return html`<section class="possible" aria-labelledby="possible">
    <h2 id="possible">What can happen next</h2>
    ${failed && html`<p class="bad">${failed}</p>`}
    ${!failed && possible && possible.length === 0 && html`<p>Nothing: the run ends here.</p>`}
    ${!possible && !failed && html`<p class="soft">...</p>`}
    <ul>${(possible ?? []).map(({ index, frame }) => html`<li key=${index}>
      <button type="button" class=${index === next ? "next" : ""} onClick=${() => take(index, frame)}>
        <span class="what"><span class="who">${frame.step.who}</span> <code>${frame.step.text}</code>${index === next && html` <span class="soft">(the next step of this run)</span>`}</span>
        <span class="says">${frame.step.sentence}</span>
      </button></li>`)}</ul>
  </section>`;
}

// ---- The run that was made ------------------------------------------------------------------------------------------------------

const FOUND = { violated: SIGNS.violated, "not-violated": "\u00b7", "not-evaluated": "?" };
const FOUND_WORDS = { violated: "violated by this run", "not-violated": "not violated by this run", "not-evaluated": "not evaluated" };

function JudgedRun({ judged, words }) {
  const further = judged.laps === 1 ? "" : ", further round the ring each time";
  const loop = judged.loop ? `, of which the last ${judged.loop} can be repeated for ever${further}` : "";
  return html`<div class="judged">
    <p>This is what one run of ${judged.steps} steps shows${loop}. It is no proof: what one run does not violate, another may.</p>
    <ul>${judged.properties.map(({ name, found, says }) => html`<li class=${found === "violated" ? "bad" : ""}><span class="sign" aria-hidden="true">${FOUND[found]}</span>
      <span><code>${name}</code> is <b>${FOUND_WORDS[found]}</b>: ${says}${words[name] && html`<span class="says">${words[name].says}</span>`}</span></li>`)}</ul>
  </div>`;
}

const COPIES = [
  ["timeline", "timeline", "the timeline as text", "/.timeline"],
  ["module", "TLA+ module", "the run as a module Trace.tla that allows nothing else, for TLC to walk", "/.module"],
  ["trace", "trace", "the run as TLC writes traces, for check NAME --from-tlc FILE to execute", "/.trace"],
];

// Judges and copies the run up to the step in view.
function Made({ path, words }) {
  const [shown, setShown] = useState(null);
  const [said, setSaid] = useState("");
  const box = useRef(null);
  const key = path.join("/");
  useEffect(() => { setShown(null); setSaid(""); }, [key]);
  const attempt = async (work) => {
    try {
      await work();
    } catch (error) {
      setShown(null);
      setSaid(`That did not work: ${error.message}`);
    }
  };
  const judge = () => attempt(async () => {
    setShown({ judged: await ask(`/.judge/${key}`) });
    setSaid("The run was judged.");
  });
  const copy = (what, text) => attempt(async () => {
    setShown({ text, what });
    // Only a page of this machine may write to the clipboard; elsewhere the text is there to be taken.
    const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
    setSaid(copied ? `Copied: ${what}.` : `Select and copy: ${what}.`);
    if (!copied && box.current) box.current.select();
  });
  return html`<section class="made-run" aria-labelledby="made-run">
    <h2 id="made-run">The run up to here</h2>
    <p class="acts">
      <button type="button" onClick=${judge}>Judge</button>
      <button type="button" onClick=${() => copy("the link to this state", new URL(addressOf(path), location.href).href)}>Copy link</button>
      ${COPIES.map(([name, label, what, at]) => html`<button type="button" key=${name} onClick=${() => attempt(async () => copy(what, await ask(`${at}/${key}`, { text: true })))}>Copy ${label}</button>`)}
    </p>
    <p role="status" class="said">${said}</p>
    ${shown && shown.judged && html`<${JudgedRun} judged=${shown.judged} words=${words} />`}
    ${shown && shown.text && html`<textarea ref=${box} readonly rows="8" aria-label=${shown.what}>${shown.text}</textarea>`}
  </section>`;
}

// ---- The page -------------------------------------------------------------------------------------------------------------------

// What was really evaluated of a property in a state, and no more.
function Here({ frame, name }) {
  const value = frame.properties[name];
  if (value === undefined) return html`<span class="soft">not evaluated in a single state</span>`;
  return html`<span class=${value ? "" : "bad"}><b>${value ? "true" : "false"}</b> here</span>`;
}

// What stateright's own search has seen, asked again as long as it goes on.
function useStatus(moved) {
  const [status, setStatus] = useState(null);
  const [searching, setSearching] = useState(false);
  useEffect(() => {
    let over = false;
    let timer = null;
    const look = () => ask("/.status").then((status) => {
      if (over) return;
      setStatus(status);
      if (status.done) setSearching(false);
      else if (searching) timer = setTimeout(look, 1000);
    }, () => {});
    timer = setTimeout(look, 200);
    return () => { over = true; clearTimeout(timer); };
  }, [moved, searching]);
  const search = () => ask("/.runtocompletion", { method: "POST", text: true }).then(() => setSearching(true), () => {});
  return { status, searching, search };
}

function Picker({ runs, run, at, beside, pick, setBeside, back }) {
  const chosen = run.number ?? 0;
  return html`<div class="picker">
    ${runs.length > 0 && html`<label>Run <select value=${chosen} onChange=${(event) => pick(Number(event.target.value))}>
      ${runs.map((known) => html`<option value=${known.number} selected=${known.number === chosen}>${runInWords(known, known.number, false)}</option>`)}
      ${!run.number && html`<option value="0" selected>made by hand</option>`}
    </select></label>`}
    ${!run.number && runs.length === 0 && html`<p>A run made by hand, from the initial state.</p>`}
    ${back && html`<button type="button" class="back" onClick=${back.go}>Back to run ${back.number}, which this one leaves after step ${back.step}</button>`}
    ${run.compared && html`<label class="check"><input type="checkbox" checked=${beside} onChange=${() => setBeside(!beside)} />
      show the same schedule under <code>${run.compared.generation}</code> beside it</label>`}
  </div>`;
}

function Searched({ status, searching, search }) {
  if (!status || status.done) return null;
  return html`<p class="search"><button type="button" disabled=${searching} onClick=${search}>${searching ? "stateright searches ..." : "Let stateright search all of it"}</button>
    <span class="soft">in its own way, with all rotations of the ring told apart; the verdicts above do not need it</span></p>`;
}

function Explorer({ shown: { report, paths }, start }) {
  const scenario = useMemo(() => completed(report.scenarios[0]), [report]);
  const runs = useMemo(() => runsOf({ report, paths }), [report]);
  const [{ run, at }, setView] = useState({ run: start.run, at: start.at });
  const [last, setLast] = useState(start.run.number ?? (runs.length ? 1 : null));
  const [beside, setBeside] = useState(false);
  const [wrong, setWrong] = useState(start.wrong);
  const view = useRef({ run, at });
  view.current = { run, at };

  const own = at <= run.indices.length - 1 || !run.loop ? Math.min(at, run.indices.length - 1) : run.stem + 1 + ((at - run.stem - 1) % run.loop);
  const path = run.indices.slice(0, own + 1);
  const key = path.join("/");

  // Shows a step of a run. The address follows once nobody moves any more: browsers refuse to change it too often. What is more than a
  // step along a run is a new entry in the browser's history, which knows the run.
  const seen = useRef(new Map());
  const due = useRef({ timer: null, address: null, id: null });
  const settle = () => {
    clearTimeout(due.current.timer);
    if (due.current.address) history.replaceState({ id: due.current.id }, "", due.current.address);
    due.current.address = null;
  };
  const show = useCallback((run, at, entry) => {
    const address = addressOf(run.indices.slice(0, Math.min(at, run.indices.length - 1) + 1));
    seen.current.set(run.id, run);
    if (entry === "new") {
      settle();
      history.pushState({ id: run.id }, "", address);
    } else {
      clearTimeout(due.current.timer);
      due.current = entry === "same" ? { address, id: run.id, timer: setTimeout(settle, 150) } : { address: null };
    }
    if (run.number) setLast(run.number);
    setWrong(null);
    setView({ run, at });
  }, []);

  useEffect(() => {
    for (const known of [...runs, start.run]) seen.current.set(known.id, known);
    if (!start.wrong) history.replaceState({ id: start.run.id }, "", addressOf(start.run.indices.slice(0, start.at + 1)));
    const follow = (event) => {
      const wanted = pathInAddress();
      const known = event.state && seen.current.get(event.state.id);
      if (wanted) find(wanted, runs, known ?? view.current.run, report).then(({ run, at }) => show(run, at, "none"), (error) => setWrong(error.message));
    };
    addEventListener("popstate", follow);
    return () => removeEventListener("popstate", follow);
  }, [runs]);

  const [next, setNext] = useState({ key: null, possible: null, failed: null });
  useEffect(() => {
    let over = false;
    // While a run plays, nobody can take an action.
    const timer = setTimeout(() => possibleAfter(path).then(
      (possible) => over || setNext({ key, possible, failed: null }),
      (error) => over || setNext({ key, possible: null, failed: error.message }),
    ), 60);
    return () => { over = true; clearTimeout(timer); };
  }, [key]);
  useEffect(() => { document.title = `${scenario.name}, step ${own}`; }, [scenario, own]);

  const take = (index, frame) => {
    const taken = [...path, index];
    const known = [run, ...runs].find(({ indices }) => beginsWith(indices, taken));
    show(known ?? byHand(run.film.slots, taken, [...run.frames.slice(0, own + 1), frame]), own + 1, "new");
    if (!known) setBeside(false);
  };
  const pick = (number) => {
    const picked = runs[number - 1];
    if (picked) show(picked, opening(picked), "new");
  };
  const left = !run.number && last ? runs[last - 1] : null;
  const back = left && { number: last, step: common(left.indices, run.indices), go: () => show(left, common(left.indices, run.indices), "new") };
  const { status, searching, search } = useStatus(next.key);
  const counts = status ? [["states that stateright has seen, rotations told apart", String(status.unique_state_count)]] : [];
  const open = (event, number) => { event.preventDefault(); pick(number); scrollTo(0, 0); };
  return html`<main class="explorer">
    <header>
      <h1>${scenario.name}</h1>
      <p class=${`lead ${scenario.verdict}`}><${Verdict} verdict=${scenario.verdict} /> <span>${report.sentence}</span></p>
      <p class="soft configuration">${report.about.own ?? scenario.configuration[0]}</p>
      ${wrong && html`<p class="note bad" role="alert">The address names no state: ${wrong}.</p>`}
    </header>
    <section class="runs" aria-label="Runs">
      <${Picker} runs=${runs} run=${run} at=${own} beside=${beside} pick=${pick} setBeside=${setBeside} back=${back} />
      <${Player} run=${run} at=${at} go=${(step) => show(run, Math.max(0, step), "same")} words=${report.words} beside=${beside} shared=${report.changes}>
        <${Possible} possible=${next.key === key ? next.possible : null} failed=${next.key === key ? next.failed : null} next=${run.indices[own + 1]} take=${take} />
      </${Player}>
      <${Made} path=${path} words=${report.words} />
    </section>
    <section class="all"><h2>Properties</h2>
      ${report.about.not_asked && html`<p class="soft">Not asked, since no driver promises it there: ${report.about.not_asked.join(", ")}.</p>`}
      <${ScenarioBody} scenario=${scenario} data=${report} open=${open} here=${(name) => html`<${Here} frame=${run.frames[own]} name=${name} />`} counts=${counts} />
      <${Searched} status=${status} searching=${searching} search=${search} />
    </section>
    <footer><p class="soft">Pages like this that need no server: <code>check ${scenario.name} --html FILE</code>. The page that stateright brings along:
      <code>explore --stock</code>. vtd-qi ${report.about.version}.</p></footer>
  </main>`;
}

// The run on which a path lies: the present one, one of the report, or one by hand, which the server has to walk.
async function find(path, runs, present, report) {
  const known = [present, ...runs].find((run) => run && beginsWith(run.indices, path));
  if (known) return { run: known, at: path.length - 1 };
  const film = await ask(`/.run/${path.join("/")}`);
  return { run: byHand(film.slots, path, framesOf(film, report.changes)), at: path.length - 1 };
}

async function open() {
  const element = document.getElementById("page");
  try {
    const shown = await ask("/.report");
    const runs = runsOf(shown);
    const wanted = pathInAddress();
    let start = null;
    let wrong = null;
    if (wanted) start = await find(wanted, runs, null, shown.report).catch((error) => { wrong = error.message; return null; });
    if (!start && runs.length) start = { run: runs[0], at: opening(runs[0]) };
    if (!start) start = await find([0], runs, null, shown.report);
    element.textContent = "";
    render(html`<${Explorer} shown=${shown} start=${{ ...start, wrong }} />`, element);
  } catch (error) {
    element.textContent = `The program does not answer: ${error.message}`;
  }
}

open();
})();
