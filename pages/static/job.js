// What the pages of one job share: its headline, its standing, cancel and delete.
import { call, explain, trouble } from "./api.js";
import { fill, h, root, say } from "./dom.js";
import { ago, FINAL, PATHS, ran, standing, words } from "./words.js";

export const id = location.pathname.split("/").pop();

/** The top of a job's page; `update(job)` says how it stands now. */
export class JobHead {
  constructor(main, { onChange }) {
    this.heading = main.querySelector("h1");
    this.status = h("span", { class: "status", role: "status" });
    this.about = h("span", { class: "dim" });
    this.tags = h("span");
    this.bar = h("progress", { "aria-label": "Progress" });
    this.count = h("span", { class: "dim hint" });
    this.progress = h("div", { class: "row", hidden: true }, this.bar, this.count);
    this.message = h("div");
    this.actions = h("div", { class: "row actions" });
    this.onChange = onChange;
    main.append(h("div", { class: "row" }, this.status, this.about, this.tags), this.progress, this.message, this.actions);
  }

  update(job, actions = []) {
    const title = job.name || `${words(job.kind)} of ${job.workload}`.replace(/^./, (letter) => letter.toUpperCase());
    say(this.heading, title);
    document.title = `${standing(job)}: ${title} · clr-tuner`;
    this.status.dataset.is = standing(job);
    say(this.status, standing(job));
    const took = ran(job);
    const by = job.measured_by === "client" ? "measured by its caller" : "";
    say(this.about, [job.workload, by, `made ${ago(job.created_at)}`, took && `ran ${took}`].filter(Boolean).join(" · "));
    fill(this.tags, job.tags.map((tag) => h("a", { class: "tag", href: `${root}/?${new URLSearchParams({ tag })}` }, tag)));
    this.showProgress(job);
    const failed = job.status === "failed";
    fill(this.message,
      failed || job.message ? h("div", { class: "warning message", tabindex: "0", role: "region", "aria-label": "message" }, failed ? h("strong", {}, `${words(job.reason)}: `) : null, job.message || "") : null,
      job.after_job && !FINAL.has(job.status) ? h("p", {}, "It uses the bounds of ", h("a", { href: `${root}/pages/range-tests/${job.after_job}` }, "a range test"), ".") : null);
    const shown = JSON.stringify([job.status, actions.map((action) => action.href)]);
    if (this.shown !== shown) fill(this.actions, actions, this.ending(job));
    this.shown = shown;
  }

  showProgress(job) {
    this.progress.hidden = FINAL.has(job.status);
    if (!job.progress) {
      this.bar.removeAttribute("value");
      say(this.count, job.status === "queued" ? "waits for a worker" : "starting");
      return;
    }
    const { phase, completed, total, unit } = job.progress;
    this.bar.max = total || 1;
    this.bar.value = total ? completed : 0;
    say(this.count, `${words(phase)}: ${completed.toLocaleString("en")} of ${total ? total.toLocaleString("en") : "?"} ${unit}`);
  }

  ending(job) {
    const path = PATHS[job.kind] + job.id;
    if (job.status === "cancelling") return h("button", { type: "button", disabled: true }, "Cancelling");
    if (!FINAL.has(job.status))
      return h("button", { type: "button", class: "danger", onclick: () => this.act(() => call(`${path}/cancel`, { method: "POST" })) }, "Cancel");
    return h("button", { type: "button", class: "danger", onclick: async () => {
      if (confirm("Delete this job with everything measured?") && (await this.act(() => call(path, { method: "DELETE" })))) location.assign(`${root}/`);
    } }, "Delete");
  }

  async act(doIt) {
    try {
      await doIt();
      this.onChange();
      return true;
    } catch (error) {
      trouble(explain(error));
      return false;
    }
  }
}

/** Names and values under each other. */
export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value instanceof Node ? value : String(value))]));
}

/** A config as facts, nested ones in one line. */
export function configFacts(config) {
  const write = (value) => (value !== null && typeof value === "object" ? Object.entries(value).map(([name, inner]) => `${name} ${inner === null || typeof inner !== "object" ? inner : JSON.stringify(inner)}`).join(", ") || "none" : String(value));
  return facts(Object.entries(config).filter(([, value]) => value !== null).map(([name, value]) => [name, write(value)]));
}
