// A chart's legend, on the page and in the PNG that it is saved as; light colours wherever it goes on paper.
import { h } from "./dom.js";
import { anyLeaves, colour, drawCross, drawDot, drawTriangle } from "./marks.js";

const GAP = 16; // between entries of the legend, and around the picture

/** What the chart's lines and marks are: [{text, tone, shape, dash?, faint?}], each once. */
export function describeLines({ series, marks, levels, logX }) {
  const kinds = new Map();
  for (const { kind, tone, faint, dash } of series) {
    if (!kind) continue;
    const same = kinds.get(kind);
    kinds.set(kind, { text: kind, tone: same && same.tone !== tone ? "--dim" : tone, faint, dash, shape: "line" });
  }
  const { bands = [], lines = [], ticks = [], crosses = [], dots = [] } = marks;
  const told = Object.entries({ line: lines, band: bands, dot: dots }).flatMap(([shape, all]) => all.filter(({ about }) => about).map(({ about: text, tone, dash }) => [text, { text, tone, shape, dash: dash && [3, 3] }]));
  return [
    ...kinds.values(),
    ...new Map(told).values(),
    ...(ticks.length ? [{ text: "what other finders would choose", tone: "--dim", shape: "tick" }] : []),
    ...(crosses.length ? [{ text: logX ? "the loss diverged: sweep ended" : "the loss diverged", tone: "--dim", shape: "cross" }] : []),
    ...(levels && anyLeaves(series, levels[1]) ? [{ text: "beyond the top", tone: "--dim", shape: "triangle" }] : []),
  ];
}

/** Put it into a list, unless it stands there. */
export function showLegend(list, items) {
  const shown = JSON.stringify(items);
  if (list.dataset.shown === shown) return;
  list.dataset.shown = shown;
  list.replaceChildren(...items.map((item) => h("li", {}, drawKey(item), item.text)));
}

function drawKey(item) {
  const dense = devicePixelRatio || 1;
  const key = h("canvas", { width: 26 * dense, height: 12 * dense, "aria-hidden": "true" });
  const ctx = key.getContext("2d");
  ctx.scale(dense, dense);
  paintKey(ctx, 0, 6, item);
  return key;
}

function paintKey(ctx, x, y, { tone, shape, dash, faint }) {
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour(tone);
  ctx.lineWidth = faint ? 1 : 2;
  ctx.globalAlpha = faint ? 0.5 : 1;
  if (shape === "line") {
    ctx.setLineDash(dash || []);
    line(ctx, x, y, x + 24, y);
  } else if (shape === "band") {
    ctx.globalAlpha = 0.3;
    ctx.fillRect(x, y - 5, 24, 10);
  } else if (shape === "tick") line(ctx, x + 12, y - 4, x + 12, y + 4);
  else if (shape === "cross") drawCross(ctx, x + 12, y, 4, colour(tone));
  else if (shape === "dot") drawDot(ctx, x + 12, y, 4, colour(tone));
  else drawTriangle(ctx, x + 12, y - 4, 4);
  ctx.restore();
}

function line(ctx, ...[x, y, toX, toY]) {
  ctx.beginPath();
  ctx.moveTo(x, y);
  ctx.lineTo(toX, toY);
  ctx.stroke();
}

/** Go to light colours, or back to the reader's; then draw anew. */
export function onPaper(isPaper, draw = () => {}) {
  document.documentElement.classList.toggle("paper", isPaper);
  draw();
}

/** Save a chart as a PNG on white: its title, what is drawn, and its legend. */
export async function savePicture(chart, name) {
  const { plot, title } = chart;
  onPaper(true, () => plot.redraw(false));
  await null; // uPlot draws at the end of this task
  const picture = paint(chart, [document.querySelector("h1")?.textContent, title].filter(Boolean).join(": "));
  onPaper(false, () => plot.redraw(false));
  const file = await new Promise((done) => picture.toBlob(done, "image/png"));
  const address = URL.createObjectURL(file);
  h("a", { href: address, download: `${name}.png` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

function paint(chart, title) {
  const drawn = chart.plot.ctx.canvas;
  const dense = devicePixelRatio || 1;
  const width = drawn.width / dense + 2 * GAP;
  const canvas = h("canvas");
  const ctx = canvas.getContext("2d");
  const items = describeLines(chart);
  const heads = (ctx.font = "600 15px system-ui, sans-serif") && wrap(title.split(/(?=[ ])/), (word) => ctx.measureText(word).width, width - 2 * GAP);
  ctx.font = "13px system-ui, sans-serif";
  const rows = wrap(items, ({ text }) => 30 + ctx.measureText(text).width + GAP, width - 2 * GAP);
  const top = GAP + 21 * heads.length + 4;
  const bottom = top + drawn.height / dense + 8;
  canvas.width = width * dense;
  canvas.height = (bottom + 20 * rows.length + GAP) * dense;
  ctx.scale(dense, dense);
  ctx.fillStyle = "#fff";
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.drawImage(drawn, GAP, top, drawn.width / dense, drawn.height / dense);
  ctx.fillStyle = "#1b1f24";
  ctx.textBaseline = "middle";
  ctx.font = "600 15px system-ui, sans-serif";
  heads.forEach((words, row) => ctx.fillText(words.join("").trim(), GAP, GAP + 21 * row + 10));
  ctx.font = "13px system-ui, sans-serif";
  rows.forEach((row, place) => {
    let x = GAP;
    for (const item of row) {
      paintKey(ctx, x, bottom + 20 * place + 10, item);
      ctx.fillText(item.text, x + 30, bottom + 20 * place + 10);
      x += 30 + ctx.measureText(item.text).width + GAP;
    }
  });
  return canvas;
}

/** Items in rows of this width. */
function wrap(items, measure, width) {
  const rows = [[]];
  let left = width;
  for (const item of items) {
    const wide = measure(item);
    if (wide > left && rows[rows.length - 1].length) {
      rows.push([]);
      left = width;
    }
    rows[rows.length - 1].push(item);
    left -= wide;
  }
  return rows;
}
