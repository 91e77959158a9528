// One training job: how well it does in words first, then rate, accuracy and loss against the step, live.
import { get, query } from "./api.js";
import { Chart } from "./chart.js";
import { lossRange, smooth, windowOf } from "./curve.js";
import { fill, h, root, say, table } from "./dom.js";
import { feed } from "./feed.js";
import { configFacts, id, JobHead } from "./job.js";
import { FINAL, number, percent, rate, words } from "./words.js";

const MOST_ROWS = 500; // of the table; all of them are in the CSV

const path = `/training-jobs/${id}`;
const main = document.getElementById("main");
const state = { job: null, curve: null };

const head = new JobHead(main, { onChange: () => loop.refresh() });
const answer = h("section", { "aria-label": "The answer", "aria-live": "polite" });
const charts = h("section", { "aria-label": "The curve", hidden: true }, h("h2", {}, "The curve"));
const hint = h("p", { class: "hint" });
const files = h("section");
const rows = h("details", { hidden: true }, h("summary", {}, "The curve as a table"));
const setup = h("details", { hidden: true }, h("summary", {}, "What was asked for"));
main.append(answer, charts, files, rows, setup);
charts.append(hint);

const steps = (x) => Math.round(x).toLocaleString("en");
const shared = { xName: "step", sync: "step", readX: steps, height: 240 };
const scoreChart = new Chart(charts, { ...shared, title: "Held-out accuracy against the step", yName: "accuracy", readY: number });
const lossChart = new Chart(charts, { ...shared, title: "Loss against the step", yName: "loss", yRange: lossRange, readY: number });
const rateChart = new Chart(charts, { ...shared, title: "Learning rate against the step", yName: "learning rate", height: 200 });
charts.append(h("div", { class: "row actions" },
  h("button", { type: "button", onclick: () => [[scoreChart, "held-out"], [lossChart, "loss"], [rateChart, "rate"]].forEach(([chart, name]) => chart.savePng(`${name}-${id}`)) }, "Charts as PNG"),
  ["svg", "pdf"].map((format) => h("a", { class: "button", href: `${root}${path}/plot.${format}` }, `Picture as ${format.toUpperCase()}`)),
  h("a", { class: "button", href: `${root}${path}/curve?format=csv`, download: `${id}.csv` }, "Every point as CSV")));
rows.addEventListener("toggle", showRows);
const loop = feed(path, id, { onJob, onCurve });

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
  if (rows.open) showRows();
  if (FINAL.has(job.status)) await showFiles();
}

const score = ({ accuracy, loss }) => (accuracy !== null ? `${percent(accuracy)} held-out accuracy` : `a held-out loss of ${number(loss)}`);

function showAnswer({ result, warnings = [] }) {
  const notes = warnings.map((warning) => h("p", { class: "warning" }, warning));
  if (!result?.final) {
    fill(answer, notes);
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
  charts.hidden = rows.hidden = !run?.step.length;
  if (!run?.step.length) return;
  const { step, lr, loss, held_out: looks } = run;
  const ends = cycleEnds();
  const marks = { lines: ends.map((at) => ({ at, tone: "--dim", dash: true })), crosses: run.non_finite_from === null ? [] : [{ at: run.non_finite_from, tone: "--bad" }] };
  const has = looks.accuracy.some((value) => value !== null);
  scoreChart.element.hidden = !has;
  if (has) scoreChart.show([{ name: "accuracy", tone: "--line-1", x: looks.step, y: looks.accuracy, width: 2 }], marks);
  lossChart.show([
    { name: "training, each batch", tone: "--line-2", x: step, y: loss, faint: true },
    { name: "training", tone: "--line-2", x: step, y: smooth(loss, windowOf(loss.length)), width: 1.8 },
    { name: "held out", tone: "--line-1", x: looks.step, y: looks.loss, width: 2, dash: [4, 3] },
  ], marks);
  rateChart.show([{ name: "lr", tone: "--line-3", x: step, y: lr, width: 2 }], marks);
  say(hint, `Training loss: faint as measured, strong as a mean over ${windowOf(loss.length)} points; dashed: held out.${ends.length ? " Dotted verticals: a cycle ends." : ""}${marks.crosses.length ? " A cross: the loss stopped being finite there." : ""}`);
}

/** The steps at which cycles end, as far as the schedule says. */
function cycleEnds() {
  const schedule = state.job.result?.schedule || state.job.config.schedule;
  const length = schedule.step_size && schedule.policy !== "decay" ? schedule.step_size + (schedule.step_size_down || schedule.step_size) : schedule.t_mult === 1 ? schedule.t_0 : null;
  const last = state.curve.runs[0].step.at(-1);
  if (!length || last / length > 200) return [];
  return Array.from({ length: Math.floor((last + 1) / length) }, (_, cycle) => (cycle + 1) * length - 1);
}

async function showFiles() {
  const { items } = await get(`${path}/checkpoints`);
  if (!items.length) return;
  fill(files, h("h2", {}, "Checkpoints"), table("Model, optimizer and data position after a step", ["Step", "Cycle", "Size", ""], items.map((item) => [
    steps(item.step), item.cycle === null ? "–" : `${item.cycle}${item.best ? ", the best" : ""}`, `${number(item.size_bytes / 1e6, 3)} MB`,
    h("a", { href: root + item.links.self, download: `${id}-step-${item.step}.pt` }, `Download step ${steps(item.step)}`)])));
}

function showRows() {
  if (!rows.open || !state.curve?.runs.length) return;
  const { held_out: looks } = state.curve.runs[0];
  const cells = looks.step.map((step, place) => [steps(step), rate(looks.lr[place]), number(looks.loss[place]), percent(looks.accuracy[place])]);
  const caption = cells.length > MOST_ROWS ? `The first ${MOST_ROWS} of ${cells.length} looks at the held-out set` : "Every look at the held-out set";
  fill(rows, rows.querySelector("summary"), table(caption, ["Step", "lr", "Held-out loss", "Accuracy"], cells.slice(0, MOST_ROWS)));
}
