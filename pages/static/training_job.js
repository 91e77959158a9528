// One training job: how well it does in words first, then rate, accuracy and loss against the step, live.
import { makeResume } from "./acts.js";
import { get, query } from "./api.js";
import { Chart } from "./chart.js";
import { lossRange, smooth, windowOf } from "./curve.js";
import { makeCurveTable } from "./curve_table.js";
import { fill, h, root, say, table } from "./dom.js";
import { feed } from "./feed.js";
import { configFacts, id, JobHead } from "./job.js";
import { FINAL, number, percent, rate, words } from "./words.js";

const SHARE = 50; // of a training's steps, over which its loss is smoothed, as the picture has it

const path = `/training-jobs/${id}`;
const main = document.getElementById("main");
const asked = new URLSearchParams(location.search);
const state = { job: null, curve: null };

const head = new JobHead(main, { onChange: () => loop.refresh() });
const answer = h("section", { "aria-label": "The answer", "aria-live": "polite" });
const raw = h("input", { type: "checkbox", id: "raw", onchange: () => {
  history.replaceState(null, "", location.pathname + (raw.checked ? "" : "?raw=0"));
  showCurve();
} });
raw.checked = asked.get("raw") !== "0";
const hint = h("p", { class: "hint" });
const charts = h("section", { "aria-label": "The curve", hidden: true }, h("h2", {}, "The curve"),
  h("div", { class: "check" }, raw, h("label", { for: "raw" }, "Every batch as measured (faint)")), hint);
const files = h("section");
const rows = makeCurveTable(path);
const setup = h("details", { hidden: true }, h("summary", {}, "What was asked for"));
main.append(answer, charts, files, rows.element, setup);

const steps = (x) => Math.round(x).toLocaleString("en");
const shared = { xName: "step", sync: "step", readX: steps, height: 240 };
const scoreChart = new Chart(charts, { ...shared, title: "Held-out accuracy against the step", yName: "accuracy", readY: number });
const lossChart = new Chart(charts, { ...shared, title: "Loss against the step", yName: "loss", yRange: lossRange, readY: number });
scoreChart.like = lossChart;
const rateChart = new Chart(charts, { ...shared, like: lossChart, title: "Learning rate against the step", yName: "learning rate", height: 200 });
charts.append(h("div", { class: "row actions" },
  ["svg", "pdf"].map((format) => h("a", { class: "button", href: `${root}${path}/plot.${format}` }, `Picture as ${format.toUpperCase()}`)),
  h("a", { class: "button", href: `${root}${path}/curve?format=csv`, download: `${id}.csv` }, "Every point as CSV")));
const loop = feed(path, id, { x: "step", onJob, onCurve });

function onJob(job) {
  state.job = job;
  const like = h("a", { class: "button", href: `${root}/pages/training-jobs/new${query({ like: id })}` }, "Run one like it");
  head.update(job, [like]);
  setup.hidden = false;
  if (!setup.querySelector("dl")) setup.append(configFacts(job.config));
  showAnswer(job);
}

async function onCurve(curve, job) {
  Object.assign(state, { curve, job });
  showCurve();
  if (!FINAL.has(job.status)) return;
  rows.show();
  await showFiles();
}

const score = ({ accuracy, loss }) => (accuracy !== null ? `${percent(accuracy)} held-out accuracy` : `a held-out loss of ${number(loss)}`);

