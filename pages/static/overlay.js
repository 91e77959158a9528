// Some jobs over each other, as the address names them: what each found in a table, then their lines in one chart of each kind.
import { explain, get, Problem } from "./api.js";
import { Chart } from "./chart.js";
import { getCurve, lossRange, smooth, windowOf } from "./curve.js";
import { fill, h, root } from "./dom.js";
import { asked } from "./list.js";
import { follow } from "./live.js";
import { groupRuns, linesOf } from "./ranges.js";
import { FINAL, found, number, PAGES, PATHS, standing, words } from "./words.js";

const MOST = 12; // jobs: a colour each of six, then dashed
const COLUMNS = 1000; // of pixels
const EVERY_MS = 2000;

const ids = [...new Set((asked.get("ids") || "").split(",").map((id) => id.trim()).filter(Boolean))].slice(0, MOST);
const main = document.getElementById("main");
const known = new Map(); // by id: {job, curve, bounds}, or {gone}
const rows = h("tbody");
const list = h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "The jobs" }, h("table", {}, h("caption", { class: "unseen" }, "The jobs that are drawn"),
  h("thead", {}, h("tr", {}, ["Line", "Job", "Kind", "Workload", "Status", "Found", ""].map((name) => h("th", { scope: "col" }, name || h("span", { class: "unseen" }, "Take out"))))), rows));
main.append(list);

const steps = (x) => Math.round(x).toLocaleString("en");
const kinds = {
  range_test: section("Range tests against the learning rate", "The sweep that the bounds are read from, or the last one: means over its seeds and a window of a twentieth of it. The verticals are each job's max_lr.",
    { xName: "learning rate", logX: true, sync: "lr" }, "Training loss", "Held-out"),
  training_job: section("Trainings against the step", "Training loss: means over a window of a twentieth of the points.",
    { xName: "step", sync: "step", readX: steps }, "Training loss", "Held-out"),
};

if (!ids.length) main.append(h("div", { class: "empty" }, h("p", {}, "No job is chosen. "), h("a", { class: "button", href: `${root}/` }, "Choose some in the list")));
list.hidden = !ids.length;
const isOver = (one) => Boolean(one && (one.gone || FINAL.has(one.job.status)));
const toneOf = (place) => `--line-${1 + (place % 6)}`;
const dashOf = (place) => (place < 6 ? undefined : [6, 4]);
const titleOf = (job) => job.name || `${words(job.kind)} ${job.id.slice(0, 8)}`;
follow(look, EVERY_MS);

function section(title, about, shared, ...names) {
  const element = h("section", { "aria-label": title, hidden: true }, h("h2", {}, title), h("p", { class: "hint" }, about));
  main.append(element);
  const [loss, score] = names.map((name) => new Chart(element, { ...shared, title: `${name} ${title.slice(title.indexOf("against"))}`, yName: "loss", yRange: lossRange, readY: number, height: 320 }));
  return { element, loss, score, against: title.slice(title.indexOf("against")) };
}

/** Ask for what may have changed; whether nothing will any more. */
async function look() {
  for (const id of ids) if (!isOver(known.get(id))) known.set(id, await read(id));
  showRows();
  for (const kind of Object.keys(kinds)) showKind(kind);
  return ids.every((id) => isOver(known.get(id)));
}

async function read(id) {
  try {
    const job = await get(`/jobs/${encodeURIComponent(id)}`);
    const path = PATHS[job.kind] + job.id;
    const curve = await getCurve(path, { x: job.kind === "range_test" ? "log_lr" : "step", columns: COLUMNS });
    return { job, curve, bounds: job.outcome === "bounds_found" ? await get(`${path}/bounds`) : null };
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return { gone: explain(error) };
    throw error;
  }
}

function showRows() {
  const out = (id, name) => h("a", { href: `?ids=${ids.filter((other) => other !== id).join(",")}`, "aria-label": `Take out ${name}` }, "take out");
  fill(rows, ids.map((id, place) => {
    const { job, gone } = known.get(id);
    const key = h("span", { class: "check" }, h("span", { class: `key tone-${1 + (place % 6)}${place < 6 ? "" : " dashed"}`, "aria-hidden": "true" }), String(place + 1));
    if (gone) return h("tr", {}, h("td", {}, String(place + 1)), h("td", { colspan: "5" }, gone), h("td", {}, out(id, id)));
    return h("tr", {}, h("td", {}, key),
      h("td", { class: "name" }, h("a", { href: root + PAGES[job.kind] + job.id }, titleOf(job))), h("td", {}, words(job.kind)), h("td", {}, job.workload),
      h("td", {}, h("span", { class: "status", "data-is": standing(job) }, standing(job))), h("td", {}, found(job.summary) || "–"), h("td", {}, out(id, titleOf(job))));
  }));
}

function showKind(kind) {
  const { element, loss, score, against } = kinds[kind];
  const drawn = ids.map((id, place) => ({ place, ...known.get(id) })).filter(({ job, curve }) => job?.kind === kind && curve.runs.some(({ train }) => train.loss.x.length));
  element.hidden = !drawn.length;
  if (!drawn.length) return;
  const lines = kind === "range_test" ? linesOfTest : linesOfTraining;
  const looks = drawn.flatMap(({ curve }) => curve.runs.map((run) => run.held_out));
  const what = looks.some((held) => held.accuracy.y.some((value) => value !== null)) ? "accuracy" : "loss";
  const marks = { lines: drawn.flatMap(({ bounds, place }) => (bounds ? [{ at: bounds.max_lr, tone: toneOf(place), name: `${place + 1}`, dash: Boolean(dashOf(place)) }] : [])) };
  loss.show(drawn.flatMap((one) => lines(one, ({ train }) => train.loss, true)), marks);
  score.yRange = what === "accuracy" ? null : lossRange;
  score.rename(`Held-out ${what} ${against}`, what);
  score.show(drawn.flatMap((one) => lines(one, ({ held_out: held }) => held[what], false)), marks);
}

/** The sweep that the bounds are read from, or the last where none are. */
function linesOfTest({ place, job, curve, bounds }, readRun) {
  const groups = groupRuns(curve.runs, bounds?.evidence.range);
  const group = groups.find(({ isChosen }) => isChosen) || groups.filter(({ phase }) => phase !== "probe").at(-1);
  const strong = group ? linesOf([group], readRun, { raw: false, what: "" }).filter(({ faint }) => !faint) : [];
  return strong.map((line) => ({ ...line, kind: null, name: `${place + 1} ${titleOf(job)}`, tone: toneOf(place), dash: dashOf(place), width: 2 }));
}

function linesOfTraining({ place, job, curve }, readRun, isNoisy) {
  const lines = curve.runs.map(readRun).filter(({ y }) => y.some((value) => value !== null));
  return lines.map(({ x, y }) => ({ name: `${place + 1} ${titleOf(job)}`, tone: toneOf(place), dash: dashOf(place), width: 2, x, y: isNoisy ? smooth(y, windowOf(y.length)) : y }));
}
