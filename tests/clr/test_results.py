"""Curves that somebody else measured, read as a sweep of ours: as the packages' own documents have them."""

import json
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import clr_tuner as ct
from tests.clr.curves import accuracy_with_edges, loss_of

GOOD = accuracy_with_edges(rises_at=0.1, falls_at=0.6)
RATES = np.geomspace(1e-4, 10, 200).tolist()
LOSSES = [loss_of(GOOD)(lr) + 0.5 * lr for lr in RATES]
TENSORS = [torch.tensor(loss) for loss in LOSSES]
LEARNER = SimpleNamespace(recorder=SimpleNamespace(lrs=RATES, losses=TENSORS))
LR_FINDER = SimpleNamespace(lrs=RATES, losses=LOSSES)
RESULTS = {"lr": RATES, "loss": LOSSES}


@pytest.mark.parametrize(
    "sweep",
    [
        pytest.param(lambda: ct.Sweep.from_results(**RESULTS), id="Lightning, torch-lr-finder"),
        pytest.param(
            lambda: ct.Sweep.from_results(LEARNER.recorder.lrs, LEARNER.recorder.losses), id="fastai"
        ),
        pytest.param(lambda: ct.Sweep.from_results(LR_FINDER.lrs, LR_FINDER.losses), id="ktrain"),
        pytest.param(lambda: ct.Sweep.from_results(np.array(RATES), torch.tensor(LOSSES)), id="arrays"),
    ],
)
def test_the_curves_of_others_have_bounds(sweep: Any) -> None:
    found = ct.read_bounds([sweep()])

    assert isinstance(found, ct.Bounds)
    assert 0.05 < found.max_lr < 1.0


def test_a_rate_is_read_as_exponential_or_linear() -> None:
    lrs = np.linspace(0, 1, 50)

    assert ct.Sweep.from_results(RATES, LOSSES).plan.shape == "exponential"
    assert ct.Sweep.from_results(lrs, np.ones(50)).plan.shape == "linear"
    assert ct.Sweep.from_results(lrs[1:], np.ones(49)).plan.shape == "linear"


def test_linear_sweeps_of_several_seeds_have_an_interval() -> None:
    rates = np.linspace(0.001, 1.0, 400)
    sweeps = []
    for seed in range(3):
        edge = accuracy_with_edges(0.1, 0.4 + 0.1 * seed)
        steps = list(range(3, 400, 4))
        looks = {"step": steps, "loss": [1.0] * 100, "accuracy": [edge(rates[step]) for step in steps]}
        losses = [loss_of(edge)(rate) for rate in rates]
        sweeps.append(ct.Sweep.from_results(rates, losses, held_out=looks, seed=seed))

    found = ct.read_bounds(sweeps)

    assert isinstance(found, ct.Bounds)
    low, high = found.max_lr_interval
    assert low < found.max_lr < high
    assert found.metric == "accuracy"


def test_what_comes_after_a_loss_that_is_not_finite_is_left_out() -> None:
    losses = [*LOSSES[:150], *([math.nan] * 50)]

    sweep = ct.Sweep.from_results(RATES, losses, held_out={"step": [140, 160], "loss": [1.0, 1.0]})

    assert (len(sweep.points), [look.step for look in sweep.held_out]) == (151, [140])
    assert sweep.broke_off


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"loss": LOSSES[:-1]}, "loss: has 199 values, lr has 200"),
        ({"lr": RATES[:5], "loss": LOSSES[:5]}, "lr: has 5 values: 12 are the fewest"),
        ({"lr": RATES[::-1]}, "lr.1: must rise from step to step"),
        ({"lr": [math.nan, *RATES[1:]]}, "lr.0: must be finite and >= 0, not nan"),
        ({"lr": [-1.0, *RATES[1:]]}, "lr.0: must be finite and >= 0, not -1"),
        ({"loss": torch.ones(200, 2)}, "loss.0: must be a number, not Tensor"),
        ({"loss": "low"}, "loss.0: must be a number, not str"),
        ({"loss": None}, "loss: must be a list of numbers, not NoneType"),
        ({"held_out": {"step": [1]}}, "held_out.loss: is missing"),
        ({"held_out": {"step": [1], "loss": [1], "acc": [1]}}, "held_out.acc: is unknown: held_out has step"),
        ({"held_out": {"step": [1], "loss": []}}, "held_out.loss: has 0 values, step has 1"),
        ({"held_out": {"step": [200], "loss": [1]}}, "held_out.step.0: must be a step, 0 to 199, not 200"),
        ({"held_out": {"step": [0.5], "loss": [1]}}, "held_out.step.0: must be a step"),
        ({"held_out": {"step": [2, 1], "loss": [1, 1]}}, "held_out.step.1: must rise"),
        (
            {"held_out": {"step": [1], "loss": [1], "accuracy": [93.0]}},
            r"held_out.accuracy.0: accuracy must lie in \[0, 1\], got 93",
        ),
    ],
)
def test_what_is_no_curve_is_told(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ct.Sweep.from_results(**RESULTS | changed)


def test_the_answer_of_a_read_curve_is_json() -> None:
    assert json.dumps(ct.read_bounds([ct.Sweep.from_results(**RESULTS)]).to_dict())


def test_a_rate_of_zero_before_an_exponential_curve_changes_nothing() -> None:
    zero = ct.Sweep.from_results([0.0, *RATES], [LOSSES[0], *LOSSES])

    assert zero == ct.Sweep.from_results(RATES, LOSSES)


def test_losses_that_are_left_out_are_warned_of() -> None:
    broken = [*LOSSES[:50], math.inf, *LOSSES[51:]]

    with pytest.warns(UserWarning, match="the loss of step 50 is not finite: 149 finite ones after it"):
        assert len(ct.Sweep.from_results(RATES, broken).points) == 51