function showAnswer({ result, outcome, warnings = [] }) {
  const notes = warnings.map((warning) => h("p", { class: "warning" }, warning));
  if (!result?.final) {
    const broken = state.curve?.runs[0]?.non_finite_from ?? null;
    const where = broken === null ? "" : ` at step ${steps(broken)}`;
    fill(answer, outcome === "diverged" ? h("div", { class: "card" }, h("p", {}, h("strong", {}, "It diverged"), `: the loss stopped being finite${where}. Train with lower rates: a range test finds them.`)) : null, notes);
    return;
  }
  const { final, best, schedule, num_steps: length, stopped_early: early } = result;
  fill(answer, h("div", { class: "card" },
    h("p", {}, h("strong", {}, `${score(final)}`), ` after ${steps(length)} steps under ${words(schedule.policy)}${schedule.max_lr ? `, ${rate(schedule.base_lr)} to ${rate(schedule.max_lr)}` : ""}.`),
    best && best.step !== final.step ? h("p", {}, `The best cycle end was that of cycle ${best.cycle}: ${score(best)} after step ${steps(best.step)}.`) : null,
    early ? h("p", {}, "It stopped early: its patience ran out.") : null), notes);
}

function showCurve() {
  const run = state.curve.runs[0];
  charts.hidden = rows.element.hidden = !run?.train.loss.x.length;
  if (charts.hidden) return;
  const { train: { loss, lr }, held_out: looks } = run;
  const lines = cycleEnds(loss.x[loss.x.length - 1]).map((at) => ({ at, tone: "--dim", dash: true, about: "a cycle ends" }));
  const marks = { lines, crosses: run.non_finite_from === null ? [] : [{ at: run.non_finite_from, tone: "--bad" }] };
  const has = looks.accuracy.y.some((value) => value !== null);
  const { best } = state.job.result || {};
  const dot = (metric) => (best && best[metric] !== null ? [{ at: best.step, y: best[metric], tone: "--max", about: `best cycle end: ${metric} ${number(best[metric])}, step ${steps(best.step)}` }] : []);
  const window = windowOf(loss.y.length, SHARE);
  lossChart.show([
    ...(raw.checked ? [{ name: "training, each batch", kind: "training loss, each batch", tone: "--line-1", ...loss.drawn, faint: true }] : []),
    { name: "training", kind: "training loss, smoothed", tone: "--line-1", x: loss.x, y: smooth(loss.y, window), width: 1.8 },
    { name: "held out", kind: "held-out loss", tone: "--line-3", ...looks.loss, width: 2, dash: [2, 3] },
  ], { ...marks, dots: has ? [] : dot("loss") });
  scoreChart.element.hidden = !has;
  if (has) scoreChart.show([{ name: "accuracy", kind: "held-out accuracy", tone: "--line-2", ...looks.accuracy, width: 2 }], { ...marks, dots: dot("accuracy") });
  rateChart.show([{ name: "lr", tone: "--base", ...lr.drawn, width: 2 }], marks);
  say(hint, `Smoothed: means over a window of a fiftieth of the curve, ${window} of the ${loss.y.length.toLocaleString("en")} places that are drawn.`);
}

/** The steps at which cycles end, as far as the schedule says. */
function cycleEnds(last) {
  const { config, result, progress } = state.job;
  const schedule = result?.schedule || config.schedule;
  const length = schedule.step_size && schedule.policy !== "decay" ? schedule.step_size + (schedule.step_size_down || schedule.step_size) : schedule.t_mult === 1 ? schedule.t_0 : null;
  const done = Math.max(last + 1, result?.num_steps || progress?.completed || 0);
  if (!length || done / length > 200) return [];
  return Array.from({ length: Math.floor(done / length) }, (_, cycle) => (cycle + 1) * length - 1);
}

async function showFiles() {
  const { items } = await get(`${path}/checkpoints`);
  if (!items.length) return;
  fill(files, makeResume(path), h("h2", {}, "Checkpoints"), table("Model, optimizer and data position after a step", ["Step", "Cycle", "Size", ""], items.map((item) => [
    steps(item.step), item.cycle === null ? "–" : `${item.cycle}${item.best ? ", the best" : ""}`, `${number(item.size_bytes / 1e6, 3)} MB`,
    h("a", { href: root + item.links.self, download: `${id}-step-${item.step}.pt` }, `Download step ${steps(item.step)}`)])));
}
