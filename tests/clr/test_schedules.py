"""Schedules against torch, and the properties that make a cycle."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR

from clr import schedules
from clr.schedules import exp_range, exponential, linear, one_cycle, period, phase, triangular, triangular2

GAMMA = 0.9995
TORCHS = {
    "triangular": triangular,
    "triangular2": triangular2,
    "exp_range": lambda step, **bounds: exp_range(step, gamma=GAMMA, **bounds),
}
WITHIN_BOUNDS = TORCHS | {"welch": schedules.welch, "hann": schedules.hann}
bounds = st.tuples(st.floats(1e-8, 1.0), st.floats(1.0, 1e4)).map(lambda pair: (pair[0], pair[0] * pair[1]))
step_sizes = st.integers(1, 5000)


def an_optimizer(lr: float = 1.0) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def agree(ours: Callable[[int], float], theirs: torch.optim.lr_scheduler.LRScheduler, num_steps: int) -> None:
    """Both give the same rate at every step."""
    for step in range(num_steps):
        assert ours(step) == pytest.approx(theirs.get_last_lr()[0], rel=1e-12, abs=1e-12), step
        theirs.optimizer.step()
        theirs.step()


@pytest.mark.parametrize("policy", TORCHS)
@pytest.mark.parametrize(
    ("base_lr", "max_lr", "step_size", "step_size_down"),
    [(0.001, 0.006, 2000, None), (1e-5, 1.0, 7, None), (0.1, 0.1, 50, None), (0.01, 0.3, 300, 77)],
)
def test_a_policy_equals_torchs_cyclic_lr_over_thousands_of_steps(
    policy: str, base_lr: float, max_lr: float, step_size: int, step_size_down: int | None
) -> None:
    theirs = CyclicLR(
        an_optimizer(),
        base_lr,
        max_lr,
        step_size_up=step_size,
        step_size_down=step_size_down,
        mode=policy,
        gamma=GAMMA,
        cycle_momentum=False,
    )
    cycle = {"base_lr": base_lr, "max_lr": max_lr, "step_size": step_size, "step_size_down": step_size_down}

    agree(lambda step: TORCHS[policy](step, **cycle), theirs, 9000)


@pytest.mark.parametrize("anneal", ["linear", "cos"])
@pytest.mark.parametrize("three_phase", [True, False])
@pytest.mark.parametrize(("num_steps", "pct_start"), [(1000, 0.25), (20, 0.3), (4000, 0.45)])
def test_one_cycle_equals_torch_where_torchs_peak_is_a_step(
    anneal: str, three_phase: bool, num_steps: int, pct_start: float
) -> None:
    theirs = OneCycleLR(
        an_optimizer(),
        max_lr=0.5,
        total_steps=num_steps,
        pct_start=pct_start,
        anneal_strategy=anneal,
        cycle_momentum=False,
        three_phase=three_phase,
    )
    ours = {
        "base_lr": 0.5 / 25,
        "max_lr": 0.5,
        "final_lr": 0.5 / 25 / 1e4,
        "num_steps": num_steps,
        "step_size": round(pct_start * num_steps) - 1,
        "three_phase": three_phase,
        "anneal": anneal,
    }

    agree(lambda step: one_cycle(step, **ours), theirs, num_steps - 1)


@pytest.mark.parametrize("t_mult", [1, 2, 3])
def test_sgdr_equals_torchs_warm_restarts(t_mult: int) -> None:
    theirs = CosineAnnealingWarmRestarts(an_optimizer(0.3), T_0=10, T_mult=t_mult, eta_min=0.01)

    agree(lambda step: schedules.sgdr(step, base_lr=0.01, max_lr=0.3, t_0=10, t_mult=t_mult), theirs, 2000)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (
            lambda step: schedules.step_decay(step, lr=0.3, gamma=0.5, drop_every=30),
            lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 30, gamma=0.5),
        ),
        (
            lambda step: schedules.multistep_decay(step, lr=0.3, gamma=0.1, milestones=(60, 65)),
            lambda optimizer: torch.optim.lr_scheduler.MultiStepLR(optimizer, [60, 65], gamma=0.1),
        ),
        (
            lambda step: schedules.exponential_decay(step, lr=0.3, gamma=0.99),
            lambda optimizer: torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.99),
        ),
    ],
    ids=["step_decay", "multistep_decay", "exponential_decay"],
)
def test_a_baseline_equals_torchs(
    ours: Callable[[int], float],
    theirs: Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler],
) -> None:
    agree(ours, theirs(an_optimizer(0.3)), 200)


@given(bounds=bounds, step_size=step_sizes, down=step_sizes, step=st.integers(0, 10**9))
def test_every_cyclical_policy_stays_within_its_bounds(
    bounds: tuple[float, float], step_size: int, down: int, step: int
) -> None:
    base_lr, max_lr = bounds
    for policy in WITHIN_BOUNDS.values():
        lr = policy(step, base_lr=base_lr, max_lr=max_lr, step_size=step_size, step_size_down=down)
        assert base_lr <= lr <= max_lr


@given(bounds=bounds, step_size=step_sizes, step=st.integers(0, 10**6), cycles=st.integers(0, 1000))
def test_a_cycle_of_constant_height_repeats_exactly(
    bounds: tuple[float, float], step_size: int, step: int, cycles: int
) -> None:
    cycle = {"base_lr": bounds[0], "max_lr": bounds[1], "step_size": step_size}

    for policy in (triangular, schedules.welch, schedules.hann):
        assert policy(step + 2 * step_size * cycles, **cycle) == policy(step, **cycle)


@given(bounds=bounds, step_size=step_sizes, cycles=st.integers(0, 2000))
def test_whole_cycles_end_at_base_lr(bounds: tuple[float, float], step_size: int, cycles: int) -> None:
    for policy in WITHIN_BOUNDS.values():
        end = policy(2 * step_size * cycles, base_lr=bounds[0], max_lr=bounds[1], step_size=step_size)
        assert end == bounds[0]


@given(bounds=bounds, step_size=step_sizes, cycle=st.integers(0, 1000))
def test_a_cycle_peaks_at_step_size(bounds: tuple[float, float], step_size: int, cycle: int) -> None:
    peak = {"base_lr": bounds[0], "max_lr": bounds[1], "step_size": step_size}

    for policy in (triangular, schedules.welch, schedules.hann):
        assert policy((2 * cycle + 1) * step_size, **peak) == pytest.approx(bounds[1], rel=1e-12)


@given(bounds=bounds, step_size=step_sizes, cycle=st.integers(0, 40))
def test_each_peak_of_triangular2_is_half_as_high(
    bounds: tuple[float, float], step_size: int, cycle: int
) -> None:
    base_lr, max_lr = bounds
    peak = triangular2((2 * cycle + 1) * step_size, base_lr=base_lr, max_lr=max_lr, step_size=step_size)

    assert peak == pytest.approx(base_lr + (max_lr - base_lr) / 2**cycle, rel=1e-12)


def test_the_two_meanings_of_exp_range_are_the_two_bands_of_the_paper_and_the_libraries() -> None:
    band = {"base_lr": 0.001, "max_lr": 0.006, "step_size": 2000, "gamma": 0.99994}

    low, high = (schedules.exp_range_paper(step, **band) for step in (40_000, 42_000))
    low_lib, high_lib = (exp_range(step, **band) for step in (40_000, 42_000))

    assert (low, high) == pytest.approx((9.1e-5, 4.8e-4), rel=0.01)
    assert (low_lib, high_lib) == pytest.approx((1e-3, 1.4e-3), rel=0.01)


@given(step=st.integers(0, 10**6), step_size=step_sizes)
def test_cycle_and_x_are_those_of_the_papers_lines(step: int, step_size: int) -> None:
    cycle, x = phase(step, step_size=step_size)

    assert cycle == math.floor(1 + step / (2 * step_size))
    assert x == pytest.approx(abs(step / step_size - 2 * cycle + 1), abs=1e-9)


@given(t_0=st.integers(1, 1000), t_mult=st.integers(2, 5), periods=st.integers(0, 20))
def test_a_period_of_sgdr_begins_right_where_the_one_before_ends(t_0: int, t_mult: int, periods: int) -> None:
    start = sum(t_0 * t_mult**done for done in range(periods))

    assert period(start, t_0=t_0, t_mult=t_mult) == (periods + 1, 0.0)
    assert start == 0 or period(start - 1, t_0=t_0, t_mult=t_mult)[0] == periods


def test_the_control_falls_once_and_stays() -> None:
    lrs = [
        schedules.decay(step, base_lr=0.001, max_lr=0.007, step_size=4000) for step in (0, 2000, 4000, 9000)
    ]

    assert lrs == pytest.approx([0.007, 0.004, 0.001, 0.001])


@given(
    step_size=st.integers(1, 500),
    rest=st.integers(2, 500),
    step=st.integers(0, 5000),
    three_phase=st.booleans(),
)
def test_one_cycle_peaks_at_step_size_and_stays_at_final_lr_after_its_end(
    step_size: int, rest: int, step: int, three_phase: bool
) -> None:
    num_steps = 2 * step_size + rest
    cycle = {"base_lr": 0.01, "max_lr": 0.1, "final_lr": 1e-6, "num_steps": num_steps, "step_size": step_size}

    def lr(at: int) -> float:
        return one_cycle(at, three_phase=three_phase, **cycle)

    assert lr(step_size) == pytest.approx(0.1)
    assert lr(num_steps - 1 + step) == pytest.approx(1e-6)
    assert 1e-6 * (1 - 1e-9) <= lr(step) <= 0.1 * (1 + 1e-9)


def test_time_decay_halves_the_rate_after_one_over_its_rate() -> None:
    assert schedules.time_decay(1000, lr=0.1, rate=0.001) == pytest.approx(0.05)


def test_a_policy_answers_at_any_step_without_overflow() -> None:
    far = 10**12

    assert triangular2(far + 1, base_lr=0.1, max_lr=1.0, step_size=1) == 0.1
    assert 0 <= schedules.sgdr(far, base_lr=0, max_lr=1.0, t_0=1, t_mult=2) <= 1
    assert schedules.exponential_decay(far, lr=1.0, gamma=0.5) == 0


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


CYCLE = {"base_lr": 0, "max_lr": 1, "final_lr": 0, "num_steps": 9, "step_size": 2}


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: triangular(-1, base_lr=0, max_lr=1, step_size=1), "step"),
        (lambda: triangular(0, base_lr=0, max_lr=1, step_size=0), "step_size"),
        (lambda: triangular(0, base_lr=0, max_lr=1, step_size=1, step_size_down=0), "step_size_down"),
        (lambda: triangular2(0, base_lr=2, max_lr=1, step_size=1), "base_lr"),
        (lambda: triangular(0, base_lr=math.nan, max_lr=1, step_size=1), "base_lr"),
        (lambda: exp_range(0, base_lr=0, max_lr=1, step_size=1, gamma=1.1), "gamma"),
        (lambda: one_cycle(0, **CYCLE | {"step_size": 4}), "num_steps"),
        (lambda: one_cycle(0, **CYCLE | {"step_size": 8, "three_phase": False}), "num_steps"),
        (lambda: one_cycle(0, **CYCLE | {"final_lr": 0.5}), "final_lr"),
        (lambda: schedules.sgdr(0, base_lr=0, max_lr=1, t_0=0), "t_0"),
        (lambda: schedules.step_decay(0, lr=1, gamma=0.1, drop_every=0), "drop_every"),
        (lambda: schedules.time_decay(0, lr=1, rate=-1), "rate"),
        (lambda: schedules.fixed(-1, lr=1), "step"),
        (lambda: linear(0, start_lr=1, end_lr=1, num_steps=9), "start_lr"),
        (lambda: linear(9, start_lr=0, end_lr=1, num_steps=9), "step"),
        (lambda: linear(0, start_lr=0, end_lr=1, num_steps=1), "2 steps"),
        (lambda: exponential(0, start_lr=0, end_lr=1, num_steps=9), "start_lr > 0"),
    ],
)
def test_a_bad_argument_is_named(call: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()  # type: ignore[operator]
