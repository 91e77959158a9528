// One range test: its bounds and why in words first, then the curve against the rate, live while it is measured.
import { makeAnalysis, makeConfirmation } from "./acts.js";
import { sayBounds, sayInconclusive } from "./answer.js";
import { get, Problem, query } from "./api.js";
import { Chart } from "./chart.js";
import { lossRange, windowOf } from "./curve.js";
import { makeCurveTable } from "./curve_table.js";
import { fill, h, root, say } from "./dom.js";
import { showEvidence, showSnippets } from "./evidence.js";
import { feed } from "./feed.js";
import { configFacts, id, JobHead } from "./job.js";
import { breaks, groupRuns, linesOf } from "./ranges.js";
import { FINAL, number, roughly } from "./words.js";

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
const rows = makeCurveTable(path);
const setup = h("details", { hidden: true }, h("summary", {}, "What was asked for"));
main.append(answer, charts, more, rows.element, setup);

const shared = { xName: "learning rate", logX: true, sync: "lr", readY: number };
const lossChart = new Chart(charts, { ...shared, title: "Training loss against the learning rate", yName: "loss", yRange: lossRange });
const scoreChart = new Chart(charts, { ...shared, title: "Held-out accuracy against the learning rate", yName: "accuracy", height: 260, like: lossChart });
charts.append(h("div", { class: "row actions" },
  ["svg", "pdf"].map((format) => h("a", { class: "button", href: `${root}${path}/plot.${format}` }, `Picture as ${format.toUpperCase()}`)),
  h("a", { class: "button", href: `${root}${path}/curve?format=csv`, download: `${id}.csv` }, "Every point as CSV")));
const loop = feed(path, id, { x: "log_lr", onJob, onCurve });

function onJob(job) {
  state.job = job;
  head.update(job, actions(job));
  setup.hidden = false;
  if (!setup.querySelector("dl")) setup.append(configFacts(job.config));
  if (!state.bounds && !state.refusal) showAnswer();
}

async function onCurve(curve, job) {
  Object.assign(state, { curve, job });
  const isFirst = FINAL.has(job.status) && !state.bounds && !state.refusal;
  if (isFirst) await findBounds();
  showAnswer();
  showCurve();
  if (!isFirst) return;
  const { bounds, refusal } = state;
  const rules = ["bounds", ...((bounds || refusal).candidates || []).map(({ name }) => name)];
  const acts = [bounds && (await makeConfirmation(path)), curve.runs.some(({ finished }) => finished) && (await makeAnalysis(path, rules))].flat();
  fill(more, bounds ? showSnippets(bounds, path) : null, acts.some(Boolean) ? h("h2", {}, "Go on from here") : null, acts, showEvidence(bounds || refusal));
  rows.show();
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

function showAnswer() {
  const { job, bounds, refusal } = state;
  if (bounds) fill(answer, sayBounds(bounds));
  else if (refusal?.code === "inconclusive") fill(answer, sayInconclusive(refusal, id));
  else if (!FINAL.has(job.status)) fill(answer, h("p", {}, job.status === "queued" ? "The bounds will stand here once a worker has measured the curve." : "The bounds will stand here once the curve is measured; it grows below."));
  else fill(answer);
}

function choose(name, value) {
  if (value === null) asked.delete(name);
  else asked.set(name, value);
  history.replaceState(null, "", location.pathname + query(Object.fromEntries(asked)));
  showCurve();
}

function showCurve() {
  const { curve, bounds, refusal } = state;
  const groups = groupRuns(curve?.runs || [], bounds?.evidence.range);
  charts.hidden = rows.element.hidden = !groups.length;
  if (!groups.length) return;
  const hidden = new Set((asked.get("hide") || "").split(" ").filter(Boolean));
  showLegend(groups, hidden);
  const shown = groups.filter(({ key }) => !hidden.has(key));
  const marks = { ...markBounds(bounds || refusal), crosses: breaks(shown) };
  const has = (run) => run.held_out.accuracy.y.some((value) => value !== null);
  const metric = !shown.length || shown.some(({ runs }) => runs.some(has)) ? "accuracy" : "loss";
  const losses = linesOf(shown, ({ train }) => train.loss, { raw: raw.checked, what: "training loss", each: "each batch" });
  const looks = metric === "loss" ? [] : linesOf(shown, ({ held_out: held }) => held.loss, { raw: false, what: "held-out loss" }).map((line) => ({ ...line, kind: "held-out loss" }));
  lossChart.show([...losses, ...looks.filter(({ faint }) => !faint).map((line) => ({ ...line, name: `${line.name}, held out`, width: 1.4, dash: [2, 3] }))], marks);
  scoreChart.yRange = metric === "accuracy" ? () => [0, 1.02] : lossRange;
  scoreChart.rename(`Held-out ${metric} against the learning rate`, metric);
  scoreChart.element.hidden = !groups.some(({ runs }) => runs.some(({ held_out: held }) => held.loss.x.length));
  scoreChart.show(linesOf(shown, ({ held_out: held }) => held[metric], { raw: raw.checked, what: `held-out ${metric}`, each: "each look" }), marks);
  const windows = shown.flatMap(({ runs }) => runs.map(({ train }) => windowOf(train.loss.y.length)));
  const [least, most] = [Math.min(...windows), Math.max(...windows)];
  say(smoothing, `Smoothed: means over a window of a twentieth of a sweep${windows.length ? `, ${least === most ? "" : `${least} to `}${most} batches` : ""}. Of several seeds: their mean. Dashed: the scout.${bounds ? " Shaded: the intervals of base_lr and max_lr." : ""}`);
}

function markBounds(found) {
  const ticks = (found?.candidates || []).filter(({ lr }) => lr).map(({ lr }) => ({ at: lr }));
  if (!found?.base_lr) return { ticks };
  const sides = [["base_lr", "--base"], ["max_lr", "--max"]];
  const interval = (name) => found[`${name}_interval`];
  return {
    ticks,
    bands: sides.map(([name, tone]) => ({ from: interval(name)[0], to: interval(name)[1], tone, about: interval(name)[0] < interval(name)[1] ? `${name} interval ${interval(name).map(roughly).join(" to ")}` : null })),
    lines: sides.map(([name, tone]) => ({ at: found[name], tone, name, about: `${name} ${roughly(found[name])}` })),
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
