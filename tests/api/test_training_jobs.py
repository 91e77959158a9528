"""Training jobs over HTTP, on both databases; the tests play the worker through the store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from store import checkpoints, claims, jobs, runs
from store.artifacts import Artifacts, find_artifacts
from store.checkpoints import FOLDER, NewCheckpoint
from store.database import Database
from store.settings import Settings
from tests.api import lifecycle
from tests.api.early import SETTLED_EARLY
from tests.api.lifecycle import BOUNDS, INCONCLUSIVE, claim, finish
from tests.services import free_port

pytestmark = pytest.mark.usefixtures("catalogue")

RATES = {"policy": "triangular", "base_lr": 0.01, "max_lr": 0.1}
END = {"cycle": 2, "step": 79, "loss": 0.2, "accuracy": 0.9}
RESULT: dict[str, Any] = {
    "schedule": RATES | {"step_size": 20, "step_size_down": None},
    "num_steps": 80,
    "steps_per_epoch": 10,
    "stopped_early": False,
    "final": END,
    "best": END,
    "warnings": [],
}
PLAN = {"phase": "training", "shape": "triangular", "schedule": RESULT["schedule"], "num_steps": 80}


def post(api: TestClient, **body: Any) -> Any:
    return api.post("/training-jobs", json={"workload": "digits"} | body)


def create(api: TestClient, **body: Any) -> dict[str, Any]:
    answer = post(api, **body)
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


def trained(api: TestClient, database: Database, *, outcome: str = "trained", **body: Any) -> str:
    """A job that has trained for 80 steps, with a checkpoint after the last one."""
    job_id = str(create(api, schedule=RATES, **body)["id"])
    claim(database)
    with database.write() as session:
        runs.begin_run(session, job_id, sweep=0, seed=0, plan=PLAN)
        rows = [(step, 0.05, 1 / (step + 1)) for step in range(80)]
        runs.append(session, job_id, sweep=0, seed=0, series="train", rows=rows)
        looks = [(step, 0.05, 0.5, step / 100) for step in (39, 79)]
        runs.append(session, job_id, sweep=0, seed=0, series="held_out", rows=looks)
        runs.finish_run(session, job_id, sweep=0, seed=0)
        new = NewCheckpoint(
            step=79,
            path=f"{FOLDER}/{job_id}/1/step-79.pt",
            size_bytes=4,
            hostname="gpu-box",
            cycle=2,
            best=True,
        )
        checkpoints.publish(session, job_id, 1, new)
    finish(database, job_id, outcome, RESULT)
    return job_id


def test_one_is_accepted_with_its_defaults(api: TestClient) -> None:
    answer = post(api, schedule=RATES)

    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == body["links"]["self"] == f"/training-jobs/{body['id']}"
    assert (body["kind"], body["status"], body["after_job"]) == ("training_job", "queued", None)
    assert body["config"]["schedule"] == RATES
    assert body["config"]["optimizer"]["momentum"] == 0.9
    assert "warnings" not in body["config"]


def test_without_rates_a_range_test_is_queued_before_it(api: TestClient) -> None:
    body = create(api, seed=7, batch_size=16, name="nightly", tags=["ci"])

    before = api.get(body["links"]["range_test"]).json()
    assert before["id"] == body["after_job"]
    assert (before["name"], before["tags"]) == ("nightly", ["ci"])
    assert (before["config"]["seed"], before["config"]["batch_size"]) == (7, 16)


@pytest.mark.parametrize(
    ("body", "policy", "length"),
    [
        ({}, "triangular", {"num_epochs": 16}),
        ({"schedule": {"policy": "one_cycle"}, "num_steps": 400}, "one_cycle", {"num_steps": 400}),
        ({"schedule": {"policy": "triangular2", "step_size": 50}}, "triangular2", {"num_steps": 400}),
        ({"num_epochs": 8, "accumulation_steps": 2}, "triangular", {"num_epochs": 4}),
    ],
)
def test_its_range_test_is_told_of_it(
    api: TestClient, body: dict[str, Any], policy: str, length: dict[str, float]
) -> None:
    test = api.get(create(api, **body)["links"]["range_test"]).json()

    told = {"policy": policy, "num_steps": None, "num_epochs": None} | length
    assert test["config"]["for"] == told


def test_its_range_test_is_as_urgent_as_itself(api: TestClient) -> None:
    body = create(api, priority="low")

    test = api.get(body["links"]["range_test"]).json()
    assert (body["priority"], test["priority"]) == ("low", "low")


def test_it_is_claimed_only_when_its_range_test_is_final(api: TestClient, database: Database) -> None:
    body = create(api)

    first = claim(database)
    with database.write() as session:
        while_running = claims.claim(
            session, workloads=["digits"], worker_id="w", ring_id="r", pid=1, lease_s=60
        )
    finish(database, first, "bounds_found", BOUNDS)

    assert first == body["after_job"]
    assert while_running is None
    assert claim(database) == body["id"]


def test_the_bounds_of_a_range_test_stand_for_its_workload_too(api: TestClient, database: Database) -> None:
    source = lifecycle.create(api, params={"width": 32}, batch_size=16, optimizer={"name": "Adam"})
    finish(database, claim(database), "bounds_found", BOUNDS)

    body = api.post("/training-jobs", json={"range_test_id": source["id"], "num_epochs": 8}).json()

    assert (body["workload"], body["after_job"]) == ("digits", source["id"])
    for name in ("params", "batch_size", "optimizer"):
        assert body["config"][name] == source["config"][name]
    assert body["warnings"] == []


def test_what_differs_from_the_range_test_is_warned_of(api: TestClient) -> None:
    source = lifecycle.create(api, batch_size=16)

    body = create(api, range_test_id=source["id"], batch_size=64)

    assert body["warnings"] == ["the bounds were found with another batch_size: 16"]


def test_a_range_test_without_bounds_is_refused(api: TestClient, database: Database) -> None:
    source = lifecycle.create(api)
    finish(database, claim(database), "inconclusive", INCONCLUSIVE)

    answer = post(api, range_test_id=source["id"])

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"pointer": "/range_test_id", "message": "it found no bounds: it is inconclusive"}
    ]


STAGE = {"start": 0, "end": 40, "schedule": RATES | {"step_size": 10}}
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"schedule": RATES | {"max_lr": 0.01}}, "/schedule/max_lr", "greater than base_lr"),
    ({"schedule": {"policy": "triangular", "max_lr": 0.1}}, "/schedule/base_lr", "both left out"),
    ({"schedule": RATES | {"step_size": 0}}, "/schedule/step_size", "greater than or equal to 1"),
    ({"schedule": {"policy": "exp_range", "gamma": 0}}, "/schedule/gamma", "greater than 0"),
    ({"schedule": {"policy": "exp_range", "gamma": 1.1}}, "/schedule/gamma", "less than or equal to 1"),
    ({"schedule": {"policy": "fixed", "lr": -0.1}}, "/schedule/lr", "greater than or equal to 0"),
    ({"schedule": {"policy": "sawtooth"}}, "/schedule/policy", "triangular"),
    ({"schedule": {}}, "/schedule/policy", "triangular"),
    ({"schedule": {"policy": "exp_range", "gama": 1}}, "/schedule/gama", "did you mean gamma"),
    (
        {"schedule": {"policy": "staged", "stages": [STAGE, STAGE | {"start": 20, "end": 80}]}},
        "/schedule/stages",
        "must start at 40",
    ),
    ({"num_steps": 0}, "/num_steps", "greater than or equal to 1"),
    ({"num_cycles": 0}, "/num_cycles", "greater than or equal to 1"),
    ({"num_epochs": 0}, "/num_epochs", "greater than 0"),
    ({"num_cycles": 2, "num_epochs": 3}, "/num_epochs", "give one of"),
    (
        {"num_steps": 90, "schedule": RATES | {"step_size": 20}, "round_to_cycles": False},
        "/num_steps",
        "whole",
    ),
    ({"num_epochs": 6, "round_to_cycles": False}, "/num_epochs", "whole cycles"),
    ({"num_steps": 10_001, "schedule": {"policy": "fixed", "lr": 0.1}}, "/num_steps", "more than the 10000"),
    ({"step_size_epochs": 0}, "/step_size_epochs", "greater than 0"),
    ({"optimizer": {"name": "SGD"}, "cycle_momentum": True}, "/cycle_momentum", "no momentum"),
    ({"schedule": {"policy": "fixed"}, "cycle_momentum": True}, "/cycle_momentum", "no bounds"),
    ({"base_momentum": 0.96}, "/max_momentum", "at least base_momentum"),
    ({"precision": "float16"}, "/precision", "bfloat16"),
    ({"workload": "mnist"}, "/workload", "known: digits"),
    ({"range_test_id": "nothing"}, "/range_test_id", "no such range test"),
    ({"num_cycles": 1, "schedule": {"policy": "staged", "stages": [STAGE]}}, "/num_cycles", "end of its own"),
    (
        {"num_cycles": 9, "schedule": {"policy": "one_cycle", "num_steps": 60}},
        "/num_cycles",
        "end of its own",
    ),
    ({"num_steps": 10**12}, "/num_steps", "more than the 10000"),
    (
        {"num_cycles": 10**6, "schedule": {"policy": "sgdr", "t_mult": 2}},
        "/num_cycles",
        "more than the 10000",
    ),
    ({"num_epochs": True}, "/num_epochs", "valid number"),
    ({"clip_grad_norm": "1"}, "/clip_grad_norm", "valid number"),
    ({"num_cycle": 3}, "/num_cycle", "did you mean num_cycles"),
]


@SETTLED_EARLY
@pytest.mark.parametrize(("body", "pointer", "message"), WRONG)
def test_a_wrong_field_is_named_with_what_is_allowed(
    api: TestClient, body: dict[str, Any], pointer: str, message: str
) -> None:
    answer = post(api, **body)

    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert message in error["message"]


def test_a_workload_or_a_range_test_must_be_named(api: TestClient) -> None:
    answer = api.post("/training-jobs", json={})

    assert answer.json()["errors"][0]["pointer"] == "/workload"


def test_a_schedule_that_may_fit_a_longer_epoch_is_accepted(api: TestClient) -> None:
    schedule = {"policy": "one_cycle", "base_lr": 0.02, "max_lr": 0.1, "step_size": 100}

    create(api, schedule=schedule, num_epochs=1)


def test_what_a_range_test_cannot_know_is_warned_of(api: TestClient) -> None:
    body = create(api, accumulation_steps=8)

    assert body["warnings"] == ["a range test has no accumulation_steps: the bounds are those without it"]


def test_a_range_test_beside_rates_is_not_waited_for(api: TestClient) -> None:
    source = lifecycle.create(api)

    body = create(api, range_test_id=source["id"], schedule=RATES)

    assert body["after_job"] is None
    assert body["warnings"] == ["the bounds of range_test_id are not used: the schedule has its own rates"]


def test_a_replay_answers_the_first_job_whatever_became_of_its_range_test(
    api: TestClient, database: Database
) -> None:
    source = lifecycle.create(api)
    body = {"range_test_id": source["id"]}
    first = api.post("/training-jobs", json=body, headers={"Idempotency-Key": "k"})
    finish(database, claim(database), "inconclusive", INCONCLUSIVE)

    again = api.post("/training-jobs", json=body, headers={"Idempotency-Key": "k"})

    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])


def test_a_job_that_another_goes_on_from_is_not_deleted(api: TestClient, database: Database) -> None:
    job_id = trained(api, database)
    api.post(f"/training-jobs/{job_id}/resume", json={})

    answer = api.delete(f"/training-jobs/{job_id}")

    assert answer.status_code == 409


def test_rounding_that_is_known_at_once_is_said_at_once(api: TestClient) -> None:
    body = create(api, num_steps=90, schedule=RATES | {"step_size": 20})

    assert body["warnings"] == [
        "90 steps end inside a cycle of triangular: rounded to whole cycles, 80 steps"
    ]


def test_a_repeated_key_makes_neither_a_second_job_nor_a_second_range_test(api: TestClient) -> None:
    answers = [
        api.post("/training-jobs", json={"workload": "digits"}, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]

    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert len(api.get("/jobs").json()["items"]) == 2


def test_a_trained_job_shows_its_result(api: TestClient, database: Database) -> None:
    job_id = trained(api, database)

    body = api.get(f"/training-jobs/{job_id}").json()

    assert (body["status"], body["outcome"]) == ("succeeded", "trained")
    assert body["result"]["final"] == END
    assert "warnings" not in body["result"]


def test_its_curve_and_picture_are_there(api: TestClient, database: Database) -> None:
    job_id = trained(api, database)

    [run] = api.get(f"/training-jobs/{job_id}/curve").json()["runs"]
    pictures = [api.get(f"/training-jobs/{job_id}/plot.{format}") for format in ("svg", "png")]

    assert run["step"] == list(range(80))
    assert run["held_out"]["accuracy"] == [0.39, 0.79]
    assert [picture.headers["Content-Type"] for picture in pictures] == ["image/svg+xml", "image/png"]


def test_each_kind_is_found_under_its_own_path_alone(api: TestClient, database: Database) -> None:
    job_id = trained(api, database)

    assert api.get(f"/range-tests/{job_id}").status_code == 404
    assert api.get(f"/range-tests/{job_id}/curve").status_code == 404
    assert api.get("/range-tests").json()["items"] == []
    assert [job["id"] for job in api.get("/training-jobs").json()["items"]] == [job_id]


def test_cancelling_it_cancels_the_range_test_made_for_it(api: TestClient) -> None:
    body = create(api)

    cancelled = api.post(f"{body['links']['self']}/cancel")

    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert api.get(body["links"]["range_test"]).json()["status"] == "cancelled"


def test_a_range_test_of_ones_own_is_left_alone(api: TestClient) -> None:
    source = lifecycle.create(api)
    body = create(api, range_test_id=source["id"])

    api.post(f"{body['links']['self']}/cancel")

    assert api.get(f"/range-tests/{source['id']}").json()["status"] == "queued"


@pytest.mark.parametrize("running", [False, True])
def test_a_range_test_that_a_training_needs_is_not_deleted(
    api: TestClient, database: Database, running: bool
) -> None:
    body = create(api)
    finish(database, claim(database), "bounds_found", BOUNDS)
    if running:
        claim(database)

    answer = api.delete(body["links"]["range_test"])

    assert answer.status_code == 409
    assert body["id"] in answer.json()["detail"]


def test_checkpoints_are_listed(api: TestClient, database: Database) -> None:
    job_id = trained(api, database)

    [item] = api.get(f"/training-jobs/{job_id}/checkpoints").json()["items"]

    assert (item["step"], item["cycle"], item["best"], item["size_bytes"]) == (79, 2, True, 4)
    assert item["links"]["self"] == f"/training-jobs/{job_id}/checkpoints/79"


def test_a_checkpoint_on_this_disk_is_downloaded_and_goes_with_its_job(
    api: TestClient, database: Database, api_settings: Settings
) -> None:
    job_id = trained(api, database)
    file = Path(api_settings.data_dir) / FOLDER / job_id / "1" / "step-79.pt"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"data")

    answer = api.get(f"/training-jobs/{job_id}/checkpoints/79")
    deleted = api.delete(f"/training-jobs/{job_id}")

    assert answer.content == b"data"
    assert f"{job_id}-step-79.pt" in answer.headers["Content-Disposition"]
    assert deleted.status_code == 204
    assert not file.exists()


@pytest.mark.parametrize("path", ["../secret.pt", "{folder}/secret.pt"])
def test_a_row_that_leads_out_of_the_data_directory_is_not_served(
    api: TestClient, database: Database, api_settings: Settings, path: str
) -> None:
    job_id = trained(api, database)
    outside = Path(api_settings.data_dir).resolve().parent
    (outside / "secret.pt").write_bytes(b"secret")
    with database.write() as session:
        [row] = checkpoints.of_job(session, job_id)
        row.path = path.format(folder=outside)

    answer = api.get(f"/training-jobs/{job_id}/checkpoints/79")

    assert (answer.status_code, answer.json()["code"]) == (409, "checkpoint_elsewhere")


def test_a_checkpoint_elsewhere_says_where(api: TestClient, database: Database) -> None:
    job_id = trained(api, database)

    answer = api.get(f"/training-jobs/{job_id}/checkpoints/79")

    assert (answer.status_code, answer.json()["code"]) == (409, "checkpoint_elsewhere")
    assert answer.json()["hostname"] == "gpu-box"


@pytest.fixture
def bucket(api_settings: Settings, bucket_url: str) -> Iterator[tuple[TestClient, Artifacts]]:
    """The API of a service that keeps its checkpoints in a bucket, and that bucket."""
    settings = api_settings.model_copy(update={"artifacts_url": bucket_url})
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client, find_artifacts(settings)


def test_a_checkpoint_in_the_bucket_is_downloaded_and_goes_with_its_job(
    database: Database, bucket: tuple[TestClient, Artifacts]
) -> None:
    api, artifacts = bucket
    job_id = trained(api, database)
    artifacts.write(f"{FOLDER}/{job_id}/1/step-79.pt", lambda file: file.write(b"data"))

    answer = api.get(f"/training-jobs/{job_id}/checkpoints/79")
    deleted = api.delete(f"/training-jobs/{job_id}")

    assert (answer.content, answer.headers["Content-Length"]) == (b"data", "4")
    assert f"{job_id}-step-79.pt" in answer.headers["Content-Disposition"]
    assert deleted.status_code == 204
    assert artifacts.files("") == []


def test_a_checkpoint_that_is_not_in_the_bucket_says_where_it_was_written(
    database: Database, bucket: tuple[TestClient, Artifacts]
) -> None:
    api, _ = bucket
    job_id = trained(api, database)

    answer = api.get(f"/training-jobs/{job_id}/checkpoints/79")

    assert (answer.status_code, answer.json()["code"]) == (409, "checkpoint_elsewhere")


def test_while_the_bucket_is_away_a_download_is_503_and_a_job_can_be_deleted(
    database: Database, bucket: tuple[TestClient, Artifacts], monkeypatch: pytest.MonkeyPatch
) -> None:
    api, _ = bucket
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    job_id = trained(api, database)

    answer = api.get(f"/training-jobs/{job_id}/checkpoints/79")
    deleted = api.delete(f"/training-jobs/{job_id}")

    assert (answer.status_code, answer.json()["code"]) == (503, "artifacts_unavailable")
    assert answer.headers["Retry-After"]
    assert deleted.status_code == 204


def test_no_checkpoint_after_that_step_is_404(api: TestClient, database: Database) -> None:
    job_id = trained(api, database)

    assert api.get(f"/training-jobs/{job_id}/checkpoints/3").status_code == 404


def test_a_finished_job_goes_on_for_more_cycles(api: TestClient, database: Database) -> None:
    job_id = trained(api, database, seed=5)

    answer = api.post(f"/training-jobs/{job_id}/resume", json={"num_cycles": 2})

    config = answer.json()["config"]
    assert answer.status_code == 202
    assert (config["resume_from"], config["resume_at"], config["seed"]) == (job_id, 80, 5)
    assert (config["num_cycles"], config["schedule"]) == (2, RESULT["schedule"])


def test_a_job_that_goes_on_is_as_urgent_as_its_own_request_says(api: TestClient, database: Database) -> None:
    job_id = trained(api, database, priority="low")

    answer = api.post(f"/training-jobs/{job_id}/resume", json={"num_cycles": 2, "priority": "high"}).json()

    assert answer["priority"] == answer["config"]["priority"] == "high"


def test_a_job_is_held_to_the_time_of_its_request(api: TestClient, database: Database) -> None:
    body = create(api, schedule=RATES, timeout_s=7)

    with database.read() as session:
        assert jobs.get(session, body["id"]).timeout_s == 7


@pytest.mark.parametrize(("outcome", "code"), [("diverged", "job_diverged"), (None, "job_not_final")])
def test_what_cannot_go_on_says_why(
    api: TestClient, database: Database, outcome: str | None, code: str
) -> None:
    job_id = create(api, schedule=RATES)["id"] if outcome is None else trained(api, database, outcome=outcome)

    answer = api.post(f"/training-jobs/{job_id}/resume", json={})

    assert (answer.status_code, answer.json()["code"]) == (409, code)


def test_a_cancelled_job_without_a_checkpoint_cannot_go_on(api: TestClient) -> None:
    job_id = create(api, schedule=RATES)["id"]
    api.post(f"/training-jobs/{job_id}/cancel")

    answer = api.post(f"/training-jobs/{job_id}/resume", json={})

    assert (answer.status_code, answer.json()["code"]) == (409, "no_checkpoint")
