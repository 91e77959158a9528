"""`one_cycle` with pct_start or the preset `torch` against torch's own OneCycleLR, rate and momentum, step by step."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.optim.lr_scheduler import OneCycleLR

from clr.partial_schedules import complete, lacks_rates
from clr.policies import parse_schedule
from clr.scheduler import Scheduler

LENGTHS = [4, 7, 10, 97, 100, 1000, 12_345]
AS_TORCH = {"policy": "one_cycle", "preset": "torch", "max_lr": 0.1}


def an_optimizer(name: str = "SGD") -> torch.optim.Optimizer:
    options: dict[str, Any] = {"momentum": 0.5} if name == "SGD" else {}
    optimizer: torch.optim.Optimizer = getattr(torch.optim, name)(
        [torch.nn.Parameter(torch.zeros(1))], lr=1.0, **options
    )
    return optimizer


def momentum_of(optimizer: torch.optim.Optimizer) -> float:
    [group] = optimizer.param_groups
    return float(group["momentum"] if "momentum" in group else group["betas"][0])


def played(scheduler: Any, optimizer: torch.optim.Optimizer, num_steps: int) -> list[tuple[float, float]]:
    """(lr, momentum) that each update uses."""
    used = []
    for step in range(num_steps):
        used.append((optimizer.param_groups[0]["lr"], momentum_of(optimizer)))
        optimizer.step()
        if step < num_steps - 1:
            scheduler.step()
    return used


@pytest.mark.parametrize("name", ["SGD", "AdamW"])
@pytest.mark.parametrize("num_steps", LENGTHS)
def test_the_preset_equals_torchs_defaults_in_rate_and_momentum(num_steps: int, name: str) -> None:
    ours, theirs = an_optimizer(name), an_optimizer(name)

    with_ours = played(
        Scheduler(ours, AS_TORCH | {"num_steps": num_steps}, momentum=(0.85, 0.95)), ours, num_steps
    )

    with_theirs = played(OneCycleLR(theirs, 0.1, total_steps=num_steps), theirs, num_steps)
    assert with_ours == [pytest.approx(pair, rel=1e-12, abs=0) for pair in with_theirs]


@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize("anneal", ["cos", "linear"])
@pytest.mark.parametrize("pct_start", [0.1, 0.3, 0.45])
def test_so_do_other_phases_shares_divisors_and_ways(
    three_phase: bool, anneal: Any, pct_start: float
) -> None:
    ours, theirs, num_steps = an_optimizer(), an_optimizer(), 301
    schedule = AS_TORCH | {
        "num_steps": num_steps,
        "three_phase": three_phase,
        "anneal": anneal,
        "pct_start": pct_start,
        "base_lr": 0.1 / 8,
        "final_lr": 0.1 / 8 / 100,
    }

    with_ours = played(Scheduler(ours, schedule, momentum=(0.8, 0.9)), ours, num_steps)

    torchs = OneCycleLR(
        theirs,
        0.1,
        total_steps=num_steps,
        three_phase=three_phase,
        anneal_strategy=anneal,
        pct_start=pct_start,
        div_factor=8,
        final_div_factor=100,
        base_momentum=0.8,
        max_momentum=0.9,
    )
    with_theirs = played(torchs, theirs, num_steps)
    assert with_ours == [pytest.approx(pair, rel=1e-12, abs=0) for pair in with_theirs]


def test_after_its_end_the_rate_stays_where_torchs_goes_below_final_lr() -> None:
    schedule = parse_schedule(AS_TORCH | {"num_steps": 100, "anneal": "linear"})
    optimizer = an_optimizer()
    torchs = OneCycleLR(optimizer, 0.1, total_steps=100, anneal_strategy="linear")
    for _ in range(100):
        optimizer.step()
        torchs.step()

    assert schedule(100) == schedule(99) == pytest.approx(4e-7)
    assert optimizer.param_groups[0]["lr"] < 0


def test_a_stored_schedule_is_read_as_it_was() -> None:
    schedule = parse_schedule(AS_TORCH | {"num_steps": 97})

    assert parse_schedule(schedule.model_dump(mode="json")) == schedule


def test_without_the_preset_nothing_of_it_is_stored() -> None:
    schedule = parse_schedule({"policy": "one_cycle", "base_lr": 0.01, "max_lr": 0.1, "num_steps": 100})

    assert not {"preset", "pct_start"} & schedule.model_dump().keys()


def test_the_preset_needs_max_lr_alone() -> None:
    assert not lacks_rates(AS_TORCH)
    assert lacks_rates({"policy": "one_cycle", "preset": "torch"})
    completed = complete(
        {"policy": "one_cycle", "preset": "torch"}, base_lr=0.02, max_lr=0.1, step_size=20, num_steps=100
    )
    assert completed == parse_schedule(AS_TORCH | {"num_steps": 100})


def test_its_peak_lies_between_two_steps() -> None:
    schedule = parse_schedule(AS_TORCH | {"num_steps": 97})

    phases = [schedule.phase(step) or (0, 1.0) for step in (0, 28, 29, 96, 200)]
    assert [round(x, 3) for _, x in phases] == [1.0, 0.004, 0.013, 1.0, 1.0]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"pct_start": 0.005}, "must be between 0.01 and 1 for 100 num_steps"),
        ({"pct_start": 0.6, "three_phase": True}, "must be between 0.01 and 0.505 for 100 num_steps"),
        ({"step_size": 40}, "follows from pct_start: leave it out"),
        ({"preset": "fastai"}, "'torch'"),
        ({"max_lr": "much"}, "valid number"),
    ],
)
def test_what_is_wrong_is_told_once(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told) as refused:
        parse_schedule(AS_TORCH | {"num_steps": 100} | fields)

    assert [error["loc"][-1] for error in refused.value.errors() if told in error["msg"]] == [
        next(iter(fields))
    ]


def test_a_step_size_beside_a_wrong_budget_is_told_of_the_budget_alone() -> None:
    spec = {"policy": "one_cycle", "base_lr": 0.01, "max_lr": 0.1, "pct_start": 0.3, "step_size": 3}

    with pytest.raises(ValidationError, match="num_steps"):
        parse_schedule(spec | {"num_steps": 2})
