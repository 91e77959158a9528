// The sweeps of a range test by the range that they went through: the scout, then each range with its seeds.
import { pool, smooth, windowOf } from "./curve.js";
import { rate, words } from "./words.js";

const NAMES = { scout: "Scout", test: "Range", probe: "Probe" };

/** [{key, name, about, tone, isChosen, runs}] in the order that they were measured in. */
export function groupRuns(runs, chosen) {
  const groups = new Map();
  for (const run of runs) {
    if (!NAMES[run.phase] || !run.lr.length) continue;
    const key = `${run.phase}-${run.sweep}`;
    if (!groups.has(key)) groups.set(key, { key, phase: run.phase, runs: [] });
    groups.get(key).runs.push(run);
  }
  let ranges = 0;
  return [...groups.values()].map((group) => {
    const [{ lr, shape, phase }] = group.runs;
    const isChosen = Boolean(chosen) && phase === "test" && group.runs.some((run) => isNear(run.lr[run.lr.length - 1], chosen.end_lr));
    const place = phase === "test" ? ++ranges : 0;
    const seeds = group.runs.length === 1 ? "1 seed" : `${group.runs.length} seeds`;
    const ends = `${rate(lr[0])} to ${rate(Math.max(...group.runs.map((run) => run.lr[run.lr.length - 1])))}`;
    return {
      ...group,
      isChosen,
      tone: phase === "scout" ? "--dim" : `--line-${1 + ((place + (phase === "probe" ? 4 : -1)) % 6)}`,
      name: phase === "test" ? `${NAMES[phase]} ${place}` : NAMES[phase],
      about: `${words(shape)}, lr ${ends}, ${seeds}${isChosen ? ", the bounds are read from it" : ""}`,
    };
  });
}

const isNear = (one, other) => Math.abs(one - other) <= 1e-6 * Math.abs(other);

/** The lines of these groups: faint for each seed, as measured where `raw`, and strong for all of them, smoothed. */
export function linesOf(groups, read, { raw }) {
  return groups.flatMap((group) => {
    const alone = group.runs.length === 1;
    const dash = group.phase === "scout" ? [6, 4] : undefined;
    const series = (run, faint, y, name) => ({ name, tone: group.tone, x: read(run).x, y, faint, dash: faint ? undefined : dash });
    const seeds = group.runs.map((run) => ({ run, ...read(run) })).filter(({ x }) => x.length);
    const smoothed = seeds.map(({ x, y }) => ({ x, y: smooth(y, windowOf(y.length)) }));
    const thin = raw || !alone ? seeds : [];
    const faint = thin.map(({ run, y }, place) => series(run, true, raw ? y : smoothed[place].y, `${group.name}, seed ${run.seed}`));
    const pooled = pool(smoothed);
    const strong = pooled
      ? [{ name: group.name, tone: group.tone, ...pooled, width: 2.4, dash }]
      : smoothed.map(({ x, y }, place) => ({ ...series(seeds[place].run, false, y, alone ? group.name : `${group.name}, seed ${seeds[place].run.seed}`), x, width: alone ? 2.2 : 1.4 }));
    return [...faint, ...strong];
  });
}

/** Where sweeps of these groups broke off. */
export const breaks = (groups) =>
  groups.flatMap(({ runs, tone }) => runs.filter((run) => run.non_finite_from !== null).map((run) => ({ at: run.lr[run.lr.length - 1], tone })));
