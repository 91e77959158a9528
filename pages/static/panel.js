// What the admin's pages share: a form that makes one thing, and its secret, which is shown once.
import { copyButton, fill, h } from "./dom.js";
import { makeObject } from "./form.js";
import { makeRequest } from "./request.js";

/** A form of this request; `rest` names what stands below "More". `done(answer)` shows what was made. */
export function makePanel(schemas, request, title, path, done, rest = []) {
  const schema = schemas.get(request);
  const first = makeObject(schemas, schema, "", {}, { without: rest });
  const more = makeObject(schemas, schema, "", {}, { only: rest });
  const form = h("form", { class: "card", "aria-label": title }, h("h2", {}, title), h("div", { class: "grid" }, first.elements),
    rest.length ? h("details", {}, h("summary", {}, "More: limits"), h("div", { class: "grid" }, more.elements)) : null,
    h("div", { class: "row send" }, h("button", { class: "primary" }, title)));
  makeRequest(form, path, () => ({ ...first.read(), ...more.read() }), (answer) => {
    form.replaceWith(makePanel(schemas, request, title, path, done, rest));
    return done(answer);
  }, { hasCost: false });
  return form;
}

/** Show a secret with a button that copies it, at the place. */
export function showSecret(place, secret, title, use) {
  const copy = copyButton("Copy the secret", () => secret);
  fill(place, h("section", { class: "card" }, h("h2", {}, title), h("p", {}, "This is its secret, shown this once: keep it now."),
    h("div", { class: "row" }, h("code", { class: "secret" }, secret), copy), h("p", { class: "hint" }, use)));
  copy.focus();
}
