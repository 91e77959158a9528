// The list of comparisons, narrowed by the query of the address.
import { fill, h, keep, root, say } from "./dom.js";
import { listen } from "./feed.js";
import { asked, filters, here, narrowed, reader, showPages, STATUSES } from "./list.js";
import { follow } from "./live.js";
import { ago } from "./words.js";

const EVERY_MS = 3000;
const main = document.getElementById("main");
const rows = h("tbody");
const list = h("table", { class: "jobs" }, h("caption", { class: "unseen" }, "Comparisons, newest first"),
  h("thead", {}, h("tr", {}, ["Comparison", "Status", "Jobs", "Workload", "Made"].map((name) => h("th", { scope: "col" }, name)))), rows);
const empty = h("div", { class: "empty", hidden: true });
const pages = h("nav", { class: "row", "aria-label": "Pages of the list" });
main.append(filters({ search: null, status: STATUSES, workload: null, tag: null }), list, empty, pages);
const read = reader("/comparisons", narrowed(["search", "status", "workload", "tag", "range_test_id", "page_token"]));

fill(empty, asked.size
  ? [h("p", {}, "No comparison is like that. "), h("a", { class: "button", href: location.pathname }, "Show all comparisons")]
  : [h("h2", {}, "Nothing was compared yet"),
    h("p", {}, "A comparison trains several schedules with several seeds at an equal budget:"),
    h("pre", {}, `curl ${location.origin}${root}/comparisons -H 'Content-Type: application/json' -d '{"workload": "digits-mlp", "preset": "paper"}'`)]);

let isHeard = true; // by events; asked for again and again where there are none
const loop = follow(async () => {
  await read((items, next) => {
    list.hidden = !items.length;
    empty.hidden = items.length > 0;
    keep(rows, items, ({ id }) => id, make, update);
    showPages(pages, next, "comparisons");
  });
  return isHeard;
}, EVERY_MS);
listen(null, { status: loop.soon }, () => {
  isHeard = false;
  loop.now();
}, loop.now);

function make({ id }) {
  return h("tr", {},
    h("td", { class: "name" }, h("a", { href: `${root}/pages/comparisons/${id}` }), h("div", { class: "dim hint" })),
    h("td", { class: "state" }, h("span", { class: "status" })), h("td"), h("td"), h("td", { class: "made dim" }));
}

function update(row, { id, name, tags, status, progress, workload, created_at: created }) {
  const [title, state, jobs, what, made] = row.children;
  say(title.firstChild, name || `comparison ${id.slice(0, 8)}`);
  const shown = tags.join("\n");
  if (row.dataset.tags !== shown) fill(title.lastChild, tags.map((tag) => h("a", { class: "tag", href: here({ tag, page_token: "" }) }, tag)));
  row.dataset.tags = shown;
  state.firstChild.dataset.is = status;
  say(state.firstChild, status);
  say(jobs, `${progress.completed} of ${progress.total} jobs`);
  say(what, workload);
  say(made, ago(created));
  made.title = created;
}
