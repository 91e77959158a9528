// The list of jobs of every kind: what each stands at and what it found, narrowed by the query of the address.
import { call, explain, get } from "./api.js";
import { fill, h, keep, root, say } from "./dom.js";
import { listen } from "./feed.js";
import { asked, filters, here, narrowed, reader, showPages, STATUSES } from "./list.js";
import { follow } from "./live.js";
import { ago, FINAL, found, PAGES, PATHS, ran, standing, words } from "./words.js";

const EVERY_MS = 2000;
const PAGE_SIZE = 50; // unless the address says another
const MOST_OVERLAID = 12;
const MOST_NAMED = 10; // of those that are to be deleted
const LISTS = { range_test: "/range-tests", training_job: "/training-jobs" };

const ticked = new Map();
const main = document.getElementById("main");
const rows = h("tbody");
const empty = h("div", { class: "empty", hidden: true });
const pages = h("nav", { class: "row", "aria-label": "Pages of the list" });
const together = h("div", { class: "row actions", hidden: true });
const list = h("table", { class: "jobs" },
  h("caption", { class: "unseen" }, "Jobs, newest first"),
  h("thead", {}, h("tr", {}, ["", "Job", "Status", "Found", "Progress", "Workload", "Made"].map((name) =>
    h("th", { scope: "col" }, name || h("input", { type: "checkbox", "aria-label": "All that are shown", onchange: tickAll }))))),
  rows);

const searching = h("p", { class: "dim", role: "status" });
const said = h("p", { class: "warning", role: "alert", hidden: true });

main.append(filters({ search: null, kind: Object.keys(LISTS), status: STATUSES, workload: null, tag: null, driver: ["worker", "client"] }), together, said, list, empty, searching, pages);
const read = reader(LISTS[asked.get("kind")] || "/jobs", narrowed(["search", "status", "workload", "tag", "driver", "page_token"]), Number(asked.get("page_size")) || PAGE_SIZE);
let loop = null;
let isHeard = true; // by events; asked for again and again where there are none
listen(null, { status: hear, progress: hear, result: () => {} }, () => {
  isHeard = false;
  loop.now();
}, () => loop.now()); // what changed before it was open was not heard
loop = follow(look, EVERY_MS);

/** What changed of a job that is shown; the whole list where that may change with it. */
function hear(change) {
  const row = rowOf(change.id);
  if (row && !(asked.get("status") && change.status)) updateRow(row, { ...row.job, ...change });
  else if (change.status && (row || !asked.get("page_token"))) loop.soon();
}

const rowOf = (id) => [...rows.children].find((child) => child.dataset.key === id);

async function look() {
  await read((items, next, searchedTo) => {
    keep(rows, items, (job) => job.id, makeRow, updateRow);
    list.hidden = items.length === 0;
    say(searching, searchedTo ? `Searching older jobs: those since ${searchedTo.slice(0, 16).replace("T", " ")} UTC are searched.` : "");
    if (!searchedTo) showPages(pages, next, "jobs");
  });
  empty.hidden = rows.childElementCount > 0;
  if (!empty.hidden) await showEmpty();
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
  if (ticked.has(job.id)) {
    ticked.set(job.id, job);
    if (row.job.status !== job.status) showTogether();
  }
  const part = (name) => row.querySelector(name);
  say(part(".made"), ago(job.created_at));
  showProgress(part(".progress"), job);
  const shown = JSON.stringify({ ...job, progress: null });
  row.job = job;
  if (row.shown === shown) return;
  row.shown = shown;
  const title = titleOf(job);
  say(part(".name a"), title);
  part(".choose input").setAttribute("aria-label", `Choose ${title}`);
  const tags = job.tags.map((tag) => h("a", { class: "tag", href: here({ tag, page_token: "" }) }, tag));
  fill(part(".name div"), job.name ? `${words(job.kind)} ` : "", job.measured_by === "client" ? "by its caller " : "", tags);
  const status = part(".status");
  status.dataset.is = standing(job);
  say(status, standing(job));
  say(part(".found"), foundBy(job));
  say(part(".workload"), job.workload);
  part(".made").title = job.created_at;
}

