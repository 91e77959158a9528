// What lists share: their filters and pages, which stand in the address.
import { get, query } from "./api.js";
import { fill, h } from "./dom.js";
import { words } from "./words.js";

export const asked = new URLSearchParams(location.search);
export const STATUSES = ["queued", "running", "cancelling", "succeeded", "failed", "cancelled"];

/** The address of this list with some of its filters changed. */
export const here = (changes) => location.pathname + query({ ...Object.fromEntries(asked), ...changes });

/** What the API is asked for: these of the address. */
export const narrowed = (names) => Object.fromEntries(names.map((name) => [name, asked.get(name)]));

/** A form of fields by name: choices of a select, or none of a text. */
export function filters(fields) {
  const known = h("datalist", { id: "workloads" });
  get("/workloads").then(({ items }) => fill(known, items.map(({ name }) => h("option", { value: name }))), () => {});
  const form = h("form", { class: "filters", role: "search", "aria-label": "Narrow the list" },
    Object.entries(fields).map(([name, choices]) => {
      const field = choices
        ? h("select", { id: name, name, onchange: () => form.requestSubmit() }, h("option", { value: "" }, "any"), choices.map((choice) => h("option", { value: choice }, words(choice))))
        : h("input", { id: name, name, type: name === "search" ? "search" : "text", maxlength: 100, list: name === "workload" ? "workloads" : null });
      field.value = asked.get(name) || "";
      return h("div", { class: "field" }, h("label", { for: name }, words(name).replace(/^./, (letter) => letter.toUpperCase())), field);
    }), known,
    h("button", {}, "Show"), asked.size ? h("a", { class: "button", href: location.pathname }, "Show all") : null);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    location.assign(location.pathname + query(Object.fromEntries(new FormData(form))));
  });
  return form;
}

/** Links to the pages before and behind this one. */
export function showPages(nav, next, what) {
  const first = asked.get("page_token") ? h("a", { class: "button", href: here({ page_token: "" }) }, "Newest") : null;
  const more = next ? h("a", { class: "button", href: here({ page_token: next }) }, `Older ${what}`) : null;
  const shown = `${Boolean(first)} ${next}`;
  if (nav.dataset.shown !== shown) fill(nav, first, more);
  nav.dataset.shown = shown;
}

/** Reads a page of a list for `show(items, token, time)`: a search that stopped at this time before its page was full goes on. */
export function reader(path, filter, size) {
  const ask = (token, count) => get(path + query({ ...filter, page_token: token, page_size: count }));
  let shown = [];
  let behind; // the token of what was not searched yet; null where all was
  return async (show) => {
    const first = await ask(filter.page_token, size);
    if (!first.searched_to) {
      show(first.items, first.next_page_token);
      return;
    }
    shown = [...first.items, ...shown.filter((item) => item.created_at < first.searched_to)];
    behind = behind === undefined ? first.next_page_token : behind;
    let to = first.searched_to;
    while (behind && shown.length < size) {
      show(shown, null, to);
      const page = await ask(behind, size - shown.length);
      shown.push(...page.items);
      behind = page.next_page_token;
      to = page.searched_to;
    }
    show(shown, behind);
  };
}
