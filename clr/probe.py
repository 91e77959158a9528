"""One longer sweep at the recommended rates, for a training that will go much further than any sweep of the range test.

Nobody knows whether so long a training overfits, or bears the rates: two hundred steps are too few to tell. This one
is as long as the geometric mean of a short training and that one, and reads as any sweep does. Where it loses what it
had learned, another follows up to the rate that it bore.
"""

import math
from collections.abc import Mapping
from typing import Any

from clr.bounds import Bounds
from clr.range_test import TEST_STEPS, look_every
from clr.sweep import SweepPlan
from clr.training_rates import SHORT

LONG = 4 * SHORT  # steps of a training, for which a probe is worth its price whatever decides
LONGEST, MOST_PROBES = 2000, 2  # steps of a probe; probes
MOST_STEPS = MOST_PROBES * LONGEST  # of all that may be made


def plan_probe(
    bounds: Bounds, policy: str, *, num_steps: int | None = None, num_epochs: float | None = None
) -> SweepPlan | None:
    """From base_lr to max_lr, or from and to lower rates after a probe that lost what it had learned; after the sweeps
    of these bounds.

    None where it would tell nothing: the training is short and the sweeps went as far, or an epoch or less; or a probe
    bore what it was asked.
    Raises ValueError as `Bounds.for_training` does.
    """
    rates = bounds.for_training(policy, num_steps=num_steps, num_epochs=num_epochs)
    plans = [sweep.plan for sweep in bounds.sweeps]
    probes = [plan for plan in plans if plan.phase == "probe"]
    again = rates.num_steps > (bounds.steps_per_epoch or 0)  # before that no example is seen twice
    unknown = rates.basis == "unknown" and bounds.metric == "held_out_loss"
    end_lr = _next_end(bounds, probes)
    if end_lr is None or not again or not (unknown or rates.num_steps >= LONG):
        return None
    steps = min(LONGEST, max(TEST_STEPS, round(math.sqrt(SHORT * rates.num_steps))))
    return SweepPlan(
        sweep=1 + max(plan.sweep for plan in plans),
        seed=plans[0].seed,
        phase="probe",
        start_lr=end_lr * bounds.base_lr / bounds.max_lr,
        end_lr=end_lr,
        num_steps=steps,
        eval_every=look_every(steps),
    )


def _next_end(bounds: Bounds, probes: list[SweepPlan]) -> float | None:
    """Up to which rate the next probe goes; None where the last one told."""
    if not probes:
        return bounds.max_lr
    collapse = bounds.collapse
    if collapse is None or collapse.lr >= probes[-1].end_lr or len(probes) == MOST_PROBES:
        return None
    return collapse.lr


def plan_probe_for(bounds: Bounds, training: Mapping[str, Any] | None) -> SweepPlan | None:
    """The probe for the training that a request tells, {"policy", and "num_steps" or "num_epochs"}.

    None also where the policy cannot have that budget, as an epoch may have no length: the bounds then say so.
    """
    if training is None:
        return None
    try:
        return plan_probe(bounds, **training)
    except ValueError:
        return None
