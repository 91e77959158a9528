// The list of jobs of every kind: what each stands at and what it found, narrowed by the query of the address.
import { call, explain, get, query, trouble } from "./api.js";
import { fill, h, keep, root, say } from "./dom.js";
import { listen } from "./feed.js";
import { follow } from "./live.js";
import { ago, FINAL, found, PAGES, PATHS, ran, standing, words } from "./words.js";

const EVERY_MS = 2000;
const FILTERS = ["kind", "status", "workload", "tag", "page_token"];
const STATUSES = ["queued", "running", "cancelling", "succeeded", "failed", "cancelled"];
const LISTS = { "": "/jobs", range_test: "/range-tests", training_job: "/training-jobs" };

const asked = new URLSearchParams(location.search);
const ticked = new Map();
const main = document.getElementById("main");
const rows = h("tbody");
const empty = h("div", { class: "empty", hidden: true });
const pages = h("nav", { class: "row", "aria-label": "Pages of the list" });
const together = h("div", { class: "row actions", hidden: true });
const list = h("table", { class: "jobs" },
  h("caption", { class: "unseen" }, "Jobs, newest first"),
  h("thead", {}, h("tr", {}, ["", "Job", "Status", "Found", "Progress", "Workload", "Made"].map((name) =>
    h("th", { scope: "col" }, name || h("span", { class: "unseen" }, "Choose"))))),
  rows);

main.append(filters(), together, list, empty, pages);
let loop = null;
let isHeard = true; // by events; asked for again and again where there are none
const waiting = new Set();
listen(null, { status: hear, progress: hear, result: () => {} }, () => {
  isHeard = false;
  loop.now();
});
loop = follow(look, EVERY_MS);

/** What changed of a job that is shown; the whole list where that may change with it. */
function hear(change) {
  const row = rowOf(change.id);
  const isNarrowed = ["status", "page_token"].some((name) => asked.get(name));
  if (row && !(isNarrowed && change.status)) updateRow(row, { ...row.job, ...change });
  else if (change.status && !asked.get("page_token") && !waiting.size) {
    waiting.add(setTimeout(() => {
      waiting.clear();
      loop.now();
    }, 500));
  }
}

const rowOf = (id) => [...rows.children].find((child) => child.dataset.key === id);

async function look() {
  const { kind = "", ...narrowed } = Object.fromEntries(FILTERS.map((name) => [name, asked.get(name) || ""]));
  const { items, next_page_token: next } = await get((LISTS[kind] || "/jobs") + query(narrowed));
  keep(rows, items, (job) => job.id, makeRow, updateRow);
  list.hidden = items.length === 0;
  empty.hidden = items.length > 0;
  if (!items.length) await showEmpty();
  showPages(next);
  return isHeard;
}

function makeRow(job) {
  const name = h("a", { href: root + PAGES[job.kind] + job.id });
  const choose = h("input", { type: "checkbox", onchange: (event) => tick(job.id, event.target.checked) });
  return h("tr", {},
    h("td", { class: "choose" }, choose),
    h("td", { class: "name" }, name, h("div", { class: "dim hint" })),
    h("td", { class: "state" }, h("span", { class: "status" })),
    h("td", { class: "found" }), h("td", { class: "progress" }),
    h("td", { class: "workload" }), h("td", { class: "made dim" }));
}

function updateRow(row, job) {
  if (ticked.has(job.id)) ticked.set(job.id, job);
  row.job = job;
  const part = (name) => row.querySelector(name);
  const title = job.name || `${words(job.kind)} ${job.id.slice(0, 8)}`;
  say(part(".name a"), title);
  part(".choose input").setAttribute("aria-label", `Choose ${title}`);
  const tags = job.tags.map((tag) => h("a", { class: "tag", href: here({ tag, page_token: "" }) }, tag));
  fill(part(".name div"), job.name ? `${words(job.kind)} ` : "", job.measured_by === "client" ? "by its caller " : "", tags);
  const status = part(".status");
  status.dataset.is = standing(job);
  say(status, standing(job));
  say(part(".found"), found(job.summary));
  showProgress(part(".progress"), job);
  say(part(".workload"), job.workload);
  const made = part(".made");
  say(made, ago(job.created_at));
  made.title = job.created_at;
}

