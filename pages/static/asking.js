// What the forms share: the workloads with their parameters, and what was asked for before.
import { get } from "./api.js";
import { fill, h, root, say } from "./dom.js";
import { makeChoice, makeObject, Schemas } from "./form.js";
import { follow } from "./live.js";

const EVERY_MS = 3000;

/** The schemas, the workloads, and what to begin with: the job that the address calls `like`, and its other words. */
async function prepare(path) {
  const asked = Object.fromEntries(new URLSearchParams(location.search));
  const [document, { items }, like] = await Promise.all([
    get("/openapi.json"), get("/workloads"), asked.like ? get(`${path}/${asked.like}`) : null]);
  const tags = asked.tags?.split(",");
  const before = like ? { ...like.config, workload: like.workload, name: like.name, tags: like.tags } : {};
  return { schemas: new Schemas(document), workloads: items, given: { ...before, ...asked, ...(tags ? { tags } : {}) } };
}

/** Show the form that `make(schemas, workloads, given)` gives, once all that it needs is there. */
export function showForm(path, make) {
  const main = document.getElementById("main");
  const empty = sayNoWorkloads();
  follow(async () => {
    const { schemas, workloads, given } = await prepare(path);
    main.append(workloads.length ? await make(schemas, workloads, given) : empty);
    if (workloads.length) empty.remove();
    return workloads.length > 0;
  }, EVERY_MS);
}

/** Fields under a name. */
export function fieldset(legend, elements, hint) {
  return h("fieldset", {}, h("legend", {}, legend), hint ? h("p", { class: "hint" }, hint) : null, h("div", { class: "grid" }, elements));
}

/** The last line of a form. */
export const sendRow = (label) => h("div", { class: "row send" }, h("button", { class: "primary" }, label));

/** The choice of a workload with its parameters and its optimizer. */
export class WorkloadChoice {
  constructor(schemas, request, workloads, given, { onChange = () => {} } = {}) {
    Object.assign(this, { schemas, request, workloads });
    this.select = h("select", { id: "workload", "data-pointer": "/workload", "aria-describedby": "workload-about workload-fault" },
      workloads.map(({ name }) => h("option", { value: name }, name)));
    this.about = h("span", { class: "hint", id: "workload-about" });
    this.params = h("div", { class: "grid" });
    this.optimizer = h("div");
    this.select.value = workloads.some(({ name }) => name === given.workload) ? given.workload : workloads.find(({ name }) => name === "digits-mlp")?.name ?? workloads[0]?.name ?? "";
    this.select.addEventListener("input", () => {
      this.pick({ params: this.fields.read(), optimizer: this.choice.read() });
      onChange();
    });
    this.element = h("fieldset", {}, h("legend", {}, "What to train"),
      h("div", { class: "field" }, h("label", { for: "workload" }, "Workload"), this.select, this.about, h("span", { class: "fault", id: "workload-fault", role: "alert" })), this.params);
    this.pick(given);
  }

  get chosen() {
    return this.workloads.find(({ name }) => name === this.select.value);
  }

  /** {name: schema} of the optimizers that the workload's workers have. */
  get optimizers() {
    const installed = Object.fromEntries(Object.entries(this.chosen?.optimizers || {}).map(([name, { params_schema: schema }]) => [name, schema]));
    return { ...this.schemas.choices(this.schemas.resolve(this.request.properties.optimizer), "name"), ...installed };
  }

  pick(given) {
    const { chosen } = this;
    say(this.about, chosen ? chosen.description : "");
    this.fields = chosen ? makeObject(this.schemas, chosen.params_schema, "/params", given.params) : null;
    fill(this.params, this.fields?.elements || []);
    const usual = chosen ? `the workload's own: ${chosen.default_optimizer.name}` : "the workload's own";
    this.choice = makeChoice(this.schemas, "Optimizer", "name", this.optimizers, "/optimizer", { given: given.optimizer, empty: usual });
    fill(this.optimizer, this.choice.element);
  }

  read() {
    const params = this.fields?.read() || {};
    const optimizer = this.choice.read();
    return { workload: this.select.value || undefined, ...(Object.keys(params).length ? { params } : {}), ...(optimizer ? { optimizer } : {}) };
  }
}

/** What stands where no worker has published a workload. */
function sayNoWorkloads() {
  return h("div", { class: "empty" }, h("h2", {}, "There is nothing to train yet"),
    h("p", {}, "Workers say what can be run: start one with ", h("code", {}, "clr-tuner worker"), ", and this form fills itself."),
    h("p", {}, h("a", { class: "button", href: `${root}/pages/workers` }, "See the workers")));
}
