// A chart of lines over a rate or a step, drawn by uPlot; colours are the page's own, in light and dark.
import { h, say } from "./dom.js";
import { rate } from "./words.js";

const NARROW = 480;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const isNumber = (value) => value !== null && Number.isFinite(value);

/**
 * Series are {name, tone, x, y, width?, faint?, dash?}: x increasing, y null where nothing was measured.
 * Marks are {bands: [{from, to, tone}], lines: [{at, tone, name}], ticks: [{at}]}, all at places of x.
 */
export class Chart {
  constructor(parent, { title, xName, yName, logX = false, yRange, height = 300, sync, like = null, readX = rate, readY = rate }) {
    Object.assign(this, { title, xName, yName, logX, yRange, height, sync, like, readX, readY, series: [], marks: {} });
    this.place = h("div", { role: "img", "aria-label": title });
    this.reading = h("p", { class: "reading dim" });
    this.element = h("figure", { class: "chart" }, h("figcaption", {}, h("strong", {}, title)), this.place, this.reading);
    parent.append(this.element);
    new ResizeObserver(() => this.fit()).observe(this.element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.plot?.redraw());
  }

  /** Draw these; the reader's zoom stays while the same lines grow. */
  show(series, marks = {}) {
    this.marks = marks;
    this.element.dataset.points = Math.max(0, ...series.map(({ x }) => x.length));
    const shape = JSON.stringify(series.map(({ name, tone, faint }) => [name, tone, faint]));
    const zoomed = this.plot && this.zoomed() ? { ...this.plot.scales.x } : null;
    this.series = series;
    if (this.plot && shape === this.shape) {
      this.plot.setData(join(series), !zoomed);
      if (zoomed) this.plot.setScale("x", { min: zoomed.min, max: zoomed.max });
      return;
    }
    this.shape = shape;
    this.plot?.destroy();
    this.place.replaceChildren();
    this.plot = new uPlot(this.options(), join(series), this.place);
  }

  zoomed() {
    const [low, high] = this.wholeX();
    const { min, max } = this.plot.scales.x;
    return isNumber(min) && (min > low * (1 + 1e-9) || max < high * (1 - 1e-9));
  }

  fit() {
    const width = this.element.clientWidth;
    if (this.plot && width && Math.abs(this.plot.width - width) > 1) this.plot.setSize({ width, height: this.height });
  }

  /** All of x that there is to see: every line and every mark, or that of the chart above. */
  wholeX() {
    if (this.like) return this.like.wholeX();
    let low = Infinity;
    let high = -Infinity;
    const take = (value) => {
      if (!isNumber(value) || (this.logX && value <= 0)) return;
      low = Math.min(low, value);
      high = Math.max(high, value);
    };
    for (const { x } of this.series) {
      take(x[0]);
      take(x[x.length - 1]);
    }
    if (low === Infinity) return this.logX ? [1e-6, 1] : [0, 1];
    for (const { from, to } of this.marks.bands || []) [from, to].forEach(take);
    for (const { at } of this.marks.lines || []) take(at);
    if (this.logX) return low < high ? [low / 1.05, high * 1.05] : [low / 2, high * 2];
    return low < high ? [low, high] : [low, low + 1];
  }

  options() {
    const axis = (name) => ({
      stroke: () => colour("--dim"),
      grid: { stroke: () => colour("--line"), width: 0.5 },
      ticks: { stroke: () => colour("--line"), width: 0.5 },
      font: "12px system-ui, sans-serif",
      labelFont: "12px system-ui, sans-serif",
      label: name,
      labelSize: 20,
    });
    const width = this.element.clientWidth || 600;
    const xAxis = { ...axis(this.xName), size: 34, ...(this.logX ? LOG_AXIS : { space: 70 }) };
    return {
      width,
      height: this.height,
      legend: { show: false },
      cursor: { points: { show: false }, y: false, ...(this.sync ? { sync: { key: this.sync, scales: ["x", null] } } : {}) },
      scales: {
        x: { time: false, distr: this.logX ? 3 : 1, range: (_, low, high) => this.rangeX(low, high) },
        y: { range: (_, low, high) => (this.yRange ? this.yRange(this.series) : pad(low, high)) },
      },
      axes: [xAxis, { ...axis(this.yName), size: width < NARROW ? 56 : 60, values: (_, splits) => splits.map((value) => this.readY(value)) }],
      series: [{}, ...this.series.map((line) => describe(line))],
      hooks: {
        drawClear: [(plot) => this.drawBands(plot)],
        draw: [(plot) => this.drawLines(plot)],
        setCursor: [(plot) => this.read(plot)],
      },
    };
  }

  /** A reader's zoom as it is, all of the data with its marks otherwise. */
  rangeX(low, high) {
    const data = this.plot?.data[0] || [];
    const isZoom = data.length && isNumber(low) && (low !== data[0] || high !== data[data.length - 1]);
    return isZoom ? [low, high] : this.wholeX();
  }

