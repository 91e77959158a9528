// Forms out of JSON Schemas: a field for each property, and what is filled in as the body that the API takes.
import { Problem } from "./api.js";
import { fill, h, say } from "./dom.js";
import { words } from "./words.js";

/** Schemas with their references resolved, from the OpenAPI document. */
export class Schemas {
  constructor(document) {
    this.named = document.components.schemas;
  }

  get(name) {
    return this.resolve(this.named[name]);
  }

  /** Without reference or null: {schema, isOptional}'s schema alone. */
  resolve(schema) {
    if (schema.$ref) return this.resolve(this.named[schema.$ref.split("/").pop()]);
    if (schema.allOf?.length === 1) return { ...this.resolve(schema.allOf[0]), ...schema };
    const some = (schema.anyOf || []).filter((one) => one.type !== "null");
    if (!some.length) return schema;
    const { anyOf, ...about } = schema;
    return { ...this.resolve(some[0]), ...about };
  }

  /** {name: schema} of what a property may be, told apart by `by`. */
  choices(schema, by) {
    const options = this.resolve(schema).oneOf || [];
    return Object.fromEntries(options.map((one) => this.resolve(one)).map((one) => [one.properties[by].const ?? one.properties[by].default, one]));
  }
}

/** A field for a property. `read()` gives its value, undefined where it is left to the service. */
export function makeField(name, schema, pointer, given) {
  const id = `field${pointer.replaceAll("/", "-")}`;
  const described = [];
  const hint = schema.description ? h("span", { class: "hint", id: `${id}-hint` }, schema.description) : null;
  if (hint) described.push(hint.id);
  const fault = h("span", { class: "fault", id: `${id}-fault`, role: "alert" });
  described.push(fault.id);
  const about = { id, "data-pointer": pointer, "aria-describedby": described.join(" ") };
  const { input, read } = makeInput(schema, about, given);
  const label = h("label", { for: id }, name);
  const parts = schema.type === "boolean" ? [h("span", { class: "check" }, input, label)] : [label, input];
  return { element: h("div", { class: "field" }, parts, hint, fault), input, read };
}

function makeInput(schema, about, given) {
  const start = given ?? null;
  if (schema.type === "boolean") {
    const input = h("input", { ...about, type: "checkbox" });
    input.checked = start === null ? Boolean(schema.default) : start === true || start === "true";
    return { input, read: () => (input.checked === Boolean(schema.default) ? undefined : input.checked) };
  }
  if (schema.enum) {
    const input = h("select", about, schema.enum.map((value) => h("option", { value }, words(value))));
    input.value = start ?? schema.default ?? schema.enum[0];
    return { input, read: () => (input.value === schema.default ? undefined : input.value) };
  }
  if (schema.type === "integer" || schema.type === "number") {
    const limits = { min: schema.minimum ?? null, max: schema.maximum ?? null };
    const input = h("input", { ...about, ...limits, type: "number", step: schema.type === "integer" ? 1 : "any", placeholder: schema.default ?? "" });
    input.value = start ?? "";
    return { input, read: () => (input.value === "" ? undefined : Number(input.value)) };
  }
  const isPlain = schema.type === "string" || schema.type === undefined;
  const input = h("input", { ...about, maxlength: isPlain ? schema.maxLength ?? null : null, placeholder: isPlain ? schema.default ?? "" : "a, b, c" });
  if (isPlain) {
    input.value = start ?? "";
    return { input, read: () => (input.value === "" ? undefined : input.value) };
  }
  const whole = schema.items?.type;
  input.value = (Array.isArray(start) ? start : start ? [start] : []).join(", ");
  const parse = (text) => (whole === "integer" || whole === "number" ? Number(text) : text);
  return { input, read: () => (input.value.trim() === "" ? undefined : input.value.split(",").map((text) => text.trim()).filter(Boolean).map(parse)) };
}

