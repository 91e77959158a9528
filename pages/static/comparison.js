// One comparison: who won in words first, the table, then the lines of each entry.
import { call, explain, get, trouble } from "./api.js";
import { Chart } from "./chart.js";
import { getCurve, lossRange, pool } from "./curve.js";
import { fill, h, root, say, table } from "./dom.js";
import { configFacts, id } from "./job.js";
import { follow } from "./live.js";
import { ago, FINAL, number, percent } from "./words.js";

const MOST_LINES = 60; // curves that are fetched
const COLUMNS = 1000; // of pixels
const EVERY_MS = 2000;

const path = `/comparisons/${id}`;
const main = document.getElementById("main");
const status = h("span", { class: "status", role: "status" });
const about = h("span", { class: "dim" });
const actions = h("div", { class: "row actions" });
const answer = h("section", { "aria-label": "The answer" });
const rows = h("section");
const charts = h("section", { hidden: true }, h("h2", {}, "The curves"));
const setup = h("details", {}, h("summary", {}, "What was asked for"));
main.append(h("div", { class: "row" }, status, about), actions, answer, rows, charts, setup);
const hint = h("p", { class: "hint" }, "Faint: each seed; strong: the mean of an entry's seeds.");
const legend = h("div", { class: "legend" });
charts.append(hint, legend);
const chart = new Chart(charts, { title: "Held-out accuracy against the step", xName: "step", yName: "accuracy", readX: (x) => Math.round(x).toLocaleString("en"), readY: number, height: 340 });
const curves = new Map();
let shown = null;

const loop = follow(async () => {
  const view = await get(path);
  const now = `${view.status} ${view.progress.completed}`;
  showHead(view);
  if (now !== shown) {
    showTable(view);
    await showCurves(view);
  }
  shown = now;
  return FINAL.has(view.status);
}, EVERY_MS);

function showHead(view) {
  const title = view.name || `Comparison on ${view.workload}`;
  say(main.querySelector("h1"), title);
  document.title = `${view.status}: ${title} · clr-tuner`;
  status.dataset.is = view.status;
  say(status, view.status);
  say(about, `${view.workload} · ${view.progress.completed} of ${view.progress.total} jobs · made ${ago(view.created_at)}`);
  if (!setup.querySelector("dl")) setup.append(configFacts(view.config));
  fill(actions, FINAL.has(view.status) ? null : h("button", { type: "button", class: "danger", onclick: cancel }, "Cancel"),
    ["svg", "pdf"].map((format) => h("a", { class: "button", href: `${root}${path}/plot.${format}` }, `Picture as ${format.toUpperCase()}`)));
}

async function cancel() {
  try {
    await call(`${path}/cancel`, { method: "POST" });
    loop.now();
  } catch (error) {
    trouble(explain(error));
  }
}

function showTable(view) {
  const write = view.metric === "loss" ? (value) => number(value) : percent;
  const spread = (value) => (value ? `${write(value.mean)}${value.std !== null ? ` ± ${write(value.std)}` : ""}` : "–");
  const best = view.rows.find((row) => row.final && row.p_value === null);
  const ties = view.within_noise.filter((label) => label !== best?.label);
  fill(answer, best ? h("div", { class: "card" },
    h("p", {}, h("strong", {}, `${best.label} did best: ${spread(best.final)}`), ties.length ? `. Within the noise of the seeds, as good: ${ties.join(", ")}.` : ", and no other is within the noise of the seeds."),
    h("p", { class: "hint" }, view.test)) : h("p", {}, FINAL.has(view.status) ? "No training of it succeeded." : "The table fills itself as trainings end."),
  view.warnings.map((warning) => h("p", { class: "warning" }, warning)));
  const places = [...view.rows].sort((one, other) => (other.final?.mean ?? -1) - (one.final?.mean ?? -1));
  if (view.metric === "loss") places.reverse();
  fill(rows, h("h2", {}, "The table"), table(`Held-out ${view.metric || "accuracy"} at the end and at the best cycle end: mean ± standard deviation over seeds`,
    ["Entry", "Final", "Best", "Steps", "Steps to target", "p", "Seeds"],
    places.map((row) => [
      row.within_noise ? h("strong", {}, row.label) : row.label, spread(row.final), spread(row.best), row.num_steps?.toLocaleString("en"), row.steps_to_target === null ? "–" : number(row.steps_to_target),
      row.p_value === null ? "–" : number(row.p_value, 2),
      h("span", {}, row.jobs.map((job, seed) => [seed ? " " : "", h("a", { href: `${root}/pages/training-jobs/${job}`, "aria-label": `${row.label}, run ${seed + 1}` }, String(seed + 1))]).flat(), row.diverged ? `, ${row.diverged} diverged` : "")])));
}

async function showCurves(view) {
  const wanted = view.rows.flatMap((row) => ((row.statuses.succeeded || 0) > 0 ? row.jobs : [])).slice(0, MOST_LINES);
  for (const job of wanted)
    if (!curves.has(job)) {
      const curve = await getCurve(`/training-jobs/${job}`, { x: "step", columns: COLUMNS });
      if (curve.complete) curves.set(job, curve.runs[0]?.held_out);
    }
  const metric = view.metric || "accuracy";
  const read = (job) => curves.get(job)?.[metric];
  const entries = view.rows.map((row, place) => ({ row, tone: `--line-${1 + (place % 6)}`, runs: row.jobs.map(read).filter((line) => line?.x.length) })).filter(({ runs }) => runs.length);
  charts.hidden = !entries.length;
  if (!entries.length) return;
  fill(legend, entries.map(({ row, tone }) => h("span", { class: "check" }, h("span", { class: `key tone-${tone.at(-1)}`, "aria-hidden": "true" }), row.label)));
  if (metric === "loss") Object.assign(chart, { yRange: lossRange });
  chart.rename(`Held-out ${metric} against the step`, metric);
  chart.show(entries.flatMap(({ row, tone, runs }) => [
    ...runs.map(({ drawn }, seed) => ({ name: `${row.label}, ${seed}`, kind: "each seed", tone, ...drawn, faint: true })),
    { name: row.label, kind: "mean of the seeds", tone, width: 2.2, ...(pool(runs) || runs[0]) },
  ]));
}
