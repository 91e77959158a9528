"""The scheduler on real optimizers, without the traps of torch's own (each named where ours does not have it)."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, StepLR

from clr.policies import Schedule, parse_schedule
from clr.scheduler import Scheduler, as_lambda_lr

TRIANGULAR = parse_schedule({"policy": "triangular", "base_lr": 0.001, "max_lr": 0.006, "step_size": 4})


def an_optimizer(
    name: str = "SGD", *, lr: float = 0.5, groups: int = 1, **options: Any
) -> torch.optim.Optimizer:
    parameters = [{"params": [nn.Parameter(torch.ones(2))]} for _ in range(groups)]
    optimizer: torch.optim.Optimizer = getattr(torch.optim, name)(parameters, lr=lr, **options)
    return optimizer


def lrs(optimizer: torch.optim.Optimizer) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]


def played(optimizer: torch.optim.Optimizer, scheduler: Scheduler, num_steps: int) -> list[float]:
    """The rate that each of the next updates uses."""
    used = []
    for _ in range(num_steps):
        used += lrs(optimizer)[:1]
        optimizer.step()
        scheduler.step()
    return used


def test_update_t_uses_the_schedules_rate_of_t() -> None:
    optimizer = an_optimizer()

    assert played(optimizer, Scheduler(optimizer, TRIANGULAR), 20) == [TRIANGULAR(step) for step in range(20)]


def test_the_first_rate_is_not_that_of_an_earlier_scheduler() -> None:
    """torch's CyclicLR starts with the `initial_lr` that another scheduler left."""
    optimizer = an_optimizer()
    StepLR(optimizer, 10)

    Scheduler(optimizer, TRIANGULAR)

    assert lrs(optimizer) == [0.001]


def test_a_state_dict_may_be_loaded_twice_and_is_left_as_it_is() -> None:
    """torch's CyclicLR takes a key out of it."""
    optimizer = an_optimizer()
    scheduler = Scheduler(optimizer, TRIANGULAR)
    played(optimizer, scheduler, 6)
    state = scheduler.state_dict()
    before = json.dumps(state)

    for _ in range(2):
        scheduler.load_state_dict(state)

    assert json.dumps(state) == before
    assert lrs(optimizer) == [TRIANGULAR(6)]


def test_a_resumed_run_goes_on_with_its_own_schedule_whatever_the_new_one_was_made_with() -> None:
    """torch's CyclicLR saves a custom shape as None."""
    optimizer = an_optimizer()
    scheduler = Scheduler(optimizer, TRIANGULAR)
    played(optimizer, scheduler, 6)
    saved = json.loads(json.dumps(scheduler.state_dict()))

    resumed = an_optimizer()
    other = Scheduler(resumed, parse_schedule({"policy": "fixed", "lr": 9.0}))
    other.load_state_dict(saved)

    assert played(resumed, other, 10) == [TRIANGULAR(step) for step in range(6, 16)]


@pytest.mark.parametrize("scheduler_first", [True, False])
def test_scheduler_and_optimizer_are_restored_in_any_order(scheduler_first: bool) -> None:
    """Building a scheduler of torch's overwrites the rate that the optimizer's state brought."""
    optimizer = an_optimizer()
    scheduler = Scheduler(optimizer, TRIANGULAR)
    played(optimizer, scheduler, 3)
    saved = (scheduler.state_dict(), optimizer.state_dict())

    fresh = an_optimizer()
    if not scheduler_first:
        fresh.load_state_dict(saved[1])
    resumed = Scheduler(fresh, TRIANGULAR)
    resumed.load_state_dict(saved[0])
    if scheduler_first:
        fresh.load_state_dict(saved[1])

    assert lrs(fresh) == [TRIANGULAR(3)]


def test_a_pickled_scheduler_goes_on_with_its_own_optimizer() -> None:
    optimizer = an_optimizer()
    scheduler = Scheduler(optimizer, TRIANGULAR)
    played(optimizer, scheduler, 3)

    copied_optimizer, copied = pickle.loads(pickle.dumps((optimizer, scheduler)))

    assert played(copied_optimizer, copied, 3) == [TRIANGULAR(step) for step in (3, 4, 5)]
    assert lrs(optimizer) == [TRIANGULAR(3)]


