// The curve of a schedule as the service would apply it, drawn while one types.
import { call, Problem } from "./api.js";
import { Chart } from "./chart.js";
import { h, say } from "./dom.js";
import { number } from "./words.js";

const WAIT_MS = 200;
const MOST_ROWS = 1000;

export class Preview {
  constructor(parent) {
    this.said = h("p", { class: "hint", role: "status" });
    parent.append(this.said);
    this.chart = new Chart(parent, { title: "Learning rate against the step", xName: "step", yName: "learning rate", readX: (x) => Math.round(x).toLocaleString("en"), height: 280 });
    this.chart.element.hidden = true;
  }

  /** Draw this soon, unless something else is asked for before. `onAnswer(preview)` hears of it. */
  ask(schedule, steps, onAnswer = () => {}) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.draw(schedule, steps, onAnswer), WAIT_MS);
  }

  async draw(schedule, steps, onAnswer) {
    this.stop?.abort();
    this.stop = new AbortController();
    const every = Math.max(1, Math.ceil(steps / MOST_ROWS));
    try {
      const body = { schedule, num_steps: steps, every };
      const { data } = await call("/schedules/preview", { method: "POST", body, signal: this.stop.signal });
      this.chart.element.hidden = false;
      this.chart.show([{ name: "lr", tone: "--line-1", x: data.step, y: data.lr, width: 2 }]);
      const cycles = data.cycle[data.cycle.length - 1];
      const low = data.lr.reduce((least, lr) => Math.min(least, lr), Infinity);
      const high = data.lr.reduce((most, lr) => Math.max(most, lr), -Infinity);
      say(this.said, `${steps.toLocaleString("en")} steps${cycles ? ` in ${cycles} cycle${cycles > 1 ? "s" : ""}` : ""}, between ${number(low)} and ${number(high)}`);
      onAnswer(data, null);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.chart.element.hidden = true;
      say(this.said, error instanceof Problem ? `Not drawn yet: ${error.message}` : "The service does not answer.");
      onAnswer(null, error);
    }
  }
}
