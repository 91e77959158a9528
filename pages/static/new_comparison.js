// The form that starts a comparison: any number of schedules, each with its optimizer, at an equal budget.
import { get } from "./api.js";
import { fieldset, sendRow, showForm, WorkloadChoice } from "./asking.js";
import { fill, h, root } from "./dom.js";
import { makeList, makeObject } from "./form.js";
import { partial } from "./policies.js";
import { Preview } from "./preview.js";
import { makeRequest } from "./request.js";
import { rate, words } from "./words.js";

const FIRST = ["preset", "num_seeds", "name", "tags"];
const BUDGET = ["num_cycles", "num_epochs", "num_steps"];
const ELSEWHERE = ["workload", "params", "optimizer", "entries", ...BUDGET, ...FIRST];
const USUAL = [{ schedule: { policy: "fixed" } }, { schedule: { policy: "triangular2" } }, { schedule: { policy: "one_cycle" } }];
const PREVIEWED_STEPS = 4000;

document.getElementById("main").append(h("p", {}, "Each entry is trained with every seed at an equal budget. Rates that you leave out come from a range test, which runs first."));
showForm("/comparisons", async (schemas, workloads, given) => {
  const from = given.range_test_id ? await get(`/range-tests/${encodeURIComponent(given.range_test_id)}`) : null;
  const tests = await get("/range-tests?status=succeeded");
  return makeForm(schemas, workloads, from ? { ...of(from), ...given } : given, tests.items.filter(({ summary }) => summary?.base_lr));
});

/** What a comparison of this range test's bounds begins with. */
function of({ config, workload, summary }) {
  const { params, optimizer, batch_size } = config;
  const entries = summary?.base_lr ? USUAL.map(({ schedule }) => ({ schedule: { ...schedule, ...ratesOf(summary, schedule.policy) } })) : USUAL;
  return { params, optimizer, batch_size, workload, entries };
}

/** The rates of a policy between these bounds, as the service would choose them. */
function ratesOf({ base_lr: base, max_lr: max }, policy) {
  if (policy === "fixed") return { lr: Number(Math.sqrt(base * max).toPrecision(4)) };
  return /decay/.test(policy) && policy !== "decay" ? { lr: max } : policy === "staged" ? {} : { base_lr: base, max_lr: max };
}

function makeForm(schemas, workloads, given, tests) {
  const request = schemas.get("ComparisonRequest");
  const policies = schemas.choices(schemas.get("PreviewRequest").properties.schedule, "policy");
  const workload = new WorkloadChoice(schemas, request, workloads, given, { onChange: () => remake() });
  const first = makeObject(schemas, request, "", given.entries && given.like ? { ...given, preset: null } : given, { only: FIRST });
  const budget = makeObject(schemas, request, "", given, { only: BUDGET });
  const rest = makeObject(schemas, request, "", given, { without: ELSEWHERE });
  const place = h("div");
  const drawn = h("div");
  const form = h("form", { "aria-label": "New comparison" }, workload.element, bounds(), place, drawn,
    fieldset("How long", budget.elements, "One of the three, or none: then 4 cycles each."),
    fieldset("How often, and whose", first.elements),
    h("details", { open: Boolean(given.like) }, h("summary", {}, "More: optimizer of all, batch size, target, precision"),
      workload.optimizer, fieldset("More", rest.elements)),
    sendRow("Start the comparison"));
  let entries = null;
  let preview = null;
  let known = null;

  /** Entries with the optimizers that the workload has. */
  function make(values) {
    const { label } = schemas.get("Entry").properties;
    const entry = {
      properties: { label, schedule: { choices: partial(policies), by: "policy" }, optimizer: { choices: workload.optimizers, by: "name" } },
      required: ["schedule"],
    };
    entries = makeList(schemas, "entries", entry, "/entries", values, { empty: "that of the comparison" });
    known = Object.keys(workload.optimizers).join();
    fill(place, entries.element);
  }

  function remake() {
    if (Object.keys(workload.optimizers).join() !== known) make(entries.read());
  }

  /** Rates of a range test for all entries: they are typed in, to be seen and changed. */
  function bounds() {
    const select = h("select", { id: "bounds" }, h("option", { value: "" }, tests.length ? "as typed below; a range test finds what is left out" : "as typed below; no range test has found bounds yet"),
      tests.map(({ id, name, workload: of, summary }) => h("option", { value: id }, `bounds of ${name || id.slice(0, 8)} (${of}): ${rate(summary.base_lr)} to ${rate(summary.max_lr)}`)));
    select.addEventListener("input", () => {
      const test = tests.find(({ id }) => id === select.value);
      if (!test) return;
      make((entries.read() || USUAL).map(({ schedule, ...entry }) => ({ ...entry, schedule: { ...schedule, ...ratesOf(test.summary, schedule.policy) } })));
    });
    return h("div", { class: "field" }, h("label", { for: "bounds" }, "Rates of every entry"), select);
  }

  function draw() {
    preview ??= new Preview(drawn);
    const lines = (entries.read() || []).map(({ schedule, label }, place) => ({ name: label || `${place + 1}: ${words(schedule.policy)}`, schedule }));
    drawn.hidden = !lines.length;
    preview.sketch(lines, policies, budget.read().num_steps || PREVIEWED_STEPS);
  }

  make(given.entries || (given.preset ? [] : USUAL));
  form.addEventListener("input", draw);
  const read = () => ({ ...workload.read(), ...first.read(), ...budget.read(), ...rest.read(), entries: entries.read() });
  makeRequest(form, "/comparisons", read, ({ links }) => location.assign(`${root}/pages${links.self}`));
  draw();
  return form;
}
