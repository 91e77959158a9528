"""Schedules by name: what is accepted, what is refused by which field, and what they say of a step."""

import inspect
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from clr import schedules
from clr.policies import Schedule, parse_schedule

CYCLE = {"base_lr": 0.001, "max_lr": 0.006, "step_size": 50}
EVERY: list[dict[str, Any]] = [
    *({"policy": policy, **CYCLE} for policy in ("triangular", "triangular2", "welch", "hann", "decay")),
    {"policy": "triangular", **CYCLE, "step_size_down": 7},
    {"policy": "exp_range", **CYCLE, "gamma": 0.99},
    {"policy": "exp_range_paper", **CYCLE, "gamma": 0.99},
    {"policy": "one_cycle", "base_lr": 0.01, "max_lr": 0.1, "num_steps": 200},
    {"policy": "one_cycle", "base_lr": 0.01, "max_lr": 0.1, "num_steps": 200, "three_phase": False},
    {"policy": "sgdr", "base_lr": 0.0, "max_lr": 0.1, "t_0": 10, "t_mult": 2},
    {"policy": "fixed", "lr": 0.1},
    {"policy": "step_decay", "lr": 0.1, "drop_every": 30},
    {"policy": "multistep_decay", "lr": 0.1, "milestones": [60, 65]},
    {"policy": "exponential_decay", "lr": 0.1, "gamma": 0.99},
    {"policy": "time_decay", "lr": 0.1, "rate": 0.01},
    {
        "policy": "staged",
        "stages": [
            {"start": 0, "end": 200, "schedule": {"policy": "triangular2", **CYCLE}},
            {"start": 200, "end": 300, "schedule": {"policy": "fixed", "lr": 0.0001}},
        ],
    },
]
TABLE_2 = [
    (0.001, 0.005, 2000, 0, 16_000),
    (1e-4, 5e-4, 1000, 16_000, 22_000),
    (1e-5, 5e-5, 500, 22_000, 25_000),
]


def table_2() -> Schedule:
    """The paper's 25,000 steps of CIFAR-10."""
    return parse_schedule(
        {
            "policy": "staged",
            "stages": [
                {
                    "start": start,
                    "end": end,
                    "schedule": {
                        "policy": "triangular2",
                        "base_lr": base_lr,
                        "max_lr": max_lr,
                        "step_size": step_size,
                    },
                }
                for base_lr, max_lr, step_size, start, end in TABLE_2
            ],
        }
    )


def name(spec: dict[str, Any]) -> str:
    return "-".join([spec["policy"], *(key for key in spec if key in ("step_size_down", "three_phase"))])


@pytest.mark.parametrize("spec", EVERY, ids=name)
def test_a_schedule_survives_json_and_pickling(spec: dict[str, Any]) -> None:
    schedule = parse_schedule(spec)
    schedule(3)

    assert parse_schedule(schedule.model_dump(mode="json")) == schedule
    assert pickle.loads(pickle.dumps(schedule))(7) == schedule(7)


@pytest.mark.parametrize("spec", EVERY[:-1], ids=name)
def test_a_policys_parameters_are_those_of_its_formula(spec: dict[str, Any]) -> None:
    formula = inspect.signature(getattr(schedules, spec["policy"])).parameters

    assert {"step", *type(parse_schedule(spec)).model_fields} - {"preset"} == {"policy", *formula}


@pytest.mark.parametrize("spec", EVERY, ids=name)
@given(step=st.integers(0, 10**7))
def test_lr_cycle_and_x_are_answered_for_any_step(spec: dict[str, Any], step: int) -> None:
    schedule = parse_schedule(spec)

    assert 0 <= schedule(step) <= 0.1 * (1 + 1e-15)
    phase = schedule.phase(step)
    assert phase is None or (phase[0] >= 1 and 0 <= phase[1] <= 1)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"policy": "triangular", **CYCLE, "max_lr": 0.001}, "max_lr"),
        ({"policy": "triangular", **CYCLE, "base_lr": -0.1}, "base_lr"),
        ({"policy": "triangular", **CYCLE, "base_lr": float("nan")}, "base_lr"),
        ({"policy": "triangular", **CYCLE, "step_size": 0}, "step_size"),
        ({"policy": "triangular", **CYCLE, "step_size": 2.5}, "step_size"),
        ({"policy": "triangular", **CYCLE, "gamma": 0.9}, "gamma"),
        ({"policy": "exp_range", **CYCLE, "gamma": 0}, "gamma"),
        ({"policy": "exp_range", **CYCLE, "gamma": 1.1}, "gamma"),
        (
            {"policy": "one_cycle", "base_lr": 0.01, "max_lr": 0.1, "num_steps": 20, "step_size": 10},
            "step_size",
        ),
        (
            {"policy": "one_cycle", "base_lr": 0.01, "max_lr": 0.1, "num_steps": 20, "final_lr": 0.02},
            "final_lr",
        ),
        ({"policy": "sgdr", "base_lr": 0, "max_lr": 1, "t_0": 5, "t_mult": 0}, "t_mult"),
        ({"policy": "multistep_decay", "lr": 1, "milestones": [5, 5]}, "milestones"),
        ({"policy": "staged", "stages": []}, "stages"),
    ],
)
def test_a_wrong_field_is_named(spec: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        parse_schedule(spec)

    assert refused.value.errors()[0]["loc"][-1] == field


@pytest.mark.parametrize(("start", "end"), [(150, 300), (250, 300), (200, 200), (200, 150)])
def test_stages_that_overlap_leave_a_gap_or_have_no_length_are_refused(start: int, end: int) -> None:
    fixed = {"policy": "fixed", "lr": 0.1}
    stages = [{"start": 0, "end": 200, "schedule": fixed}, {"start": start, "end": end, "schedule": fixed}]

    with pytest.raises(ValidationError, match="stage 1 must"):
        parse_schedule({"policy": "staged", "stages": stages})


def test_the_stages_of_table_2_are_ten_whole_cycles_each_from_its_own_base_lr() -> None:
    schedule = table_2()

    for base_lr, max_lr, step_size, start, end in TABLE_2:
        assert schedule(start) == base_lr
        assert schedule(start + step_size) == pytest.approx(max_lr)
        assert schedule(end - 1) == pytest.approx(base_lr, rel=0.05)
    assert [schedule.phase(step)[0] for step in (0, 15_999, 16_000, 22_000, 24_999)] == [1, 4, 5, 8, 10]


def test_after_its_end_the_last_stage_goes_on() -> None:
    assert table_2()(25_000) == pytest.approx(1e-5)


def test_x_is_0_at_the_peak_and_1_at_the_ends_of_every_kind_of_cycle() -> None:
    one_cycle = parse_schedule(
        {"policy": "one_cycle", "base_lr": 0.01, "max_lr": 0.1, "num_steps": 21, "step_size": 8}
    )
    sgdr = parse_schedule({"policy": "sgdr", "base_lr": 0, "max_lr": 0.1, "t_0": 4})

    assert [one_cycle.phase(step) for step in (0, 8, 16, 20)] == [(1, 1.0), (1, 0.0), (1, 1.0), (1, 1.0)]
    assert [sgdr.phase(step) for step in (0, 2, 4)] == [(1, 0.0), (1, 0.5), (2, 0.0)]
