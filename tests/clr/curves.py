"""Sweeps made by formula, for tests: what a range test could have measured, and what is read off them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from clr.analysis import read_bounds
from clr.bounds import Bounds, Inconclusive
from clr.sweep import HeldOut, Point, Sweep, SweepPlan

Curve = Callable[[float], float]  # lr -> value


def plan(**overrides: Any) -> SweepPlan:
    """A linear test sweep of 400 steps from 0.001 to 1, unless told otherwise."""
    return SweepPlan(**{"start_lr": 0.001, "end_lr": 1.0, "num_steps": 400, "sweep": 1} | overrides)


def measured(
    plan: SweepPlan, loss: Curve, accuracy: Curve | None = None, *, noise: float = 0.0, held_out: bool = True
) -> Sweep:
    """A sweep whose values follow the curves, with seeded Gaussian noise."""
    random = np.random.default_rng(plan.seed)
    sweep = Sweep(plan)
    for step in range(plan.num_steps):
        lr = plan.lr(step)
        sweep.add(Point(step, lr, loss(lr) + noise * random.standard_normal()))
        if held_out and plan.looks_after(step):
            jitter = noise * random.standard_normal()
            seen = None if accuracy is None else float(np.clip(accuracy(lr) + jitter / 3, 0, 1))
            sweep.add(HeldOut(step, lr, loss(lr) + jitter, seen))
    return sweep


def accuracy_with_edges(rises_at: float, falls_at: float) -> Curve:
    """0.1 below, 0.95 between, down to 0.1 beyond."""

    def at(lr: float) -> float:
        up = 1 / (1 + np.exp(-12 * np.log(lr / rises_at)))
        down = 1 / (1 + np.exp(12 * np.log(lr / falls_at)))
        return float(0.1 + 0.85 * up * down)

    return at


def loss_of(accuracy: Curve) -> Curve:
    """A loss that mirrors an accuracy: 2.3 where nothing is learned, 0.2 at best."""
    return lambda lr: 2.3 - 2.1 * (accuracy(lr) - 0.1) / 0.85


GOOD = accuracy_with_edges(rises_at=0.1, falls_at=0.6)


def seeds(loss: object, accuracy: object = None, *, num_seeds: int = 3, **options: float) -> list[Sweep]:
    """The test sweep of each seed."""
    return [
        measured(plan(seed=seed), loss, accuracy, **options)  # type: ignore[arg-type]
        for seed in range(num_seeds)
    ]


def quick(loss: object, *, start_lr: float = 1e-6, end_lr: float = 10.0) -> Sweep:
    """The one sweep of a quick test."""
    sweep = plan(sweep=0, phase="scout", shape="exponential", start_lr=start_lr, end_lr=end_lr, num_steps=200)
    return measured(sweep, loss)  # type: ignore[arg-type]


def bounds_of(sweeps: list[Sweep], **context: object) -> Bounds:
    """The bounds; fails where there are none."""
    answer = read_bounds(sweeps, **context)  # type: ignore[arg-type]
    assert isinstance(answer, Bounds), answer
    return answer


def doubt_of(sweeps: list[Sweep]) -> Inconclusive:
    """Why there are none; fails where there are some."""
    answer = read_bounds(sweeps)
    assert isinstance(answer, Inconclusive), answer
    return answer
