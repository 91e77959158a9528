// Keys, for admins: made, with the secret shown once, listed and revoked.
import { beginSession, call, explain, get, query, trouble } from "./api.js";
import { fill, h, table } from "./dom.js";
import { Schemas } from "./form.js";
import { follow } from "./live.js";
import { makePanel, showSecret } from "./panel.js";
import { ago } from "./words.js";

const EVERY_MS = 10000;
const main = document.getElementById("main");
const page = new URLSearchParams(location.search).get("page_token");
const list = h("div");
const made = h("div", { role: "status" });
const limits = ["queued_jobs", "steps_a_day", "requests_a_minute"];
main.append(h("p", {}, "Each program and each person has a key of their own, so that one can be revoked without the others. A key is of one project, whose jobs alone it sees."));

const loop = follow(async () => {
  const { items, next_page_token: next } = await get(`/keys${query({ page_token: page })}`);
  if (!list.isConnected) await begin();
  fill(list, items.length ? show(items) : h("div", { class: "empty" }, h("h2", {}, "No key was made yet"),
    h("p", {}, "The first must be an admin's, unless the service was started with CLR_ADMIN_KEY: from then on every caller needs a key.")),
    next ? h("a", { class: "button", href: query({ page_token: next }) }, "Older keys") : null);
  return false;
}, EVERY_MS);

async function begin() {
  const schemas = new Schemas(await get("/openapi.json"));
  main.append(list, made, makePanel(schemas, "KeyRequest", "Make a key", "/keys", showKey, limits));
}

async function showKey({ name, secret }) {
  await get("/keys", { quiet: true }).catch(() => beginSession(secret)); // the first key asks for one from now on
  showSecret(made, secret, `The key ${name} was made`, "Send it as Authorization: Bearer SECRET, or set it as CLR_API_KEY.");
  loop.now();
}

function show(items) {
  return table("Keys, newest first; those of the service's settings are not among them", ["Name", "Revoke", "Scope", "Project", "Begins", "Made", "By", "Expires", "Limits"], items.map((key) => [
    h("bdi", {}, key.name),
    key.revoked_at ? `revoked ${ago(key.revoked_at)}` : h("button", { type: "button", class: "danger", "aria-label": `Revoke ${key.name}`, onclick: () => revoke(key) }, "Revoke"),
    key.scope, key.project, h("code", {}, key.prefix), ago(key.created_at), key.created_by && h("bdi", {}, key.created_by),
    key.expires_at ? new Date(key.expires_at).toLocaleDateString() : "never",
    limits.filter((name) => key[name] !== null).map((name) => `${name} ${key[name]}`).join(", ")]));
}

async function revoke({ id, name }) {
  if (!confirm(`Revoke ${name}? It opens nothing any more, at once.`)) return;
  try {
    await call(`/keys/${id}`, { method: "DELETE" });
    loop.now();
  } catch (error) {
    trouble(explain(error));
  }
}