const titleOf = (job) => job.name || `${words(job.kind)} ${job.id.slice(0, 8)}`;

/** What a list shows of a result, or why there is none. */
const foundBy = (job) => found(job.summary) || (job.status === "failed" && job.reason ? words(job.reason) : "");

function showProgress(cell, job) {
  if (FINAL.has(job.status)) {
    say(cell, ran(job));
    return;
  }
  if (job.status === "queued") {
    say(cell, job.after_job ? "waits for its range test" : "waits");
    return;
  }
  const { completed = 0, total } = job.progress || {};
  if (!cell.querySelector("progress")) fill(cell, h("progress", { "aria-label": "Progress" }), h("span", { class: "dim hint" }));
  const bar = cell.querySelector("progress");
  bar.max = total || 1;
  if (total) bar.value = completed;
  else bar.removeAttribute("value");
  say(cell.querySelector("span"), job.progress ? ` ${completed.toLocaleString("en")}${total ? ` of ${total.toLocaleString("en")}` : ""}` : "");
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
  said.hidden = true;
  showTogether();
}

function tickAll({ target }) {
  for (const box of rows.querySelectorAll(".choose input")) if (box.checked !== target.checked) box.click();
}

function showTogether() {
  const jobs = [...ticked.values()];
  const running = jobs.filter((job) => !FINAL.has(job.status));
  const over = jobs.filter((job) => FINAL.has(job.status));
  together.hidden = jobs.length === 0;
  const overlay = `${root}/pages/overlay?ids=${jobs.map(({ id }) => id).join(",")}`;
  const button = (name, these, act, kind) => h("button", { type: "button", class: kind, disabled: !these.length, onclick: () => act(these) }, `${name} ${these.length || ""}`);
  fill(together, h("span", {}, `${jobs.length} chosen`),
    jobs.length <= MOST_OVERLAID ? h("a", { class: "button", href: overlay }, "Overlay") : h("span", { class: "dim" }, `Overlay: ${MOST_OVERLAID} at most`),
    button("Cancel", running, cancelAll), button("Delete", over, deleteAll, "danger"));
}

function cancelAll(jobs) {
  if (confirm(`Cancel ${countOf(jobs)}? What was measured stays.\n\n${describe(jobs, (job) => standing(job))}`))
    doAll(jobs, (path) => call(`${path}/cancel`, { method: "POST" }));
}

function deleteAll(jobs) {
  const holds = (job) => [words(job.kind), found(job.summary), job.kind === "training_job" ? "checkpoints" : ""].filter(Boolean).join(", ");
  if (confirm(`Delete ${countOf(jobs)} for good, with every point that was measured?\n\n${describe(jobs, holds)}`))
    doAll(jobs, (path) => call(path, { method: "DELETE" }));
}

const countOf = (jobs) => `${jobs.length} job${jobs.length > 1 ? "s" : ""}`;

function describe(jobs, about) {
  const lines = jobs.slice(0, MOST_NAMED).map((job) => `• ${titleOf(job).slice(0, 60)} (${about(job)})`);
  return [...lines, ...(jobs.length > MOST_NAMED ? [`• and ${jobs.length - MOST_NAMED} more`] : [])].join("\n");
}

/** Do this to each of them; those that refuse stay chosen, and the first says why. */
async function doAll(jobs, act) {
  const refused = [];
  for (const job of jobs)
    try {
      await act(PATHS[job.kind] + job.id);
      ticked.delete(job.id);
    } catch (error) {
      refused.push(`${titleOf(job).slice(0, 60)}: ${explain(error)}`);
    }
  said.hidden = !refused.length;
  say(said, refused.length > 1 ? `${refused[0]} So it is with ${refused.length - 1} more, which stay chosen.` : refused[0] || "");
  for (const box of rows.querySelectorAll("input:checked")) box.checked = ticked.has(box.closest("tr").dataset.key);
  showTogether();
  loop.now();
}
