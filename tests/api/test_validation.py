"""`validate_only` says what a request would make and stores nothing, on both databases."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from store import checkpoints, claims, runs
from store.checkpoints import NewCheckpoint
from store.database import Database
from tests.api.caller import BODY
from tests.api.lifecycle import BOUNDS, claim, create, finish

pytestmark = pytest.mark.usefixtures("catalogue")

FIXED = {"policy": "fixed", "lr": 0.1}


def validate(api: TestClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What the request would make; nothing is made."""
    before = api.get("/jobs").json(), api.get("/comparisons").json()
    answer = api.post(f"{path}?validate_only=true", json=body, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 200, answer.text
    assert "Location" not in answer.headers
    assert (api.get("/jobs").json(), api.get("/comparisons").json()) == before
    found: dict[str, Any] = answer.json()
    return found


def test_a_range_test_is_foreseen_as_it_would_be_made(api: TestClient) -> None:
    found = validate(api, "/range-tests", {"workload": "digits", "num_steps": 100})

    assert (found["num_jobs"], found["warnings"]) == (1, [])
    assert found["most_steps"] == 1200
    assert found["config"] == create(api, num_steps=100)["config"]


@pytest.mark.parametrize(
    ("training", "run_steps"),
    [
        (None, 320),
        ({"policy": "one_cycle", "num_steps": 500}, 500),
    ],
)
def test_the_trainings_of_a_thorough_test_are_foreseen(
    api: TestClient, training: dict[str, Any] | None, run_steps: int
) -> None:
    body = {"workload": "digits", "num_steps": 100, "for": training}

    standard, thorough = (
        validate(api, "/range-tests", body | {"effort": effort})["most_steps"]
        for effort in ("standard", "thorough")
    )

    assert thorough - standard == 6 * run_steps


@pytest.mark.parametrize(
    ("body", "num_jobs", "most_steps"),
    [
        ({"schedule": FIXED, "num_steps": 300}, 1, 300),
        ({"schedule": {"policy": "triangular", "base_lr": 0.1, "max_lr": 0.2, "step_size": 20}}, 1, 160),
        ({"schedule": FIXED, "num_epochs": 3}, 1, None),
        ({}, 2, None),
    ],
)
def test_a_training_job_is_foreseen_with_its_range_test(
    api: TestClient, body: dict[str, Any], num_jobs: int, most_steps: int | None
) -> None:
    found = validate(api, "/training-jobs", {"workload": "digits"} | body)

    assert (found["num_jobs"], found["most_steps"]) == (num_jobs, most_steps)
    assert found["config"]["batch_size"] == 32


def test_what_its_caller_measures_is_foreseen(api: TestClient) -> None:
    assert validate(api, "/range-tests", BODY | {"effort": "quick", "num_steps": 100})["most_steps"] == 100
    training = BODY | {"schedule": FIXED, "num_steps": 10}
    assert validate(api, "/training-jobs", training)["most_steps"] == 10


def test_a_comparison_and_a_confirmation_are_foreseen_with_all_their_jobs(
    api: TestClient, database: Database
) -> None:
    body = {"workload": "digits", "entries": [{"schedule": FIXED}], "num_seeds": 4, "num_steps": 100}
    job_id = create(api)["id"]
    claim(database)
    finish(database, job_id, "bounds_found", BOUNDS)

    found = validate(api, "/comparisons", body)
    confirmed = validate(api, f"/range-tests/{job_id}/confirmations", {"num_seeds": 2})

    assert (found["num_jobs"], found["most_steps"]) == (4, 400)
    assert confirmed["num_jobs"] == 2 * len(confirmed["config"]["entries"])


def test_a_resumed_training_is_foreseen(api: TestClient, database: Database) -> None:
    asked = {"workload": "digits", "schedule": FIXED, "num_steps": 100}
    job_id = api.post("/training-jobs", json=asked).json()["id"]
    claim(database)
    with database.write() as session:
        runs.begin_run(session, job_id, sweep=0, seed=0, plan={"phase": "training", "schedule": FIXED})
        claims.succeed(session, job_id, 1, outcome="trained", result={})
        left = NewCheckpoint(step=99, path="c", size_bytes=1, hostname="h", cycle=None, best=True)
        checkpoints.publish(session, job_id, 1, left)

    found = validate(api, f"/training-jobs/{job_id}/resume", {"num_steps": 50})

    assert (found["config"]["resume_at"], found["most_steps"]) == (100, 50)


def test_what_would_be_refused_is_refused(api: TestClient) -> None:
    for path, body in (
        ("/range-tests", {"workload": "digits", "num_steps": 10**6}),
        ("/training-jobs", {"workload": "digits", "schedule": FIXED, "num_steps": 10**6}),
        ("/comparisons", {"workload": "digits"}),
    ):
        assert api.post(f"{path}?validate_only=true", json=body).status_code == 422
