// Elements out of words: whatever comes from outside becomes text, never markup.

export const root = document.documentElement.dataset.root;

/** An element; attributes that are null or false are left out, those named on... are listeners. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Put these in the place of what the element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
}

/** Set the text if it differs, so that what is read or selected stays. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Have a parent hold an element for each item, in this order; what has the same key stays the same element. */
export function keep(parent, items, key, make, update) {
  const had = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, place) => {
    const name = key(item);
    let child = had.get(name);
    had.delete(name);
    if (!child) {
      child = make(item);
      child.dataset.key = name;
    }
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
    update(child, item);
  });
  for (const gone of had.values()) gone.remove();
}

/** A button that copies what `text()` gives, and says so. */
export function copyButton(label, text) {
  const button = h("button", { type: "button" }, label);
  button.addEventListener("click", async () => {
    const copied = await copy(await text());
    say(button, copied ? "Copied" : "Not copied: select the text");
    setTimeout(() => say(button, label), 2000);
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // No clipboard outside https and localhost: the old way.
    const area = h("textarea", { class: "unseen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

/** A table of these rows, each a list of cells; columns of numbers stand to the right. */
export function table(caption, head, rows) {
  const isNumber = (value) => typeof value === "number" || value === "–" || (typeof value === "string" && /^-?[\d.,]+(e[-+]?\d+)?( %| MB)?$/.test(value));
  const isNumeric = head.map((_, column) => rows.length > 0 && rows.every((row) => isNumber(row[column] ?? "–")));
  const kind = (column) => ({ class: isNumeric[column] ? "number" : null });
  return h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {}, h("caption", {}, caption),
      h("thead", {}, h("tr", {}, head.map((name, column) => h("th", { scope: "col", ...kind(column) }, name)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((value, column) => h("td", kind(column), value instanceof Node ? value : String(value ?? "–"))))))));
}
