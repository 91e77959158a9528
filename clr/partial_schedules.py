"""A schedule with parameters left out, completed by what a range test found and by the budget.

What is left out of {"policy", its parameters} is filled so:

| parameter | from |
|---|---|
| base_lr, max_lr | the bounds; base_lr of the preset `torch`: max_lr / 25 |
| lr of `fixed` | their geometric mean: between the rates that train at all and the highest that does |
| lr of the decays | max_lr |
| step_size, t_0, num_steps | the step size, one cycle of it, the budget |
| gamma | what makes the whole decay that of the paper's CIFAR-10 runs, 0.99994 a step (section 4.1, Table 1) |
| drop_every, milestones, rate | thirds of the budget; a half and three quarters of it; a tenth of lr at its end |
"""

import math
from collections.abc import Mapping
from typing import Any

from clr.policies import Schedule, by_policy, parse_schedule

DECAYED_TO = {"exponential_decay": 0.99994**70_000, "exp_range": 0.99994**42_000}
DECAYED_TO["exp_range_paper"] = DECAYED_TO["exp_range"]
RATES = ("base_lr", "max_lr", "lr")  # what a range test tells
STAND_INS: Any = {"base_lr": 0.001, "max_lr": 1.0, "step_size": 100}  # to see what a request may say
OWN_RATES = (*RATES, "final_lr", "stages")  # with which those of a range test are not lowered


def lacks_rates(partial: Mapping[str, Any]) -> bool:
    """Whether bounds are needed to complete it. A policy that is not known lacks nothing."""
    model = by_policy().get(str(partial.get("policy")))
    required = model.list_required(partial) if model else []
    return any(name in required and name not in partial for name in RATES)


def has_own_rates(partial: Mapping[str, Any]) -> bool:
    """Whether some rate is told, so that the others must stay what they are beside it."""
    return any(name in partial for name in OWN_RATES)


def complete(
    partial: Mapping[str, Any],
    *,
    base_lr: float | None,
    max_lr: float | None,
    step_size: int,
    num_steps: int,
) -> Schedule:
    """The whole schedule; base_lr and max_lr may be None where it lacks no rates.

    step_size: steps in half a cycle. num_steps: the budget. Raises pydantic's ValidationError naming the parameter.
    """
    model = by_policy().get(str(partial.get("policy")))
    known = _fillings(str(partial.get("policy")), base_lr, max_lr, step_size, num_steps)
    needed = model.list_required(partial) if model else []
    filled = {name: known[name] for name in needed if name in known and name not in partial}
    return parse_schedule({**partial, **filled})


def check_partial(partial: Mapping[str, Any]) -> Schedule:
    """Complete it with stand-ins, to see whether what is given can be right. Raises as `complete` does."""
    return complete(partial, **STAND_INS, num_steps=10**9)


def _fillings(
    policy: str, base_lr: float | None, max_lr: float | None, step_size: int, num_steps: int
) -> dict[str, Any]:
    fillings: dict[str, Any] = {
        "step_size": step_size,
        "t_0": 2 * step_size,
        "num_steps": num_steps,
        "drop_every": max(1, num_steps // 3),
        "milestones": sorted({max(1, num_steps // 2), max(1, num_steps * 3 // 4)}),
        "rate": 9 / num_steps,
        "gamma": DECAYED_TO.get(policy, 1.0) ** (1 / num_steps),
    }
    if base_lr is not None and max_lr is not None:
        fillings |= {
            "base_lr": base_lr,
            "max_lr": max_lr,
            "lr": math.sqrt(base_lr * max_lr) if policy == "fixed" else max_lr,
        }
    return fillings
