// The form that starts a training job: inside the bounds of a range test, or under a schedule of one's own.
import { get } from "./api.js";
import { fieldset, sendRow, showForm, WorkloadChoice } from "./asking.js";
import { h, root } from "./dom.js";
import { makeChoice, makeObject } from "./form.js";
import { partial } from "./policies.js";
import { Preview } from "./preview.js";
import { makeRequest } from "./request.js";
import { rate } from "./words.js";

const BUDGET = ["num_cycles", "num_epochs", "num_steps"];
const FIRST = ["name", "tags"];
const ELSEWHERE = ["workload", "params", "optimizer", "driver", "schedule", "range_test_id", ...BUDGET, ...FIRST];
const PREVIEWED = 4; // cycles, where no budget in steps is given

document.getElementById("main").append(h("p", {}, "What you leave out comes from a range test: give base_lr and max_lr, or leave both, and the service finds them first."));
showForm("/training-jobs", async (schemas, workloads, given) => {
  const from = given.range_test_id ? await get(`/range-tests/${encodeURIComponent(given.range_test_id)}`) : null;
  return makeForm(schemas, workloads, from ? { ...from.config, workload: from.workload, ...given } : given, from);
});

function makeForm(schemas, workloads, given, from) {
  const request = schemas.get("TrainingJobRequest");
  const workload = new WorkloadChoice(schemas, request, workloads, given);
  const policies = schemas.choices(schemas.get("PreviewRequest").properties.schedule, "policy");
  const choice = makeChoice(schemas, "Schedule", "policy", partial(policies), "/schedule", { given: given.schedule || given });
  const budget = makeObject(schemas, request, "", from ? {} : given, { only: BUDGET });
  const first = makeObject(schemas, request, "", from ? {} : given, { only: FIRST });
  const rest = makeObject(schemas, request, "", from ? { batch_size: given.batch_size } : given, { without: ELSEWHERE });
  const rates = from ? h("p", { class: "warning" }, "Rates come from the range test ", h("a", { href: `${root}/pages/range-tests/${from.id}` }, from.name || from.id.slice(0, 8)),
    from.summary ? `: ${rate(from.summary.base_lr)} to ${rate(from.summary.max_lr)}. ` : ". ", "Leave base_lr and max_lr empty.") : null;
  const drawn = h("div");
  const form = h("form", { "aria-label": "New training job" }, rates, workload.element, choice.element, drawn,
    fieldset("How long", budget.elements, "One of the three, or none: then 4 cycles."),
    fieldset("Whose", first.elements),
    h("details", { open: Boolean(given.like) }, h("summary", {}, "More: optimizer, batch size, momentum, precision"),
      workload.optimizer, fieldset("More", rest.elements)),
    sendRow("Start the training"));
  let preview = null;

  function draw() {
    preview ??= new Preview(drawn);
    const wanted = choice.read();
    const { num_steps: asked, num_cycles: cycles = PREVIEWED } = budget.read();
    const steps = asked || wanted.num_steps || 2 * cycles * (wanted.step_size || 500);
    preview.sketch([{ name: "lr", schedule: wanted }], policies, steps, from?.summary || {});
  }

  form.addEventListener("input", draw);
  const read = () => ({ ...workload.read(), schedule: choice.read(), ...budget.read(), ...first.read(), ...rest.read(), ...(from ? { range_test_id: from.id } : {}) });
  makeRequest(form, "/training-jobs", read, ({ links }) => location.assign(`${root}/pages${links.self}`));
  draw();
  return form;
}
