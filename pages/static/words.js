// How numbers, times and states are written, everywhere alike.

/** A rate as people write it: 0.01342, 3.2e-5. */
export const rate = (value) => spell(value, 4);
export const roughly = (value) => spell(value, 3);

function spell(value, digits) {
  if (value === null || value === undefined) return "–";
  const short = Number(value.toPrecision(digits));
  const size = Math.abs(short);
  return size !== 0 && (size < 1e-3 || size >= 1e4) ? short.toExponential().replace("e+", "e") : String(short);
}

export const percent = (share) => (share === null || share === undefined ? "–" : `${(100 * share).toFixed(1)} %`);

export const number = (value, digits = 4) =>
  value === null || value === undefined ? "–" : Math.abs(value) >= 1e7 ? value.toExponential(2).replace("e+", "e") : String(Number(value.toPrecision(digits)));

export const words = (name) => String(name).replaceAll("_", " ");

export const FINAL = new Set(["succeeded", "failed", "cancelled"]);

/** How long ago, roughly. */
export function ago(time) {
  const seconds = Math.max(0, (Date.now() - Date.parse(time)) / 1000);
  if (seconds < 60) return "just now";
  for (const [size, unit] of [[86400, "day"], [3600, "hour"], [60, "minute"]]) {
    const count = Math.floor(seconds / size);
    if (count >= 1) return `${count} ${unit}${count > 1 ? "s" : ""} ago`;
  }
}

/** Seconds as 4.2 s, 3 min 5 s, 2 h 10 min. */
export function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** How long a job ran so far. */
export function ran(job) {
  if (!job.started_at) return "";
  const end = job.finished_at ? Date.parse(job.finished_at) : Date.now();
  return duration(Math.max(0, (end - Date.parse(job.started_at)) / 1000));
}

/** A job's status with what the science says. */
export function standing(job) {
  if (job.status === "succeeded" && job.outcome === "inconclusive") return "inconclusive";
  if (job.status === "succeeded" && job.outcome === "diverged") return "diverged";
  return job.status;
}

export const PAGES = { range_test: "/pages/range-tests/", training_job: "/pages/training-jobs/" };
export const PATHS = { range_test: "/range-tests/", training_job: "/training-jobs/" };

/** What a list shows of the result. */
export function found(summary) {
  if (!summary) return "";
  if (summary.base_lr !== undefined && summary.base_lr !== null) return `${rate(summary.base_lr)} to ${rate(summary.max_lr)}`;
  if (summary.accuracy !== undefined && summary.accuracy !== null) return percent(summary.accuracy);
  return summary.loss !== undefined && summary.loss !== null ? `loss ${number(summary.loss)}` : "";
}
