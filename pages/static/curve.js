// A curve as the API gives it, made into lines: smoothed, pooled over seeds, cut where nothing can be drawn.

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

/** How many neighbours the smoothed line of so many values takes. */
export const windowOf = (count) => Math.max(3, Math.floor(count / 20));

/** The mean over lines at the places that all of them have; null for less than two lines. */
export function pool(lines) {
  if (lines.length < 2) return null;
  const length = Math.min(...lines.map(({ x }) => x.length));
  const x = lines[0].x.slice(0, length);
  if (lines.some((line) => line.x.slice(0, length).some((at, place) => Math.abs(at - x[place]) > 1e-9 * at))) return null;
  const y = x.map((_, place) => {
    const values = lines.map((line) => line.y[place]).filter((value) => value !== null);
    return values.length === lines.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  });
  return { x, y };
}

/** The scale of losses: from the lowest to a little above where the lines start, so that a divergence flattens nothing. */
export function lossRange(series) {
  const levels = [];
  for (const { y, faint } of series) {
    const finite = y.filter((value) => value !== null && Math.abs(value) < 1e300);
    if (!finite.length) continue;
    levels.push(finite.reduce((low, value) => Math.min(low, value), Infinity));
    const begin = finite.slice(0, Math.max(1, Math.floor(finite.length / 10)));
    if (!faint) levels.push(Math.max(...begin));
  }
  if (!levels.length) return [0, 1];
  const low = Math.min(0, ...levels);
  const high = Math.max(...levels);
  return [low, low + 1.15 * Math.max(high - low, 1e-12)];
}
