// The sweeps of a range test by the range that they went through: the scout, then each range with its seeds.
import { pool, smooth, windowOf } from "./curve.js";
import { roughly, words } from "./words.js";

const NAMES = { scout: "Scout", test: "Range", probe: "Probe" };

/** [{key, name, about, tone, isChosen, runs}] in the order that they were measured in. */
export function groupRuns(runs, chosen) {
  const groups = new Map();
  for (const run of runs) {
    if (!NAMES[run.phase] || !run.train.loss.x.length) continue;
    const key = `${run.phase}-${run.sweep}`;
    if (!groups.has(key)) groups.set(key, { key, phase: run.phase, runs: [] });
    groups.get(key).runs.push(run);
  }
  let ranges = 0;
  return [...groups.values()].map((group) => {
    const [{ shape, phase }] = group.runs;
    const end = Math.max(...group.runs.map(endOf));
    const isChosen = Boolean(chosen) && phase === "test" && isNear(end, chosen.end_lr);
    const place = phase === "test" ? ++ranges : 0;
    const seeds = group.runs.length === 1 ? "1 seed" : `${group.runs.length} seeds`;
    const ends = `${roughly(group.runs[0].train.loss.x[0])} to ${roughly(end)}`;
    return {
      ...group,
      isChosen,
      tone: toneOf(phase, place),
      name: nameOf(group.runs[0], place),
      about: `${words(shape)}, lr ${ends}, ${seeds}${isChosen ? ", the bounds are read from it" : ""}`,
    };
  });
}

/** As the picture has it. How many steps a probe takes is told where the whole curve is asked for. */
function nameOf({ phase, num_steps: steps }, place) {
  if (phase === "test") return `${NAMES.test} ${place}`;
  return phase === "probe" && steps ? `${NAMES.probe}, ${steps.toLocaleString("en")} steps` : NAMES[phase];
}

/** Of a range by its place from 1; a probe has the colour of the picture. */
const toneOf = (phase, place) => ({ scout: "--dim", probe: "--line-6" })[phase] || `--line-${1 + ((place - 1) % 6)}`;

/** The last rate of a sweep. */
const endOf = ({ train: { loss: { x } } }) => x[x.length - 1];

const isNear = (one, other) => Math.abs(one / other - 1) < 0.01; // a column of pixels has a width

/**
 * The lines of these groups, of what `read(run)` gives, called `what`: faint for each seed, as measured (`each`) where `raw`,
 * and strong for all of them, smoothed.
 */
export function linesOf(groups, read, { raw, what, each }) {
  return groups.flatMap((group) => {
    const alone = group.runs.length === 1;
    const dash = group.phase === "scout" ? [6, 4] : undefined;
    const base = { tone: group.tone, kind: `${what}, smoothed` };
    const seeds = group.runs.map((run) => ({ name: `${group.name}, seed ${run.seed}`, ...read(run) })).filter(({ x }) => x?.length);
    const smoothed = seeds.map(({ x, y }) => ({ x, y: smooth(y, windowOf(y.length)) }));
    const thin = raw ? seeds.map(({ drawn }) => ({ ...drawn, kind: `${what}, ${each}` })) : alone ? [] : smoothed;
    const faint = thin.map((line, place) => ({ ...base, name: seeds[place].name, ...line, faint: true }));
    const pooled = pool(smoothed);
    const strong = pooled
      ? [{ ...base, name: group.name, ...pooled, width: 2.4, dash }]
      : smoothed.map((line, place) => ({ ...base, name: alone ? group.name : seeds[place].name, ...line, width: 2.2, dash }));
    return [...faint, ...strong];
  });
}

/** Where sweeps of these groups broke off. */
export const breaks = (groups) =>
  groups.flatMap(({ runs, tone }) => runs.filter((run) => run.broke_off || run.non_finite_from !== null).map((run) => ({ at: endOf(run), tone })));
