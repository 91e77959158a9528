// What a job's page is told while the job runs: from one stream of events, or by asking where there is none.
import { get, query, trouble } from "./api.js";
import { follow } from "./live.js";
import { Stream } from "./streams.js";
import { FINAL } from "./words.js";

const MOST_POINTS = 2000; // of each run: more than a screen has pixels
const MOST_STREAMED = 20000; // steps of a job that is followed point by point
const DRAW_MS = 250;

/** Tell `onJob(job)` and `onCurve(curve)` what is new, until the job is final. Gives {refresh}. */
export function feed(path, id, { onJob, onCurve }) {
  let job = null;
  let curve = { runs: [] };
  let stream = null;
  let seen = null;
  const runs = new Map();

  const whole = () => get(`${path}/curve${query({ max_points: MOST_POINTS })}`);

  /** Ask for everything, and say whether the job is final. */
  async function ask() {
    job = await get(path);
    const now = `${job.status} ${job.progress?.completed}`;
    if (now !== seen && job.progress) curve = await whole();
    if (now !== seen) await onCurve(curve, job);
    seen = now;
    await onJob(job);
    return FINAL.has(job.status);
  }

  async function begin() {
    const isFinal = await ask();
    if (isFinal || (job.progress?.completed || 0) > MOST_STREAMED || !window.EventSource) return isFinal;
    stream ??= listen(id, handlers, () => loop.now());
    return true;
  }

  const handlers = {
    status: (status) => tell({ ...job, ...status }),
    progress: ({ progress }) => tell({ ...job, progress }),
    points: (points) => {
      append(runs, points);
      draw();
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

  function tell(changed) {
    job = changed;
    if (!FINAL.has(job.status)) onJob(job);
  }

  let drawing = null;
  function draw() {
    drawing ??= setTimeout(() => {
      drawing = null;
      if (!FINAL.has(job.status)) onCurve({ runs: [...runs.values()] }, job);
    }, DRAW_MS);
  }

  const loop = follow(() => (stream ? ask() : begin()));
  return { refresh: () => loop.now() };
}

/** One stream of a job's events: closed in a hidden tab, and gone on with from its last id. */
export function listen(id, handlers, onLost, onOpen = () => {}) {
  const address = `${document.documentElement.dataset.root}${id ? `/jobs/${id}` : ""}/events`;
  let source = null;
  let last = null;
  let isOver = false;
  function open() {
    source = new Stream(address + query({ last_event_id: last }));
    for (const [name, handle] of Object.entries(handlers))
      source.addEventListener(name, (event) => {
        last = event.lastEventId || last;
        handle(JSON.parse(event.data));
      });
    source.onopen = () => {
      trouble();
      onOpen();
    };
    source.onerror = () => {
      if (isOver) return;
      if (source.readyState === EventSource.CLOSED) {
        isOver = true;
        onLost();
      } else trouble("The connection is lost. This page connects again by itself.");
    };
  }
  function turn() {
    if (isOver) return;
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
      source?.close();
      document.removeEventListener("visibilitychange", turn);
    },
  };
}

const keyOf = ({ sweep, seed }) => `${sweep} ${seed}`;

function append(runs, points) {
  const known = runs.get(keyOf(points));
  if (!known) {
    runs.set(keyOf(points), points);
    return;
  }
  for (const [into, from] of [[known, points], [known.held_out, points.held_out]]) {
    for (const name of Object.keys(from)) if (Array.isArray(from[name])) into[name] = into[name].concat(from[name]);
    into.non_finite_from ??= from.non_finite_from;
  }
  known.finished = points.finished;
}

function cut(run, from) {
  if (!run) return;
  for (const series of [run, run.held_out]) {
    const length = series.step.filter((step) => step < from).length;
    for (const name of Object.keys(series)) if (Array.isArray(series[name])) series[name] = series[name].slice(0, length);
    if (series.non_finite_from !== null && series.non_finite_from >= from) series.non_finite_from = null;
  }
}
