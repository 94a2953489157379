// The page that steps through runs of the ring. `vtdQiPage.mount(element, data)` shows what src/report.rs serialises; the components
// take frames (src/frame.rs), so that another page can show frames that it gets one by one.
//
// Words and numbers are those of the terminal's timeline: submitters T1 on, descriptors ID1 and WD1 on, slots from 0, steps from 1.
(function () {
"use strict";

const { html, render, Component, useEffect, useLayoutEffect, useMemo, useRef, useState } = htmPreact;

const STATUSES = { ".": "QI_FREE", u: "QI_IN_USE", D: "QI_DONE", A: "QI_ABORT" };
const SIGNS = { holds: "\u2713", violated: "\u2717", unknown: "?" };

// What a merge patch (RFC 7396) makes of a value. What does not change is shared with the value before.
function patched(before, patch) {
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) return patch;
  const after = before !== null && typeof before === "object" && !Array.isArray(before) ? { ...before } : {};
  for (const [key, change] of Object.entries(patch)) {
    if (change === null) delete after[key];
    else after[key] = patched(after[key] ?? null, change);
  }
  return after;
}

// The frames of a film, by the number of the step that led to each; 0 is the frame before the first step. A change that is a number
// is one of those that films share.
function framesOf(film, shared) {
  const frames = [film.first];
  for (const change of film.changes) frames.push(patched(frames[frames.length - 1], typeof change === "number" ? shared[change] : change));
  return frames;
}

// Whether a slot lies in the half-open stretch [from, to) of a ring.
function within(slots, slot, from, to) {
  return (slot - from + slots) % slots < (to - from + slots) % slots;
}

const FREE = { status: "." };

// A slot in words.
function slotInWords(number, slot) {
  const owners = slot.owners ? ` of ${slot.owners.join(" and ")}` : "";
  const star = slot.star ? ", written by the hardware" : "";
  const held = slot.name ? `${slot.name}${slot.desc ? ` (${slot.desc})` : ""}${owners}, ` : owners ? `${owners.slice(1)}, ` : "";
  return `slot ${number}: ${held}${STATUSES[slot.status]}${star}`;
}

function ringInWords(frame, slots) {
  const busy = Object.entries(frame.slots).map(([number, slot]) => slotInWords(number, slot));
  const rest = busy.length < slots ? "the other slots are free" : "";
  const registers = `IQH ${frame.iqh}, IQT ${frame.iqt}, free_head ${frame.free_head}, free_tail ${frame.free_tail}`;
  return [`Ring of ${slots} slots`, ...busy, rest, registers].filter(Boolean).join("; ");
}

// ---- Ring -----------------------------------------------------------------------------------------------------------------------

const LANE = 14;
const ARROW = 11;

// How large the slots are drawn, and how many in a row.
function layout(slots, width) {
  if (slots <= 16) {
    const perRow = [1, 2, 4].map((rows) => Math.ceil(slots / rows)).find((n) => width / n >= 60) ?? Math.ceil(slots / 4);
    return { large: true, perRow, w: Math.min(168, Math.floor(width / perRow)), h: 70 };
  }
  const perRow = width >= 32 * 21 ? 32 : 16;
  return { large: false, perRow, w: Math.min(30, Math.floor(width / perRow)), h: perRow === 32 ? 26 : 20 };
}

// One slot. It is drawn again only if something of it has changed.
class Slot extends Component {
  shouldComponentUpdate(next) {
    return Object.keys(next).some((key) => next[key] !== this.props[key]);
  }

  render({ number, slot, x, y, w, h, large, changed, toFetch, handedOut }) {
    const [width, height] = [w - 3, h - 2];
    const letter = slot.status + (slot.star ? "*" : "");
    const middle = x + width / 2;
    return html`<g class=${`slot s${slot.status === "." ? "free" : slot.status}${changed ? " changed" : ""}`}>
      <title>${slotInWords(number, slot)}</title>
      <rect class="cell" x=${x} y=${y} width=${width} height=${height} rx=${large ? 5 : 3} />
      ${toFetch && html`<rect class="fetch" x=${x + 2} y=${large ? y + 2 : y + 1} width=${width - 4} height=${large ? 5 : 3} rx="1.5" />`}
      ${handedOut && html`<rect class="out" x=${x + 2} y=${y + height - (large ? 7 : 4)} width=${width - 4} height=${large ? 5 : 3} rx="1.5" />`}
      ${large && html`<text class="number" x=${x + 6} y=${y + 20}>${number}</text>`}
      ${large && slot.owners && html`<text class="owner" x=${x + width - 6} y=${y + 20}>${slot.owners.join(" ")}</text>`}
      <text class="letter" x=${middle} y=${large ? y + 34 : y + h / 2 + 4}>${letter}</text>
      ${large && slot.name && html`<text class="name" x=${middle} y=${y + 54}>${slot.name}</text>`}
      ${changed && html`<rect class="outline" x=${x} y=${y} width=${width} height=${height} rx=${large ? 5 : 3} />`}
    </g>`;
  }
}

// Half the width of a label, which is not to reach over the edge.
function half(label) {
  return label.length * 3.7;
}

// Arrows to slots, each in a lane of its own so that no two labels collide. Two at the same slot share the arrow.
function Pointers({ pointers, edge, up, place, width }) {
  return pointers.map(({ label, slot, changed }, lane) => {
    const x = place(slot);
    const shared = pointers.slice(0, lane).some((other) => other.slot === slot);
    const far = ARROW + lane * LANE;
    const base = up ? edge - far - 3 : edge + far + 11;
    const line = up ? `M${x},${edge - far} V${edge - 1} m-4,-5 l4,5 l4,-5` : `M${x},${edge + far} V${edge + 1} m-4,5 l4,-5 l4,5`;
    return html`<g class=${`pointer ${up ? "fetch" : "out"}${changed ? " changed" : ""}`}>
      ${!shared && html`<path d=${line} />`}
      <text x=${Math.min(Math.max(x, half(label)), width - half(label))} y=${base}>${label}</text>
    </g>`;
  });
}

const POINTERS = [["iqh", "IQH", true, "IQH"], ["iqt", "IQT", true, "IQT"], ["free_tail", "free_tail", false, "tail"], ["free_head", "free_head", false, "head"]];

// The ring: the hardware's registers point from above, the driver's fields from below.
function Ring({ frame, slots }) {
  const [box, width] = useWidth();
  const { large, perRow, w, h } = layout(slots, width);
  const step = frame.step ?? {};
  const changed = new Set(step.slots ?? []);
  const fields = new Set(step.fields ?? []);
  const centre = (slot) => (slot % perRow) * w + (w - 3) / 2 + 1;
  const all = POINTERS.map(([key, label, up, field]) => ({ label, up, slot: frame[key], changed: fields.has(field) }));
  const parts = [];
  let y = 1;
  for (let row = 0; row * perRow < slots; row++) {
    const here = all.filter((pointer) => Math.floor(pointer.slot / perRow) === row);
    const [above, below] = [here.filter((pointer) => pointer.up), here.filter((pointer) => !pointer.up)];
    if (above.length) y += ARROW + LANE * above.length;
    parts.push(html`<${Pointers} pointers=${above} edge=${y} up=${true} place=${centre} width=${perRow * w} />`);
    for (let slot = row * perRow; slot < Math.min(slots, (row + 1) * perRow); slot++) {
      parts.push(html`<${Slot} key=${slot} number=${slot} slot=${frame.slots[slot] ?? FREE} x=${(slot % perRow) * w + 1} y=${y} w=${w} h=${h}
        large=${large} changed=${changed.has(slot)} toFetch=${within(slots, slot, frame.iqh, frame.iqt)}
        handedOut=${frame.free_cnt === 0 || within(slots, slot, frame.free_tail, frame.free_head)} />`);
    }
    y += h;
    parts.push(html`<${Pointers} pointers=${below} edge=${y - 1} up=${false} place=${centre} width=${perRow * w} />`);
    if (below.length) y += ARROW + LANE * below.length + 2;
  }
  return html`<div class="ring" ref=${box}>
    <svg role="img" aria-label=${ringInWords(frame, slots)} width=${perRow * w + 2} height=${y + 1} class=${large ? "large" : "small"}>${parts}</svg>
  </div>`;
}

// The width of an element, also when it changes.
function useWidth() {
  const box = useRef(null);
  const [width, setWidth] = useState(600);
  useLayoutEffect(() => {
    const measure = () => box.current && setWidth(Math.max(200, Math.floor(box.current.clientWidth) - 2));
    measure();
    if (typeof ResizeObserver === "undefined") return undefined;
    const observer = new ResizeObserver(measure);
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  return [box, width];
}

// What letters, bars and outlines mean.
function Legend() {
  const statuses = Object.entries(STATUSES);
  return html`<ul class="legend" aria-label="Legend">
    ${statuses.map(([letter, name]) => html`<li><b class=${`swatch s${letter === "." ? "free" : letter}`}>${letter}</b>${name}</li>`)}
    <li><b class="star">*</b>written by the hardware</li>
    <li><b class="bar fetch"></b>to be fetched</li>
    <li><b class="bar out"></b>handed out</li>
    <li><b class="swatch outlined"></b>changed in this step</li>
  </ul>`;
}

// ---- Where everybody stands -----------------------------------------------------------------------------------------------------

function Where({ frame, slots }) {
  const submitters = Object.entries(frame.submitters);
  return html`<dl class="where">
    ${submitters.map(([name, submitter]) => html`<div class=${submitter.in_vain ? "bad" : ""}>
      <dt>${name}</dt>
      <dd><code>${submitter.place}</code>${submitter.in_vain && html` <strong>! waits in vain: nobody will write QI_DONE for ${submitter.waits}</strong>`}</dd>
    </div>`)}
    <div><dt>q_lock</dt><dd>${frame.lock}</dd></div>
    <div><dt>hardware</dt><dd>holds fetched: ${frame.fetched.length ? frame.fetched.join(", then ") : "nothing"}</dd></div>
    <div><dt>free_cnt</dt><dd>${frame.free_cnt} of ${slots}</dd></div>
    ${frame.faults && html`<div><dt>faults</dt><dd>${frame.faults}</dd></div>`}
  </dl>`;
}

// The properties of single states, as they were evaluated in this one. Of no other property anything is said here.
function Properties({ frame, words }) {
  const entries = Object.entries(frame.properties);
  const broken = entries.filter(([, holds]) => !holds);
  const summary = broken.length
    ? html`<span class="bad">${SIGNS.violated} ${broken.map(([name]) => name).join(", ")} ${broken.length > 1 ? "are" : "is"} false in this state</span>`
    : html`${SIGNS.holds} all ${entries.length} safety properties are true in this state`;
  return html`<details class="properties"><summary>${summary}</summary>
    <p class="soft">They were evaluated in the state that is shown. Properties of whole runs are not evaluated in one state.</p>
    <ul>${entries.map(([name, holds]) => html`<li class=${holds ? "" : "bad"}><span class="sign">${holds ? SIGNS.holds : SIGNS.violated}</span>
      <span><code>${name}</code> is ${holds ? "true" : "false"}${words && words[name] && html`<span class="soft">: ${words[name].says}</span>`}</span></li>`)}</ul>
  </details>`;
}

// ---- The run --------------------------------------------------------------------------------------------------------------------

// So many steps of a long run are listed before and after the present one.
const NEAR = 150;

class Step extends Component {
  shouldComponentUpdate(next) {
    return ["frame", "state", "part", "go", "lane"].some((key) => next[key] !== this.props[key]);
  }

  render({ number, frame, state, part, lane, go }) {
    const { who, text, harm } = frame.step;
    const classes = ["step", state, part, harm ? "harm" : ""].filter(Boolean).join(" ");
    return html`<li class=${classes}>
      <button type="button" onClick=${() => go(number)} aria-current=${state === "now" ? "step" : null}>
        <span class="n">${number}</span><span class=${`lane lane${Math.min(lane, 8)}`}>
          ${harm && html`<b class="bang">!</b>`}<span class="away">${who}: </span><code>${text}</code>
          ${harm && html`<span class="harm-words">${harm}</span>`}</span>
      </button></li>`;
  }
}

// A run with its steps in lanes: one for each submitter, and one for the hardware. Later steps are grey, the loop is bracketed.
function Steps({ frames, at, stem, repeating, go }) {
  const box = useRef(null);
  const names = Object.keys(frames[0].submitters);
  const last = frames.length - 1;
  const [from, to] = [Math.max(1, at - NEAR), Math.min(last, at + NEAR)];
  useLayoutEffect(() => {
    const list = box.current;
    const now = list.querySelector(".now");
    if (!now) list.scrollTop = 0;
    else list.scrollTop = Math.max(0, now.offsetTop - list.clientHeight / 2 + now.offsetHeight / 2);
  }, [at, frames]);
  const rows = [];
  for (let number = from; number <= to; number++) {
    const { who } = frames[number].step;
    const lane = names.indexOf(who) < 0 ? names.length : names.indexOf(who);
    const part = number > stem && number <= stem + repeating ? (number === stem + 1 ? "loop first" : number === stem + repeating ? "loop end" : "loop") : "";
    const state = number === at ? "now" : number > at ? "later" : "";
    rows.push(html`<${Step} key=${number} number=${number} frame=${frames[number]} state=${state} part=${part} lane=${lane} go=${go} />`);
  }
  return html`<section class="steps" aria-label="All steps of the run">
    <p class="lanes" aria-hidden="true"><span class="n"></span>${[...names, "hardware"].map((name, lane) => html`<span class=${`title lane${Math.min(lane, 8)}`}>${name}</span>`)}</p>
    <ol ref=${box} tabindex="0" aria-label="Steps">
      ${from > 1 && html`<li class="more"><button type="button" onClick=${() => go(from - 1)}>${from - 1} earlier steps</button></li>`}
      ${rows}
      ${to < last && html`<li class="more"><button type="button" onClick=${() => go(to + 1)}>${last - to} later steps</button></li>`}
      ${repeating > 0 && to === last && html`<li class="again">steps ${stem + 1} to ${stem + repeating} repeat for ever</li>`}
    </ol>
  </section>`;
}

const ICONS = {
  first: "M4,3 v12 M15,3 l-8,6 l8,6 z",
  back: "M14,3 l-9,6 l9,6 z",
  play: "M5,3 l10,6 l-10,6 z",
  pause: "M5,3 h3 v12 h-3 z M11,3 h3 v12 h-3 z",
  next: "M4,3 l9,6 l-9,6 z",
  last: "M14,3 v12 M3,3 l8,6 l-8,6 z",
};

function Button({ icon, label, onClick, disabled, strong }) {
  return html`<button type="button" class=${strong ? "strong" : ""} aria-label=${label} title=${label} onClick=${onClick} disabled=${disabled}>
    <svg width="18" height="18" aria-hidden="true"><path d=${ICONS[icon]} /></svg></button>`;
}

// Slider and buttons. `again` says where one comes to after the last step: the loop, or nowhere.
function Controls({ at, last, stem, repeating, harm, playing, go, next, toggle }) {
  const ends = at === last && !repeating;
  return html`<div class="controls" role="group" aria-label="Go through the run">
    <div class="slider">
      <svg class="marks" viewBox=${`0 0 ${Math.max(1, last)} 10`} preserveAspectRatio="none" aria-hidden="true">
        ${repeating > 0 && html`<rect class="loop" x=${stem} y="0" width=${repeating} height="10" />`}
        ${harm && html`<rect class="harm" x=${harm - Math.max(1, last) / 300} y="0" width=${Math.max(1, last) / 150} height="10" />`}
      </svg>
      <input type="range" min="0" max=${last} value=${at} aria-label="Step" aria-valuetext=${`step ${at} of ${last}`} onInput=${(event) => go(Number(event.target.value))} />
    </div>
    <div class="buttons">
      <${Button} icon="first" label="To the start (Home)" onClick=${() => go(0)} disabled=${at === 0} />
      <${Button} icon="back" label="One step back (Left)" onClick=${() => go(at - 1)} disabled=${at === 0} />
      <${Button} icon=${playing ? "pause" : "play"} strong label=${playing ? "Pause (Space)" : "Play (Space)"} onClick=${toggle} disabled=${ends && !playing} />
      <${Button} icon="next" label=${at === last && repeating ? "Round the loop again (Right)" : "One step on (Right)"} onClick=${next} disabled=${ends} />
      <${Button} icon="last" label="To the end (End)" onClick=${() => go(last)} disabled=${at === last} />
      <p class="place"><b>Step ${at}</b> of ${last}${placeInWords(at, last, stem, repeating, harm)}</p>
    </div>
  </div>`;
}

function placeInWords(at, last, stem, repeating, harm) {
  if (at === 0) return ": the start";
  if (at > stem + repeating) return repeating ? ", round the loop again" : "";
  if (harm === at) return html`: <b class="bad">! the harm</b>`;
  if (repeating > 0 && at > stem) return `: in the loop (${stem + 1} to ${stem + repeating})`;
  if (repeating > 0) return `, then ${stem + 1} to ${stem + repeating} for ever`;
  return at === last ? ": the end" : "";
}

// What the present step does.
function Say({ frame, hint = "Arrow keys, a swipe or the slider go through the run." }) {
  const step = frame.step;
  return html`<div class=${`say${step && step.harm ? " harm" : ""}`} aria-live="polite" aria-atomic="true">
    <p class="sentence">${step ? html`${step.harm && html`<b class="bang">! </b>`}${step.sentence}` : "Before the first step the ring is empty: every slot is free."}</p>
    ${step && html`<p class="done"><span class="who">${step.who}</span> <code>${step.text}</code>${step.harm && html` <span class="bad">${step.harm}</span>`}</p>`}
    ${!step && html`<p class="done soft">${hint}</p>`}
  </div>`;
}

// Whether a key is meant for what has the focus.
function isTaken(event) {
  const on = event.target;
  if (event.altKey || event.ctrlKey || event.metaKey) return true;
  if (!(on instanceof Element)) return false;
  if (on.closest("select, textarea, summary, input:not([type=range])")) return true;
  return event.key === " " && Boolean(on.closest("button, a"));
}

// Steps through one run, of which either the film or the frames are known. `at` is the number of the step that led to the frame that is
// shown. What another page has to add about the state in view stands beside it.
function Player({ run, at, go, words, beside, shared, children }) {
  const frames = useMemo(() => run.frames ?? framesOf(run.film, shared), [run]);
  const others = useMemo(() => run.compared && beside ? framesOf(run.compared.film, shared) : null, [run, beside]);
  const [playing, setPlaying] = useState(false);
  const { stem, loop: repeating, harm } = run;
  const last = stem + repeating;
  const end = others ? Math.max(last, others.length - 1) : last;
  // Beyond its last step the run is in its loop again.
  const own = at <= last || !repeating ? Math.min(at, last) : stem + 1 + ((at - stem - 1) % repeating);
  const next = () => {
    if (at < end) go(at + 1);
    else if (repeating && !others) go(stem + 1);
    else setPlaying(false);
  };
  const acts = useRef({});
  acts.current = { next, back: () => go(Math.max(0, at - 1)), first: () => go(0), last: () => go(end), toggle: () => setPlaying(!playing) };
  useEffect(() => {
    if (!playing) return undefined;
    const timer = setInterval(() => acts.current.next(), 900);
    return () => clearInterval(timer);
  }, [playing]);
  useEffect(() => setPlaying(false), [run]);
  useEffect(() => {
    const keys = { ArrowRight: "next", ArrowLeft: "back", Home: "first", End: "last", " ": "toggle" };
    const press = (event) => {
      const act = keys[event.key];
      if (!act || isTaken(event)) return;
      event.preventDefault();
      acts.current[act]();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
  const touch = useRef(null);
  const touched = (event) => { touch.current = [event.changedTouches[0].clientX, event.changedTouches[0].clientY]; };
  const swiped = (event) => {
    if (!touch.current) return;
    const [dx, dy] = [event.changedTouches[0].clientX - touch.current[0], event.changedTouches[0].clientY - touch.current[1]];
    if (Math.abs(dx) > 40 && Math.abs(dx) > 2 * Math.abs(dy)) acts.current[dx < 0 ? "next" : "back"]();
  };
  const frame = frames[own];
  return html`<div class=${`player${others ? " two" : ""}`}>
    <div class="look" onTouchStart=${touched} onTouchEnd=${swiped}>
      ${others && html`<${Difference} compared=${run.compared} />`}
      <div class="pair">
        <section aria-label="The run">
          ${others && html`<h2>This run</h2>`}
          <${Say} frame=${frame} hint=${last > 0 ? undefined : "Any action that is possible begins a run."} />
          <${Ring} frame=${frame} slots=${run.film.slots} />
        </section>
        ${others && html`<${Beside} compared=${run.compared} frames=${others} at=${at} />`}
      </div>
      <${Controls} at=${at} last=${end} stem=${stem} repeating=${repeating} harm=${harm} playing=${playing} go=${go} next=${next} toggle=${() => setPlaying(!playing)} />
      <${Legend} />
      <${Where} frame=${frame} slots=${run.film.slots} />
      <${Properties} frame=${frame} words=${words} />
    </div>
    <${Steps} frames=${frames} at=${own} stem=${stem} repeating=${repeating} go=${go} />
    ${children}
  </div>`;
}

// Where the same schedule begins to be another run, and what it comes to.
function Difference({ compared }) {
  const { differs, outcome } = compared;
  return html`<p class="difference">${differs ? `Step ${differs[0]} is the first that is another one: ${differs[1]}. ` : "No step is another one. "}
    Under <code>${compared.generation}</code> ${outcome}</p>`;
}

// The same schedule under other rules, at the same step.
function Beside({ compared, frames, at }) {
  const own = Math.min(at, frames.length - 1);
  return html`<section class="beside" aria-label=${`The same schedule under ${compared.generation}`}>
    <h2>The same schedule under <code>${compared.generation}</code> <span class="soft">${compared.what}${at > own ? ", its last state" : ""}</span></h2>
    <${Say} frame=${frames[own]} />
    <${Ring} frame=${frames[own]} slots=${compared.film.slots} />
  </section>`;
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// ---- The report -----------------------------------------------------------------------------------------------------------------

// The run, from 1, and the step that the address names.
function readHash(runs) {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const number = (name, low, high, otherwise) => {
    const value = Number.parseInt(wanted.get(name) ?? "", 10);
    return Number.isInteger(value) ? Math.min(high, Math.max(low, value)) : otherwise;
  };
  const run = number("run", 1, Math.max(1, runs.length), 1);
  if (!runs.length) return { run, step: 0 };
  const { stem, loop, harm, compared } = runs[run - 1];
  const most = Math.max(stem + loop, compared ? compared.film.changes.length : 0);
  return { run, step: number("step", 0, most, harm ?? Math.min(stem, most)), beside: wanted.get("beside") !== null };
}

function runInWords(run, number, several) {
  const steps = run.loop ? `${run.stem} steps, then ${run.loop} for ever` : `${run.stem} steps`;
  return `${number}. ${several ? `${run.scenario}: ` : ""}${run.property} (${steps})`;
}

function Runs({ runs, leftOut, words, several, shown, show, shared }) {
  const run = runs[shown.run - 1];
  const go = (step) => show({ ...shown, step: Math.max(0, step) });
  const pick = (event) => show(readHashOf(runs, Number(event.target.value)));
  return html`<section class="runs" aria-label="A run that breaks a promise">
    <div class="picker">
      ${runs.length > 1
        ? html`<label>Run <select value=${shown.run} onChange=${pick}>${runs.map((run, i) => html`<option value=${i + 1} selected=${shown.run === i + 1}>${runInWords(run, i + 1, several)}</option>`)}
          ${leftOut.length > 0 && html`<optgroup label="not on this page, for want of room">${leftOut.map((run) => html`<option disabled>${several ? `${run.scenario}: ` : ""}${run.property} (${run.steps} steps)</option>`)}</optgroup>`}</select></label>`
        : html`<p>${runInWords(run, 1, several).slice(3)}</p>`}
      ${run.compared && html`<label class="check"><input type="checkbox" checked=${shown.beside} onChange=${() => show({ ...shown, beside: !shown.beside, step: Math.min(shown.step, run.stem + run.loop) })} />
        show the same schedule under <code>${run.compared.generation}</code> beside it</label>`}
    </div>
    ${several && html`<p class="means">${capital(run.means)}${run.detail ? ` (${run.detail})` : ""}.</p>`}
    <${Player} run=${run} at=${shown.step} go=${go} words=${words} beside=${shown.beside} shared=${shared} />
    <p class="soft length">${run.length === "shortest" ? "No shorter run violates the property." : `About its length: ${run.length}.`}</p>
  </section>`;
}

// A run as it is opened: at the step that does the harm, or where the loop begins.
function readHashOf(runs, run) {
  const { stem, harm } = runs[run - 1];
  return { run, step: harm ?? stem, beside: false };
}

function Verdict({ verdict }) {
  return html`<span class=${`verdict ${verdict}`}>${SIGNS[verdict]} ${verdict}</span>`;
}

// The properties with their verdicts. `here` says of a property, where it is given, what was evaluated in the state in view.
function PropertyTable({ scenario, data, open, here }) {
  const row = (property) => {
    const meaning = data.words[property.name] ?? { says: "" };
    const why = property.why === undefined ? null : data.reasons[property.why];
    const because = property.expected ? (property.expected === "violated" ? "expected to be violated: " : "expected to hold: ") : "";
    return html`<tr>
      <td><${Verdict} verdict=${property.verdict} />${property.expected && html`<br /><b class="bad">expected: ${property.expected}</b>`}</td>
      ${here && html`<td class="here">${here(property.name)}</td>`}
      <th scope="row"><code>${property.name}</code> <span class="soft">${meaning.code}</span><span class="says">${meaning.says}</span></th>
      <td>${property.detail && html`<p>${property.detail}</p>`}${why && html`<p class=${property.detail ? "soft" : ""}>${because}${why}</p>`}
        ${property.run && html`<p><a href=${`#run=${property.run}`} onClick=${(event) => open(event, property.run)}>step through run ${property.run}</a></p>`}</td>
    </tr>`;
  };
  return html`<table class="verdicts"><caption class="away">Properties of ${scenario.name}</caption>
    <thead><tr><th scope="col">${here ? "verdict of check" : "verdict"}</th>${here && html`<th scope="col">in this state</th>`}<th scope="col">property</th><th scope="col">reason</th></tr></thead>
    <tbody>${scenario.properties.map(row)}</tbody></table>`;
}

// What was found of a scenario; `here` as above, and further counts.
function ScenarioBody({ scenario, data, open, here, counts = [] }) {
  const reached = (value) => value === true ? `${SIGNS.holds} reached` : value === false ? "never reached" : "? unknown";
  return html`<div class="scenario">
    ${scenario.surprises.length > 0 && html`<div class="note bad"><p><b>Not as expected:</b></p><ul>${scenario.surprises.map((text) => html`<li>${text}</li>`)}</ul></div>`}
    ${scenario.cut && html`<p class="note">The search was cut: ${scenario.cut}. What is not violated is unknown.</p>`}
    ${scenario.properties.length > 0 && html`<${PropertyTable} scenario=${scenario} data=${data} open=${open} here=${here} />`}
    ${scenario.drawings.map((text) => html`<pre class="drawing" tabindex="0">${text}</pre>`)}
    <div class="facts">
      <section><h3>What is modelled</h3>
        <ul>${scenario.configuration.map((line) => html`<li>${line}</li>`)}${scenario.generation && html`<li>the generation is ${scenario.generation}</li>`}</ul>
        ${scenario.why && html`<p>${capital(scenario.why)}.</p>`}
        ${scenario.properties.length > 0 && html`<h4>Fairness that is assumed</h4>
        <p>${scenario.fairness.length ? html`<code>${scenario.fairness.join(", ")}</code>` : "none is known, since nothing was searched"}</p>`}</section>
      <section><h3>What was searched</h3>
        <dl class="counts">${[...scenario.counts, ...counts].map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
        ${scenario.witnesses.length > 0 && html`<h4>Situations that show that nothing holds for want of anything to happen</h4>
          <ul>${scenario.witnesses.map(([name, value]) => html`<li><b>${reached(value)}</b>: <code>${name}</code><span class="soft">, ${(data.words[name] ?? { says: "" }).says}</span></li>`)}</ul>`}</section>
    </div>
  </div>`;
}

function Scenario({ scenario, data, open }) {
  const [seen, setSeen] = useState(false);
  return html`<details class="of-many" onToggle=${(event) => event.target.open && setSeen(true)}>
    <summary><${Verdict} verdict=${scenario.verdict} /> <span>${scenario.sentence}</span></summary>
    ${seen && html`<${ScenarioBody} scenario=${scenario} data=${data} open=${open} />`}
  </details>`;
}

function Made({ data }) {
  const { about, left_out: leftOut, assumptions } = data;
  return html`<div class="made">
    ${leftOut.length > 0 && html`<section><h2>Runs that are not on this page</h2>
      <p>There was no room for them. <code>${about.of_one}</code> makes a page with those of one.</p>
      <ul>${leftOut.map((run) => html`<li><code>${run.scenario}</code> ${run.property}, ${run.steps} steps</li>`)}</ul></section>`}
    ${assumptions.length > 0 && html`<section><h2>What verdicts about faults rest on</h2>
      <dl class="assumptions">${assumptions.map((it) => html`<div><dt>${it.number}</dt><dd>${it.text} <span class="soft">(${it.source})</span></dd></div>`)}</dl></section>`}
    <section><h2>This page</h2>
      <p>This command makes it again: <code class="command">${about.command}</code></p>
      <p class="soft">vtd-qi ${about.version}${about.commit ? `, commit ${about.commit}` : ""}. A verdict is about its configuration: this number of
        submitters, these counts, this ring, all runs of any length. Each run was executed again on the unreduced ring and judged again
        before it came here.</p></section>
  </div>`;
}

function Report({ data }) {
  const { scenarios, runs, about } = data;
  const several = scenarios.length > 1;
  const [shown, setShown] = useState(() => readHash(runs));
  useEffect(() => {
    const changed = () => setShown(readHash(runs));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, [runs]);
  const show = (next) => {
    history.replaceState(null, "", `#run=${next.run}&step=${next.step}${next.beside ? "&beside" : ""}`);
    setShown(next);
  };
  const open = (event, run) => {
    event.preventDefault();
    show(readHashOf(runs, run));
    document.querySelector(".runs").scrollIntoView();
  };
  const verdict = ["violated", "unknown", "holds"].find((verdict) => scenarios.some((scenario) => scenario.verdict === verdict)) ?? "holds";
  return html`<main>
    <header>
      <h1>${several ? `${scenarios.length} ${about.things}` : scenarios[0].name}</h1>
      <p class=${`lead ${verdict}`}><${Verdict} verdict=${verdict} /> <span>${data.sentence}</span></p>
      ${!several && html`<p class="soft">${scenarios[0].configuration[0]}</p>`}
      ${about.own && html`<p class="soft">${about.own}</p>`}
      ${about.interrupted && html`<p class="note bad">The work was interrupted: this is what was known by then.</p>`}
    </header>
    ${runs.length > 0 && html`<${Runs} runs=${runs} leftOut=${data.left_out} words=${data.words} several=${several} shown=${shown} show=${show} shared=${data.changes} />`}
    <section class="all"><h2>${several ? capital(about.things) : scenarios[0].properties.length > 0 ? "Properties" : "What was found"}</h2>
      ${about.not_asked && html`<p class="soft">Not asked, since no driver promises it there: ${about.not_asked.join(", ")}.</p>`}
      ${several ? scenarios.map((scenario) => html`<${Scenario} scenario=${scenario} data=${data} open=${open} />`)
        : html`<${ScenarioBody} scenario=${scenarios[0]} data=${data} open=${open} />`}
      ${data.not_shown > 0 && html`<p class="note">${data.not_shown} more ${about.things} were checked, and there was no room for them: <code>${about.of_one}</code> makes a page of one.</p>`}
    </section>
    <${Made} data=${data} />
  </main>`;
}

// All steps of all runs, for paper.
function Paper({ runs, several, shared }) {
  return html`<section class="paper">${runs.map((run, i) => {
    const frames = framesOf(run.film, shared);
    return html`<section><h2>Run ${runInWords(run, i + 1, several)}</h2>
      <p>${capital(run.means)}${run.detail ? ` (${run.detail})` : ""}.</p>
      <table><thead><tr><th>step</th><th>who</th><th>what</th><th>afterwards</th></tr></thead><tbody>
      ${frames.slice(1).map((frame, n) => html`<tr class=${n + 1 > run.stem ? "loop" : ""}><td>${n + 1}</td><td>${frame.step.who}</td>
        <td><code>${frame.step.harm ? "! " : ""}${frame.step.text}</code>${frame.step.harm && html`<br />${frame.step.harm}`}</td><td><code>${changesInWords(frame)}</code></td></tr>`)}
      </tbody></table>
      ${run.loop > 0 && html`<p>Steps ${run.stem + 1} to ${run.stem + run.loop} repeat for ever.</p>`}</section>`;
  })}</section>`;
}

// What a step has changed in the ring.
function changesInWords(frame) {
  const slot = (number) => {
    const { name, status, star } = frame.slots[number] ?? FREE;
    return `[${number}] ${name ? `${name} ` : ""}${status}${star ? "*" : ""}`;
  };
  const values = { tail: frame.free_tail, head: frame.free_head, cnt: frame.free_cnt, IQH: frame.iqh, IQT: frame.iqt };
  return [...(frame.step.slots ?? []).map(slot), ...(frame.step.fields ?? []).map((field) => `${field}=${values[field]}`)].join("  ");
}

function mount(element, data) {
  const report = { ...data, scenarios: data.scenarios.map(completed) };
  element.textContent = "";
  render(html`<${Report} data=${report} />`, element);
  const paper = document.createElement("div");
  element.after(paper);
  addEventListener("beforeprint", () => render(html`<${Paper} runs=${data.runs} several=${data.scenarios.length > 1} shared=${data.changes} />`, paper));
  addEventListener("afterprint", () => render(null, paper));
}

// What serialisation leaves out of a scenario.
function completed(scenario) {
  return { surprises: [], drawings: [], ...scenario };
}

globalThis.vtdQiPage = { mount, framesOf, patched, completed, runInWords, Controls, Legend, Player, Properties, Ring, Say, ScenarioBody, SIGNS, Steps, Verdict, Where };
})();
