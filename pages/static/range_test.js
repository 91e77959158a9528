// One range test: its bounds and why in words first, then the curve against the rate, live while it is measured.
import { get, Problem, query } from "./api.js";
import { Chart } from "./chart.js";
import { lossRange } from "./curve.js";
import { copyButton, fill, h, root, say, table } from "./dom.js";
import { feed } from "./feed.js";
import { configFacts, id, JobHead } from "./job.js";
import { groupRuns, breaks, linesOf } from "./ranges.js";
import { FINAL, number, percent, rate, words } from "./words.js";

const MOST_ROWS = 500; // of the table; all of them are in the CSV

const path = `/range-tests/${id}`;
const main = document.getElementById("main");
const asked = new URLSearchParams(location.search);
const state = { job: null, curve: null, bounds: null, refusal: null };

const head = new JobHead(main, { onChange: () => loop.refresh() });
const answer = h("section", { "aria-label": "The answer", "aria-live": "polite" });
const legend = h("fieldset", { class: "legend" }, h("legend", { class: "unseen" }, "Sweeps to show"));
const raw = h("input", { type: "checkbox", id: "raw", onchange: () => choose("raw", raw.checked ? null : "0") });
raw.checked = asked.get("raw") !== "0";
const smoothing = h("p", { class: "hint" });
const charts = h("section", { "aria-label": "The curve", hidden: true },
  h("h2", {}, "The curve"), legend,
  h("div", { class: "check" }, raw, h("label", { for: "raw" }, "Every batch and look as measured (faint)")), smoothing);
const more = h("section");
const rows = h("details", { hidden: true }, h("summary", {}, "The curve as a table"));
const setup = h("details", { hidden: true }, h("summary", {}, "What was asked for"));
main.append(answer, charts, more, rows, setup);

const shared = { xName: "learning rate", logX: true, sync: "lr" };
const lossChart = new Chart(charts, { ...shared, title: "Training loss against the learning rate", yName: "loss", yRange: lossRange, readY: number });
const scoreChart = new Chart(charts, { ...shared, title: "Held-out accuracy against the learning rate", yName: "accuracy", height: 260, like: lossChart, readY: number });
charts.append(h("div", { class: "row actions" },
  h("button", { type: "button", onclick: () => lossChart.savePng(`loss-${id}`) }, "Loss as PNG"),
  h("button", { type: "button", onclick: () => scoreChart.savePng(`held-out-${id}`) }, "Held-out as PNG"),
  ["svg", "pdf"].map((format) => h("a", { class: "button", href: `${root}${path}/plot.${format}` }, `Picture as ${format.toUpperCase()}`)),
  h("a", { class: "button", href: `${root}${path}/curve?format=csv`, download: `${id}.csv` }, "Every point as CSV")));
rows.addEventListener("toggle", showRows);
const loop = feed(path, id, { onJob, onCurve });

function onJob(job) {
  state.job = job;
  head.update(job, actions(job));
  setup.hidden = false;
  if (!setup.querySelector("dl")) setup.append(configFacts(job.config));
  if (!state.bounds && !state.refusal) showAnswer();
}

async function onCurve(curve, job) {
  Object.assign(state, { curve, job });
  if (FINAL.has(job.status) && !state.bounds && !state.refusal) await findBounds();
  show();
}

async function findBounds() {
  try {
    state.bounds = await get(`${path}/bounds`);
  } catch (error) {
    if (!(error instanceof Problem && error.status === 409)) throw error;
    state.refusal = error.body;
  }
}

function actions(job) {
  const again = `${root}/pages/range-tests/new${query({ like: id })}`;
  const train = `${root}/pages/training-jobs/new${query({ range_test_id: id })}`;
  return [
    job.outcome === "bounds_found" ? h("a", { class: "button primary", href: train }, "Train with these bounds") : null,
    h("a", { class: "button", href: again }, "Run one like it"),
  ].filter(Boolean);
}

function show() {
  showAnswer();
  showCurve();
  showMore();
  if (rows.open) showRows();
}

