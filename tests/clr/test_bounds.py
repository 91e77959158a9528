"""What one does with bounds that were found, or with why there are none."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clr.analysis import read_bounds
from clr.bounds import Bounds, Inconclusive
from clr.turn import Turn
from tests.clr.curves import (
    GOOD,
    bounds_of,
    loss_of,
    measured,
    plan,
    seeds,
)


@pytest.fixture
def bounds() -> Bounds:
    """With epochs of 50 steps."""
    return bounds_of(seeds(loss_of(GOOD), GOOD), steps_per_epoch=50)


def test_a_schedule_within_the_bounds_fits_its_budget(bounds: Bounds) -> None:
    by_epochs, rates = (ask("triangular2", num_epochs=24) for ask in (bounds.schedule, bounds.for_training))

    assert by_epochs == bounds.schedule("triangular2", num_steps=1200)
    assert (by_epochs(0), by_epochs(150)) == (rates.base_lr, rates.max_lr)
    assert by_epochs(1200) == rates.base_lr
    assert bounds.schedule("one_cycle", num_steps=1200).model_dump()["num_steps"] == 1200


def test_a_schedule_without_a_budget_takes_the_recommended_step_size(bounds: Bounds) -> None:
    assert bounds.schedule("triangular")(bounds.step_size) == bounds.max_lr


def test_parameters_of_a_schedule_are_as_they_are_told(bounds: Bounds) -> None:
    assert bounds.schedule("triangular", num_steps=300, step_size=7)(7) == bounds.max_lr


@pytest.mark.parametrize(
    ("policy", "budget", "said"),
    [
        ("one_cycel", {}, "did you mean one_cycle"),
        ("one_cycle", {"num_steps": 10, "num_epochs": 1}, "not both"),
        ("one_cycle", {"num_steps": 0}, "whole number from 1"),
        ("one_cycle", {"step_size_up": 3}, "step_size_up"),
    ],
)
def test_an_impossible_schedule_is_told(
    bounds: Bounds, policy: str, budget: dict[str, int], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        bounds.schedule(policy, **budget)


def test_epochs_need_a_known_length() -> None:
    with pytest.raises(ValueError, match="give num_steps"):
        bounds_of(seeds(loss_of(GOOD), GOOD)).schedule("one_cycle", num_epochs=3)


def test_bounds_say_their_rates_reasons_and_warnings(bounds: Bounds) -> None:
    base_lr, max_lr, *warnings = str(bounds).splitlines()

    assert base_lr.startswith("base_lr ")
    assert bounds.reason_base in base_lr
    assert bounds.reason_max in max_lr
    assert warnings == [f"warning: {warning}" for warning in bounds.warnings]


def test_bounds_for_a_training_say_its_rates_and_what_would_allow_higher_ones(bounds: Bounds) -> None:
    turned = replace(bounds, turn=Turn(5.0, 5.0)).fit_budget("one_cycle", num_steps=800)

    [line] = [line for line in str(turned).splitlines() if line.startswith("for ")]
    assert line.startswith("for 800 steps of one_cycle: base_lr ")
    assert "(turn): the held-out accuracy turned" in line
    assert "Stopping early, or more weight decay, would allow higher rates" in line


def test_what_was_found_can_be_drawn(bounds: Bounds, tmp_path: Path) -> None:
    nothing = read_bounds(seeds(lambda lr: 1.0))
    bounds.plot(tmp_path / "found.svg")
    nothing.plot(str(tmp_path / "nothing.PNG"))

    assert "<svg" in (tmp_path / "found.svg").read_text()
    assert (tmp_path / "nothing.PNG").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="must end in"):
        bounds.plot(tmp_path / "found.jpg")


def test_no_bounds_say_why_and_make_no_schedule() -> None:
    nothing = read_bounds(seeds(lambda lr: 1.0))

    assert isinstance(nothing, Inconclusive)
    assert str(nothing).startswith(f"inconclusive ({nothing.why}): ")
    with pytest.raises(ValueError, match="no bounds to make a schedule of"):
        nothing.schedule("one_cycle", num_steps=100)


def test_a_search_space_holds_the_interval_of_max_lr(bounds: Bounds) -> None:
    low, high = bounds.search_space()

    assert 0 < low < bounds.max_lr_interval[0] <= bounds.max_lr_interval[1] < high


def stored() -> dict[str, Any]:
    """A result as a service keeps it."""
    bounds = read_bounds([measured(plan(seed=seed), loss_of(GOOD), GOOD) for seed in range(3)])
    return json.loads(json.dumps(bounds.to_dict()))  # type: ignore[no-any-return]


def test_what_is_read_back_is_what_was_found() -> None:
    assert json.loads(json.dumps(Bounds.from_dict(stored()).to_dict())) == stored()


def test_fields_of_a_newer_service_are_left_out() -> None:
    newer = stored() | {"colour": "red"}
    newer["candidates"] = [*newer["candidates"], {"name": "valley", "lr": 0.1, "note": "", "colour": "red"}]
    newer["sensitivity"]["colour"] = "red"

    assert Bounds.from_dict(newer).max_lr == stored()["max_lr"]


def test_an_old_result_without_evidence_or_constant_lr_can_be_read() -> None:
    old = stored() | {"evidence": {}, "constant_lr": None}
    del old["sensitivity"], old["candidates"]

    bounds = Bounds.from_dict(old | {"candidates": []})

    assert bounds.constant_lr == pytest.approx(math.sqrt(bounds.base_lr * bounds.max_lr))
    assert bounds.sensitivity is None


def test_a_picture_that_cannot_be_drawn_hides_no_answer() -> None:
    def draw(_: str) -> bytes:
        raise OSError("nobody is there")

    shown = Bounds.from_dict(stored(), draw=draw)._repr_html_()

    assert "max_lr" in shown
    assert "there is no picture: nobody is there" in shown


def test_a_budget_of_less_than_a_step_is_one_step() -> None:
    assert Bounds.from_dict(stored() | {"steps_per_epoch": 45.0}).schedule("fixed", num_epochs=0.001)(0) > 0


@pytest.mark.parametrize(
    "budget",
    [
        {"num_steps": 500.5},
        {"num_steps": "7"},
        {"num_steps": 0},
        {"num_epochs": math.inf},
        {"num_epochs": "3"},
    ],
)
def test_a_budget_that_is_none_is_told(budget: dict[str, Any]) -> None:
    [name] = budget

    with pytest.raises(ValueError, match=f"{name} must be"):
        Bounds.from_dict(stored() | {"steps_per_epoch": 45.0}).schedule("triangular", **budget)


def test_the_code_to_paste_stops_where_the_last_whole_cycle_ends() -> None:
    bounds = Bounds.from_dict(stored())
    step_size = bounds.schedule("triangular", num_steps=2063).step_size

    assert f"zip(range({2063 // (2 * step_size) * 2 * step_size})" in bounds.snippet(num_steps=2063)


def test_the_preset_torch_cycles_momentum_in_the_code_to_paste_as_torch_does() -> None:
    bounds = Bounds.from_dict(stored())

    assert "cycle_momentum" not in bounds.snippet("one_cycle", num_steps=100, preset="torch")
