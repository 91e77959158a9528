// The curve as tables: every look at the held-out set and some of the batches, asked for when they are opened.
import { get, query } from "./api.js";
import { fill, h, table } from "./dom.js";
import { number, percent, rate, words } from "./words.js";

const MOST_ROWS = 500; // of a table; all of them are in the CSV

/** A part of a page that shows them when it is opened. */
export function makeCurveTable(path) {
  const summary = h("summary", {}, "The curve as a table");
  const element = h("details", { hidden: true }, summary);
  async function show() {
    if (!element.open) return;
    const { runs } = await get(`${path}/curve${query({ max_points: MOST_ROWS })}`);
    const each = Math.max(4, Math.floor(MOST_ROWS / Math.max(1, runs.length)));
    const cells = (run, rows, write) => rows.step.slice(0, each).map((step, place) => [words(run.phase), run.sweep, run.seed, step.toLocaleString("en"), rate(rows.lr[place]), ...write(rows, place)]);
    const caption = (what, rows) => (rows.some((count) => count > each) ? `${what}: the first ${each} of each sweep; all of them are in the CSV` : what);
    const looks = runs.flatMap((run) => cells(run, run.held_out, ({ loss, accuracy }, place) => [number(loss[place]), percent(accuracy[place])]));
    const batches = runs.flatMap((run) => cells(run, run, ({ loss }, place) => [number(loss[place])]));
    const head = ["Phase", "Sweep", "Seed", "Step", "lr"];
    fill(element, summary,
      table(caption("Looks at the held-out set", runs.map(({ held_out: { step } }) => step.length)), [...head, "Held-out loss", "Accuracy"], looks),
      table(caption("Training loss, each batch", runs.map(({ step }) => step.length)), [...head, "Loss"], batches));
  }
  element.addEventListener("toggle", show);
  return { element, show };
}
