"""Recommended bounds put to the test, on both databases; the tests play the worker through the store."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from store.database import Database
from tests.api.lifecycle import BOUNDS, INCONCLUSIVE, claim, create, finish
from tests.api.test_comparisons import play

pytestmark = pytest.mark.usefixtures("catalogue")


def found(api: TestClient, database: Database, **fields: Any) -> str:
    """A range test with bounds 0.025 to 0.1."""
    job_id = str(create(api, **{"seed": 4, "batch_size": 16} | fields)["id"])
    claim(database)
    finish(database, job_id, "bounds_found", BOUNDS)
    return job_id


def confirm(api: TestClient, job_id: str, **body: Any) -> Any:
    return api.post(f"/range-tests/{job_id}/confirmations", json=body)


def test_it_trains_around_the_bounds_with_fresh_seeds(api: TestClient, database: Database) -> None:
    job_id = found(api, database)

    body = confirm(api, job_id).json()

    trainings = api.get("/training-jobs").json()["items"]
    peaks = {job["config"]["schedule"].get("max_lr") for job in trainings}
    assert body["range_test_id"] == job_id
    assert [row["label"] for row in body["rows"]] == [
        "max_lr / 2", "max_lr", "max_lr x 2", "constant_lr", "one_cycle",
    ]  # fmt: skip
    assert peaks == {0.05, 0.1, 0.2, None}
    assert {job["config"]["seed"] for job in trainings} == {7, 8, 9}
    assert {job["config"]["batch_size"] for job in trainings} == {16}
    assert {job["config"]["num_cycles"] for job in trainings} == {2}


def test_its_trainings_are_as_urgent_as_it(api: TestClient, database: Database) -> None:
    confirm(api, found(api, database), priority="high")

    trainings = api.get("/training-jobs").json()["items"]
    assert {job["priority"] for job in trainings} == {"high"}


def test_after_a_thorough_test_the_seeds_are_fresh_too(api: TestClient, database: Database) -> None:
    confirm(api, found(api, database, effort="thorough"))

    trainings = api.get("/training-jobs").json()["items"]
    assert {job["config"]["seed"] for job in trainings} == {8, 9, 10}


def test_above_the_highest_seed_they_begin_anew(api: TestClient, database: Database) -> None:
    answer = confirm(api, found(api, database, seed=1_999_999_998))

    assert answer.status_code == 202
    trainings = api.get("/training-jobs").json()["items"]
    assert {job["config"]["seed"] for job in trainings} == {0, 1, 2}


@pytest.mark.parametrize(
    ("at_half", "outcome", "max_lr"),
    [(0.85, "confirmed", 0.1), (0.9005, "confirmed", 0.1), (0.95, "adjusted", 0.05)],
)
def test_the_verdict_follows_what_is_better_beyond_the_noise(
    api: TestClient, database: Database, at_half: float, outcome: str, max_lr: float
) -> None:
    job_id = found(api, database)
    confirm(api, job_id)
    play(
        database,
        **{"max_lr / 2": at_half, "max_lr": 0.9, "max_lr x 2": 0.8, "constant_lr": 0.99, "one_cycle": 0.99},
    )

    [item] = api.get(f"/range-tests/{job_id}/confirmations").json()["items"]

    assert item["comparison"]["status"] == "succeeded"
    assert (item["verdict"]["outcome"], item["verdict"]["max_lr"]) == (outcome, max_lr)


def test_a_policy_that_was_better_beyond_the_noise_is_told(api: TestClient, database: Database) -> None:
    job_id = found(api, database)
    confirm(api, job_id)
    play(
        database,
        **{"max_lr / 2": 0.85, "max_lr": 0.9, "max_lr x 2": 0.8, "constant_lr": 0.8, "one_cycle": 0.99},
    )

    [item] = api.get(f"/range-tests/{job_id}/confirmations").json()["items"]

    assert item["verdict"]["message"].startswith(
        "nothing around it was better; one_cycle was better beyond the noise ("
    )


def test_before_a_training_ends_there_is_no_verdict(api: TestClient, database: Database) -> None:
    job_id = found(api, database)
    confirm(api, job_id, num_seeds=2)

    [item] = api.get(f"/range-tests/{job_id}/confirmations").json()["items"]

    assert item["verdict"] is None


def test_without_bounds_there_is_nothing_to_confirm(api: TestClient, database: Database) -> None:
    job_id = create(api)["id"]
    finish(database, claim(database), "inconclusive", INCONCLUSIVE)

    answer = confirm(api, job_id)

    assert (answer.status_code, answer.json()["code"]) == (409, "no_bounds")


def test_a_repeated_key_makes_one_confirmation(api: TestClient, database: Database) -> None:
    path = f"/range-tests/{found(api, database)}/confirmations"

    answers = [api.post(path, json={}, headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert len(api.get(path).json()["items"]) == 1
