// The list of comparisons.
import { get, query } from "./api.js";
import { fill, h, keep, root, say } from "./dom.js";
import { follow } from "./live.js";
import { ago, FINAL } from "./words.js";

const EVERY_MS = 3000;
const asked = new URLSearchParams(location.search);
const main = document.getElementById("main");
const rows = h("tbody");
const list = h("table", { class: "jobs" }, h("caption", { class: "unseen" }, "Comparisons, newest first"),
  h("thead", {}, h("tr", {}, ["Comparison", "Status", "Jobs", "Workload", "Made"].map((name) => h("th", { scope: "col" }, name)))), rows);
const empty = h("div", { class: "empty", hidden: true }, h("h2", {}, "Nothing was compared yet"),
  h("p", {}, "A comparison trains several schedules with several seeds at an equal budget:"),
  h("pre", {}, `curl ${location.origin}${root}/comparisons -H 'Content-Type: application/json' -d '{"workload": "digits-mlp", "preset": "paper"}'`));
const pages = h("nav", { class: "row", "aria-label": "Pages of the list" });
main.append(list, empty, pages);

follow(async () => {
  const { items, next_page_token: next } = await get(`/comparisons${query({ page_token: asked.get("page_token") })}`);
  list.hidden = !items.length;
  empty.hidden = items.length > 0;
  keep(rows, items, ({ id }) => id, ({ id }) => h("tr", {}, h("td", { class: "name" }, h("a", { href: `${root}/pages/comparisons/${id}` })), h("td", { class: "state" }, h("span", { class: "status" })), h("td"), h("td"), h("td", { class: "dim" })), update);
  fill(pages, next ? h("a", { class: "button", href: query({ page_token: next }) }, "Older comparisons") : null);
  return items.every(({ status }) => FINAL.has(status));
}, EVERY_MS);

function update(row, { id, name, status, progress, workload, created_at: created }) {
  const [title, state, jobs, what, made] = row.children;
  say(title.firstChild, name || `comparison ${id.slice(0, 8)}`);
  state.firstChild.dataset.is = status;
  say(state.firstChild, status);
  say(jobs, `${progress.completed} of ${progress.total}`);
  say(what, workload);
  say(made, ago(created));
}
