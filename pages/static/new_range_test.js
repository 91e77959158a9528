// The form that starts a range test.
import { fieldset, sendRow, showForm, WorkloadChoice } from "./asking.js";
import { h, root } from "./dom.js";
import { makeObject } from "./form.js";
import { makeRequest } from "./request.js";

const FIRST = ["effort", "num_seeds", "name", "tags"];
const ELSEWHERE = ["workload", "params", "optimizer", "driver", ...FIRST];

document.getElementById("main").append(h("p", {}, "It tries rates from very low to too high with a few seeds, and answers base_lr and max_lr with their reasons. Everything but the workload may be left as it is."));
showForm("/range-tests", (schemas, workloads, given) => {
  const request = schemas.get("RangeTestRequest");
  const workload = new WorkloadChoice(schemas, request, workloads, given);
  const first = makeObject(schemas, request, "", given, { only: FIRST });
  const rest = makeObject(schemas, request, "", given, { without: ELSEWHERE });
  const form = h("form", { "aria-label": "New range test" },
    workload.element,
    fieldset("How to test", first.elements),
    h("details", { open: Boolean(given.like) }, h("summary", {}, "More: optimizer, batch size, ends of the sweep, what the bounds are for"),
      workload.optimizer, fieldset("More", rest.elements)),
    sendRow("Start the range test"));
  const read = () => {
    const body = { ...workload.read(), ...first.read(), ...rest.read() };
    if (body.effort === "quick") delete body.num_seeds;
    return body;
  };
  makeRequest(form, "/range-tests", read, ({ links }) => location.assign(`${root}/pages${links.self}`));
  return form;
});
