// Forms out of JSON Schemas: a field for each property, and what is filled in as the body that the API takes.
import { fill, h, say } from "./dom.js";
import { words } from "./words.js";

const isWhole = (type) => type === "integer" || type === "number";
const idOf = (pointer) => `field${pointer.replaceAll("/", "-")}`;

/** Where faults of what has this id are told, while one types. */
const makeFault = (id) => h("span", { class: "fault", id: `${id}-fault`, "aria-live": "polite" });

/** Schemas with their references resolved, from the OpenAPI document. */
export class Schemas {
  constructor(document) {
    this.named = document.components.schemas;
  }

  get(name) {
    return this.resolve(this.named[name]);
  }

  /** Without reference or null, of which `isOptional` tells. */
  resolve({ $ref, anyOf, ...about }) {
    if ($ref) return { ...this.resolve(this.named[$ref.split("/").pop()]), ...about };
    const some = (anyOf || []).filter((one) => one.type !== "null");
    if (!some.length) return about;
    return { ...this.resolve(some[0]), ...about, isOptional: some.length < anyOf.length };
  }

  /** {name: schema} of what a property may be, told apart by `by`. */
  choices(schema, by) {
    const options = this.resolve(schema).oneOf || [];
    return Object.fromEntries(options.map((one) => this.resolve(one)).map((one) => [one.properties[by].const ?? one.properties[by].default, one]));
  }
}

/** A field for a property. `read()` gives its value, undefined where it is left to the service. */
export function makeField(name, schema, pointer, given, isNeeded = false) {
  const id = idOf(pointer);
  const hint = schema.description ? h("span", { class: "hint", id: `${id}-hint` }, schema.description) : null;
  const fault = makeFault(id);
  const about = { id, "data-pointer": pointer, "aria-describedby": [hint?.id, fault.id].filter(Boolean).join(" "), required: isNeeded };
  if (schema.items?.enum) return makeChecks(name, schema, about, given, [hint, fault]);
  const { input, read } = makeInput(schema, about, given ?? null);
  const label = h("label", { for: id }, name);
  const parts = schema.type === "boolean" ? [h("span", { class: "check" }, input, label)] : [label, input];
  return { element: h("div", { class: schema.maxLength > 200 ? "field long" : "field" }, parts, hint, fault), read };
}

/** A box for each of a list's values. */
function makeChecks(name, schema, { required: _, ...about }, given, after) {
  const usual = schema.default || [];
  const boxes = schema.items.enum.map((value) => h("input", { type: "checkbox", value, id: `${about.id}-${value}` }));
  for (const box of boxes) box.checked = (given ?? usual).includes(box.value);
  const chosen = () => boxes.filter((box) => box.checked).map((box) => box.value);
  return {
    element: h("div", { class: "field", role: "group", "aria-label": name, ...about }, h("strong", {}, name),
      boxes.map((box) => h("span", { class: "check" }, box, h("label", { for: box.id }, box.value))), after),
    read: () => (chosen().length === usual.length ? undefined : chosen()),
  };
}

function makeInput(schema, about, start) {
  if (schema.type === "boolean") {
    const input = h("input", { ...about, type: "checkbox" });
    input.checked = start === null ? Boolean(schema.default) : start === true || start === "true";
    return { input, read: () => (input.checked === Boolean(schema.default) ? undefined : input.checked) };
  }
  const values = schema.enum || (schema.const === undefined ? null : [schema.const]);
  if (values) {
    const none = schema.default === undefined && (schema.isOptional || !about.required) ? h("option", { value: "" }, "–") : null;
    const input = h("select", about, none, values.map((value) => h("option", { value }, words(value))));
    const usual = schema.default ?? (none ? "" : values[0]);
    input.value = values.includes(start) ? start : usual;
    return { input, read: () => (input.value === usual && !about.required ? undefined : input.value) };
  }
  if (isWhole(schema.type)) {
    const limits = { min: schema.minimum ?? null, max: schema.maximum ?? null };
    const input = h("input", { ...about, ...limits, type: "number", step: schema.type === "integer" ? 1 : "any", placeholder: schema.default ?? "" });
    input.value = start ?? "";
    return { input, read: () => (input.value === "" ? undefined : Number(input.value)) };
  }
  const isList = schema.type === "array";
  const input = h("input", { ...about, placeholder: isList ? (schema.default || []).join(", ") || "a, b, c" : schema.default ?? "" });
  input.value = Array.isArray(start) ? start.join(", ") : start ?? "";
  if (!isList) return { input, read: () => (input.value === "" ? undefined : input.value) };
  const parse = (text) => (isWhole((schema.items || schema.prefixItems?.[0])?.type) && Number.isFinite(Number(text)) ? Number(text) : text);
  const read = () => input.value.split(",").map((text) => text.trim()).filter(Boolean).map(parse);
  return { input, read: () => (read().length ? read() : undefined) };
}

/**
 * Fields for the properties of an object: {elements, read}. `only` names those that are wanted, `start` with what
 * those begin that need a value, `empty` what it means to choose no optimizer.
 */
