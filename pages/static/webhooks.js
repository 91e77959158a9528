// Webhooks, for admins: who is called when a job ends, made, tried and deleted, and how the calls went.
import { call, explain, get, trouble } from "./api.js";
import { fill, h, keep, say, table } from "./dom.js";
import { Schemas } from "./form.js";
import { follow } from "./live.js";
import { makePanel, showSecret } from "./panel.js";
import { ago } from "./words.js";

const EVERY_MS = 3000;
const main = document.getElementById("main");
const list = h("div");
const empty = h("div", { class: "empty", hidden: true }, h("h2", {}, "Nobody is called yet"), h("p", {}, "A webhook is called when a job ends, with a signature that its secret checks: make one below."));
const made = h("div", { role: "status" });
main.append(h("p", {}, "The service calls these addresses when jobs end, as Standard Webhooks says, and again later where a call fails."));

const loop = follow(async () => {
  const { items } = await get("/webhooks");
  if (!list.isConnected) {
    const schemas = new Schemas(await get("/openapi.json"));
    main.append(empty, list, made, makePanel(schemas, "WebhookRequest", "Make a webhook", "/webhooks", show));
  }
  empty.hidden = items.length > 0;
  keep(list, items, ({ id }) => id, makeCard, () => {});
  await Promise.all([...list.querySelectorAll("details[open]")].map(showDeliveries));
  return false;
}, EVERY_MS);

function show({ secret, url }) {
  showSecret(made, secret, `${url} will be called`, "It checks the signature of a call, with any library of Standard Webhooks.");
  loop.now();
}

function makeCard({ id, url, events, created_at: created }) {
  const act = (path, method) => async () => {
    try {
      await call(`/webhooks/${id}${path}`, { method });
      loop.now();
    } catch (error) {
      trouble(explain(error));
    }
  };
  const remove = act("", "DELETE");
  const log = h("details", { "data-path": `/webhooks/${id}/deliveries`, ontoggle: () => log.open && showDeliveries(log) }, h("summary", {}, "Calls"), h("div"));
  return h("section", { class: "card", "aria-label": url }, h("h2", {}, url), h("p", { class: "dim" }, `${events.join(", ")} · made ${ago(created)}`),
    h("div", { class: "row" },
      h("button", { type: "button", onclick: async () => {
        await act("/test", "POST")();
        log.open = true;
      } }, "Call it now"),
      h("button", { type: "button", class: "danger", onclick: () => confirm(`Call ${url} no more?`) && remove() }, "Delete")),
    log);
}

async function showDeliveries(log) {
  const { items } = await get(log.dataset.path);
  const shown = JSON.stringify(items);
  if (log.dataset.shown === shown) return;
  log.dataset.shown = shown;
  if (!items.length) return say(log.lastChild, "It was not called yet.");
  fill(log.lastChild, table(`The newest hundred calls of ${log.parentElement.ariaLabel}`, ["Event", "Status", "Attempts", "Answer", "When", "Says"], items.map((call) => [
    call.event, call.next_attempt_at ? `${call.status}, again ${new Date(call.next_attempt_at).toLocaleTimeString()}` : call.status,
    call.attempts, call.answer, ago(call.created_at), call.message])));
}
