"""One longer sweep at the recommended rates, for a training that will go further than any sweep of the range test did.

Where the held-out loss decides and no sweep turned, nobody knows whether so long a training would overfit. This one
sums to as much, or to as much as it may cost.
"""

import math
from collections.abc import Mapping
from typing import Any

from clr.bounds import Bounds
from clr.range_test import TEST_STEPS, look_every
from clr.sweep import SweepPlan
from clr.training_rates import sum_rates

MOST_STEPS = 2000


def plan_probe(
    bounds: Bounds, policy: str, *, num_steps: int | None = None, num_epochs: float | None = None
) -> SweepPlan | None:
    """From base_lr to max_lr, after the sweeps of these bounds; None where it would tell nothing: the sweeps went as
    far, it was made before, the training is an epoch or less, or accuracy or the training loss decides.

    Raises ValueError as `Bounds.for_training` does.
    """
    rates = bounds.for_training(policy, num_steps=num_steps, num_epochs=num_epochs)
    plans = [sweep.plan for sweep in bounds.sweeps]
    again = rates.num_steps > (bounds.steps_per_epoch or 0)  # before that no example is seen twice
    if (
        rates.basis != "unknown"
        or bounds.metric != "held_out_loss"
        or not again
        or plans[-1].phase == "probe"
    ):
        return None
    lowered = bounds.schedule(policy, num_steps=rates.num_steps)
    rate_sum = sum_rates(lowered, rates.num_steps) * bounds.max_lr / rates.max_lr
    steps = math.ceil(2 * rate_sum / (bounds.base_lr + bounds.max_lr))
    steps = min(MOST_STEPS, max(TEST_STEPS, steps))
    return SweepPlan(
        sweep=1 + max(plan.sweep for plan in plans),
        seed=plans[0].seed,
        phase="probe",
        start_lr=bounds.base_lr,
        end_lr=bounds.max_lr,
        num_steps=steps,
        eval_every=look_every(steps),
    )


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
