// Who runs the jobs, and what waits.
import { get } from "./api.js";
import { fill, h, root, table } from "./dom.js";
import { follow } from "./live.js";
import { ago } from "./words.js";

const EVERY_MS = 5000;
const main = document.getElementById("main");
const place = h("div");
main.append(place);

follow(async () => {
  const [{ items }, running, queued] = await Promise.all([get("/workers"), get("/jobs?status=running"), get("/jobs?status=queued")]);
  const count = ({ items: some, next_page_token: next }) => `${some.length}${next ? " or more" : ""}`;
  const slots = items.reduce((sum, worker) => sum + worker.slots, 0);
  fill(place,
    h("p", {}, h("a", { href: `${root}/?status=running` }, `${count(running)} running`), ", ", h("a", { href: `${root}/?status=queued` }, `${count(queued)} queued`), `, ${slots} slot${slots === 1 ? "" : "s"}.`),
    items.length ? table("Workers that were seen lately", ["Host", "Device", "Slots", "Seen", "Since", "Workloads"],
      items.map((worker) => [worker.hostname, worker.device, String(worker.slots), ago(worker.seen_at), ago(worker.started_at), worker.workloads.join(", ")]))
      : h("div", { class: "empty" }, h("h2", {}, "No worker is running"), h("p", {}, "Jobs wait until one is started: ", h("code", {}, "clr-tuner worker"), " beside the service, or ", h("code", {}, "clr-tuner serve"), " for everything at once.")));
  return false;
}, EVERY_MS);
