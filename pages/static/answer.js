// What a range test answers, in words: both rates with their reasons, or why there are none and what to try.
import { query } from "./api.js";
import { h, root } from "./dom.js";
import { rate, words } from "./words.js";

export function sayBounds(bounds) {
  const one = (name, side) => {
    const [low, high] = bounds[`${name}_interval`];
    return h("div", { class: side },
      h("div", {}, name), h("div", { class: "rate" }, rate(bounds[name])),
      h("div", { class: "dim" }, low < high ? `between ${rate(low)} and ${rate(high)}` : "no interval"),
      h("p", {}, bounds[`reason_${side}`], "."));
  };
  return [
    h("div", { class: "card" },
      h("p", {}, h("strong", {}, `Cycle between ${rate(bounds.base_lr)} and ${rate(bounds.max_lr)}`), `, half a cycle in ${bounds.step_size.toLocaleString("en")} steps. Without cycles, train at ${rate(bounds.constant_lr)}.`),
      h("div", { class: "answer" }, one("base_lr", "base"), one("max_lr", "max")),
      bounds.for_budget ? sayBudget(bounds.for_budget) : null),
    bounds.warnings.map((warning) => h("p", { class: "warning" }, warning)),
  ].flat();
}

/** The rates for the training that was told, what they rest on and why. */
function sayBudget({ policy, num_steps: steps, basis, reason, ...rates }) {
  const told = policy === "fixed" ? `train at ${rate(rates.constant_lr)}` : `between ${rate(rates.base_lr)} and ${rate(rates.max_lr)}`;
  return h("p", {}, h("strong", {}, `For ${steps.toLocaleString("en")} steps of ${policy}: ${told}`), ` (${basis}). ${reason}.`);
}

export function sayInconclusive(refusal, id) {
  return h("div", { class: "card" },
    h("h2", {}, "No trustworthy answer"),
    h("p", {}, refusal.detail), refusal.why ? h("p", {}, h("strong", {}, "Why: "), words(refusal.why)) : null,
    refusal.next_experiment ? h("p", {}, h("strong", {}, "Try next: "), sayNext(refusal.next_experiment, id)) : null,
    (refusal.warnings || []).map((warning) => h("p", { class: "warning" }, warning)));
}

/** What to try, in words, and a form that is filled in with it. */
function sayNext({ message, request }, id) {
  const asked = Object.fromEntries(Object.entries(request || {}).filter(([, value]) => typeof value !== "object"));
  const form = `${root}/pages/range-tests/new${query({ like: id, ...asked })}`;
  return [`${message}. `, Object.keys(asked).length ? h("a", { href: form }, "Fill in the form with that") : null].filter(Boolean);
}
