"""Previews of schedules: no worker, no catalogue, no training."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.conftest import fresh_database

CYCLE = {"base_lr": 0.001, "max_lr": 0.006, "step_size": 2}
STEPLESS = [{"start": 0, "end": 9, "schedule": {"policy": "triangular", **CYCLE, "step_size": 0}}]
LATE = [{"start": 5, "end": 9, "schedule": {"policy": "fixed", "lr": 1}}]


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """One backend will do: a preview asks no database."""
    with fresh_database("sqlite", tmp_path, request) as url:
        yield url


def preview(api: TestClient, schedule: Any, **fields: Any) -> Any:
    return api.post("/schedules/preview", json={"schedule": schedule, "num_steps": 5} | fields)


def test_a_preview_has_lr_cycle_and_x_of_every_step(api: TestClient) -> None:
    answer = preview(api, {"policy": "triangular2", **CYCLE})

    assert answer.status_code == 200
    code = answer.json()["snippet"]
    assert 'mode="triangular2"' in code
    assert "range(5)" in code
    assert answer.json() == {
        "snippet": code,
        "step": [0, 1, 2, 3, 4],
        "lr": [0.001, 0.0035, 0.006, 0.0035, 0.001],
        "cycle": [1, 1, 1, 1, 2],
        "x": [1.0, 0.5, 0.0, 0.5, 1.0],
    }


def test_a_policy_without_cycles_answers_null_for_them(api: TestClient) -> None:
    answer = preview(api, {"policy": "fixed", "lr": 0.1}, num_steps=1).json()

    assert (answer["cycle"], answer["x"]) == ([None], [None])


def test_a_long_schedule_is_seen_at_every_so_many_steps(api: TestClient) -> None:
    schedule = {
        "policy": "exp_range",
        "base_lr": 0.006,
        "max_lr": 0.014,
        "step_size": 30_000,
        "gamma": 0.999995,
    }

    answer = preview(api, schedule, num_steps=400_000, every=30_000).json()

    assert answer["step"] == list(range(0, 400_000, 30_000))


@pytest.mark.parametrize(
    ("schedule", "fields", "pointer"),
    [
        ({"policy": "triangular", **CYCLE, "max_lr": 0.0005}, {}, "/schedule/max_lr"),
        ({"policy": "triangular", **CYCLE, "max_lr": 0.001}, {}, "/schedule/max_lr"),
        ({"policy": "triangular", **CYCLE, "step_size": 0}, {}, "/schedule/step_size"),
        ({"policy": "triangular", **CYCLE, "step_size": True}, {}, "/schedule/step_size"),
        ({"policy": "triangular", **CYCLE, "base_lr": "0.1"}, {}, "/schedule/base_lr"),
        ({"policy": "triangular", **CYCLE, "gamma": 0.9}, {}, "/schedule/gamma"),
        ({"policy": "exp_range", **CYCLE, "gamma": 1.5}, {}, "/schedule/gamma"),
        ({"policy": "exp_range", **CYCLE}, {}, "/schedule/gamma"),
        ({"policy": "zigzag"}, {}, "/schedule/policy"),
        ({}, {}, "/schedule/policy"),
        ([], {}, "/schedule"),
        ({"policy": "one_cycle", "base_lr": "x", "max_lr": 1.0, "num_steps": 50}, {}, "/schedule/base_lr"),
        ({"policy": "staged", "stages": LATE}, {}, "/schedule/stages"),
        ({"policy": "staged", "stages": STEPLESS}, {}, "/schedule/stages/0/schedule/step_size"),
        ({"policy": "fixed", "lr": 0.1}, {"num_steps": 0}, "/num_steps"),
        ({"policy": "fixed", "lr": 0.1}, {"num_steps": 10**9}, "/every"),
        ({"policy": "fixed", "lr": 0.1}, {"steps": 7}, "/steps"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_pointed_at(api: TestClient, schedule: Any, fields: Any, pointer: str) -> None:
    answer = preview(api, schedule, **fields)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(api: TestClient, number: str) -> None:
    body = f'{{"schedule": {{"policy": "fixed", "lr": {number}}}, "num_steps": 3}}'

    answer = api.post("/schedules/preview", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code in (400, 422)
