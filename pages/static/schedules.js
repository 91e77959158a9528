// The schedule designer: any policy with its parameters, its curve as one types, and the code that applies it.
import { get, query } from "./api.js";
import { copyButton, fill, h, root } from "./dom.js";
import { makeChoice, Schemas } from "./form.js";
import { follow } from "./live.js";
import { flat, START } from "./policies.js";
import { Preview } from "./preview.js";
import { showFaults } from "./request.js";

const main = document.getElementById("main");
const asked = Object.fromEntries(new URLSearchParams(location.search));
main.append(h("p", {}, "Choose a policy and its parameters; the curve is what the service would apply, step by step. The address keeps them: send it to a colleague."));

follow(async () => {
  show(new Schemas(await get("/openapi.json")));
  return true;
});

function show(schemas) {
  const choices = schemas.choices(schemas.get("PreviewRequest").properties.schedule, "policy");
  const { shown, ...given } = asked;
  const choice = makeChoice(schemas, "Schedule", "policy", choices, "/schedule", { given, start: START });
  const steps = h("input", { id: "steps", type: "number", min: 1, value: shown || START.num_steps, "data-pointer": "/num_steps" });
  const form = h("form", { "aria-label": "Schedule" }, choice.element,
    h("div", { class: "field" }, h("label", { for: "steps" }, "Steps to show"), steps, h("span", { class: "fault", id: "steps-fault", "aria-live": "polite" })));
  const code = h("pre", { tabindex: "0", role: "region", "aria-label": "torch code" });
  const use = h("section", { hidden: true });
  form.addEventListener("input", change);
  form.addEventListener("submit", (event) => event.preventDefault());
  main.append(form);
  const preview = new Preview(main);
  main.append(use);
  change();

  function change() {
    const read = choice.read();
    history.replaceState(null, "", location.pathname + query({ ...flat(read), shown: steps.value }));
    preview.ask([{ name: "lr", schedule: read }], Number(steps.value) || 1, ([data], error) => {
      showFaults(form, error);
      use.hidden = !data;
      if (!data) return;
      code.textContent = data.snippet;
      fill(use, h("h2", {}, "Use it"),
        h("div", { class: "row actions" },
          copyButton("Copy torch code", () => data.snippet),
          copyButton("Copy as JSON", () => JSON.stringify(read)),
          h("a", { class: "button", href: `${root}/pages/training-jobs/new${query(flat(read))}` }, "Train under it")),
        code);
    });
  }
}
