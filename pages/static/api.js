// The public JSON API, and what to do where it does not answer.
import { fill, h, root, say } from "./dom.js";

const LOGGED_IN = "clr-tuner-logged-in"; // that there is a cookie, which no script can see, and what it may do
showSession();

/** What the API says is wrong: its problem+json. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `the service answered ${status}`);
    this.status = status;
    this.body = body;
  }
}

/**
 * The answer as {status, data}. Throws Problem, or TypeError where nothing answers. Where a key is needed it waits until
 * somebody has logged in, and asks again: what was typed and drawn stays. What is `quiet` throws then too.
 */
export async function call(path, options = {}) {
  const { method = "GET", body, signal, headers = {}, quiet = false } = options;
  const answer = await fetch(root + path, {
    method,
    signal,
    headers: { Accept: "application/json", ...(body ? { "Content-Type": "application/json" } : {}), ...headers },
    body: body && JSON.stringify(body),
  });
  const isJson = (answer.headers.get("Content-Type") || "").includes("json");
  const data = isJson ? await answer.json() : null;
  if (answer.status === 401 && !quiet) {
    await login();
    return call(path, options);
  }
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
  if (error instanceof TypeError) return "The service does not answer. This page asks again by itself.";
  return String(error.message || error);
}

/** Offer to log out, and no page that is refused to who is logged in. */
function showSession() {
  const session = JSON.parse(localStorage.getItem(LOGGED_IN));
  for (const link of document.querySelectorAll('[data-scope="admin"]')) link.hidden = Boolean(session?.scope && session.scope !== "admin");
  if (!session || document.getElementById("log-out")) return;
  const leave = async () => {
    localStorage.removeItem(LOGGED_IN);
    await fetch(`${root}/session`, { method: "DELETE" });
    location.reload();
  };
  document.querySelector("header .start").append(h("button", { type: "button", id: "log-out", onclick: leave }, "Log out"));
}

/** Turn a key into this browser's session; what is wrong with it, or nothing. */
export async function beginSession(key) {
  const answer = await fetch(`${root}/session`, { method: "POST", headers: { Authorization: `Bearer ${key}` } }).catch(() => null);
  const said = (await answer?.json().catch(() => null)) || {};
  if (!answer?.ok) return answer ? said.detail || "The service did not take this key." : "The service does not answer: try again.";
  localStorage.setItem(LOGGED_IN, JSON.stringify(said)); // it ends at another moment each time: other tabs hear of it
  showSession();
  return "";
}

let asking = null; // while a key is asked for

/** Ask for a key, once for all that wait for it, until this tab or another has begun a session. */
function login() {
  asking ??= askForKey().finally(() => (asking = null));
  return asking;
}

function askForKey() {
  const before = document.activeElement;
  const key = h("input", { id: "key", type: "password", autocomplete: "off", required: true });
  const said = h("p", { role: "status" });
  const isOver = localStorage.getItem(LOGGED_IN);
  const form = h("form", { id: "key-form", class: "card", "aria-label": "Log in" },
    h("h2", {}, isOver ? "The session has ended" : "This service asks for a key"),
    isOver ? h("p", {}, "Log in to go on where you were: nothing that you typed is lost.") : null,
    said, h("label", { for: "key" }, "Key"), key,
    h("button", { class: "primary" }, "Log in"));
  document.getElementById("main").prepend(form);
  key.focus();
  return new Promise((goOn) => {
    const end = () => {
      removeEventListener("storage", hear);
      form.remove();
      before?.focus();
      goOn();
    };
    const hear = (event) => event.key === LOGGED_IN && event.newValue && end();
    addEventListener("storage", hear);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const wrong = await beginSession(key.value.trim());
      say(said, wrong);
      if (!wrong) end();
    });
  });
}
