// The form that starts a training job: inside the bounds of a range test, or under a schedule of one's own.
import { call, explain, get, newKey, trouble } from "./api.js";
import { prepare, sayNoWorkloads, WorkloadChoice } from "./asking.js";
import { h, root } from "./dom.js";
import { makeChoice, makeObject, onSubmit } from "./form.js";
import { Preview } from "./preview.js";
import { rate } from "./words.js";

const BUDGET = ["num_cycles", "num_epochs", "num_steps"];
const FIRST = ["name", "tags"];
const ELSEWHERE = ["workload", "params", "optimizer", "driver", "schedule", "range_test_id", ...BUDGET, ...FIRST];
const PREVIEWED = 4; // cycles, where no budget in steps is given

const main = document.getElementById("main");
main.append(h("p", {}, "What you leave out comes from a range test: give base_lr and max_lr, or leave both, and the service finds them first."));

try {
  const { schemas, workloads, given } = await prepare("/training-jobs");
  const from = given.range_test_id ? await get(`/range-tests/${encodeURIComponent(given.range_test_id)}`) : null;
  const before = from ? { ...from.config, workload: from.workload, ...given } : given;
  main.append(workloads.length ? makeForm(schemas, workloads, before, from) : sayNoWorkloads());
} catch (error) {
  trouble(explain(error));
}

function makeForm(schemas, workloads, given, from) {
  const request = schemas.get("TrainingJobRequest");
  const schedule = given.schedule || (given.policy ? given : { policy: "triangular" });
  const workload = new WorkloadChoice(schemas, request, workloads, given);
  const policies = partial(schemas.choices(schemas.get("PreviewRequest").properties.schedule, "policy"));
  const choice = makeChoice(schemas, "Schedule", "policy", policies, "/schedule", { given: schedule, onChange: () => draw() });
  const budget = makeObject(schemas, request, "", from ? {} : given, { only: BUDGET });
  const first = makeObject(schemas, request, "", from ? {} : given, { only: FIRST });
  const rest = makeObject(schemas, request, "", from ? { batch_size: given.batch_size } : given, { without: ELSEWHERE });
  const rates = from ? h("p", { class: "warning" }, "Rates come from the range test ", h("a", { href: `${root}/pages/range-tests/${from.id}` }, from.name || from.id.slice(0, 8)),
    from.summary ? `: ${rate(from.summary.base_lr)} to ${rate(from.summary.max_lr)}. ` : ". ", "Leave base_lr and max_lr empty.") : null;
  const drawn = h("div");
  const form = h("form", { "aria-label": "New training job" }, rates, workload.element, choice.element, drawn,
    h("fieldset", {}, h("legend", {}, "How long"), h("p", { class: "hint" }, "One of the three, or none: then 4 cycles."), h("div", { class: "grid" }, budget.elements)),
    h("fieldset", {}, h("legend", {}, "Whose"), h("div", { class: "grid" }, first.elements)),
    h("details", { open: Boolean(given.like) }, h("summary", {}, "More: optimizer, batch size, momentum, precision"),
      workload.optimizer, h("fieldset", {}, h("legend", {}, "More"), h("div", { class: "grid" }, rest.elements))),
    h("div", { class: "row" }, h("button", { class: "primary" }, "Start the training")));
  let preview = null;
  let key = newKey();

  function draw() {
    const wanted = choice.read();
    const isWhole = ["base_lr", "max_lr", "step_size"].every((name) => !policies[wanted.policy].properties[name] || wanted[name]);
    drawn.hidden = !isWhole;
    if (!isWhole) return;
    preview ??= new Preview(drawn);
    preview.ask(wanted, budget.read().num_steps || 2 * PREVIEWED * (wanted.step_size || 500));
  }

  form.addEventListener("input", () => {
    key = newKey();
    draw();
  });
  onSubmit(form, async () => {
    const asked = { ...workload.read(), schedule: choice.read(), ...budget.read(), ...first.read(), ...rest.read() };
    const body = from ? { ...asked, range_test_id: from.id } : asked;
    const { data } = await call("/training-jobs", { method: "POST", body, headers: { "Idempotency-Key": key } });
    location.assign(`${root}/pages${data.links.self}`);
  });
  draw();
  return form;
}

/** Policies whose parameters may all be left out. */
function partial(choices) {
  return Object.fromEntries(Object.entries(choices).map(([name, schema]) => [name, { ...schema, required: [] }]));
}