export function makeObject(schemas, schema, pointer, given = {}, { only, without = [], ...options } = {}) {
  const wanted = (only || Object.keys(schema.properties || {})).filter((name) => schema.properties?.[name] && !without.includes(name));
  const fields = wanted
    .map((name) => [name, makeProperty(schemas, name, schemas.resolve(schema.properties[name]), `${pointer}/${name}`, given?.[name], schema.required?.includes(name), options)])
    .filter(([, field]) => field);
  return {
    elements: fields.map(([, field]) => field.element),
    read: () => Object.fromEntries(fields.map(([name, field]) => [name, field.read()]).filter(([, value]) => value !== undefined)),
  };
}

/** What is filled in for a property; null for what says nothing. */
function makeProperty(schemas, name, schema, pointer, given, isNeeded, options) {
  const { start = {} } = options;
  const begin = given ?? (isNeeded ? start[name] : undefined);
  if (schema.oneOf || schema.choices) {
    const by = schema.by ?? schema.discriminator.propertyName;
    const empty = isNeeded ? undefined : options.empty ?? "–";
    return makeChoice(schemas, name, by, schema.choices ?? schemas.choices(schema, by), pointer, { ...options, given: begin, empty });
  }
  if (schema.properties) return makeGroup(schemas, name, schema, pointer, begin, options);
  const items = schema.items && schemas.resolve(schema.items);
  if (items?.properties) return makeList(schemas, name, items, pointer, begin, options);
  if (schema.type === "object" || (schema.const !== undefined && !schema.isOptional)) return null;
  return makeField(name, { ...schema, items }, pointer, begin, isNeeded);
}

/** Fields that belong together, under a name. */
function group(name, pointer, ...parts) {
  const id = idOf(pointer);
  return h("fieldset", { id, "data-pointer": pointer }, h("legend", {}, name), parts, makeFault(id));
}

function makeGroup(schemas, name, schema, pointer, given, options) {
  const inner = makeObject(schemas, schema, pointer, given || {}, options);
  return {
    element: group(name, pointer, schema.description ? h("p", { class: "hint" }, schema.description) : null, h("div", { class: "grid" }, inner.elements)),
    read: () => {
      const values = inner.read();
      return Object.keys(values).length ? values : undefined;
    },
  };
}

/** A choice of one of several objects, and the fields of the one that is chosen. `empty` names no choice. */
export function makeChoice(schemas, legend, by, choices, pointer, { given, empty, start = {} } = {}) {
  const id = idOf(`${pointer}/${by}`);
  const select = h("select", { id, "data-pointer": `${pointer}/${by}`, "aria-describedby": `${id}-hint ${id}-fault` },
    empty ? h("option", { value: "" }, empty) : null, Object.keys(choices).map((value) => h("option", { value }, words(value))));
  const about = h("span", { class: "hint", id: `${id}-hint` });
  const place = h("div", { class: "contents" });
  let inner = null;
  const pick = (values) => {
    const schema = choices[select.value];
    inner = schema ? makeObject(schemas, schema, pointer, values, { without: [by], start }) : null;
    say(about, schema?.description || "");
    fill(place, inner ? inner.elements : []);
  };
  select.value = choices[given?.[by]] ? given[by] : empty ? "" : Object.keys(choices)[0];
  select.addEventListener("input", () => pick(inner ? inner.read() : {}));
  pick(given || {});
  return {
    element: group(legend, pointer, h("div", { class: "grid" },
      h("div", { class: "field" }, h("label", { for: id }, by), select, about, makeFault(id)), place)),
    read: () => (inner ? { [by]: select.value, ...inner.read() } : undefined),
  };
}

let serial = 0; // tells the items of lists apart, whatever their places become

/** Any number of objects, each with its fields; `given` may be the JSON of an address. */
export function makeList(schemas, name, schema, pointer, given, options = {}) {
  const one = words(name).replace(/ies$/, "y").replace(/s$/, "");
  const items = h("div");
  const readers = new Map();
  const changed = () => {
    [...items.children].forEach((item, place) => say(item.firstChild, `${one} ${place + 1}`));
    items.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const add = (values) => {
    serial += 1;
    const at = `${pointer}/item${serial}`;
    const inner = makeObject(schemas, schema, at, values, options);
    const remove = h("button", { type: "button", "aria-label": `Remove this ${one}`, onclick: () => {
      item.remove();
      changed();
      more.focus();
    } }, "Remove");
    const item = group(one, at, h("div", { class: "grid" }, inner.elements), h("p", {}, remove));
    item.dataset.item = at;
    readers.set(item, inner.read);
    items.append(item);
    return item;
  };
  const more = h("button", { type: "button", onclick: () => {
    const item = add({});
    changed();
    item.querySelector("input, select").focus();
  } }, `Add ${/^[aeiou]/.test(one) ? "an" : "a"} ${one}`);
  for (const values of parsed(given)) add(values);
  changed();
  return {
    element: group(name, pointer, items, more),
    read: () => (items.children.length ? [...items.children].map((item) => readers.get(item)()) : undefined),
  };
}

function parsed(given) {
  if (typeof given !== "string") return given || [];
  try {
    return [JSON.parse(given)].flat();
  } catch {
    return [];
  }
}

/** The pointer into the body of what stands here: an item's place is the one that it has now. */
export function pointerOf(element) {
  let { pointer } = element.dataset;
  for (let item = element.closest("[data-item]"); item; item = item.parentElement.closest("[data-item]")) {
    const place = [...item.parentElement.children].indexOf(item);
    pointer = pointer.replace(item.dataset.item, item.dataset.item.replace(/[^/]*$/, place));
  }
  return pointer;
}
