// What a job's page is told while the job runs: from one stream of events, or by asking where there is none.
import { get, query, trouble } from "./api.js";
import { getCurve, ofRows } from "./curve.js";
import { follow } from "./live.js";
import { Stream } from "./streams.js";
import { FINAL } from "./words.js";

const MOST_STREAMED = 20000; // steps of a job that is followed point by point
const DRAW_MS = 250;
const SHARE = 100; // a long curve is asked for again after so many times what that took
const AGAIN_MS = 2000; // until a stream that the service has ended is asked for again
const SLOWEST_MS = 60000;

/** Tell `onJob(job)` and `onCurve(curve)` what is new, with `x` as in curve.js, until the job is final. Gives {refresh}. */
export function feed(path, id, { x, onJob, onCurve }) {
  let job = null;
  let stream = null;
  let isHeard = false;
  let isLong = false;
  let seen = null;
  let due = 0;
  const runs = new Map();

  /** Ask for everything, and say whether there is nothing more to ask for. */
  async function ask() {
    job = await get(path);
    const isFinal = FINAL.has(job.status);
    const now = `${job.status} ${job.progress?.completed}`;
    if (now !== seen && (isFinal || performance.now() >= due)) {
      const begun = performance.now();
      const curve = job.started_at ? await getCurve(path, { x }) : { runs: [] };
      due = performance.now() + Math.min(SLOWEST_MS, SHARE * (performance.now() - begun));
      await onCurve(curve, job);
      seen = now;
    }
    await onJob(job);
    return isFinal;
  }

  async function look() {
    if (stream) return (await ask()) || isHeard;
    job = await get(path);
    isLong ||= job.progress?.completed > MOST_STREAMED;
    if (FINAL.has(job.status) || isLong || !window.EventSource) return ask();
    await onJob(job);
    isHeard = true;
    stream = listen(id, handlers, () => {
      isHeard = false;
      loop.now();
    }, () => (isHeard = true));
    return true;
  }

  const handlers = {
    status: (status) => tell({ ...job, ...status }),
    progress: ({ progress }) => tell({ ...job, progress }),
    points: (points) => {
      isLong = append(runs, points) > MOST_STREAMED;
      if (!isLong) draw();
      else leave();
    },
    reset: ({ run, from_step: from }) => {
      cut(runs.get(keyOf(run)), from);
      draw();
    },
    end: () => {
      stream.close();
      loop.now();
    },
  };

  /** Too long to be told point by point. */
  function leave() {
    stream.close();
    stream = null;
    runs.clear();
    loop.now();
  }

  function tell(changed) {
    job = changed;
    if (!FINAL.has(job.status)) onJob(job);
  }

  let drawing = null;
  function draw() {
    drawing ??= setTimeout(() => {
      drawing = null;
      if (!FINAL.has(job.status)) onCurve({ runs: [...runs.values()].map((run) => ofRows(run, x)) }, job);
    }, DRAW_MS);
  }

  const loop = follow(look);
  return { refresh: () => loop.now() };
}

/**
 * One stream of a job's events, or of all jobs': closed in a hidden tab, and gone on with from its last id, also where the
 * service ended it: `onLost` hears of that, and `onHeard` of each time that it is there.
 */
export function listen(id, handlers, onLost, onHeard = () => {}) {
  const address = `${document.documentElement.dataset.root}${id ? `/jobs/${id}` : ""}/events`;
  let source = null;
  let last = null;
  let isOver = false;
  let failures = 0;
  let timer = null;
  function open() {
    clearTimeout(timer);
    source?.close();
    source = new Stream(address + query({ last_event_id: last }));
    for (const [name, handle] of Object.entries(handlers))
      source.addEventListener(name, (event) => {
        last = event.lastEventId || last;
        handle(JSON.parse(event.data));
      });
    source.onopen = () => {
      failures = 0;
      trouble();
      onHeard();
    };
    source.onerror = () => {
      if (isOver) return;
      if (source.readyState !== EventSource.CLOSED) {
        trouble("The connection is lost. This page connects again by itself.");
        return;
      }
      onLost();
      timer = setTimeout(turn, Math.min(SLOWEST_MS, AGAIN_MS * 2 ** failures++));
    };
  }
  function turn() {
    if (isOver) return;
    clearTimeout(timer);
    source?.close();
    source = null;
    if (!document.hidden) open();
  }
  document.addEventListener("visibilitychange", turn);
  addEventListener("pagehide", () => source?.close());
  turn();
  return {
    close() {
      isOver = true;
      clearTimeout(timer);
      source?.close();
      document.removeEventListener("visibilitychange", turn);
    },
  };
}

const keyOf = ({ sweep, seed }) => `${sweep} ${seed}`;

/** Add what came to its run; how many points that has now. */
function append(runs, points) {
  const known = runs.get(keyOf(points));
  if (!known) {
    runs.set(keyOf(points), points);
    return points.step.length;
  }
  for (const [into, from] of [[known, points], [known.held_out, points.held_out]]) {
    for (const name of Object.keys(from)) if (Array.isArray(from[name])) into[name] = into[name].concat(from[name]);
    into.non_finite_from ??= from.non_finite_from;
  }
  known.finished = points.finished;
  return known.step.length;
}

function cut(run, from) {
  if (!run) return;
  for (const series of [run, run.held_out]) {
    const length = series.step.filter((step) => step < from).length;
    for (const name of Object.keys(series)) if (Array.isArray(series[name])) series[name] = series[name].slice(0, length);
    if (series.non_finite_from !== null && series.non_finite_from >= from) series.non_finite_from = null;
  }
}
