"""Which optimizers a request may name, and what it may ask of them."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from clr.optimizers import NAMES
from store import workloads
from store.database import Database
from tests.api.conftest import WORKLOAD
from tests.api.lifecycle import create

pytestmark = [
    pytest.mark.usefixtures("catalogue"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]

MODAL = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "warmup_steps": {"type": "integer", "minimum": 0, "default": 0},
        "eps": {"type": "number"},
    },
}
INSTALLED = {
    "modal": {"params_schema": MODAL, "lr_meaning": "rate"},
    "scaled": {"params_schema": {"type": "object"}, "lr_meaning": "multiplier"},
}
RATES = {"policy": "triangular", "base_lr": 0.1, "max_lr": 1.0}


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


@pytest.mark.parametrize(("num_steps", "warned"), [(100, False), (101, True)])
def test_a_training_is_warned_of_rates_that_adafactor_will_not_use(
    api: TestClient, num_steps: int, warned: bool
) -> None:
    schedule = {"policy": "fixed", "lr": 0.1}
    body = {"workload": "digits", "optimizer": {"name": "Adafactor"}, "schedule": schedule}

    job = api.post("/training-jobs", json=body | {"num_steps": num_steps}).json()

    told = "Adafactor updates at no more than 1/sqrt(step): after 100 steps that is less than 0.1"
    assert (told in job["warnings"]) is warned


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


@pytest.fixture
def with_installed(database: Database) -> None:
    """A worker's two optimizers beside torch's."""
    with database.write() as session:
        workloads.publish(session, [WORKLOAD | {"optimizers": INSTALLED}])


def test_a_name_that_nobody_has_is_refused_with_those_that_there_are(
    api: TestClient, with_installed: None
) -> None:
    error = refused(api, optimizer={"name": "modul"})

    assert error["pointer"] == "/optimizer/name"
    assert error["message"].startswith("did you mean modal? must be one of SGD, Adam,")


def test_an_installed_one_is_kept_with_its_defaults(api: TestClient, with_installed: None) -> None:
    job = create(api, optimizer={"name": "modal", "eps": 0.1})

    assert job["config"]["optimizer"] == {"name": "modal", "warmup_steps": 0, "eps": 0.1}


@pytest.mark.parametrize(
    ("parameter", "value", "says"),
    [("warmup_steps", -1, "minimum"), ("warmup", 3, "did you mean warmup_steps?"), ("eps", "x", "number")],
)
def test_its_parameters_are_checked_by_its_schema(
    api: TestClient, with_installed: None, parameter: str, value: object, says: str
) -> None:
    error = refused(api, optimizer={"name": "modal", parameter: value})

    assert error["pointer"] == f"/optimizer/{parameter}"
    assert says in error["message"]


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("/range-tests", {}),
        ("/training-jobs", {"schedule": {"policy": "triangular"}}),
        ("/comparisons", {"entries": [{"schedule": {"policy": "fixed"}}]}),
    ],
)
def test_nothing_is_tested_where_lr_is_a_multiplier(
    api: TestClient, with_installed: None, route: str, body: dict[str, Any]
) -> None:
    error = refused(api, route, **body, optimizer={"name": "scaled"})

    assert error["pointer"] == "/optimizer/name"
    assert "there is nothing to test. Leave lr at 1 and compare schedules instead" in error["message"]


def test_under_a_schedule_with_rates_of_its_own_it_trains(api: TestClient, with_installed: None) -> None:
    body = {"workload": "digits", "optimizer": {"name": "scaled"}, "schedule": RATES}

    assert api.post("/training-jobs", json=body).json()["config"]["optimizer"] == {"name": "scaled"}
