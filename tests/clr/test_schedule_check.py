"""What real loops of torch apply, right and with each mistake that people make, and what the check says of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, CyclicLR, LambdaLR, OneCycleLR

import clr_tuner as ct
from clr.applied_rates import AppliedRates
from clr.policies import parse_schedule
from tests.clr.test_policies import EVERY, name

TRIANGULAR = {"policy": "triangular", "base_lr": 0.001, "max_lr": 0.006, "step_size": 20}
PLAN = parse_schedule(TRIANGULAR)


def an_optimizer(*, lr: Any = 1.0, groups: int = 1, **options: Any) -> torch.optim.SGD:
    parameters = [{"params": [nn.Parameter(torch.ones(2))]} for _ in range(groups)]
    return torch.optim.SGD(parameters, lr=lr, **options)


def cyclic(optimizer: torch.optim.Optimizer) -> CyclicLR:
    return CyclicLR(optimizer, 0.001, 0.006, step_size_up=20, cycle_momentum=False)


Loop = Callable[[torch.optim.Optimizer, Any], None]


def checked(loop: Loop, *, first_step: int = 0, schedule: Any = TRIANGULAR) -> AppliedRates:
    """What is said of a loop with torch's CyclicLR."""
    optimizer = an_optimizer()
    scheduler = cyclic(optimizer)
    with ct.check_schedule(optimizer, schedule, first_step=first_step) as check:
        loop(optimizer, scheduler)
    return check.report()


def right(optimizer: torch.optim.Optimizer, scheduler: Any, num_steps: int = 100) -> None:
    for _ in range(num_steps):
        optimizer.step()
        scheduler.step()


def never(optimizer: torch.optim.Optimizer, scheduler: Any) -> None:
    for _ in range(50):
        optimizer.step()


def per_epoch(optimizer: torch.optim.Optimizer, scheduler: Any) -> None:
    for _ in range(5):
        for _ in range(16):
            optimizer.step()
        scheduler.step()


def twice(optimizer: torch.optim.Optimizer, scheduler: Any) -> None:
    for _ in range(50):
        optimizer.step()
        scheduler.step()
        scheduler.step()


def per_micro_batch(optimizer: torch.optim.Optimizer, scheduler: Any) -> None:
    for batch in range(200):
        if batch % 4 == 3:
            optimizer.step()
        scheduler.step()


def per_process(optimizer: torch.optim.Optimizer, scheduler: Any) -> None:
    """As accelerate's prepared scheduler does on 8 processes."""
    for _ in range(30):
        optimizer.step()
        for _ in range(8):
            scheduler.step()


def after_the_next_update(optimizer: torch.optim.Optimizer, scheduler: Any) -> None:
    """As ignite's LRScheduler on ITERATION_COMPLETED."""
    optimizer.step()
    right(optimizer, scheduler)


def before_the_update(optimizer: torch.optim.Optimizer, scheduler: Any) -> None:
    for _ in range(50):
        scheduler.step()
        optimizer.step()


def with_a_scaler_that_skips(optimizer: torch.optim.Optimizer, scheduler: Any) -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=1000)
    [weight] = optimizer.param_groups[0]["params"]
    for batch in range(60):
        weight.grad = torch.full((2,), float("inf") if batch in (7, 30, 31) else 0.0)
        scaler.scale(torch.zeros(()))
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()


def made_again_each_epoch(optimizer: torch.optim.Optimizer, scheduler: Any) -> None:
    for _ in range(4):
        right(optimizer, cyclic(optimizer), 15)


