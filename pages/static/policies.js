// What the forms know of schedules: how one stands in an address, and what stands in for what is left out.

/** What fields of the designer begin with. */
export const START = {
  policy: "triangular", base_lr: 0.001, max_lr: 0.01, step_size: 500, gamma: 0.9995, t_0: 1000, num_steps: 4000,
  lr: 0.01, drop_every: 1000, milestones: [2000, 3000], rate: 0.001, start: 0, end: 2000,
  stages: [
    { start: 0, end: 2000, schedule: { policy: "triangular", base_lr: 0.001, max_lr: 0.01, step_size: 500 } },
    { start: 2000, end: 4000, schedule: { policy: "exponential_decay", lr: 0.001, gamma: 0.999 } },
  ],
};

/** A schedule as the words of a query. */
export function flat(schedule) {
  const write = (value) => (!Array.isArray(value) ? value : typeof value[0] === "object" ? JSON.stringify(value) : value.join(","));
  return Object.fromEntries(Object.entries(schedule).map(([name, value]) => [name, write(value)]));
}

/** Policies whose parameters may all be left out. */
export function partial(choices) {
  return Object.fromEntries(Object.entries(choices).map(([name, schema]) => [name, { ...schema, required: [] }]));
}

/**
 * {schedule, lacking}: it with something in the place of what is left out, to be drawn, and the names of that. `required` are the
 * names that its policy needs, `known` is {base_lr, max_lr, step_size} where a range test told them, or some of them.
 */
export function complete(schedule, required, steps, known = {}) {
  const [base, max, size] = ["base_lr", "max_lr", "step_size"].map((name) => known[name] ?? START[name]);
  const usual = {
    base_lr: base, max_lr: max, lr: schedule.policy === "fixed" ? Math.sqrt(base * max) : max,
    step_size: size, t_0: 2 * size, num_steps: Math.max(4, steps), gamma: 0.05 ** (1 / steps), rate: 9 / steps,
    drop_every: Math.max(1, Math.floor(steps / 3)), milestones: [Math.max(1, Math.floor(steps / 2)), Math.max(2, Math.floor(0.75 * steps))],
  };
  const lacking = required.filter((name) => schedule[name] === undefined && usual[name] !== undefined && !(name === "base_lr" && schedule.preset));
  return { schedule: { ...schedule, ...Object.fromEntries(lacking.map((name) => [name, usual[name]])) }, lacking };
}