def test_the_momentum_is_left_alone_unless_asked_for() -> None:
    """torch's CyclicLR sets it to 0.9 at once."""
    optimizer = an_optimizer(momentum=0.95)

    played(optimizer, Scheduler(optimizer, TRIANGULAR), 5)

    assert optimizer.param_groups[0]["momentum"] == 0.95


@pytest.mark.parametrize(
    ("name", "options", "read"),
    [
        ("SGD", {"momentum": 0.9}, lambda group: group["momentum"]),
        ("RMSprop", {"momentum": 0.9}, lambda group: group["momentum"]),
        ("AdamW", {}, lambda group: group["betas"][0]),
    ],
)
def test_momentum_is_cycled_opposite_to_lr(name: str, options: dict[str, Any], read: Any) -> None:
    optimizer = an_optimizer(name, **options)
    scheduler = Scheduler(optimizer, TRIANGULAR, momentum=(0.85, 0.95))

    seen = []
    for _ in range(9):
        seen.append(read(optimizer.param_groups[0]))
        optimizer.step()
        scheduler.step()

    assert [seen[step] for step in (0, 2, 4, 6, 8)] == pytest.approx([0.95, 0.9, 0.85, 0.9, 0.95])


def test_the_second_beta_is_not_touched() -> None:
    optimizer = an_optimizer("Adam", betas=(0.9, 0.98))

    Scheduler(optimizer, TRIANGULAR, momentum=(0.85, 0.95))

    assert optimizer.param_groups[0]["betas"][1] == 0.98


def test_a_groups_lr_scale_multiplies_the_rate() -> None:
    optimizer = an_optimizer(groups=2)
    optimizer.param_groups[1]["lr_scale"] = 2.0

    played(optimizer, Scheduler(optimizer, TRIANGULAR), 3)

    assert lrs(optimizer) == [TRIANGULAR(3), 2 * TRIANGULAR(3)]


def test_each_group_may_have_a_schedule_of_its_own() -> None:
    fixed = parse_schedule({"policy": "fixed", "lr": 0.2})
    optimizer = an_optimizer(groups=2)

    played(optimizer, Scheduler(optimizer, [TRIANGULAR, fixed]), 3)

    assert lrs(optimizer) == [TRIANGULAR(3), 0.2]


def test_followed_it_moves_once_per_update_however_many_micro_batches_are_accumulated() -> None:
    optimizer = an_optimizer()
    Scheduler(optimizer, TRIANGULAR).follow()

    for micro_batch in range(12):
        (optimizer.param_groups[0]["params"][0] ** 2).sum().backward()
        if micro_batch % 4 == 3:
            optimizer.step()
            optimizer.zero_grad()

    assert lrs(optimizer) == [TRIANGULAR(3)]