function showProgress(cell, job) {
  if (FINAL.has(job.status)) {
    say(cell, job.started_at ? `${ran(job)}` : "");
    return;
  }
  const { completed = 0, total } = job.progress || {};
  if (!cell.querySelector("progress")) fill(cell, h("progress", { "aria-label": "Progress" }), h("span", { class: "dim hint" }));
  const bar = cell.querySelector("progress");
  if (job.status === "queued") bar.removeAttribute("value");
  bar.max = total || 1;
  bar.value = total ? completed : 0;
  say(cell.querySelector("span"), job.progress ? ` ${completed.toLocaleString("en")}${total ? ` of ${total.toLocaleString("en")}` : ""}` : "");
}

function filters() {
  const select = (name, label, choices) => {
    const field = h("select", { id: name, name, onchange: () => form.requestSubmit() },
      h("option", { value: "" }, "any"), choices.map((choice) => h("option", { value: choice }, words(choice))));
    field.value = asked.get(name) || "";
    return h("div", { class: "field" }, h("label", { for: name }, label), field);
  };
  const input = (name, label) =>
    h("div", { class: "field" }, h("label", { for: name }, label), h("input", { id: name, name, value: asked.get(name) || "", list: name === "workload" ? "workloads" : null }));
  const known = h("datalist", { id: "workloads" });
  get("/workloads").then(({ items }) => fill(known, items.map(({ name }) => h("option", { value: name }))), () => {});
  const form = h("form", { class: "filters", role: "search", "aria-label": "Narrow the list" },
    select("kind", "Kind", ["range_test", "training_job"]), select("status", "Status", STATUSES),
    input("workload", "Workload"), input("tag", "Tag"), known,
    h("button", {}, "Show"), asked.size ? h("a", { class: "button", href: `${root}/` }, "Show all") : null);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    location.assign(`${root}/${query(Object.fromEntries(new FormData(form)))}`);
  });
  return form;
}

/** The address of this list with some of its filters changed. */
function here(changes) {
  return `${root}/${query({ ...Object.fromEntries(asked), ...changes })}`;
}

function showPages(next) {
  const first = asked.get("page_token") ? h("a", { class: "button", href: here({ page_token: "" }) }, "Newest") : null;
  const more = next ? h("a", { class: "button", href: here({ page_token: next }) }, "Older jobs") : null;
  const shown = `${Boolean(first)} ${next}`;
  if (pages.dataset.shown !== shown) fill(pages, first, more);
  pages.dataset.shown = shown;
}

async function showEmpty() {
  if (empty.childElementCount) return;
  if (asked.size) {
    fill(empty, h("p", {}, "No job is like that. "), h("a", { class: "button", href: `${root}/` }, "Show all jobs"));
    return;
  }
  const { items } = await get("/workers");
  const worker = items.length ? null : h("p", { class: "warning" },
    "No worker is running, so jobs will wait: start one with ", h("code", {}, "clr-tuner worker"), ".");
  fill(empty,
    h("h2", {}, "Which learning rates should your training cycle between?"),
    h("p", {}, "Start with a range test: it tries rates from very low to too high, and answers base_lr and max_lr with their reasons."),
    h("p", {}, h("a", { class: "button primary", href: `${root}/pages/range-tests/new` }, "Start a range test")), worker,
    h("p", { class: "dim" }, "or from a shell:"),
    h("pre", {}, `curl ${location.origin}${root}/range-tests -H 'Content-Type: application/json' -d '{"workload": "digits-mlp"}'`));
}

function tick(id, chosen) {
  if (chosen) ticked.set(id, rowOf(id).job);
  else ticked.delete(id);
  showTogether();
}

function showTogether() {
  const jobs = [...ticked.values()];
  const running = jobs.filter((job) => !FINAL.has(job.status));
  const over = jobs.filter((job) => FINAL.has(job.status));
  together.hidden = jobs.length === 0;
  fill(together, h("span", {}, `${jobs.length} chosen`),
    h("button", { type: "button", disabled: !running.length, onclick: () => doAll(running, "Cancel", (path) => call(`${path}/cancel`, { method: "POST" })) }, `Cancel ${running.length || ""}`),
    h("button", { type: "button", class: "danger", disabled: !over.length, onclick: () => doAll(over, "Delete, with everything measured,", (path) => call(path, { method: "DELETE" })) }, `Delete ${over.length || ""}`));
}

async function doAll(jobs, verb, act) {
  if (!confirm(`${verb} ${jobs.length} job${jobs.length > 1 ? "s" : ""}?`)) return;
  try {
    for (const job of jobs) {
      await act(PATHS[job.kind] + job.id);
      ticked.delete(job.id);
    }
  } catch (error) {
    trouble(explain(error));
  }
  for (const box of rows.querySelectorAll("input:checked")) box.checked = ticked.has(box.closest("tr").dataset.key);
  showTogether();
  loop.now();
}
