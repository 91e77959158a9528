// The public JSON API, and what to do where it does not answer.
import { fill, h, root } from "./dom.js";

const LOGGED_IN = "clr-tuner-logged-in"; // that there is a cookie, which no script can see
if (localStorage.getItem(LOGGED_IN)) offerLogout();

/** What the API says is wrong: its problem+json. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `the service answered ${status}`);
    this.status = status;
    this.body = body;
  }
}

/** The answer as {status, data}. Throws Problem, or TypeError where nothing answers. */
export async function call(path, { method = "GET", body, signal, headers = {} } = {}) {
  const answer = await fetch(root + path, {
    method,
    signal,
    headers: { Accept: "application/json", ...(body ? { "Content-Type": "application/json" } : {}), ...headers },
    body: body && JSON.stringify(body),
  });
  const isJson = (answer.headers.get("Content-Type") || "").includes("json");
  const data = isJson ? await answer.json() : null;
  if (answer.status === 401) askForKey();
  if (!answer.ok) throw new Problem(answer.status, data || {});
  return { status: answer.status, data };
}

/** The data alone. */
export async function get(path, options) {
  return (await call(path, options)).data;
}

/** A query out of what is set; "" where nothing is. */
export function query(values) {
  const set = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return set.length ? `?${new URLSearchParams(set)}` : "";
}

/** Say at the top of the page that something is wrong; nothing where all is well. */
export function trouble(...words) {
  const line = document.getElementById("trouble");
  line.hidden = words.length === 0;
  if (line.textContent !== words.join("")) fill(line, ...words);
}

/** An Idempotency-Key: who sends a form twice has one job. Outside https and localhost there is no randomUUID. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint32Array(4))].join("-");
}

/** What went wrong, in words for a person. */
export function explain(error) {
  if (error instanceof Problem) return error.status === 401 ? "Log in with a key to see this." : error.message;
  if (error instanceof TypeError) return "The service does not answer. This page asks again by itself.";
  return String(error.message || error);
}

function offerLogout() {
  const leave = async () => {
    localStorage.removeItem(LOGGED_IN);
    await fetch(`${root}/session`, { method: "DELETE" });
    location.reload();
  };
  document.querySelector("header .start").append(h("button", { type: "button", onclick: leave }, "Log out"));
}

function askForKey() {
  if (document.getElementById("key-form")) return;
  const key = h("input", { id: "key", type: "password", autocomplete: "off", required: true });
  const said = h("p", { role: "status" });
  const form = h("form", { id: "key-form", class: "card", "aria-label": "Log in" },
    h("h2", {}, "This service asks for a key"), said,
    h("label", { for: "key" }, "Key"), key,
    h("button", { class: "primary" }, "Log in"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await fetch(`${root}/session`, { method: "POST", headers: { Authorization: `Bearer ${key.value}` } });
    if (answer.ok) {
      localStorage.setItem(LOGGED_IN, "1");
      location.reload();
    }
    if (!answer.ok) said.textContent = (await answer.json().catch(() => ({}))).detail || "The service did not take this key.";
  });
  document.getElementById("main").prepend(form);
  key.focus();
}
