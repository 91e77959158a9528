"""Comparisons over HTTP, on both databases; the tests play the worker through the store."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from clr.partial_schedules import complete
from store import claims, comparisons, runs
from store.database import Database
from store.models import Comparison, Job
from store.status import Reason
from tests.api.early import SETTLED_EARLY
from tests.api.lifecycle import BOUNDS, finish
from tests.api.queries import counted

pytestmark = pytest.mark.usefixtures("catalogue")

FIXED = {"schedule": {"policy": "fixed", "lr": 0.05}}
CLR = {"schedule": {"policy": "triangular", "base_lr": 0.01, "max_lr": 0.1}}


def create(api: TestClient, **body: Any) -> dict[str, Any]:
    answer = api.post("/comparisons", json={"workload": "digits"} | body)
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


def claim_next(database: Database) -> Job | None:
    with database.write() as session:
        return claims.claim(session, workloads=["digits"], worker_id="w", ring_id="r", pid=1, lease_s=60)


def fail(database: Database, job: Job) -> None:
    with database.write() as session:
        claims.fail(session, job.id, 1, Reason.NO_BOUNDS, "it is inconclusive", max_attempts=3)


def end(database: Database, job: Job, *, accuracy: float, outcome: str = "trained") -> None:
    """Play the worker of one training job: two looks, then its result."""
    steps = 160
    with database.write() as session:
        runs.begin_run(session, job.id, sweep=0, seed=job.config["seed"], plan={"phase": "training"})
        looks = [(79, 0.05, 0.5, accuracy - 0.1), (steps - 1, 0.05, 0.3, accuracy)]
        runs.append(session, job.id, sweep=0, seed=job.config["seed"], series="held_out", rows=looks)
        points = [(step, 0.05, 0.5) for step in range(steps)]
        runs.append(session, job.id, sweep=0, seed=job.config["seed"], series="train", rows=points)
    last = {"cycle": 4, "step": steps - 1, "loss": 0.3, "accuracy": accuracy}
    schedule = complete(job.config["schedule"], base_lr=0.01, max_lr=0.1, step_size=20, num_steps=steps)
    result = {
        "schedule": schedule.model_dump(mode="json"),
        "num_steps": steps,
        "steps_per_epoch": 10,
        "stopped_early": False,
        "final": last,
        "best": last,
        "warnings": [],
    }
    finish(database, job.id, outcome, result)


def play(database: Database, **accuracies: float) -> None:
    """Every job of the queue, each label at its accuracy, a little more with each seed."""
    while (job := claim_next(database)) is not None:
        if job.kind == "range_test":
            finish(database, job.id, "bounds_found", BOUNDS)
        else:
            end(database, job, accuracy=accuracies[job.config["label"]] + job.config["seed"] / 1000)


def test_every_entry_is_trained_with_every_seed(api: TestClient) -> None:
    body = create(api, entries=[FIXED, CLR], num_seeds=2, seed=3, num_epochs=4, name="n", tags=["t"])

    made = api.get("/training-jobs?tag=t").json()["items"]
    seeds = {(job["config"]["label"], job["config"]["seed"]) for job in made}
    assert seeds == {("fixed", 3), ("fixed", 4), ("triangular", 3), ("triangular", 4)}
    assert {job["config"]["num_epochs"] for job in made} == {4.0}
    assert {job["comparison_id"] for job in made} == {body["id"]}
    assert body["progress"] == {"completed": 0, "total": 4, "unit": "jobs"}


def test_all_its_jobs_are_as_urgent_as_it(api: TestClient) -> None:
    body = create(api, entries=[FIXED, {"schedule": {"policy": "triangular"}}], priority="low")

    made = api.get("/jobs").json()["items"]
    assert body["config"]["priority"] == "low"
    assert [job["priority"] for job in made] == ["low"] * 7


def test_a_single_job_is_claimed_before_the_rest_of_it(api: TestClient, database: Database) -> None:
    create(api, entries=[FIXED, CLR], num_seeds=20)
    claim_next(database)
    single = api.post("/range-tests", json={"workload": "digits"}).json()

    claimed = claim_next(database)
    assert claimed is not None
    assert claimed.id == single["id"]


def test_one_range_test_of_each_optimizer_gives_the_rates(api: TestClient) -> None:
    create(api, preset="adaptive", num_seeds=1)

    tests = api.get("/range-tests").json()["items"]
    trainings = api.get("/training-jobs").json()["items"]
    assert sorted(test["config"]["optimizer"]["name"] for test in tests) == [
        "Adadelta", "Adagrad", "Adam", "RMSprop", "SGD",
    ]  # fmt: skip
    by_id = {test["id"]: test["config"]["optimizer"] for test in tests}
    assert all(by_id[job["after_job"]] == job["config"]["optimizer"] for job in trainings)


def test_the_papers_preset_holds_its_policies(api: TestClient) -> None:
    body = create(api, preset="paper", num_seeds=1)

    assert [row["label"] for row in body["rows"]] == [
        "fixed", "exponential_decay", "step_decay", "decay", "triangular", "triangular2", "exp_range",
        "exp_range_paper",
    ]  # fmt: skip


def test_the_table_tells_means_targets_and_who_is_within_the_noise(
    api: TestClient, database: Database
) -> None:
    path = create(api, entries=[FIXED, CLR])["links"]["self"]
    play(database, fixed=0.7, triangular=0.9)

    body = api.get(path).json()

    fixed, clr = body["rows"]
    assert (body["status"], body["metric"]) == ("succeeded", "accuracy")
    assert body["target"] == pytest.approx(0.701)
    assert body["within_noise"] == ["triangular"]
    assert clr["final"] == {"mean": pytest.approx(0.901), "std": pytest.approx(0.001)}
    assert (clr["steps_to_target"], clr["reached"]) == (80, 3)
    assert fixed["p_value"] < 0.05
    assert len(fixed["jobs"]) == 3


def test_a_target_of_ones_own_counts(api: TestClient, database: Database) -> None:
    path = create(api, entries=[FIXED, CLR], target=0.9005)["links"]["self"]
    play(database, fixed=0.7, triangular=0.9)

    fixed, clr = api.get(path).json()["rows"]

    assert (fixed["steps_to_target"], fixed["reached"]) == (None, 0)
    assert (clr["steps_to_target"], clr["reached"]) == (160, 2)


def test_the_picture_has_a_line_for_each_entry(api: TestClient, database: Database) -> None:
    path = create(api, entries=[FIXED, CLR])["links"]["self"]
    play(database, fixed=0.7, triangular=0.9)

    picture = api.get(f"{path}/plot.svg")

    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert "triangular" in picture.text


def test_a_running_comparison_says_when_to_look_again(api: TestClient, database: Database) -> None:
    path = create(api, entries=[FIXED])["links"]["self"]
    claim_next(database)

    answer = api.get(path)

    assert answer.json()["status"] == "running"
    assert answer.headers["Retry-After"]


def test_cancelling_it_cancels_all_its_jobs(api: TestClient) -> None:
    path = create(api, preset="paper")["links"]["self"]

    body = api.post(f"{path}/cancel").json()

    assert body["status"] == "cancelled"
    assert {job["status"] for job in api.get("/jobs").json()["items"]} == {"cancelled"}
    assert api.post(f"{path}/cancel").status_code == 409


def test_one_cancelled_job_does_not_cancel_the_others(api: TestClient, database: Database) -> None:
    body = create(api, entries=[FIXED], num_seeds=2)
    job_id = body["rows"][0]["jobs"][0]

    api.post(f"/training-jobs/{job_id}/cancel")
    before = api.get(body["links"]["self"]).json()["status"]
    play(database, fixed=0.9)

    assert before == "running"
    assert api.get(body["links"]["self"]).json()["status"] == "succeeded"


def test_a_job_of_it_is_not_deleted_alone(api: TestClient) -> None:
    body = create(api, entries=[FIXED], num_seeds=1)
    api.post(f"{body['links']['self']}/cancel")

    answer = api.delete(f"/training-jobs/{body['rows'][0]['jobs'][0]}")

    assert answer.status_code == 409
    assert body["id"] in answer.json()["detail"]


def test_a_finished_one_is_deleted_with_its_jobs(api: TestClient) -> None:
    path = create(api, entries=[CLR])["links"]["self"]
    early = api.delete(path)
    api.post(f"{path}/cancel")

    late = api.delete(path)

    assert (early.status_code, late.status_code) == (409, 204)
    assert api.get("/jobs").json()["items"] == []
    assert api.get(path).status_code == 404


def test_without_a_training_that_succeeded_it_has_failed_and_says_why(
    api: TestClient, database: Database
) -> None:
    path = create(api, entries=[{"schedule": {"policy": "fixed"}}], num_seeds=2)["links"]["self"]
    while (job := claim_next(database)) is not None:
        if job.kind == "range_test":
            finish(database, job.id, "inconclusive", {})
        else:
            fail(database, job)

    body = api.get(path).json()

    assert body["status"] == "failed"
    assert body["warnings"] == ["fixed: 2 of 2 runs failed, no_bounds: it is inconclusive"]


def test_runs_that_diverged_are_told_of(api: TestClient, database: Database) -> None:
    path = create(api, entries=[FIXED, CLR], num_seeds=1)["links"]["self"]
    while (job := claim_next(database)) is not None:
        end(database, job, accuracy=0.9, outcome="diverged" if job.config["label"] == "fixed" else "trained")

    body = api.get(path).json()

    assert body["status"] == "succeeded"
    assert body["warnings"] == ["fixed: 1 of 1 runs diverged"]
    assert body["within_noise"] == ["triangular"]


def test_they_are_listed_page_by_page(api: TestClient) -> None:
    made = [create(api, entries=[FIXED], num_seeds=1)["id"] for _ in range(3)]

    first = api.get("/comparisons?page_size=2").json()
    second = api.get(f"/comparisons?page_size=2&page_token={first['next_page_token']}").json()

    assert [item["id"] for item in first["items"] + second["items"]] == made[::-1]


def test_a_repeated_key_makes_one_comparison(api: TestClient) -> None:
    body = {"workload": "digits", "entries": [FIXED], "num_seeds": 1}
    answers = [api.post("/comparisons", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    other = api.post("/comparisons", json=body | {"num_seeds": 2}, headers={"Idempotency-Key": "k"})

    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert len(api.get("/jobs").json()["items"]) == 1
    assert other.status_code == 422


def test_racing_posts_with_one_key_make_one_comparison(api: TestClient) -> None:
    body = {"workload": "digits", "entries": [{"schedule": {"policy": "fixed"}}], "num_seeds": 2}

    def post(_: int) -> str:
        answer = api.post("/comparisons", json=body, headers={"Idempotency-Key": "k"})
        return str(answer.json()["id"])

    with ThreadPoolExecutor(4) as pool:
        made = set(pool.map(post, range(4)))

    assert len(made) == 1
    assert len(api.get("/jobs").json()["items"]) == 3


def test_its_jobs_wait_in_the_order_of_seeds_then_entries(api: TestClient) -> None:
    create(api, entries=[FIXED, {"schedule": {"policy": "triangular"}}], num_seeds=2)

    newest_first = api.get("/jobs").json()["items"]
    trainings = api.get("/training-jobs").json()["items"][::-1]
    assert [job["kind"] for job in newest_first[::-1]] == [
        "training_job", "range_test", "training_job", "training_job", "training_job",
    ]  # fmt: skip
    assert [(job["config"]["seed"], job["config"]["label"]) for job in trainings] == [
        (0, "fixed"), (0, "triangular"), (1, "fixed"), (1, "triangular"),
    ]  # fmt: skip
    assert len({job["created_at"] for job in newest_first}) == len(newest_first)


def test_optimizers_that_are_equal_share_a_range_test(api: TestClient) -> None:
    by_name = {
        "schedule": {"policy": "fixed"},
        "optimizer": {"name": "SGD", "momentum": 0.9},
        "label": "named",
    }
    create(api, entries=[{"schedule": {"policy": "fixed"}}, by_name], num_seeds=1)

    assert len(api.get("/range-tests").json()["items"]) == 1


def test_schedules_of_one_optimizer_share_a_range_test_for_the_first_of_them(api: TestClient) -> None:
    create(
        api, entries=[{"schedule": {"policy": policy}} for policy in ("one_cycle", "fixed")], num_steps=400
    )

    [test] = api.get("/range-tests").json()["items"]
    assert test["config"]["for"] == {"policy": "one_cycle", "num_steps": 400, "num_epochs": None}


def test_submitting_writes_as_often_for_many_jobs_as_for_few(api: TestClient) -> None:
    with counted() as for_two:
        create(api, entries=[FIXED], num_seeds=2)
    with counted() as for_many:
        create(api, preset="paper", num_seeds=10)

    assert len(for_many) == len(for_two)


def test_the_table_costs_as_many_queries_for_many_jobs_as_for_few(
    api: TestClient, database: Database
) -> None:
    paths = [create(api, entries=[FIXED, CLR], num_seeds=num_seeds)["links"]["self"] for num_seeds in (2, 3)]
    for _ in range(7):  # of ten
        job = claim_next(database)
        assert job is not None
        end(database, job, accuracy=0.9)

    counts = []
    for path in paths:
        with counted() as statements:
            assert api.get(path).json()["rows"][0]["num_steps"] == 160
        counts.append(len(statements))

    assert counts == [4, 4]  # whether there are keys, the comparison, its jobs, all looks


def test_a_final_table_is_not_read_again(api: TestClient, database: Database) -> None:
    path = create(api, entries=[FIXED, CLR])["links"]["self"]
    play(database, fixed=0.7, triangular=0.9)
    first = api.get(path).json()

    with counted() as statements:
        again = api.get(path).json()

    assert again == first
    assert len(statements) == 2  # whether there are keys, whether it is still there


def test_the_list_costs_as_many_queries_for_many_as_for_one(api: TestClient) -> None:
    for _ in range(3):
        create(api, entries=[FIXED], num_seeds=1)

    with counted() as statements:
        listed = api.get("/comparisons").json()["items"]

    assert [item["progress"]["total"] for item in listed] == [1, 1, 1]
    assert len(statements) == 3  # whether there are keys, the comparisons, the counts of their jobs


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({}, "/entries", "preset"),
    ({"preset": "best"}, "/preset", "paper"),
    ({"entries": [CLR, CLR]}, "/entries", "twice"),
    ({"entries": [{"schedule": {"policy": "saw"}}]}, "/entries/0/schedule/policy", "triangular"),
    (
        {"entries": [FIXED, {"schedule": CLR["schedule"] | {"max_lr": 0.001}}]},
        "/entries/1/schedule/max_lr",
        "base_lr",
    ),
    (
        {"entries": [{"schedule": CLR["schedule"] | {"step_size": 9}}]},
        "/entries/0/schedule/step_size",
        "num_steps",
    ),
    ({"entries": [FIXED | {"optimizer": {"name": "Adan"}}]}, "/entries/0/optimizer/name", "AdamW"),
    ({"entries": [FIXED | {"scheduler": 1}]}, "/entries/0/scheduler", "schedule"),
    ({"entries": [{"schedule": {"policy": "sgdr", "t_mult": 3}}]}, "/entries/0/schedule/t_mult", "num_steps"),
    ({"preset": "paper", "seed": 2_000_000_000}, "/seed", "last seed"),
    ({"preset": "paper", "num_seeds": 0}, "/num_seeds", "greater than or equal to 1"),
    ({"preset": "paper", "num_steps": 10_000_000}, "/num_steps", "more than"),
    ({"workload": "mnist", "preset": "paper"}, "/workload", "known"),
]


@SETTLED_EARLY
@pytest.mark.parametrize(("body", "pointer", "message"), WRONG)
def test_a_wrong_field_is_named(api: TestClient, body: dict[str, Any], pointer: str, message: str) -> None:
    answer = api.post("/comparisons", json={"workload": "digits"} | body)

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert message in answer.json()["errors"][0]["message"]
    assert api.get("/jobs").json()["items"] == []


def test_the_list_is_narrowed_and_still_pages_through_all_of_it(api: TestClient, database: Database) -> None:
    made = [create(api, entries=[FIXED], num_seeds=1, tags=["ci", f"n{n}"])["id"] for n in range(5)]
    with database.write() as session:
        session.execute(update(Comparison).where(Comparison.id == made[0]).values(range_test_id=made[1]))

    def listed(**query: Any) -> list[str]:
        found = api.get("/comparisons", params=query)
        assert found.status_code == 200, found.text
        return [item["id"] for item in found.json()["items"]]

    first = api.get("/comparisons", params={"tag": "ci", "page_size": 3}).json()
    assert [item["id"] for item in first["items"]] == made[:1:-1]
    assert listed(tag="ci", page_size=3, page_token=first["next_page_token"]) == made[1::-1]
    assert api.get("/comparisons", params={"page_token": first["next_page_token"]}).status_code == 400
    assert listed(tag="n2", workload="digits") == [made[2]]
    assert listed(workload="else") == listed(tag="n9") == []
    assert listed(range_test_id=made[1]) == [made[0]]


def test_a_comparison_whose_jobs_are_not_all_there_has_not_succeeded(
    api: TestClient, database: Database
) -> None:
    body = create(api, entries=[FIXED, CLR], num_seeds=2)
    cut_short(database, body["id"], after=1)
    play(database, fixed=0.9)

    half = api.get(body["links"]["self"]).json()
    listed = api.get("/comparisons").json()["items"][0]

    assert half["status"] == listed["status"] == "running"
    assert half["progress"] == listed["progress"] == {"completed": 1, "total": 4, "unit": "jobs"}
    assert api.delete(body["links"]["self"]).status_code == 409


def test_a_replay_queues_what_is_missing(api: TestClient, database: Database) -> None:
    request, key = {"workload": "digits", "entries": [FIXED, CLR]}, {"Idempotency-Key": "k"}
    first = api.post("/comparisons", json=request, headers=key).json()
    cut_short(database, first["id"], after=2)

    again = api.post("/comparisons", json=request, headers=key)

    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json()["id"] == first["id"]
    assert [len(row["jobs"]) for row in again.json()["rows"]] == [3, 3]


def test_its_cancel_is_seen_before_all_its_jobs_are_cancelled(api: TestClient, database: Database) -> None:
    body = create(api, entries=[FIXED, CLR])
    claim_next(database)
    with database.write() as session:
        comparisons.request_cancel(session, body["id"])

    assert api.get(body["links"]["self"]).json()["status"] == "cancelling"
    assert api.post(f"{body['links']['self']}/cancel").json()["status"] == "cancelling"


def cut_short(database: Database, comparison_id: str, *, after: int) -> None:
    """Make a comparison as a process leaves it that is killed after so many of its jobs."""
    with database.write() as session:
        comparison = comparisons.get(session, comparison_id)
        made = comparisons.jobs_of(session, comparison_id)
        rows = [{each.key: getattr(job, each.key) for each in Job.__table__.columns} for job in made]
        comparison.plan = {"jobs": rows, "seeds": [], "turn": 1}
        comparison.chore = "queue"
        for job in made[after:]:
            session.delete(job)