def forgetting_some(optimizer: torch.optim.Optimizer, scheduler: Any) -> None:
    for batch in range(60):
        optimizer.step()
        if batch % 10 != 9:
            scheduler.step()


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize(
    ("loop", "problem", "says", "step"),
    [
        (never, "not_stepped", "was not stepped: 50 updates at one rate", 1),
        (per_epoch, "per_epoch", "once per epoch of 16 updates", 1),
        (twice, "several_per_update", "stepped 2 times per update", 1),
        (per_micro_batch, "per_micro_batch", "once per micro-batch, 4 times per update", 0),
        (per_process, "several_per_update", "stepped 8 times per update", 1),
        (after_the_next_update, "first_rate_twice", "first rate is used twice", 1),
        (before_the_update, "ahead", "1 step ahead of the plan from the start", 0),
        (with_a_scaler_that_skips, "stepped_without_update", "3 steps of the schedule were passed over", 7),
        (made_again_each_epoch, "restarted", "starts again every 15 updates", 15),
        (forgetting_some, "missed", "was not stepped after 5 updates", 10),
    ],
)
def test_each_mistake_is_named_with_its_first_step(loop: Loop, problem: str, says: str, step: int) -> None:
    found = checked(loop)

    assert (found.ok, found.problem) == (False, problem), found
    assert says in found.message
    assert found.step == step
    assert found.planned_lr == pytest.approx(PLAN(step))


@pytest.mark.parametrize("spec", EVERY, ids=name)
@given(num_steps=st.integers(1, 300), first_step=st.integers(0, 300))
@settings(max_examples=10)
def test_no_policy_is_accused_that_is_played_as_planned(
    spec: dict[str, Any], num_steps: int, first_step: int
) -> None:
    """Through LambdaLR, which rounds; and as a tensor of 32 bits."""
    schedule = parse_schedule(spec)
    exact, single = an_optimizer(), an_optimizer(lr=torch.tensor(1.0))
    ours = ct.Scheduler(exact, spec)
    ours.load_state_dict({**ours.state_dict(), "step": first_step})
    factor = ct.as_lambda_lr(schedule)
    theirs = LambdaLR(single, lambda step: factor(step + first_step))
    checks = [ct.check_schedule(optimizer, spec, first_step=first_step) for optimizer in (exact, single)]

    right(exact, ours, num_steps)
    right(single, theirs, num_steps)

    assert [check.report().ok for check in checks] == [True, True], [str(check.report()) for check in checks]


def test_a_right_loop_is_ok() -> None:
    assert str(checked(right)) == "100 updates, all at the planned rate"


def resumed(state: dict[str, Any] | None) -> AppliedRates:
    """What is said of the updates from 30 on, by a scheduler that has this state or none."""
    optimizer = an_optimizer()
    scheduler = ct.Scheduler(optimizer, TRIANGULAR)
    if state is not None:
        scheduler.load_state_dict(state)
    with ct.check_schedule(optimizer, TRIANGULAR, first_step=30) as check:
        right(optimizer, scheduler, 25)
    return check.report()


def test_a_schedule_that_was_not_restored_is_told_from_one_that_was() -> None:
    optimizer = an_optimizer()
    scheduler = ct.Scheduler(optimizer, TRIANGULAR)
    right(optimizer, scheduler, 30)

    assert resumed(scheduler.state_dict()).ok
    lost = resumed(None)
    assert (lost.problem, lost.step, lost.applied_lr) == ("not_restored", 30, 0.001)
    assert "starts again at step 0, not at 30" in lost.message


@pytest.mark.parametrize(
    ("make", "spec"),
    [
        (lambda o: OneCycleLR(o, 0.1, total_steps=100), {"max_lr": 0.1, "num_steps": 100}),
        (
            lambda o: OneCycleLR(o, 0.1, 100, three_phase=True),
            {"max_lr": 0.1, "num_steps": 100, "three_phase": True},
        ),
    ],
)
def test_torchs_own_one_cycle_is_as_planned(make: Any, spec: dict[str, Any]) -> None:
    optimizer = an_optimizer(momentum=0.9)
    scheduler = make(optimizer)
    schedule = {"policy": "one_cycle", "preset": "torch", **spec}

    with ct.check_schedule(optimizer, schedule) as check:
        right(optimizer, scheduler, 99)

    assert check.report().ok


def test_a_share_of_the_rate_is_that_of_the_groups_lr_scale() -> None:
    optimizer = an_optimizer(groups=2)
    optimizer.param_groups[1]["lr_scale"] = 0.1
    scheduler = ct.Scheduler(optimizer, TRIANGULAR)
    check = ct.check_schedule(optimizer, TRIANGULAR)

    right(optimizer, scheduler, 50)

    assert check.report().ok
    del optimizer.param_groups[1]["lr_scale"]
    found = check.report()
    assert (found.problem, found.group) == ("scaled", 1)
    assert "0.1 times the planned one" in str(found)


