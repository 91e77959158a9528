// The schedule designer: any policy with its parameters, its curve as one types, and the code that applies it.
import { explain, get, query, trouble } from "./api.js";
import { copyButton, fill, h, root } from "./dom.js";
import { makeChoice, Schemas } from "./form.js";
import { Preview } from "./preview.js";

const START = { policy: "triangular", base_lr: 0.001, max_lr: 0.01, step_size: 500, gamma: 0.9995, t_0: 1000, lr: 0.01, drop_every: 1000, num_steps: 4000 };

const main = document.getElementById("main");
const asked = Object.fromEntries(new URLSearchParams(location.search));
main.append(h("p", {}, "Choose a policy and its parameters; the curve is what the service would apply, step by step. The address keeps them: send it to a colleague."));

try {
  show(new Schemas(await get("/openapi.json")));
} catch (error) {
  trouble(explain(error));
}

function show(schemas) {
  const choices = schemas.choices(schemas.get("PreviewRequest").properties.schedule, "policy");
  const { num_steps: askedSteps, ...schedule } = asked;
  const given = Object.keys(schedule).length ? schedule : START;
  const choice = makeChoice(schemas, "Schedule", "policy", choices, "/schedule", { given, onChange: () => change(true) });
  const steps = h("input", { id: "steps", type: "number", min: 1, value: askedSteps || START.num_steps });
  const form = h("form", { "aria-label": "Schedule" }, choice.element,
    h("div", { class: "field" }, h("label", { for: "steps" }, "Steps to show"), steps));
  const code = h("pre", { tabindex: "0", role: "region", "aria-label": "torch code" });
  const use = h("section", { hidden: true });
  form.addEventListener("input", () => change(false));
  form.addEventListener("submit", (event) => event.preventDefault());
  main.append(form);
  const preview = new Preview(main);
  main.append(use);
  change(true);

  function change(isOther) {
    if (isOther) complete(form);
    const read = choice.read();
    history.replaceState(null, "", location.pathname + query({ ...flat(read), num_steps: steps.value }));
    preview.ask(read, Number(steps.value) || 1, (data) => {
      use.hidden = !data;
      if (!data) return;
      code.textContent = data.snippet || "";
      const train = `${root}/pages/training-jobs/new${query(flat(read))}`;
      fill(use, h("h2", {}, "Use it"),
        h("div", { class: "row actions" },
          data.snippet ? copyButton("Copy torch code", () => data.snippet) : null,
          copyButton("Copy as JSON", () => JSON.stringify(read)),
          h("a", { class: "button", href: train }, "Train under it")),
        data.snippet ? code : null);
    });
  }
}

/** Something to see at once: fields of a policy that was just chosen begin with usual values. */
function complete(form) {
  for (const field of form.querySelectorAll("input[data-pointer]")) {
    const name = field.dataset.pointer.split("/").pop();
    if (field.value === "" && field.placeholder === "" && START[name] !== undefined && name !== "num_steps") field.value = START[name];
  }
}

function flat(schedule) {
  return Object.fromEntries(Object.entries(schedule || {}).map(([name, value]) => [name, Array.isArray(value) ? value.join(",") : value]));
}