/** Fields for the properties of an object; `only` names those that are wanted. */
export function makeObject(schemas, schema, pointer, given = {}, { only, without = [] } = {}) {
  const names = (only || Object.keys(schema.properties || {})).filter((name) => schema.properties?.[name] && !without.includes(name));
  const fields = names
    .map((name) => [name, schemas.resolve(schema.properties[name])])
    .filter(([, inner]) => inner.const === undefined && !(inner.type === "object" && !inner.properties) && !inner.oneOf && inner.items?.type !== "object" && !inner.items?.$ref)
    .map(([name, inner]) => [name, inner.properties ? makeGroup(schemas, name, inner, `${pointer}/${name}`, given?.[name]) : makeField(name, inner, `${pointer}/${name}`, given?.[name])]);
  return {
    elements: fields.map(([, field]) => field.element),
    read: () => Object.fromEntries(fields.map(([name, field]) => [name, field.read()]).filter(([, value]) => value !== undefined)),
  };
}

function makeGroup(schemas, name, schema, pointer, given) {
  const inner = makeObject(schemas, schema, pointer, given || {});
  return {
    element: h("fieldset", { "data-pointer": pointer }, h("legend", {}, name), schema.description ? h("p", { class: "hint" }, schema.description) : null, h("div", { class: "grid" }, inner.elements)),
    read: () => {
      const values = inner.read();
      return Object.keys(values).length ? values : undefined;
    },
  };
}

/** A choice of one of several objects, and the fields of the one that is chosen. `empty` names no choice. */
export function makeChoice(schemas, legend, by, choices, pointer, { given, empty, onChange = () => {} } = {}) {
  const id = `field${pointer.replaceAll("/", "-")}-${by}`;
  const select = h("select", { id, "data-pointer": `${pointer}/${by}` },
    empty ? h("option", { value: "" }, empty) : null, Object.keys(choices).map((value) => h("option", { value }, words(value))));
  const about = h("span", { class: "hint" });
  const grid = h("div", { class: "grid" });
  let inner = null;
  const pick = (values) => {
    const schema = choices[select.value];
    inner = schema ? makeObject(schemas, schema, pointer, values, { without: [by] }) : null;
    say(about, schema?.description || "");
    fill(grid, h("div", { class: "field" }, h("label", { for: id }, by), select, about), inner ? inner.elements : []);
  };
  select.value = given?.[by] ?? (empty ? "" : Object.keys(choices)[0]);
  select.addEventListener("change", () => {
    pick(inner ? inner.read() : {});
    onChange();
    select.focus();
  });
  pick(given || {});
  return {
    element: h("fieldset", { "data-pointer": pointer }, h("legend", {}, legend), grid),
    read: () => (inner ? { [by]: select.value, ...inner.read() } : undefined),
  };
}

/** Send the form's body when it is submitted, and show what the API refuses at the field that it names. */
export function onSubmit(form, send) {
  const button = form.querySelector("button.primary");
  const said = h("p", { class: "fault", role: "alert" });
  button.parentElement.append(said);
  form.noValidate = true;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearFaults(form);
    say(said, "");
    button.disabled = true;
    try {
      await send();
    } catch (error) {
      say(said, showFaults(form, error));
    }
    button.disabled = false;
  });
}

function clearFaults(form) {
  for (const field of form.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
    const fault = document.getElementById(`${field.id}-fault`);
    if (fault) say(fault, "");
  }
}

/** What could not be shown at a field. */
function showFaults(form, error) {
  if (!(error instanceof Problem)) return "The service does not answer: try again.";
  const left = [];
  for (const { pointer, message } of error.body.errors || []) {
    const field = form.querySelector(`[data-pointer="${CSS.escape(pointer)}"]:is(input, select)`);
    const fault = field && document.getElementById(`${field.id}-fault`);
    if (field) field.setAttribute("aria-invalid", "true");
    if (fault) say(fault, message);
    else left.push(`${pointer} ${message}`.trim());
  }
  const first = form.querySelector("[aria-invalid]");
  if (first) {
    first.closest("details")?.setAttribute("open", "");
    first.focus();
  }
  return error.body.errors?.length ? left.join("; ") || "Some of it is refused: see the fields." : error.message;
}
