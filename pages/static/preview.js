// The curves of schedules as the service would apply them, drawn while one types.
import { call, Problem } from "./api.js";
import { Chart } from "./chart.js";
import { h, say } from "./dom.js";
import { complete } from "./policies.js";
import { number, rate } from "./words.js";

const WAIT_MS = 200;
const MOST_ROWS = 1000;
const MOST_KEPT = 60; // answers, so that of many schedules only the one that changes is asked for
const TONES = 6;

export class Preview {
  constructor(parent) {
    this.said = h("p", { class: "hint", role: "status" });
    this.standIns = "";
    parent.append(this.said);
    this.chart = new Chart(parent, { title: "Learning rate against the step", xName: "step", yName: "learning rate", readX: (x) => Math.round(x).toLocaleString("en"), height: 280 });
    this.chart.element.hidden = true;
    this.kept = new Map();
  }

  /** Draw these {name, schedule} soon, unless something else is asked for before; `onAnswer(previews, error)` hears of it. */
  ask(lines, steps, onAnswer = () => {}) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.draw(lines, steps, onAnswer), WAIT_MS);
  }

  /** The same for schedules of which something is left out: what is drawn in its place is said. */
  sketch(lines, policies, steps, known) {
    const whole = lines.map(({ name, schedule }) => ({ name, ...complete(schedule, policies[schedule.policy].required, steps, known) }));
    const lacking = whole.flatMap(({ schedule, lacking }) => lacking.map((name) => `${name} ${[schedule[name]].flat().map(rate).join(", ")}`));
    this.standIns = lacking.length ? `. What is left out is found before it trains; drawn is ${[...new Set(lacking)].join(", ")}` : "";
    this.ask(whole, steps);
  }

  async draw(lines, steps, onAnswer) {
    this.latest = lines;
    const every = Math.max(1, Math.ceil(steps / MOST_ROWS));
    const answers = await Promise.all(lines.map(({ schedule }) => this.find({ schedule, num_steps: steps, every })));
    if (this.latest !== lines) return;
    const drawn = lines.map((line, place) => ({ ...line, ...answers[place], tone: (place % TONES) + 1 })).filter(({ data }) => data);
    this.chart.element.hidden = !drawn.length;
    if (drawn.length) this.chart.show(drawn.map(({ name, data, tone }) => ({ name, kind: drawn.length > 1 && name, tone: `--line-${tone}`, x: data.step, y: data.lr, width: 2 })));
    const error = answers.find((answer) => answer.error)?.error || null;
    say(this.said, drawn.length ? describe(drawn.map(({ data }) => data), steps) + this.standIns : error instanceof Problem ? `Not drawn yet: ${error.message}` : error ? "The service does not answer." : "");
    onAnswer(drawn.map(({ data }) => data), error);
  }

  /** {data} or {error}. */
  async find(body) {
    const key = JSON.stringify(body);
    if (this.kept.has(key)) return this.kept.get(key);
    try {
      const { data } = await call("/schedules/preview", { method: "POST", body, quiet: this.kept.size > 0 });
      if (this.kept.size >= MOST_KEPT) this.kept.clear();
      this.kept.set(key, { data });
      return { data };
    } catch (error) {
      return { error };
    }
  }
}

function describe(previews, steps) {
  const rates = previews.flatMap(({ lr }) => lr);
  const low = rates.reduce((least, lr) => Math.min(least, lr), Infinity);
  const high = rates.reduce((most, lr) => Math.max(most, lr), -Infinity);
  const cycles = previews.length === 1 ? previews[0].cycle.at(-1) : null;
  return `${steps.toLocaleString("en")} steps${cycles ? ` in ${cycles} cycle${cycles > 1 ? "s" : ""}` : ""}, between ${number(low)} and ${number(high)}`;
}