def test_followed_it_does_not_move_when_a_grad_scaler_skips_the_update() -> None:
    optimizer = an_optimizer()
    Scheduler(optimizer, TRIANGULAR).follow()
    scaler = torch.amp.GradScaler("cpu")

    for gradient in (1.0, float("inf"), 1.0):
        scaler.scale(gradient * optimizer.param_groups[0]["params"][0].sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()

    assert lrs(optimizer) == [TRIANGULAR(2)]


def test_followed_no_more_it_stays() -> None:
    optimizer = an_optimizer()
    Scheduler(optimizer, TRIANGULAR).follow().remove()

    optimizer.step()

    assert lrs(optimizer) == [TRIANGULAR(0)]


@pytest.mark.parametrize(("num_steps", "step_size"), [(10, 1), (4, 1), (7, 2)])
def test_a_short_one_cycle_has_its_peak_and_never_a_negative_rate(num_steps: int, step_size: int) -> None:
    """torch's OneCycleLR divides by zero, misses its peak, or goes below zero one step after its end."""
    spec = {
        "policy": "one_cycle",
        "base_lr": 0.01,
        "max_lr": 0.1,
        "num_steps": num_steps,
        "step_size": step_size,
    }
    optimizer = an_optimizer()

    used = played(optimizer, Scheduler(optimizer, parse_schedule(spec)), num_steps + 3)

    assert max(used) == 0.1
    assert used[num_steps - 1 :] == pytest.approx([1e-6] * 4)


@pytest.mark.parametrize("initial_lr", [1.0, 0.05])
def test_torchs_lambda_lr_plays_any_schedule(initial_lr: float) -> None:
    optimizer = an_optimizer(lr=initial_lr)
    theirs = LambdaLR(optimizer, as_lambda_lr(TRIANGULAR, initial_lr=initial_lr))

    used = []
    for _ in range(12):
        used += lrs(optimizer)
        optimizer.step()
        theirs.step()

    assert used == pytest.approx([TRIANGULAR(step) for step in range(12)], rel=1e-12)


def test_a_lambda_lr_restored_from_its_state_keeps_our_schedule() -> None:
    """A plain lambda is dropped from LambdaLR's state."""
    first, second = an_optimizer(lr=1.0), an_optimizer(lr=1.0)
    saved = LambdaLR(first, as_lambda_lr(TRIANGULAR)).state_dict()
    resumed = LambdaLR(second, as_lambda_lr(parse_schedule({"policy": "fixed", "lr": 9.0})))

    resumed.load_state_dict(pickle.loads(pickle.dumps(saved)))
    second.step()
    resumed.step()

    assert lrs(second) == pytest.approx([TRIANGULAR(1)])


@pytest.mark.parametrize(
    ("groups", "schedule", "options", "momentum", "says"),
    [
        (2, [TRIANGULAR], {}, None, "as many schedules"),
        (1, TRIANGULAR, {}, (0.8, 0.9), "no momentum"),
        (1, TRIANGULAR, {"momentum": 0.9}, (0.9, 0.8), "lowest <= highest"),
        (1, parse_schedule({"policy": "fixed", "lr": 1.0}), {"momentum": 0.9}, (0.8, 0.9), "no bounds"),
    ],
)
def test_what_does_not_fit_is_refused(
    groups: int,
    schedule: Schedule | list[Schedule],
    options: dict[str, float],
    momentum: tuple[float, float] | None,
    says: str,
) -> None:
    with pytest.raises(ValueError, match=says):
        Scheduler(an_optimizer(groups=groups, **options), schedule, momentum=momentum)


def test_an_initial_lr_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="initial_lr"):
        as_lambda_lr(TRIANGULAR, initial_lr=0.0)


def test_followed_it_does_not_move_when_a_fused_kernel_skips_the_update() -> None:
    optimizer = an_optimizer("Adam", fused=True)
    Scheduler(optimizer, TRIANGULAR).follow()
    scaler = torch.amp.GradScaler("cpu")

    for gradient in (float("inf"), 1.0):
        scaler.scale(gradient * optimizer.param_groups[0]["params"][0].sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()

    assert lrs(optimizer) == [TRIANGULAR(1)]


def test_a_tensor_rate_is_filled_and_stays_the_same_tensor() -> None:
    lr = torch.tensor(0.5)
    optimizer = an_optimizer("Adam", lr=lr, fused=True)

    Scheduler(optimizer, TRIANGULAR, momentum=(0.85, 0.95))

    assert optimizer.param_groups[0]["lr"] is lr
    assert lr.item() == pytest.approx(0.001)


def test_the_state_of_a_lambda_lr_may_be_loaded_as_weights_only(tmp_path: Path) -> None:
    saved = LambdaLR(an_optimizer(lr=1.0), as_lambda_lr(TRIANGULAR)).state_dict()
    torch.save(saved, tmp_path / "state.pt")

    resumed = LambdaLR(an_optimizer(lr=1.0), as_lambda_lr(parse_schedule({"policy": "fixed", "lr": 9.0})))
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))

    assert resumed.lr_lambdas[0](3) == TRIANGULAR(3)