function showAnswer() {
  const { job, bounds, refusal } = state;
  if (bounds) fill(answer, sayBounds(bounds), bounds.warnings.map((warning) => h("p", { class: "warning" }, warning)));
  else if (refusal?.code === "inconclusive") fill(answer, sayInconclusive(refusal));
  else if (!FINAL.has(job.status)) fill(answer, h("p", {}, job.status === "queued" ? "The bounds will stand here once a worker has measured the curve." : "The bounds will stand here once the curve is measured; it grows below."));
  else fill(answer);
}

function sayBounds(bounds) {
  const one = (name, side) => {
    const [low, high] = bounds[`${name}_interval`];
    return h("div", { class: side },
      h("div", {}, name), h("div", { class: "rate" }, rate(bounds[name])),
      h("div", { class: "dim" }, low < high ? `between ${rate(low)} and ${rate(high)} over seeds` : "no interval: one seed was measured"),
      h("p", {}, bounds[`reason_${side}`], "."));
  };
  return h("div", { class: "card" },
    h("p", {}, h("strong", {}, `Cycle between ${rate(bounds.base_lr)} and ${rate(bounds.max_lr)}`), `, half a cycle in ${bounds.step_size} steps. Without cycles, train at ${rate(bounds.constant_lr)}.`),
    h("div", { class: "answer" }, one("base_lr", "base"), one("max_lr", "max")));
}

function sayInconclusive(refusal) {
  return h("div", { class: "card" },
    h("h2", {}, "No trustworthy answer"),
    h("p", {}, refusal.detail), refusal.why ? h("p", {}, h("strong", {}, "Why: "), words(refusal.why)) : null,
    refusal.next_experiment ? h("p", {}, h("strong", {}, "Try next: "), sayNext(refusal.next_experiment)) : null,
    (refusal.warnings || []).map((warning) => h("p", { class: "warning" }, warning)));
}

/** What to try, in words, and a form that is filled in with it. */
function sayNext({ message, request }) {
  const asked = Object.fromEntries(Object.entries(request || {}).filter(([, value]) => typeof value !== "object"));
  const form = `${root}/pages/range-tests/new${query({ like: id, ...asked })}`;
  return [`${message}. `, Object.keys(asked).length ? h("a", { href: form }, "Fill in the form with that") : null].filter(Boolean);
}

function choose(name, value) {
  if (value === null) asked.delete(name);
  else asked.set(name, value);
  history.replaceState(null, "", location.pathname + query(Object.fromEntries(asked)));
  showCurve();
}

function showCurve() {
  const { curve, bounds } = state;
  const groups = groupRuns(curve?.runs || [], bounds?.evidence.range);
  charts.hidden = rows.hidden = !groups.length;
  if (!groups.length) return;
  const hidden = new Set((asked.get("hide") || "").split(" ").filter(Boolean));
  showLegend(groups, hidden);
  const shown = groups.filter(({ key }) => !hidden.has(key));
  const marks = { ...markBounds(bounds || state.refusal), crosses: breaks(shown) };
  const options = { raw: raw.checked };
  const hasAccuracy = shown.some(({ runs }) => runs.some(({ held_out: looks }) => looks.accuracy.some((value) => value !== null)));
  const what = hasAccuracy || !shown.length ? "accuracy" : "loss";
  lossChart.show(linesOf(shown, (run) => ({ x: run.lr, y: run.loss }), options), marks);
  scoreChart.yRange = what === "accuracy" ? () => [0, 1] : lossRange;
  say(scoreChart.element.querySelector("strong"), `Held-out ${what} against the learning rate`);
  scoreChart.place.setAttribute("aria-label", `Held-out ${what} against the learning rate`);
  scoreChart.show(linesOf(shown, (run) => ({ x: run.held_out.lr, y: run.held_out[what] }), options), marks);
  say(smoothing, "Strong lines are means over a window of a twentieth of a sweep, and over seeds where a range has several; dashed: the scout. " +
    (bounds ? "Shaded: the intervals of base_lr and max_lr. Ticks at the bottom: what other finders would choose. " : "") + (marks.crosses.length ? "A cross: the loss stopped being finite there." : ""));
}

