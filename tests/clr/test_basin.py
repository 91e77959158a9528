"""The middle of low loss in an exponential sweep."""

import math
from dataclasses import replace
from statistics import stdev

import pytest

from clr.basin import find_basin_lr, find_break_lr
from clr.reading import Reading
from clr.sweep import Point, Sweep
from tests.clr.curves import accuracy_with_edges, loss_of, measured, plan

VALLEY = accuracy_with_edges(rises_at=0.001, falls_at=0.1)
SCOUT = plan(sweep=0, phase="scout", shape="exponential", start_lr=1e-6, end_lr=10.0, num_steps=200)


def basin_lr(sweep: Sweep, *, momentum: float = 0.0) -> float | None:
    return find_basin_lr(Reading(sweep), momentum=momentum)


def test_it_lies_in_the_middle_of_a_symmetric_valley() -> None:
    assert basin_lr(measured(SCOUT, loss_of(VALLEY), VALLEY)) == pytest.approx(0.01, rel=0.1)


def test_it_depends_on_noise_less_than_the_lowest_loss_does() -> None:
    sweeps = [measured(plan(**_exponential(seed)), loss_of(VALLEY), VALLEY, noise=0.1) for seed in range(10)]
    lowest = [min(sweep.points, key=lambda point: point.loss).lr for sweep in sweeps]

    found = [lr for sweep in sweeps if (lr := basin_lr(sweep)) is not None]

    assert len(found) == len(sweeps)
    assert stdev(map(math.log10, found)) < stdev(map(math.log10, lowest)) / 3


def test_momentum_0_9_reads_it_nine_steps_earlier() -> None:
    sweep = measured(SCOUT, loss_of(VALLEY), VALLEY)
    without, delayed = basin_lr(sweep), basin_lr(sweep, momentum=0.9)

    assert without is not None
    assert delayed is not None
    assert math.log10(without / delayed) == pytest.approx(9 * 7 / 199, rel=1e-6)


@pytest.mark.parametrize(("momentum", "num_steps"), [(0.99, 200), (1.5, 200), (0.9, 30)])
def test_the_delay_is_half_a_decade_at_most(momentum: float, num_steps: int) -> None:
    sweep = measured(replace(SCOUT, num_steps=num_steps), loss_of(VALLEY), VALLEY)
    without, delayed = basin_lr(sweep), basin_lr(sweep, momentum=momentum)

    assert without is not None
    assert delayed is not None
    assert math.log10(without / delayed) == pytest.approx(0.5, rel=1e-6)


def test_a_loss_that_never_fell_has_its_basin_at_the_lowest_rate() -> None:
    sweep = measured(SCOUT, lambda lr: 2.3 + lr, VALLEY)

    assert basin_lr(sweep) == pytest.approx(1e-6, rel=2.0)


def test_a_sweep_that_learned_nothing_has_none() -> None:
    assert basin_lr(measured(SCOUT, lambda lr: 2.3, lambda lr: 0.1, noise=0.05)) is None


def test_what_comes_after_a_loss_that_is_not_finite_does_not_count() -> None:
    whole = measured(SCOUT, loss_of(VALLEY), VALLEY)
    points = [point if point.lr < 1 else Point(point.step, point.lr, math.nan) for point in whole.points]

    assert basin_lr(Sweep(SCOUT, points, whole.held_out)) == pytest.approx(basin_lr(whole), rel=0.05)


def _exponential(seed: int) -> dict[str, object]:
    return {
        "sweep": 0,
        "phase": "scout",
        "shape": "exponential",
        "start_lr": 1e-6,
        "end_lr": 10.0,
        "num_steps": 200,
        "seed": seed,
    }


def test_where_nothing_was_learned_nothing_is_lost() -> None:
    flat = [measured(replace(SCOUT, seed=seed), lambda lr: 2.3, noise=0.05) for seed in range(6)]

    assert [find_break_lr(Reading(sweep)) for sweep in flat] == [None] * 6