def test_a_state_that_does_not_fit_is_refused_and_changes_nothing() -> None:
    two = an_optimizer(groups=2)
    other = Scheduler(two, TRIANGULAR)
    played(two, other, 3)
    optimizer = an_optimizer()
    scheduler = Scheduler(optimizer, TRIANGULAR)

    with pytest.raises(ValueError, match="as many schedules"):
        scheduler.load_state_dict(other.state_dict())

    assert lrs(optimizer) == [TRIANGULAR(0)]
    assert scheduler.state_dict()["step"] == 0


SPEC = TRIANGULAR.model_dump(mode="json")


def test_a_dict_is_read_as_a_schedule() -> None:
    optimizer = an_optimizer(groups=2)

    played(optimizer, Scheduler(optimizer, [SPEC, TRIANGULAR]), 3)

    assert lrs(optimizer) == [TRIANGULAR(3)] * 2
    assert played(an_optimizer(), Scheduler(optimizer, SPEC), 1) == [0.5]
    assert as_lambda_lr(SPEC)(3) == TRIANGULAR(3)


@pytest.mark.parametrize("schedule", ["triangular", 0.1, None, [SPEC, 0.1]])
def test_what_is_no_schedule_is_refused(schedule: Any) -> None:
    with pytest.raises(ValueError, match="what parse_schedule answers, or the dict that it takes"):
        Scheduler(an_optimizer(groups=2), schedule)


def test_a_dict_that_is_no_schedule_is_refused_naming_the_parameter() -> None:
    with pytest.raises(ValueError, match="step_size"):
        Scheduler(an_optimizer(), {"policy": "triangular", "base_lr": 0.1, "max_lr": 1.0})


def test_an_optimizer_given_second_is_told() -> None:
    with pytest.raises(ValueError, match="the optimizer comes first"):
        Scheduler(TRIANGULAR, an_optimizer())  # type: ignore[arg-type]


def add_group(optimizer: torch.optim.Optimizer, **options: Any) -> None:
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))]} | options)


def test_a_group_added_later_follows_the_one_schedule_for_all() -> None:
    optimizer = an_optimizer()
    scheduler = Scheduler(optimizer, TRIANGULAR)
    played(optimizer, scheduler, 5)

    add_group(optimizer, lr_scale=2.0)
    scheduler.step()

    assert lrs(optimizer) == [TRIANGULAR(6), 2 * TRIANGULAR(6)]


def test_a_group_added_later_needs_a_schedule_where_each_has_its_own() -> None:
    optimizer = an_optimizer()
    scheduler = Scheduler(optimizer, [TRIANGULAR])
    add_group(optimizer)

    with pytest.raises(ValueError, match="2 param groups need as many schedules, not 1"):
        scheduler.step()

    assert scheduler.state_dict()["step"] == 0


def test_a_resumed_scheduler_still_is_for_all() -> None:
    optimizer, resumed = an_optimizer(), an_optimizer()
    saved = json.loads(json.dumps(Scheduler(optimizer, TRIANGULAR).state_dict()))
    scheduler = Scheduler(resumed, [TRIANGULAR])
    scheduler.load_state_dict(saved)
    add_group(resumed)

    scheduler.step()

    assert lrs(resumed) == [TRIANGULAR(1)] * 2


def test_a_state_from_before_it_told_whether_it_is_for_all_may_be_loaded() -> None:
    optimizer = an_optimizer()
    scheduler = Scheduler(optimizer, TRIANGULAR)
    old = scheduler.state_dict() | {"step": 3}
    del old["for_all"]

    scheduler.load_state_dict(old)

    assert lrs(optimizer) == [TRIANGULAR(3)]


def test_an_optimizer_without_hooks_cannot_be_followed() -> None:
    class Bare:
        param_groups = [{"params": [], "lr": 0.1}]  # noqa: RUF012

    with pytest.raises(ValueError, match="call `step` after each"):
        Scheduler(Bare(), TRIANGULAR).follow()


def test_an_optimizer_whose_groups_are_copies_is_refused() -> None:
    class AsFastai:
        @property
        def param_groups(self) -> list[dict[str, Any]]:
            return [{"params": [], "lr": 0.1}]

    with pytest.raises(ValueError, match=r"this AsFastai is lost.*SchedulerCallback"):
        Scheduler(AsFastai(), TRIANGULAR)  # type: ignore[arg-type]
