"""Trainings that their callers run, over HTTP, on both databases."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from clr.policies import parse_schedule
from tests.api.caller import Digits, ask, begin, measure_all
from tests.api.early import SETTLED_EARLY

SCHEDULE = {"policy": "triangular2", "base_lr": 0.05, "max_lr": 0.5, "step_size": 30}
TRAINING: dict[str, Any] = {
    "driver": "client",
    "name": "digits in NumPy",
    "optimizer": "SGD",
    "schedule": SCHEDULE,
    "num_steps": 240,
    "steps_per_epoch": 44,
}


def create(api: TestClient, **fields: Any) -> str:
    answer = api.post("/training-jobs", json=TRAINING | fields)
    assert answer.status_code == 202, answer.text
    return str(answer.headers["Location"])


def train(digits: Digits, asked: dict[str, Any], steps: range) -> dict[str, Any]:
    """Train these steps at the rates that were asked for; the report of them."""
    rates = asked["rates"]
    report: dict[str, Any] = {"token": asked["lease"]["token"], "from_step": steps.start, "loss": []}
    looks: dict[str, list[float]] = {"step": [], "loss": [], "accuracy": []}
    for step in steps:
        report["loss"].append(digits.step(rates["lr"][step - rates["from_step"]]))
        if step in rates["look_after"]:
            for name, value in zip(looks, (step, *digits.evaluate()), strict=True):
                looks[name].append(value)  # type: ignore[arg-type]
    return report | {"held_out": looks}


def finish(api: TestClient, path: str, asked: dict[str, Any]) -> dict[str, Any]:
    answer = api.post(f"{path}/sweeps/0/finish", json={"token": asked["lease"]["token"]})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = api.get(path).json()
    return found


def test_a_training_is_shown_with_its_cycles_like_any_other(api: TestClient) -> None:
    path = create(api)
    asked = ask(api, path)

    assert api.put(f"{path}/sweeps/0/points", json=train(Digits(0), asked, range(240))).status_code == 200
    job = finish(api, path, asked)

    assert (job["status"], job["outcome"], job["measured_by"]) == ("succeeded", "trained", "client")
    assert (job["result"]["final"]["cycle"], job["result"]["final"]["step"]) == (4, 239)
    assert job["result"]["best"]["accuracy"] > 0.8
    assert api.get(f"{path}/plot.svg").status_code == 200
    assert len(api.get(f"{path}/curve").json()["runs"][0]["step"]) == 240


def test_the_rates_are_those_of_the_schedule(api: TestClient) -> None:
    asked = ask(api, create(api))

    schedule = parse_schedule(SCHEDULE)
    assert asked["rates"]["lr"] == [schedule(step) for step in range(240)]


def test_rates_come_in_blocks_of_ten_thousand(api: TestClient) -> None:
    path = create(api, num_steps=9960, schedule=SCHEDULE | {"step_size": 83})

    later = ask(api, path, from_step=9950)

    assert len(ask(api, path)["rates"]["lr"]) == 9960
    assert (later["rates"]["from_step"], len(later["rates"]["lr"])) == (9950, 10)


def test_a_caller_goes_on_from_its_own_checkpoint_by_naming_the_step(api: TestClient) -> None:
    path = create(api)
    asked = ask(api, path)
    api.put(f"{path}/sweeps/0/points", json=train(Digits(0), asked, range(100)))

    again = ask(api, path, from_step=70)

    assert (again["received_up_to"], again["rates"]["from_step"]) == (70, 70)
    assert max(api.get(f"{path}/curve").json()["runs"][0]["step"]) == 69
    late = api.put(f"{path}/sweeps/0/points", json=train(Digits(0), asked, range(1)))
    assert (late.status_code, late.json()["code"]) == (409, "lease_lost")
    assert api.put(f"{path}/sweeps/0/points", json=train(Digits(0), again, range(70, 90))).status_code == 200


def test_asking_for_rates_further_on_drops_nothing(api: TestClient) -> None:
    path = create(api)
    asked = ask(api, path)
    api.put(f"{path}/sweeps/0/points", json=train(Digits(0), asked, range(100)))

    again = ask(api, path, from_step=200)

    assert (again["received_up_to"], again["lease"]["token"]) == (100, asked["lease"]["token"])


def test_a_loss_that_is_not_finite_ends_it_as_diverged(api: TestClient) -> None:
    path = create(api)
    asked = ask(api, path)

    body = {"token": asked["lease"]["token"], "from_step": 0, "loss": [2.3, None]}
    assert api.put(f"{path}/sweeps/0/points", json=body).json()["stop"] == "diverged"

    assert finish(api, path, asked)["outcome"] == "diverged"


def test_a_caller_may_stop_early(api: TestClient) -> None:
    path = create(api)
    asked = ask(api, path)
    api.put(f"{path}/sweeps/0/points", json=train(Digits(0), asked, range(130)))

    job = finish(api, path, asked)

    assert (job["outcome"], job["result"]["stopped_early"]) == ("trained", True)
    assert job["result"]["final"]["cycle"] == 2


def test_it_takes_its_rates_from_a_range_test_of_the_same_caller(api: TestClient) -> None:
    test = begin(api, effort="quick")
    measure_all(api, test)

    path = create(api, range_test_id=test.split("/")[-1], schedule={"policy": "one_cycle"}, num_steps=300)

    bounds = api.get(f"{test}/bounds?policy=one_cycle&num_steps=300").json()["for_budget"]
    assert max(ask(api, path)["rates"]["lr"]) == pytest.approx(bounds["max_lr"], rel=1e-6)


@pytest.mark.usefixtures("catalogue")
def test_a_worker_cannot_train_what_a_caller_measured(api: TestClient) -> None:
    test = begin(api, effort="quick")
    measure_all(api, test)

    answer = api.post("/training-jobs", json={"range_test_id": test.split("/")[-1]})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/range_test_id")
    assert api.post(f"{test}/confirmations", json={}).json()["code"] == "measured_by_client"


@SETTLED_EARLY
@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"schedule": {"policy": "triangular"}}, "/schedule"),
        ({"range_test_id": "nonsense", "schedule": {"policy": "triangular"}}, "/range_test_id"),
        ({"num_steps": None, "num_epochs": 3, "steps_per_epoch": None}, "/num_epochs"),
        ({"num_steps": 100_000}, "/num_steps"),
        ({"precision": "bfloat16"}, "/precision"),
    ],
)
def test_a_bad_training_names_the_field(api: TestClient, fields: dict[str, Any], pointer: str) -> None:
    answer = api.post("/training-jobs", json=TRAINING | fields)

    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_a_training_does_not_change_its_epochs_at_its_end(api: TestClient) -> None:
    path = create(api)
    asked = ask(api, path)

    body = {"token": asked["lease"]["token"], "steps_per_epoch": 3}
    answer = api.post(f"{path}/sweeps/0/finish", json=body)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/steps_per_epoch")
