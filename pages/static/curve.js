// A curve as the API gives it, made into lines: its arrays read, smoothed, pooled over seeds.
import { Problem, query } from "./api.js";
import { root } from "./dom.js";

const COLUMNS = 2000; // of pixels: more than a chart has
const VALUES = ["lr", "loss", "accuracy"];

/**
 * The curve of a job with its x, "step" or "log_lr": {complete, runs}. A run's `train` and `held_out` hold its values
 * (loss, accuracy, with steps lr too), each {x, y, low, high}: the last of each pixel column, and lines through its extremes.
 */
export async function getCurve(path, { x, columns = COLUMNS, signal }) {
  const answer = await fetch(`${root}${path}/curve${query({ format: "f32", columns, x })}`, { signal });
  if (!answer.ok) throw new Problem(answer.status, await answer.json().catch(() => ({})));
  return readCurve(await answer.arrayBuffer(), x, columns);
}

function readCurve(buffer, x, columns) {
  const begin = 4 + new DataView(buffer).getUint32(0, true);
  const { runs, ...header } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, begin - 4)));
  const arrays = ({ fields, rows, offset }) => Object.fromEntries(fields.map((field, place) => [field, new Float32Array(buffer, begin + offset + 4 * place * rows, rows)]));
  return { ...header, runs: runs.map(({ series, ...run }) => ({ ...run, ...Object.fromEntries(Object.entries(series).map(([name, of]) => [name, unpack(arrays(of), x, columns)])) })) };
}

/** The values of a series of arrays; where a column has several, its line goes through the lowest and the highest. */
function unpack(arrays, axis, columns) {
  const middles = Array.from(arrays.x);
  const quarter = (middles[middles.length - 1] - middles[0]) / Math.max(1, columns - 1) / 4;
  const place = axis === "log_lr" ? (at) => 10 ** at : (at) => at;
  const x = middles.map(place);
  return Object.fromEntries(VALUES.filter((name) => arrays[`${name}_last`]).map((name) => {
    const [low, high, last] = ["min", "max", "last"].map((what) => arrays[`${name}_${what}`]);
    const drawn = { x: [], y: [] };
    middles.forEach((middle, column) => {
      const [begin, end] = last[column] < last[column - 1] ? [high, low] : [low, high];
      const ends = low[column] === high[column] ? [[0, low]] : [[-quarter, begin], [quarter, end]];
      for (const [off, value] of ends) {
        drawn.x.push(place(middle + off));
        drawn.y.push(finite(value[column]));
      }
    });
    return [name, { x, y: Array.from(last, finite), drawn }];
  }));
}

const finite = (value) => (Number.isFinite(value) ? value : null);

/** The same of a run as rows, as events tell it. */
export function ofRows(run, axis) {
  const read = (rows) => {
    const x = axis === "log_lr" ? rows.lr : rows.step;
    return Object.fromEntries(VALUES.filter((name) => rows[name]).map((name) => [name, { x, y: rows[name], drawn: { x, y: rows[name] } }]));
  };
  return { ...run, train: read(run), held_out: read(run.held_out) };
}

/** The mean of each value and its neighbours, `window` of them; null where nothing is finite. */
export function smooth(values, window) {
  const half = Math.floor(window / 2);
  const sums = new Float64Array(values.length + 1);
  const counts = new Uint32Array(values.length + 1);
  values.forEach((value, place) => {
    sums[place + 1] = sums[place] + (value ?? 0);
    counts[place + 1] = counts[place] + (value === null ? 0 : 1);
  });
  return values.map((_, place) => {
    const from = Math.max(0, place - half);
    const to = Math.min(values.length, place + half + 1);
    const count = counts[to] - counts[from];
    return count ? (sums[to] - sums[from]) / count : null;
  });
}

/** How many neighbours the smoothed line of so many values takes: a twentieth of a sweep, as the picture has it. */
export const windowOf = (count, share = 20) => Math.max(3, Math.floor(count / share));

/** The mean over lines from where all have begun to where the first ends; null for less than two lines. */
export function pool(lines) {
  if (lines.length < 2) return null;
  const begin = Math.max(...lines.map(({ x }) => x[0]));
  const end = Math.min(...lines.map(({ x }) => x[x.length - 1]));
  const x = lines.find((line) => line.x[line.x.length - 1] === end).x.filter((at) => at >= begin);
  const all = lines.map((line) => readAt(line, x));
  const y = x.map((_, place) => {
    const values = all.map((of) => of[place]);
    return values.includes(null) ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
  });
  return { x, y };
}

/** A line's values at these places, which rise, between its own. */
function readAt({ x, y }, places) {
  let after = 0;
  return places.map((at) => {
    while (after < x.length - 1 && x[after] < at) after += 1;
    if (x[after] === at || !after) return y[after];
    const [from, to] = [y[after - 1], y[after]];
    return from === null || to === null ? null : from + ((to - from) * (at - x[after - 1])) / (x[after] - x[after - 1]);
  });
}

/** The scale of losses: from the lowest to a little above where the lines start, so that a divergence flattens nothing. */
export function lossRange(series) {
  const levels = [];
  for (const { y, faint } of series) {
    const drawable = y.filter((value) => value !== null && Math.abs(value) < 1e300);
    if (!drawable.length) continue;
    levels.push(drawable.reduce((low, value) => Math.min(low, value), Infinity));
    const begin = drawable.slice(0, Math.max(1, Math.floor(drawable.length / 10)));
    if (!faint) levels.push(Math.max(...begin));
  }
  if (!levels.length) return [0, 1];
  const low = Math.min(0, ...levels);
  const high = Math.max(...levels);
  return [low, low + 1.15 * Math.max(high - low, 1e-12)];
}
