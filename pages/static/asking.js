// What both forms share: the workloads with their parameters, and what was asked for before.
import { get } from "./api.js";
import { fill, h, root, say } from "./dom.js";
import { makeChoice, makeObject, Schemas } from "./form.js";

/** The schemas, the workloads, and what to begin with: the job that the address calls `like`, and its other words. */
export async function prepare(path) {
  const asked = Object.fromEntries(new URLSearchParams(location.search));
  const [document, { items }, like] = await Promise.all([
    get("/openapi.json"), get("/workloads"), asked.like ? get(`${path}/${asked.like}`) : null]);
  const tags = asked.tags?.split(",");
  const before = like ? { ...like.config, workload: like.workload, name: like.name, tags: like.tags } : {};
  return { schemas: new Schemas(document), workloads: items, given: { ...before, ...asked, ...(tags ? { tags } : {}) } };
}

/** The choice of a workload with its parameters and its optimizer. */
export class WorkloadChoice {
  constructor(schemas, request, workloads, given, { onChange = () => {}, empty } = {}) {
    Object.assign(this, { schemas, request, workloads, given, onChange });
    this.select = h("select", { id: "workload", "data-pointer": "/workload", "aria-describedby": "workload-about workload-fault" },
      empty ? h("option", { value: "" }, empty) : null,
      workloads.map(({ name }) => h("option", { value: name }, name)));
    this.about = h("span", { class: "hint", id: "workload-about" });
    this.params = h("div", { class: "grid" });
    this.optimizer = h("div");
    this.select.value = workloads.some(({ name }) => name === given.workload) ? given.workload : empty ? "" : workloads.find(({ name }) => name === "digits-mlp")?.name ?? workloads[0]?.name ?? "";
    this.select.addEventListener("change", () => {
      this.pick({});
      onChange();
    });
    this.element = h("fieldset", {}, h("legend", {}, "What to train"),
      h("div", { class: "field" }, h("label", { for: "workload" }, "Workload"), this.select, this.about, h("span", { class: "fault", id: "workload-fault", role: "alert" })), this.params);
    this.pick(given);
  }

  get chosen() {
    return this.workloads.find(({ name }) => name === this.select.value);
  }

  pick(given) {
    const { chosen } = this;
    say(this.about, chosen ? chosen.description : "");
    this.fields = chosen ? makeObject(this.schemas, chosen.params_schema, "/params", given.params) : null;
    fill(this.params, this.fields?.elements || []);
    const usual = chosen ? `the workload's own: ${chosen.default_optimizer.name}` : "the workload's own";
    const installed = Object.fromEntries(Object.entries(chosen?.optimizers || {}).map(([name, { params_schema: schema }]) => [name, schema]));
    const known = { ...this.schemas.choices(this.schemas.resolve(this.request.properties.optimizer), "name"), ...installed };
    this.choice = makeChoice(this.schemas, "Optimizer", "name", known, "/optimizer", { given: given.optimizer, empty: usual });
    fill(this.optimizer, this.choice.element);
  }

  read() {
    const params = this.fields?.read() || {};
    const optimizer = this.choice.read();
    return { workload: this.select.value || undefined, ...(Object.keys(params).length ? { params } : {}), ...(optimizer ? { optimizer } : {}) };
  }
}

/** What stands where no worker has published a workload. */
export function sayNoWorkloads() {
  return h("div", { class: "empty" }, h("h2", {}, "There is nothing to train yet"),
    h("p", {}, "Workers say what can be run: start one with ", h("code", {}, "clr-tuner worker"), ", and this form fills itself."),
    h("p", {}, h("a", { class: "button", href: `${root}/pages/workers` }, "See the workers")));
}