def test_a_group_that_is_added_is_checked_from_there_on() -> None:
    optimizer = an_optimizer()
    scheduler = ct.Scheduler(optimizer, TRIANGULAR)
    check = ct.check_schedule(optimizer, TRIANGULAR)
    right(optimizer, scheduler, 10)
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))], "lr": PLAN(10)})

    right(optimizer, scheduler, 10)

    assert check.report().ok


def test_another_schedule_is_no_known_mistake() -> None:
    optimizer = an_optimizer(lr=0.006)
    scheduler = CosineAnnealingLR(optimizer, 50)

    with ct.check_schedule(optimizer, TRIANGULAR) as check:
        right(optimizer, scheduler, 40)

    found = check.report()
    assert (found.problem, found.step, found.planned_lr, found.applied_lr) == ("unknown", 0, 0.001, 0.006)


def test_an_update_that_a_fused_optimizer_skips_is_not_counted() -> None:
    optimizer = an_optimizer(fused=True)
    [weight] = optimizer.param_groups[0]["params"]
    scheduler, scaler = ct.Scheduler(optimizer, TRIANGULAR), torch.amp.GradScaler("cpu", init_scale=4.0)
    scheduler.follow()
    with ct.check_schedule(optimizer, TRIANGULAR) as check:
        for batch in range(20):
            weight.grad = torch.full((2,), float("inf") if batch in (0, 7) else 0.0)
            scaler.scale(torch.zeros(()))
            scaler.step(optimizer)
            scaler.update()

    assert (check.report().ok, check.report().num_updates) == (True, 18)


def test_an_optimizer_that_never_steps_is_told() -> None:
    with ct.check_schedule(an_optimizer(), TRIANGULAR) as check:
        pass

    assert check.report().problem == "no_updates"
    with pytest.raises(RuntimeError, match="no update was seen: give the optimizer whose step"):
        check.raise_for_departure()


def test_nothing_is_recorded_after_the_block() -> None:
    optimizer = an_optimizer()
    scheduler = ct.Scheduler(optimizer, TRIANGULAR)
    with ct.check_schedule(optimizer, TRIANGULAR) as check:
        right(optimizer, scheduler, 3)

    right(optimizer, scheduler, 3)

    assert check.report().num_updates == 3


@pytest.mark.parametrize(
    ("optimizer", "arguments", "says"),
    [
        (object(), {"schedule": TRIANGULAR}, "no hooks to record by"),
        (an_optimizer(), {"schedule": TRIANGULAR, "first_step": -1}, "first_step must be >= 0"),
        (an_optimizer(groups=2), {"schedule": [TRIANGULAR]}, "2 param groups need as many schedules, not 1"),
        (an_optimizer(), {"schedule": 0.1}, "a schedule is what parse_schedule answers"),
    ],
)
def test_what_cannot_be_checked_is_refused(optimizer: Any, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ct.check_schedule(optimizer, **arguments)


def test_planned_and_applied_rates_are_drawn(tmp_path: Path) -> None:
    optimizer = an_optimizer()
    with ct.check_schedule(optimizer, TRIANGULAR) as check:
        per_epoch(optimizer, cyclic(optimizer))

    check.plot(tmp_path / "rates.svg")

    drawn = (tmp_path / "rates.svg").read_text()
    assert [word in drawn for word in ("planned", "applied", "once per epoch of 16 updates")] == [True] * 3


def test_a_picture_of_another_kind_and_one_of_nothing_are_refused(tmp_path: Path) -> None:
    check = ct.check_schedule(an_optimizer(), TRIANGULAR)

    with pytest.raises(ValueError, match=r"rates\.gif must end in"):
        check.plot(tmp_path / "rates.gif")
    with pytest.raises(ValueError, match="nothing to draw: no update of param group 0 was seen"):
        check.plot(tmp_path / "rates.svg")
