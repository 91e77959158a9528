// What keeps a page current: it looks again while there is something to see, rests in a hidden tab, and
// goes on by itself when the service is back.
import { explain, Problem, trouble } from "./api.js";

const EVERY_MS = 1000;
const SLOWEST_MS = 15000;
const SOON_MS = 500;

/** Call `look` now and then again until it gives true. It may throw: it is called again, later and later. */
export function follow(look, everyMs = EVERY_MS) {
  let failures = 0;
  let timer = null;
  let looking = false;
  let wanted = false; // once more, whatever the look under way finds
  let done = false;
  async function again() {
    if (looking || done || document.hidden) return;
    looking = true;
    wanted = false;
    clearTimeout(timer);
    try {
      done = await look();
      failures = 0;
      trouble();
    } catch (error) {
      failures += 1;
      if (!(error instanceof Problem || error instanceof TypeError)) console.error(error); // it is ours
      trouble(explain(error));
      if (error instanceof Problem && error.status < 500 && error.status !== 429) done = true;
    }
    looking = false;
    if (wanted) done = false;
    if (!done) timer = setTimeout(again, wanted && !failures ? 0 : Math.min(SLOWEST_MS, everyMs * 2 ** Math.min(failures, 4)));
  }
  document.addEventListener("visibilitychange", again);
  again();
  /** Look at once, also where nothing was left to see. */
  function now() {
    done = false;
    wanted = looking;
    clearTimeout(timer);
    again();
  }
  let waiting = null;
  /** Look in a moment, once for all who ask meanwhile. */
  function soon() {
    waiting ??= setTimeout(() => {
      waiting = null;
      now();
    }, SOON_MS);
  }
  return { now, soon };
}
