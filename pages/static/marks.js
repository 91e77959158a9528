// What stands in a chart beside its lines: shaded intervals, verticals, ticks, crosses, and where a line left at the top.

const APART = 8; // pixels between two marks of lines that left

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function drawBands({ ctx, bbox, valToPos }, { bands = [] }) {
  ctx.save();
  clip(ctx, bbox);
  for (const { from, to, tone } of bands) {
    const left = valToPos(from, "x", true);
    ctx.globalAlpha = 0.16;
    ctx.fillStyle = colour(tone);
    ctx.fillRect(left, bbox.top, Math.max(1, valToPos(to, "x", true) - left), bbox.height);
  }
  ctx.restore();
}

export function drawMarks(plot, { lines = [], ticks = [], crosses = [], dots = [] }, series) {
  const { ctx, bbox, valToPos } = plot;
  const dense = devicePixelRatio || 1;
  ctx.save();
  clip(ctx, bbox);
  for (const { at, tone, name, dash } of lines) {
    const x = valToPos(at, "x", true);
    ctx.strokeStyle = ctx.fillStyle = colour(tone);
    ctx.lineWidth = (dash ? 1 : 1.8) * dense;
    ctx.setLineDash(dash ? [3 * dense, 3 * dense] : []);
    stroke(ctx, x, bbox.top, bbox.top + bbox.height);
    if (!name) continue;
    ctx.font = `600 ${12 * dense}px system-ui, sans-serif`;
    const isLeft = name === "base_lr" || x + ctx.measureText(name).width + 6 * dense > bbox.left + bbox.width;
    ctx.textAlign = isLeft ? "right" : "left";
    ctx.textBaseline = "top";
    ctx.fillText(name, x + (isLeft ? -4 : 4) * dense, bbox.top + (name === "base_lr" ? 10 : 25) * dense);
  }
  ctx.setLineDash([]);
  ctx.strokeStyle = colour("--dim");
  ctx.lineWidth = 1.5 * dense;
  const bottom = bbox.top + bbox.height;
  for (const { at } of ticks) stroke(ctx, valToPos(at, "x", true), bottom - 10 * dense, bottom);
  for (const { at, y, tone } of dots) drawDot(ctx, valToPos(at, "x", true), valToPos(y, "y", true), 4 * dense, colour(tone));
  for (const line of series) drawExits(plot, line, dense);
  ctx.restore();
  const { min, max } = plot.scales.x;
  ctx.lineWidth = 1.5 * dense;
  ctx.setLineDash([]); // the last line's
  for (const { at, tone } of crosses.filter(({ at: place }) => place >= min && place <= max))
    drawCross(ctx, valToPos(at, "x", true), bbox.top + 8 * dense, 4 * dense, colour(tone)); // whole at the edge too
}

/** A triangle at the top wherever a line goes beyond it. */
function drawExits({ ctx, bbox, valToPos, scales }, { x, y, tone }, dense) {
  const { min, max } = scales.x;
  let last = -Infinity;
  ctx.fillStyle = colour(tone);
  for (let place = finds(x, min); place < x.length && x[place] <= max; place += 1) {
    if (!leaves(y, place, scales.y.max)) continue;
    const at = valToPos(x[place], "x", true);
    if (at - last < APART * dense) continue;
    last = at;
    drawTriangle(ctx, at, bbox.top, 4 * dense);
  }
}

/** Whether a line goes beyond the level at this place. */
const leaves = (y, place, level) => y[place] !== null && y[place] > level && !(y[place - 1] > level);

/** Whether any of the lines does. */
export const anyLeaves = (series, level) => series.some(({ y }) => y.some((_, place) => leaves(y, place, level)));

export function drawTriangle(ctx, x, top, size) {
  ctx.beginPath();
  ctx.moveTo(x, top);
  ctx.lineTo(x + size, top + 1.6 * size);
  ctx.lineTo(x - size, top + 1.6 * size);
  ctx.fill();
}

export function drawDot(ctx, x, y, size, tone) {
  ctx.fillStyle = tone;
  ctx.beginPath();
  ctx.arc(x, y, size, 0, 2 * Math.PI);
  ctx.fill();
}

export function drawCross(ctx, x, y, size, tone) {
  ctx.strokeStyle = tone;
  ctx.beginPath();
  ctx.moveTo(x - size, y - size);
  ctx.lineTo(x + size, y + size);
  ctx.moveTo(x - size, y + size);
  ctx.lineTo(x + size, y - size);
  ctx.stroke();
}

/** The place of the value that is nearest, of values that rise. */
export function finds(values, at) {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < at) low = middle + 1;
    else high = middle;
  }
  return low > 0 && at - values[low - 1] < values[low] - at ? low - 1 : low;
}

function clip(ctx, { left, top, width, height }) {
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
}

function stroke(ctx, x, top, bottom) {
  ctx.beginPath();
  ctx.moveTo(x, top);
  ctx.lineTo(x, bottom);
  ctx.stroke();
}
