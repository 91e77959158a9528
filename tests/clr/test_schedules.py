"""Schedules against torch, and the properties that make a cycle."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import CyclicLR

from clr.schedules import exp_range, exponential, linear, triangular, triangular2

GAMMA = 0.9995
OURS = {
    "triangular": triangular,
    "triangular2": triangular2,
    "exp_range": lambda step, **bounds: exp_range(step, gamma=GAMMA, **bounds),
}
bounds = st.tuples(st.floats(1e-8, 1.0), st.floats(1.0, 1e4)).map(lambda pair: (pair[0], pair[0] * pair[1]))
step_sizes = st.integers(1, 5000)


@pytest.mark.parametrize("policy", OURS)
@pytest.mark.parametrize(
    ("base_lr", "max_lr", "step_size"), [(0.001, 0.006, 2000), (1e-5, 1.0, 7), (0.1, 0.1, 50)]
)
def test_a_policy_equals_torch_over_thousands_of_steps(
    policy: str, base_lr: float, max_lr: float, step_size: int
) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base_lr)
    theirs = CyclicLR(
        optimizer, base_lr, max_lr, step_size_up=step_size, mode=policy, gamma=GAMMA, cycle_momentum=False
    )

    for step in range(9000):
        ours = OURS[policy](step, base_lr=base_lr, max_lr=max_lr, step_size=step_size)
        assert ours == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12, abs=1e-12)
        optimizer.step()
        theirs.step()


@given(bounds=bounds, step_size=step_sizes, step=st.integers(0, 10**9))
def test_every_policy_stays_within_its_bounds(bounds: tuple[float, float], step_size: int, step: int) -> None:
    base_lr, max_lr = bounds
    for policy in OURS.values():
        lr = policy(step, base_lr=base_lr, max_lr=max_lr, step_size=step_size)
        assert base_lr <= lr <= max_lr * (1 + 1e-15)


@given(bounds=bounds, step_size=step_sizes, step=st.integers(0, 10**6), cycles=st.integers(0, 1000))
def test_triangular_repeats_exactly_after_each_cycle(
    bounds: tuple[float, float], step_size: int, step: int, cycles: int
) -> None:
    cycle = {"base_lr": bounds[0], "max_lr": bounds[1], "step_size": step_size}

    assert triangular(step + 2 * step_size * cycles, **cycle) == triangular(step, **cycle)


@given(bounds=bounds, step_size=step_sizes, cycles=st.integers(0, 2000))
def test_whole_cycles_end_at_base_lr(bounds: tuple[float, float], step_size: int, cycles: int) -> None:
    for policy in OURS.values():
        end = policy(2 * step_size * cycles, base_lr=bounds[0], max_lr=bounds[1], step_size=step_size)
        assert end == bounds[0]


@given(bounds=bounds, step_size=step_sizes, cycle=st.integers(0, 40))
def test_each_peak_of_triangular2_is_half_as_high(
    bounds: tuple[float, float], step_size: int, cycle: int
) -> None:
    base_lr, max_lr = bounds
    peak = triangular2((2 * cycle + 1) * step_size, base_lr=base_lr, max_lr=max_lr, step_size=step_size)

    assert peak == pytest.approx(base_lr + (max_lr - base_lr) / 2**cycle, rel=1e-12)


def test_a_policy_answers_at_any_step_without_overflow() -> None:
    assert triangular2(10**12 + 1, base_lr=0.1, max_lr=1.0, step_size=1) == 0.1


@pytest.mark.parametrize("sweep", [linear, exponential])
def test_a_sweep_rises_from_start_lr_to_end_lr(sweep: type) -> None:
    lrs = [sweep(step, start_lr=1e-6, end_lr=10.0, num_steps=50) for step in range(50)]

    assert lrs == sorted(lrs)
    assert lrs[0] == 1e-6
    assert lrs[-1] == pytest.approx(10.0, rel=1e-12)


def test_an_exponential_sweep_has_equal_ratios_and_a_linear_one_equal_differences() -> None:
    ends = {"start_lr": 1e-4, "end_lr": 1.0, "num_steps": 5}

    assert [exponential(step, **ends) for step in range(5)] == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    assert linear(2, **ends) == pytest.approx((1e-4 + 1.0) / 2)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: triangular(-1, base_lr=0, max_lr=1, step_size=1), "step"),
        (lambda: triangular(0, base_lr=0, max_lr=1, step_size=0), "step_size"),
        (lambda: triangular2(0, base_lr=2, max_lr=1, step_size=1), "base_lr"),
        (lambda: triangular(0, base_lr=math.nan, max_lr=1, step_size=1), "base_lr"),
        (lambda: exp_range(0, base_lr=0, max_lr=1, step_size=1, gamma=1.1), "gamma"),
        (lambda: linear(0, start_lr=1, end_lr=1, num_steps=9), "start_lr"),
        (lambda: linear(9, start_lr=0, end_lr=1, num_steps=9), "step"),
        (lambda: linear(0, start_lr=0, end_lr=1, num_steps=1), "2 steps"),
        (lambda: exponential(0, start_lr=0, end_lr=1, num_steps=9), "start_lr > 0"),
    ],
)
def test_a_bad_argument_is_named(call: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()  # type: ignore[operator]
