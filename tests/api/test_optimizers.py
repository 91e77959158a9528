"""Which optimizers a request may name, and what it may ask of them."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from clr.optimizers import NAMES
from tests.api.lifecycle import create

pytestmark = [
    pytest.mark.usefixtures("catalogue"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


def refused(api: TestClient, route: str = "/range-tests", **body: Any) -> dict[str, str]:
    """The one error of a request that is refused."""
    answer = api.post(route, json={"workload": "digits"} | body)
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    return dict(error)


@pytest.mark.parametrize("name", NAMES)
def test_each_is_taken_by_its_name_alone_in_any_case(api: TestClient, name: str) -> None:
    assert create(api, optimizer={"name": name.lower()})["config"]["optimizer"]["name"] == name


def test_a_range_test_of_adafactor_ends_where_its_rate_is_capped(api: TestClient) -> None:
    assert create(api, optimizer={"name": "Adafactor"})["config"]["end_lr"] == pytest.approx(0.05)


@pytest.mark.parametrize("field", ["start_lr", "end_lr"])
def test_a_rate_beyond_the_cap_is_refused(api: TestClient, field: str) -> None:
    error = refused(api, optimizer={"name": "Adafactor"}, **{field: 0.5})

    assert error["pointer"] == f"/{field}"
    assert "must be at most 0.05 in sweeps of 400 steps" in error["message"]


def test_the_momentum_of_muon_may_be_cycled_and_adafactor_has_none(api: TestClient) -> None:
    training = {"schedule": {"policy": "triangular", "base_lr": 0.01, "max_lr": 0.04}, "cycle_momentum": True}

    error = refused(api, "/training-jobs", **training, optimizer={"name": "Adafactor"})

    assert "Adafactor has no momentum to cycle" in error["message"]
    assert (
        api.post(
            "/training-jobs", json={"workload": "digits", "optimizer": {"name": "Muon"}} | training
        ).status_code
        == 202
    )