  drawBands({ ctx, bbox, valToPos }) {
    ctx.save();
    clip(ctx, bbox);
    for (const { from, to, tone } of this.marks.bands || []) {
      const left = valToPos(from, "x", true);
      ctx.globalAlpha = 0.16;
      ctx.fillStyle = colour(tone);
      ctx.fillRect(left, bbox.top, Math.max(1, valToPos(to, "x", true) - left), bbox.height);
    }
    ctx.restore();
  }

  drawLines({ ctx, bbox, valToPos }) {
    const dense = devicePixelRatio || 1;
    ctx.save();
    clip(ctx, bbox);
    for (const { at, tone, name, dash } of this.marks.lines || []) {
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
      ctx.fillText(name, x + (isLeft ? -4 : 4) * dense, bbox.top + (name === "base_lr" ? 3 : 18) * dense);
    }
    ctx.setLineDash([]);
    ctx.strokeStyle = colour("--dim");
    ctx.lineWidth = 1.5 * dense;
    const bottom = bbox.top + bbox.height;
    for (const { at } of this.marks.ticks || []) stroke(ctx, valToPos(at, "x", true), bottom - 10 * dense, bottom);
    for (const { at, tone } of this.marks.crosses || []) cross(ctx, valToPos(at, "x", true), bbox.top + 8 * dense, 4 * dense, colour(tone));
    ctx.restore();
  }

  /** What the strong lines say under the pointer, as text. */
  read(plot) {
    if (plot.cursor.left === null || plot.cursor.left < 0) return;
    const x = plot.posToVal(plot.cursor.left, "x");
    const said = this.series
      .filter((line) => !line.faint && line.x.length && x >= line.x[0] && x <= line.x[line.x.length - 1])
      .map((line) => `${line.name} ${this.readY(nearest(line, x))}`);
    say(this.reading, [`${this.xName} ${this.readX(x)}`, ...said].join(" · "));
  }

  /** The chart as a PNG, on the page's own ground. */
  savePng(name) {
    const drawn = this.plot.ctx.canvas;
    const canvas = h("canvas", { width: drawn.width, height: drawn.height });
    const ctx = canvas.getContext("2d");
    ctx.fillStyle = colour("--ground");
    ctx.fillRect(0, 0, canvas.width, canvas.height);
    ctx.drawImage(drawn, 0, 0);
    h("a", { href: canvas.toDataURL("image/png"), download: `${name}.png` }).click();
  }
}

function describe({ name, tone, width = 1.6, faint = false, dash }) {
  const shade = () => colour(tone) + (faint ? "66" : "");
  return { label: name, stroke: shade, width: faint ? 1 : width, dash, spanGaps: true, points: { show: false } };
}

/** One column of x with all the values of every line, as uPlot wants it. */
function join(series) {
  if (!series.length) return [[], []];
  const alike = series.every(({ x }) => x === series[0].x);
  return alike ? [series[0].x, ...series.map(({ y }) => y)] : uPlot.join(series.map(({ x, y }) => [x, y]));
}

function pad(low, high) {
  if (!isNumber(low)) return [0, 1];
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - room, high + room];
}

// uPlot's own ticks of a logarithm want ends that are powers of ten.
const LOG_AXIS = {
  splits: (_, __, low, high) => {
    const decades = Math.log10(high / low);
    const digits = decades > 12 ? [1] : decades < 2.5 ? [1, 2, 3, 4, 5, 6, 7, 8, 9] : [1, 2, 5];
    const places = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1)
      for (const digit of digits) places.push(Number(`${digit}e${power}`));
    return places.filter((place) => place >= low && place <= high);
  },
  filter: (_, places) => places,
  values: (plot, places) => {
    const { min, max } = plot.scales.x;
    const room = plot.width / Math.log10(max / min); // pixels of a decade
    const every = Math.ceil(55 / room);
    return places.map((place) => {
      const power = Math.round(Math.log10(place));
      const isDecade = Math.abs(place / 10 ** power - 1) < 1e-9;
      const isNamed = isDecade ? power % every === 0 : room > 260 && /^[25]/.test(place.toExponential());
      return isNamed ? rate(place) : "";
    });
  },
};

function nearest({ x, y }, at) {
  let low = 0;
  let high = x.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x[middle] < at) low = middle + 1;
    else high = middle;
  }
  const place = low > 0 && at - x[low - 1] < x[low] - at ? low - 1 : low;
  return y[place];
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

function cross(ctx, x, y, size, tone) {
  ctx.strokeStyle = tone;
  ctx.beginPath();
  ctx.moveTo(x - size, y - size);
  ctx.lineTo(x + size, y + size);
  ctx.moveTo(x - size, y + size);
  ctx.lineTo(x + size, y - size);
  ctx.stroke();
}
