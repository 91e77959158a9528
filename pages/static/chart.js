// A chart of lines over a rate or a step, drawn by uPlot; colours are the page's own, in light and dark.
import { h, say } from "./dom.js";
import { addGestures } from "./gestures.js";
import { colour, drawBands, drawMarks, finds } from "./marks.js";
import { describeLines, onPaper, savePicture, showLegend } from "./picture.js";
import { rate } from "./words.js";

const NARROW = 480;
const PAPER_WIDTH = 700; // pixels of a printed page
const isNumber = (value) => value !== null && Number.isFinite(value);

/**
 * Series are {name, tone, x, y, width?, faint?, dash?, kind?}: x increasing, y null where nothing was measured; kind: what the
 * legend calls such lines. Marks are {bands: [{from, to, tone, about?}], lines: [{at, tone, name?, dash?, about?}],
 * ticks: [{at}], crosses: [{at, tone}], dots: [{at, y, tone, about?}]}, all at places of x; about: what the legend says.
 * Dragging zooms, a double click shows all; shift and dragging, arrow keys, + and -, and fingers move what is shown.
 */
export class Chart {
  constructor(parent, { title, xName, yName, logX = false, yRange, height = 300, sync, like = null, readX = rate, readY = rate }) {
    Object.assign(this, { title, xName, yName, logX, yRange, height, sync, like, readX, readY, series: [], marks: {} });
    this.place = h("div", { role: "img", "aria-label": title, tabindex: 0, class: "place" });
    this.reading = h("span", { class: "reading dim" });
    this.legend = h("ul", { class: "legend" });
    this.whole = h("button", { type: "button", hidden: true, onclick: () => this.zoom(...this.wholeX()) }, "Show all");
    const png = h("button", { type: "button", onclick: () => this.savePng() }, "PNG");
    this.element = h("figure", { class: "chart" },
      h("figcaption", { class: "row" }, h("strong", {}, title), this.reading, h("span", { class: "row actions" }, this.whole, png)), this.place, this.legend);
    parent.append(this.element);
    addGestures(this);
    new ResizeObserver(() => this.fit()).observe(this.element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.repaint());
    addEventListener("beforeprint", () => onPaper(true, () => this.repaint(PAPER_WIDTH)));
    addEventListener("afterprint", () => onPaper(false, () => this.repaint()));
  }

  /** Call it, and what it shows, something else. */
  rename(title, yName) {
    if (yName !== this.yName) this.shape = null;
    Object.assign(this, { title, yName });
    say(this.element.querySelector("strong"), title);
    this.place.setAttribute("aria-label", title);
  }

  /** Draw these; the reader's zoom stays while the same lines grow. */
  show(series, marks = {}) {
    this.marks = marks;
    this.element.dataset.points = Math.max(0, ...series.map(({ x }) => x.length));
    const shape = JSON.stringify(series.map(({ name, tone, faint }) => [name, tone, faint]));
    const zoomed = this.plot && this.zoomed() ? { ...this.plot.scales.x } : null;
    this.series = series;
    this.levels = this.yRange ? this.yRange(series) : null;
    showLegend(this.legend, describeLines(this));
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

  /** Show x from here to there, in the charts with the same cursor too; not beyond what there is. */
  zoom(from, to) {
    const [low, high] = this.wholeX();
    const isAll = from <= low && to >= high;
    const group = this.sync ? uPlot.sync(this.sync).plots : [this.plot];
    for (const plot of group) {
      const data = plot.data[0];
      const [min, max] = isAll ? [data[0], data[data.length - 1]] : [Math.max(low, from), Math.min(high, to)];
      if (min < max) plot.setScale("x", { min, max });
    }
  }

  /** In other colours, or as wide as paper. */
  repaint(width) {
    if (!this.plot) return;
    this.fit(width);
    this.plot.redraw();
    this.legend.dataset.shown = "";
    showLegend(this.legend, describeLines(this));
  }

  fit(width = this.element.clientWidth) {
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
    const xAxis = { ...axis(this.xName), size: 34, ...(this.logX ? LOG_AXIS : { space: 70, values: (_, splits) => splits.map((value) => (Number.isInteger(value) ? this.readX(value) : "")) }) };
    return {
      width,
      height: this.height,
      legend: { show: false },
      cursor: { points: { show: false }, y: false, ...(this.sync ? { sync: { key: this.sync, scales: ["x", null] } } : {}) },
      scales: {
        x: { time: false, distr: this.logX ? 3 : 1, range: (_, low, high) => this.rangeX(low, high) },
        y: { range: (_, low, high) => this.levels || pad(low, high) },
      },
      axes: [xAxis, { ...axis(this.yName), size: width < NARROW ? 56 : 60, values: (_, splits) => splits.map((value) => this.readY(value)) }],
      series: [{}, ...this.series.map((line) => describe(line))],
      hooks: {
        drawClear: [(plot) => drawBands(plot, this.marks)],
        draw: [(plot) => drawMarks(plot, this.marks, this.series)],
        setCursor: [(plot) => this.read(plot)],
        setScale: [() => this.plot && (this.whole.hidden = !this.zoomed())],
      },
    };
  }

  /** A reader's zoom as it is, all of the data with its marks otherwise. */
  rangeX(low, high) {
    const data = this.plot?.data[0] || [];
    const isZoom = data.length && isNumber(low) && (low !== data[0] || high !== data[data.length - 1]);
    return isZoom ? [low, high] : this.wholeX();
  }

  /** What the strong lines say under the pointer, as text. */
  read(plot) {
    if (plot.cursor.left === null || plot.cursor.left < 0) return;
    const x = plot.posToVal(plot.cursor.left, "x");
    const said = this.series
      .filter((line) => !line.faint && line.x.length && x >= line.x[0] && x <= line.x[line.x.length - 1])
      .map((line) => `${line.name} ${this.readY(line.y[finds(line.x, x)])}`);
    say(this.reading, [`${this.xName} ${this.readX(x)}`, ...said].join(" · "));
  }

  /** The chart as a PNG on white, with its title and its legend. */
  savePng(name = this.title.toLowerCase().replaceAll(" ", "-")) {
    return savePicture(this, name);
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
