// What a form asks for: its cost while one types, what is wrong with it at the fields, and the sending of it.
import { call, newKey, Problem } from "./api.js";
import { fill, h, say } from "./dom.js";
import { pointerOf } from "./form.js";

const WAIT_MS = 350;

/**
 * Have the form tell what it would cost, and send `read()` to `path` when it is submitted. `done(answer)` is called
 * with what was made. Whatever is refused, what was typed stays. Without `hasCost` it is sent without asking before.
 */
export function makeRequest(form, path, read, done, { hasCost = true } = {}) {
  const button = form.querySelector("button.primary");
  const cost = h("div", { class: "hint", role: "status" });
  const said = h("p", { class: "fault", role: "alert" });
  button.parentElement.append(cost, said);
  form.noValidate = true;
  let key = newKey();
  let timer = null;
  let stop = null;

  async function check() {
    stop?.abort();
    stop = new AbortController();
    const { signal } = stop;
    if (showUnreadable(form)) return say(cost, "");
    try {
      const { data } = await call(`${path}?validate_only=true`, { method: "POST", body: read(), signal, quiet: true });
      showFaults(form, null);
      fill(cost, describeCost(data), data.warnings.map((warning) => h("p", { class: "warning" }, warning)));
    } catch (error) {
      if (error.name === "AbortError") return;
      const left = showFaults(form, error, (field) => field.matches("[data-touched], :has([data-touched])"));
      say(cost, left && `Not ready: ${left}`);
    }
  }

  function soon() {
    clearTimeout(timer);
    if (hasCost) timer = setTimeout(check, WAIT_MS);
  }

  form.addEventListener("input", ({ target }) => {
    target.dataset.touched = "";
    key = newKey();
    soon();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearTimeout(timer);
    stop?.abort();
    say(said, "");
    if (showUnreadable(form)) return focusFault(form);
    button.disabled = true;
    try {
      const { data } = await call(path, { method: "POST", body: read(), headers: { "Idempotency-Key": key } });
      await done(data);
    } catch (error) {
      say(said, showFaults(form, error, () => true) || "Some of it is refused: see the fields.");
      focusFault(form);
    }
    button.disabled = false;
  });
  soon();
}

function describeCost({ num_jobs: jobs, most_steps: steps }) {
  const queued = `${jobs} job${jobs === 1 ? "" : "s"}`;
  return h("p", {}, steps === null ? `It queues ${queued}; how many steps, the size of the data decides.` : `It queues ${queued}, at most ${steps.toLocaleString("en")} steps.`);
}

/** Say at each field what is wrong with it, if `isTold(field)`; gives in words what is not told at a field. */
export function showFaults(form, error, isTold = () => true) {
  const told = new Map();
  const left = [];
  for (const { pointer, message } of (error instanceof Problem && error.body.errors) || []) {
    const [field, rest] = find(form, pointer);
    if (field && isTold(field)) told.set(field, [told.get(field), [...rest, message].join(" ")].filter(Boolean).join("; "));
    else left.push([pointer.slice(1).replaceAll("/", " "), message].filter(Boolean).join(": "));
  }
  tell(form, told);
  if (!error || told.size || left.length) return left.join("; ");
  return error instanceof Problem ? error.message : "The service does not answer: try again.";
}

/** What stands at the pointer, or around it, and the names from there. */
function find(form, pointer) {
  const known = new Map([...form.querySelectorAll("[data-pointer]")].map((field) => [pointerOf(field), field]));
  const names = pointer.split("/").slice(1);
  for (let depth = names.length; depth > 0; depth -= 1) {
    const field = known.get(`/${names.slice(0, depth).join("/")}`);
    if (field) return [field, names.slice(depth)];
  }
  return [null, []];
}

/** Fields with something that is no number, which the browser does not hand out: say so, and whether there are any. */
function showUnreadable(form) {
  const unreadable = [...form.querySelectorAll("input")].filter((input) => input.validity.badInput);
  if (unreadable.length) tell(form, new Map(unreadable.map((input) => [input, "is not a number"])));
  return unreadable.length > 0;
}

/** Have these fields say what is wrong, and all others nothing. */
function tell(form, told) {
  for (const field of form.querySelectorAll("[data-pointer]")) {
    const message = told.get(field) || "";
    const fault = document.getElementById(`${field.id}-fault`);
    if (fault) say(fault, message);
    field.toggleAttribute("data-wrong", Boolean(message));
    if (field.matches("input, select")) field.setAttribute("aria-invalid", Boolean(message));
    if (message) field.closest("details")?.setAttribute("open", "");
  }
}

function focusFault(form) {
  const first = form.querySelector("[data-wrong]");
  (first?.matches("input, select") ? first : first?.querySelector("input, select, button"))?.focus();
}
