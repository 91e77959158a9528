// What may be asked for from the page of a job that is over, each in a form that says what it costs before it is sent.
import { get } from "./api.js";
import { fill, h, root, table } from "./dom.js";
import { makeRequest } from "./request.js";
import { rate, words } from "./words.js";

const BUDGET = [["num_cycles", "Cycles"], ["num_epochs", "Epochs"], ["num_steps", "Steps"]];

/** A form that is made when it is opened: its `fields`, each [name, label, choices?], are sent to `path`. */
function makeAct({ title, about, fields, path, button, hasCost = true, done }) {
  const inputs = fields.map(([name, , choices]) => {
    const id = `${path.split("/").pop()}-${name}`;
    const shared = { id, "data-pointer": `/${name}`, "aria-describedby": `${id}-fault` };
    return choices ? h("select", shared, choices.map((choice) => h("option", { value: choice }, words(choice)))) : h("input", { ...shared, type: "number", min: 1, step: "any" });
  });
  const read = () => Object.fromEntries(inputs.filter(({ value }) => value !== "").map((input) => [input.dataset.pointer.slice(1), input.type === "number" ? Number(input.value) : input.value]));
  const form = h("form", { "aria-label": title }, about ? h("p", { class: "hint" }, about) : null,
    h("div", { class: "grid" }, inputs.map((input, place) => h("div", { class: "field" }, h("label", { for: input.id }, fields[place][1]), input, h("span", { class: "fault", id: `${input.id}-fault`, role: "alert" })))),
    h("div", { class: "row send" }, h("button", { class: "primary" }, button)));
  const element = h("details", { class: "act" }, h("summary", {}, title), form);
  element.addEventListener("toggle", () => makeRequest(form, path, read, done, { hasCost }), { once: true });
  return element;
}

const goTo = ({ links }) => location.assign(`${root}/pages${links.self}`);

/** Train more of what a training job has trained. */
export const makeResume = (path) => makeAct({
  title: "Train on from its last checkpoint",
  about: "One of the three, or none: as much again as was asked for. It is a new job, under the same schedule.",
  fields: BUDGET, path: `${path}/resume`, button: "Train on", done: goTo,
});

/** Put bounds to the test, and what was said of them so far. */
export async function makeConfirmation(path) {
  const { items } = await get(`${path}/confirmations`);
  const said = items.map(({ comparison, verdict }) => [h("a", { href: `${root}/pages/comparisons/${comparison.id}` }, comparison.id.slice(0, 8)), comparison.status, verdict ? `${words(verdict.outcome)}: ${verdict.message}` : "not yet"]);
  return [
    makeAct({
      title: "Confirm them by training",
      about: "Short trainings within half, the whole and double the bounds, at one rate and with one cycle, say whether these are right.",
      fields: [["num_seeds", "Seeds"], ...BUDGET], path: `${path}/confirmations`, button: "Start the trainings", done: goTo,
    }),
    said.length ? table("Confirmations so far", ["Comparison", "Status", "Verdict"], said) : null,
  ];
}

/** Ask another rule about the stored curve, and what those said that were asked. */
export async function makeAnalysis(path, rules) {
  const shown = h("div");
  const show = async () => {
    const { items } = await get(`${path}/analyses`);
    fill(shown, items.length ? table("Analyses so far", ["Rule", "Says", "How"], items.map(({ analyzer, outcome, result }) => [
      analyzer, result.base_lr ? `${rate(result.base_lr)} to ${rate(result.max_lr)}` : result.lr ? rate(result.lr) : words(outcome), result.note || result.message || result.reason_max || ""])) : null);
  };
  await show();
  const act = makeAct({
    title: "Read the curve again by another rule", fields: [["rule", "Rule", rules]], path: `${path}/analyses`,
    about: "Nothing is trained; bounds is our own.", button: "Read it again", hasCost: false, done: show,
  });
  return [act, shown];
}
