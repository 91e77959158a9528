"""The limit on the steps of a job holds whatever a job is made for: nothing is queued that may take more."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from clr.probe import MOST_STEPS
from store.database import Database
from store.settings import Settings
from tests.api.early import SETTLED_EARLY
from tests.api.lifecycle import BOUNDS, claim, create, finish

pytestmark = pytest.mark.usefixtures("catalogue")

MOST_OF_A_TEST = 4_200  # steps that a range test with its defaults may take
RATES = {"policy": "triangular", "base_lr": 0.01, "max_lr": 0.1}


@pytest.fixture
def small_api(api_settings: Settings) -> Iterator[TestClient]:
    """The application with a limit that a default range test may exceed."""
    settings = api_settings.model_copy(update={"max_steps": 4_000})
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


LONG = {"policy": "one_cycle", "num_epochs": 100}


@SETTLED_EARLY
@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/range-tests", {}, "/num_steps"),
        ("/range-tests", {"effort": "thorough", "num_seeds": 1}, "/num_steps"),
        ("/range-tests", {"effort": "thorough", "num_steps": 20, "for": LONG}, "/num_steps"),
        ("/training-jobs", {}, "/schedule"),
        ("/training-jobs", {"schedule": {"policy": "fixed"}, "num_steps": 100}, "/schedule"),
        ("/training-jobs", {"schedule": RATES, "num_steps": 4_001}, "/num_steps"),
        ("/comparisons", {"preset": "paper", "num_steps": 100}, "/preset"),
        (
            "/comparisons",
            {"entries": [{"schedule": RATES}, {"schedule": {"policy": "hann"}}], "num_steps": 100},
            "/entries/1/schedule",
        ),
        ("/comparisons", {"entries": [{"schedule": RATES}], "num_steps": 4_001}, "/num_steps"),
    ],
)
def test_what_may_take_more_is_refused(
    small_api: TestClient, path: str, body: dict[str, Any], pointer: str
) -> None:
    answer = small_api.post(path, json={"workload": "digits"} | body)

    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert "4000" in error["message"]
    assert small_api.get("/jobs").json()["items"] == []
    assert small_api.get("/comparisons").json()["items"] == []


def test_the_range_test_before_a_training_is_what_the_refusal_tells_of(small_api: TestClient) -> None:
    answer = small_api.post("/training-jobs", json={"workload": "digits"})

    [error] = answer.json()["errors"]
    most = MOST_OF_A_TEST + MOST_STEPS
    assert f"the range test that would find its rates may take {most} steps" in error["message"]


def test_a_confirmation_that_trains_for_longer_is_refused(small_api: TestClient, database: Database) -> None:
    job_id = create(small_api, num_seeds=1)["id"]
    claim(database)
    finish(database, job_id, "bounds_found", BOUNDS)

    answer = small_api.post(f"/range-tests/{job_id}/confirmations", json={"num_steps": 4_001})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/num_steps")
    assert small_api.get("/comparisons").json()["items"] == []


def test_what_needs_no_range_test_is_queued(small_api: TestClient) -> None:
    body = {"workload": "digits", "schedule": RATES, "num_steps": 400}

    assert small_api.post("/training-jobs", json=body).status_code == 202