function markBounds(found) {
  const ticks = (found?.candidates || []).filter(({ lr }) => lr).map(({ lr }) => ({ at: lr }));
  if (!found?.base_lr) return { ticks };
  const sides = [["base_lr", "--base"], ["max_lr", "--max"]];
  return {
    ticks,
    bands: sides.map(([name, tone]) => ({ from: found[`${name}_interval`][0], to: found[`${name}_interval`][1], tone })),
    lines: sides.map(([name, tone]) => ({ at: found[name], tone, name })),
  };
}

function showLegend(groups, hidden) {
  for (const { key, name, about, tone } of groups) {
    let line = legend.querySelector(`[data-key="${key}"]`);
    if (!line) {
      const box = h("input", { type: "checkbox", id: `show-${key}`, onchange: () => toggle(key, box.checked) });
      line = h("div", { class: "check", "data-key": key }, box, h("span", { class: `key tone-${tone.match(/\d/)?.[0] || 0}`, "aria-hidden": "true" }), h("label", { for: `show-${key}` }));
      legend.append(line);
    }
    line.querySelector("input").checked = !hidden.has(key);
    say(line.querySelector("label"), `${name}: ${about}`);
  }
}

function toggle(key, isShown) {
  const hidden = new Set((asked.get("hide") || "").split(" ").filter(Boolean));
  if (isShown) hidden.delete(key);
  else hidden.add(key);
  choose("hide", hidden.size ? [...hidden].join(" ") : null);
}

function showMore() {
  const { bounds, refusal } = state;
  const candidates = (bounds || refusal)?.candidates;
  fill(more,
    bounds ? showSnippets(bounds) : null,
    bounds?.sensitivity ? showSensitivity(bounds.sensitivity) : null,
    candidates?.length ? [h("h2", {}, "What other finders would choose"), table("From the same curve; clr-tuner does not use these", ["Finder", "lr", "How"], candidates.map(({ name, lr, note }) => [words(name), rate(lr), note]))] : null);
}

function showSnippets(bounds) {
  const code = h("pre", { tabindex: "0", role: "region", "aria-label": "torch code" }, bounds.snippet);
  const keras = async () => (await get(`${path}/bounds${query({ framework: "keras" })}`)).snippet;
  return [
    h("h2", {}, "Use them"),
    h("div", { class: "row actions" },
      copyButton("Copy torch code", () => bounds.snippet), copyButton("Copy Keras code", keras),
      copyButton("Copy both rates", () => `base_lr=${bounds.base_lr}, max_lr=${bounds.max_lr}`),
      copyButton("Copy as JSON", () => JSON.stringify(bounds, null, 2))),
    code,
  ];
}

function showSensitivity({ metric, by_factor: factors }) {
  const lost = (value) => (value === null ? "not measured" : metric === "accuracy" ? percent(value) : number(value));
  return [h("h2", {}, "How much a wrong max_lr costs"), table(`Held-out ${metric} lost where max_lr is off by a factor`, ["max_lr times", "lost"], factors.map(({ factor, lost: value }) => [String(factor), lost(value)]))];
}

function showRows() {
  if (!rows.open || !state.curve) return;
  const looks = groupRuns(state.curve.runs, state.bounds?.evidence.range).flatMap(({ name, runs }) =>
    runs.flatMap(({ seed, held_out: held }) => held.step.map((step, place) => [name, seed, step, rate(held.lr[place]), number(held.loss[place]), percent(held.accuracy[place])])));
  const caption = looks.length > MOST_ROWS ? `The first ${MOST_ROWS} of ${looks.length} looks at the held-out set` : "Every look at the held-out set";
  fill(rows, rows.querySelector("summary"), table(caption, ["Sweep", "Seed", "Step", "lr", "Held-out loss", "Accuracy"], looks.slice(0, MOST_ROWS)));
}
