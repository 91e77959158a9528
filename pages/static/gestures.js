// Moving through a chart that is zoomed: with keys, with shift and the mouse, with one finger or two.

const STEP = 0.15; // of what is shown, for an arrow key
const CLOSER = 0.7; // as much is shown after a +

export function addGestures(chart) {
  const { place } = chart;
  const [into, outOf] = chart.logX ? [Math.log10, (at) => 10 ** at] : [Number, Number];
  const ends = () => [into(chart.plot.scales.x.min), into(chart.plot.scales.x.max)];

  /** Show as much as before, further on by this; not beyond the ends. */
  function move([from, to], by) {
    const [low, high] = chart.wholeX().map(into);
    const kept = Math.max(low - from, Math.min(high - to, by));
    if (from > low || to < high) chart.zoom(outOf(from + kept), outOf(to + kept));
  }

  /** Show so many times as much around a place. */
  function scale([from, to], factor, around = (from + to) / 2) {
    chart.zoom(outOf(around - (around - from) * factor), outOf(around + (to - around) * factor));
  }

  place.addEventListener("keydown", ({ key, ctrlKey, metaKey, altKey, ...event }) => {
    if (!chart.plot || ctrlKey || metaKey || altKey) return;
    const [from, to] = ends();
    const act = {
      ArrowLeft: () => move([from, to], -STEP * (to - from)),
      ArrowRight: () => move([from, to], STEP * (to - from)),
      "+": () => scale([from, to], CLOSER),
      "-": () => scale([from, to], 1 / CLOSER),
      0: () => chart.zoom(...chart.wholeX()),
    }[key];
    act?.();
  });

  const fingers = new Map(); // that hold the chart, by pointer
  let held = null; // where they were, and what was shown
  const across = () => [...fingers.values()];
  const at = (x) => {
    const { left, width } = chart.plot.over.getBoundingClientRect();
    return (x - left) / width;
  };
  const hold = () => (held = { places: across().map(at), shown: ends() });

  place.addEventListener("mousedown", (event) => event.shiftKey && event.stopImmediatePropagation(), true);
  place.addEventListener("pointerdown", (event) => {
    if (!chart.plot || !(event.pointerType === "touch" || event.shiftKey)) return;
    fingers.set(event.pointerId, event.clientX);
    place.setPointerCapture(event.pointerId);
    hold();
  }, true);
  place.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, event.clientX);
    const { places: before, shown: [from, to] } = held;
    const now = across().map(at);
    const size = to - from;
    if (now.length === 1) return move([from, to], (before[0] - now[0]) * size);
    const factor = Math.abs(before[0] - before[1]) / Math.max(0.02, Math.abs(now[0] - now[1]));
    const around = from + ((before[0] + before[1]) / 2) * size;
    const begin = around - ((now[0] + now[1]) / 2) * size * factor;
    chart.zoom(outOf(begin), outOf(begin + size * factor));
  });
  for (const name of ["pointerup", "pointercancel"])
    place.addEventListener(name, (event) => {
      if (fingers.delete(event.pointerId) && fingers.size) hold();
    });
}
