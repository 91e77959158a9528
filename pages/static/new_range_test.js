// The form that starts a range test.
import { call, explain, newKey, trouble } from "./api.js";
import { prepare, sayNoWorkloads, WorkloadChoice } from "./asking.js";
import { h, root } from "./dom.js";
import { makeObject, onSubmit } from "./form.js";

const FIRST = ["effort", "num_seeds", "name", "tags"];
const ELSEWHERE = ["workload", "params", "optimizer", "driver", ...FIRST];

const main = document.getElementById("main");
main.append(h("p", {}, "It tries rates from very low to too high with a few seeds, and answers base_lr and max_lr with their reasons. Everything but the workload may be left as it is."));

try {
  const { schemas, workloads, given } = await prepare("/range-tests");
  main.append(workloads.length ? makeForm(schemas, workloads, given) : sayNoWorkloads());
} catch (error) {
  trouble(explain(error));
}

function makeForm(schemas, workloads, given) {
  const request = schemas.get("RangeTestRequest");
  const workload = new WorkloadChoice(schemas, request, workloads, given);
  const first = makeObject(schemas, request, "", given, { only: FIRST });
  const rest = makeObject(schemas, request, "", given, { without: ELSEWHERE });
  const form = h("form", { "aria-label": "New range test" },
    workload.element,
    h("fieldset", {}, h("legend", {}, "How to test"), h("div", { class: "grid" }, first.elements)),
    h("details", { open: Boolean(given.like) }, h("summary", {}, "More: optimizer, batch size, ends of the sweep, what the bounds are for"),
      workload.optimizer, h("fieldset", {}, h("legend", {}, "More"), h("div", { class: "grid" }, rest.elements))),
    h("div", { class: "row" }, h("button", { class: "primary" }, "Start the range test")));
  onSubmit(form, async () => {
    const body = { ...workload.read(), ...first.read(), ...rest.read() };
    if (body.effort === "quick") delete body.num_seeds;
    const { data } = await call("/range-tests", { method: "POST", body, headers: { "Idempotency-Key": key } });
    location.assign(`${root}/pages${data.links.self}`);
  });
  let key = newKey();
  form.addEventListener("input", () => (key = newKey()));
  return form;
}
