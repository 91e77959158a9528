// What stands below a range test's curve: code to copy, what a wrong rate costs, what training said, other finders' rates.
import { get, query } from "./api.js";
import { copyButton, h, say, table } from "./dom.js";
import { number, percent, rate, words } from "./words.js";

const FRAMEWORKS = { torch: "torch", keras: "Keras", lightning: "Lightning", transformers: "Transformers" };

export function showSnippets(bounds, path) {
  const code = h("pre", { tabindex: "0", role: "region", "aria-label": "code to copy" }, bounds.snippet);
  const ask = async (framework) => {
    const { snippet } = await get(`${path}/bounds${query({ framework })}`);
    say(code, snippet);
    return snippet;
  };
  return h("section", {},
    h("h2", {}, "Use them"),
    h("div", { class: "row actions" },
      Object.entries(FRAMEWORKS).map(([name, title]) => copyButton(`Copy ${title} code`, () => ask(name))),
      copyButton("Copy both rates", () => `base_lr=${bounds.base_lr}, max_lr=${bounds.max_lr}`),
      copyButton("Copy as JSON", () => JSON.stringify(bounds, null, 2))),
    code);
}

/** Of an answer, or of why there is none. */
export function showEvidence({ sensitivity, confirmation, candidates } = {}) {
  return [
    sensitivity && showSensitivity(sensitivity),
    confirmation && showTried(confirmation),
    candidates?.length && [h("h2", {}, "What other finders would choose"), table("From the same curve; clr-tuner does not use these", ["Finder", "lr", "How"], candidates.map(({ name, lr, note }) => [words(name), rate(lr), note]))],
  ].filter(Boolean).flat();
}

const SCORES = { accuracy: "Held-out accuracy", held_out_loss: "Held-out loss", loss: "Training loss" };
const writer = (metric) => (metric === "accuracy" ? percent : (value) => number(value));

function showSensitivity({ metric, by_factor: factors }) {
  const lost = (value) => (value === null ? "not measured" : writer(metric)(value));
  return [h("h2", {}, "How much a wrong max_lr costs"), table(`${SCORES[metric]} lost where max_lr is off by a factor`, ["max_lr times", "lost"], factors.map(({ factor, lost: value }) => [String(factor), lost(value)]))];
}

/** The trainings of a thorough test. */
function showTried({ outcome, metric, message, tried, steps, policy }) {
  const write = writer(metric);
  const rows = tried.map(({ label, schedule, finals }) => [
    label, schedule.base_lr === undefined ? rate(schedule.lr) : `${rate(schedule.base_lr)} to ${rate(schedule.max_lr)}`,
    finals.map((value) => (value === null ? "diverged" : write(value))).join(", ")]);
  return [h("h2", {}, "What trainings said"), h("p", {}, h("strong", {}, `${words(outcome)}: `.replace(/^./, (letter) => letter.toUpperCase())), message, ` (${steps.toLocaleString("en")} steps${policy ? ` of ${policy}` : ""} in all)`),
    table(`Held-out ${metric} at the end of each training`, ["Training", "Rates", `Held-out ${metric}`], rows)];
}
