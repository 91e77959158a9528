"""Range tests over HTTP, on both databases."""

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from store import curves, jobs
from store.database import Database
from store.status import Reason

pytestmark = pytest.mark.usefixtures("catalogue")

BOUNDS = {
    "base_lr": 0.025,
    "max_lr": 0.1,
    "base_lr_interval": [0.02, 0.03],
    "max_lr_interval": [0.08, 0.12],
    "rule_base": "quarter_of_max",
    "rule_max": "plateau_ends",
    "reason_base": "b",
    "reason_max": "m",
    "evidence": {},
    "step_size": 88,
    "steps_per_epoch": 43.7,
    "warnings": [],
    "candidates": [{"name": "valley", "lr": 0.05, "note": "n"}],
}
INCONCLUSIVE = {
    "why": "no_learning",
    "message": "nothing learned",
    "next_experiment": {"message": "more steps", "request": {"num_steps": 1600}},
    "candidates": [],
}
PLAN = {
    "sweep": 1,
    "seed": 0,
    "phase": "test",
    "shape": "linear",
    "start_lr": 0.001,
    "end_lr": 0.1,
    "num_steps": 100,
    "eval_every": 5,
}


def create(api: TestClient, **fields: Any) -> dict[str, Any]:
    answer = api.post("/range-tests", json={"workload": "digits"} | fields)
    assert answer.status_code == 202, answer.text
    body: dict[str, Any] = answer.json()
    return body


def claim(database: Database) -> str:
    with database.write() as session:
        job = jobs.claim(session, workloads=["digits"], worker_id="w", ring_id="r", pid=1, lease_s=60)
    assert job is not None
    return job.id


def finish(database: Database, job_id: str, outcome: str, result: dict[str, Any]) -> None:
    with database.write() as session:
        jobs.succeed(session, job_id, 1, outcome=outcome, result=result)


def measure(database: Database, job_id: str, losses: list[float]) -> None:
    with database.write() as session:
        curves.begin_sweep(session, job_id, sweep=1, seed=0, plan=PLAN)
        rows = [(step, (step + 1) / 1000, loss) for step, loss in enumerate(losses)]
        curves.append(session, job_id, sweep=1, seed=0, series="train", rows=rows)
        looks = [(step, (step + 1) / 1000, loss, math.nan) for step, loss in enumerate(losses)][::5]
        curves.append(session, job_id, sweep=1, seed=0, series="held_out", rows=looks)


def test_the_smallest_body_is_queued_with_every_default_resolved(api: TestClient) -> None:
    answer = api.post("/range-tests", json={"workload": "digits"})

    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/range-tests/{job['id']}"
    assert int(answer.headers["Retry-After"]) > 0
    assert (job["status"], job["attempt"], job["outcome"]) == ("queued", 0, None)
    assert job["created_at"].endswith("Z")
    assert job["config"] == {
        "params": {"width": 16},
        "optimizer": {
            "name": "SGD",
            "momentum": 0.9,
            "dampening": 0.0,
            "nesterov": False,
            "weight_decay": 0.0,
        },
        "batch_size": 32,
        "seed": 0,
        "num_seeds": 3,
        "start_lr": None,
        "end_lr": None,
        "num_steps": None,
        "effort": "standard",
        "timeout_s": 3600.0,
    }


def test_a_full_body_is_kept_as_given(api: TestClient) -> None:
    given = {
        "params": {"width": 8},
        "seed": 5,
        "num_seeds": 2,
        "start_lr": 1e-4,
        "end_lr": 1,
        "num_steps": 50,
    }

    job = create(api, **given, name="nightly", tags=["ci", "gpu"], optimizer={"name": "adamw", "eps": 1e-7})

    assert given.items() <= job["config"].items()
    assert job["config"]["optimizer"]["name"] == "AdamW"
    assert (job["name"], job["tags"]) == ("nightly", ["ci", "gpu"])


@pytest.mark.parametrize(
    ("field", "value", "pointer", "says"),
    [
        ("workload", "nope", "/workload", "known: digits"),
        ("workload", 3, "/workload", "string"),
        ("workload", "a\0b", "/workload", "NUL"),
        ("params", {"widht": 3}, "/params", "width"),
        ("params", {"width": 65}, "/params/width", "64"),
        ("params", {"width": "8"}, "/params/width", "integer"),
        ("params", {"width": True}, "/params/width", "integer"),
        ("nun_seeds", 3, "/nun_seeds", "num_seeds"),
        ("optimizer", {"name": "sgdd"}, "/optimizer", "Adam"),
        ("optimizer", {"name": "SGD", "beta": 1}, "/optimizer/SGD/beta", "unknown"),
        ("optimizer", {"name": "SGD", "momentum": -1}, "/optimizer/SGD/momentum", "greater"),
        ("optimizer", {"name": "SGD", "momentum": "0.9"}, "/optimizer/SGD/momentum", "number"),
        ("optimizer", {"name": "SGD", "nesterov": True}, "/optimizer/SGD", "momentum"),
        ("num_seeds", 0, "/num_seeds", "1"),
        ("num_seeds", 21, "/num_seeds", "20"),
        ("num_seeds", True, "/num_seeds", "integer"),
        ("num_seeds", 1.5, "/num_seeds", "integer"),
        ("num_steps", 11, "/num_steps", "12"),
        ("num_steps", 10**9, "/num_steps", "3333"),
        ("num_steps", 10**400, "/num_steps", "64 bits"),
        ("batch_size", 0, "/batch_size", "1"),
        ("seed", -1, "/seed", "0"),
        ("start_lr", 0, "/start_lr", "greater"),
        ("start_lr", "0.1", "/start_lr", "number"),
        ("end_lr", 1e7, "/end_lr", "1000000"),
        ("effort", "heroic", "/effort", "quick"),
        ("timeout_s", 0, "/timeout_s", "greater"),
        ("name", "x" * 201, "/name", "200"),
        ("tags", ["x"] * 21, "/tags", "20"),
        ("tags", [""], "/tags/0", "1"),
    ],
)
def test_a_wrong_field_is_refused_by_name_with_what_is_allowed(
    api: TestClient, field: str, value: object, pointer: str, says: str
) -> None:
    answer = api.post("/range-tests", json={"workload": "digits"} | {field: value})

    problem = answer.json()
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    (error,) = problem["errors"]
    assert error["pointer"] == pointer
    assert says in error["message"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ('{"workload": "digits", "start_lr": %s}', "/start_lr"),
        ('{"workload": "digits", "params": {"width": %s}}', "/params/width"),
        ('{"workload": "digits", "optimizer": {"name": "SGD", "momentum": %s}}', "/optimizer/momentum"),
    ],
)
def test_a_number_that_is_not_finite_is_refused_wherever_it_stands(
    api: TestClient, body: str, pointer: str, number: str
) -> None:
    answer = api.post(
        "/range-tests", content=body.replace("%s", number), headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": pointer, "message": "must be a finite number"}]


def test_start_lr_must_lie_below_end_lr(api: TestClient) -> None:
    answer = api.post("/range-tests", json={"workload": "digits", "start_lr": 0.1, "end_lr": 0.1})

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"pointer": "/end_lr", "message": "must be greater than start_lr (0.1)"}
    ]


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"workload": "\xff"}', "application/json", 400),
        (b'{"workload": "\\ud800"}', "application/json", 422),
        (b"[" * 50_000, "application/json", 400),
        (
            b'{"workload": "digits", "params": ' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}",
            "application/json",
            422,
        ),
        (b"x" * 100_001, "application/json", 413),
        (b'{"workload": "digits"}', "text/plain", 415),
    ],
)
def test_a_body_that_is_no_request_is_a_clear_problem(
    api: TestClient, content: bytes, content_type: str, status: int
) -> None:
    answer = api.post("/range-tests", content=content, headers={"Content-Type": content_type})

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


def test_a_huge_body_sent_in_chunks_is_refused_too(api: TestClient) -> None:
    chunks = (b" " * 65_536 for _ in range(800))

    answer = api.post("/range-tests", content=chunks, headers={"Content-Type": "application/json"})

    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_same_key_answers_the_same_job(api: TestClient) -> None:
    key = {"Idempotency-Key": "once"}

    first = api.post("/range-tests", json={"workload": "digits"}, headers=key)
    again = api.post("/range-tests", json={"workload": "digits"}, headers=key)

    assert first.json()["id"] == again.json()["id"]
    assert again.status_code == 202
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers


def test_the_same_key_with_another_body_is_refused(api: TestClient) -> None:
    key = {"Idempotency-Key": "once"}
    api.post("/range-tests", json={"workload": "digits"}, headers=key)

    answer = api.post("/range-tests", json={"workload": "digits", "seed": 1}, headers=key)

    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_key_reused"


def test_two_posts_racing_with_one_key_make_one_job(api: TestClient) -> None:
    def post(_: int) -> str:
        answer = api.post("/range-tests", json={"workload": "digits"}, headers={"Idempotency-Key": "race"})
        assert answer.status_code == 202
        return str(answer.json()["id"])

    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(post, range(16)))

    assert len(made) == 1
    assert len(api.get("/range-tests").json()["items"]) == 1


@pytest.mark.parametrize("job_id", ["nonsense", str(uuid4()), "%00", "../etc"])
def test_an_id_of_no_job_is_not_found(api: TestClient, job_id: str) -> None:
    for path in ("", "/bounds", "/curve", "/plot.svg"):
        answer = api.get(f"/range-tests/{job_id}{path}")
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_job_says_when_to_look_again_until_it_is_final(api: TestClient, database: Database) -> None:
    job_id = create(api)["id"]

    queued = api.get(f"/range-tests/{job_id}")
    claim(database)
    finish(database, job_id, "bounds_found", BOUNDS)
    final = api.get(f"/range-tests/{job_id}")

    assert "Retry-After" in queued.headers
    assert "Retry-After" not in final.headers
    assert (final.json()["status"], final.json()["outcome"]) == ("succeeded", "bounds_found")


def test_a_long_poll_answers_as_soon_as_the_job_is_final(api: TestClient, database: Database) -> None:
    job_id = create(api)["id"]
    claim(database)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.get, f"/range-tests/{job_id}", params={"wait_s": 50})
        finish(database, job_id, "bounds_found", BOUNDS)
        answer = waiting.result(timeout=10)

    assert answer.json()["status"] == "succeeded"


def test_bounds_come_with_code_to_paste(api: TestClient, database: Database) -> None:
    job_id = create(api)["id"]
    waiting = api.get(f"/range-tests/{job_id}/bounds")
    claim(database)
    finish(database, job_id, "bounds_found", BOUNDS)

    bounds = api.get(f"/range-tests/{job_id}/bounds")

    assert waiting.status_code == 202
    assert "Retry-After" in waiting.headers
    assert bounds.status_code == 200
    assert bounds.json() == BOUNDS | {"snippet": bounds.json()["snippet"]}
    compile(bounds.json()["snippet"], "snippet", "exec")
    assert "max_lr=0.1," in bounds.json()["snippet"]


def test_an_inconclusive_test_says_why_and_what_next(api: TestClient, database: Database) -> None:
    job_id = create(api)["id"]
    claim(database)
    finish(database, job_id, "inconclusive", INCONCLUSIVE)

    answer = api.get(f"/range-tests/{job_id}/bounds")

    problem = answer.json()
    assert answer.status_code == 409
    assert (problem["code"], problem["why"]) == ("inconclusive", "no_learning")
    assert problem["next_experiment"]["request"] == {"num_steps": 1600}


def test_a_failed_job_has_no_bounds_but_a_reason(api: TestClient, database: Database) -> None:
    job_id = create(api)["id"]
    claim(database)
    with database.write() as session:
        jobs.fail(session, job_id, 1, Reason.DATASET_MISSING, "install it: pip install x", max_attempts=3)

    answer = api.get(f"/range-tests/{job_id}/bounds")

    assert answer.status_code == 409
    assert (answer.json()["code"], answer.json()["reason"]) == ("job_failed", "dataset_missing")
    assert "pip install x" in answer.json()["detail"]


def test_a_curve_has_every_point_exactly_and_null_for_what_is_not_finite(
    api: TestClient, database: Database
) -> None:
    job_id = create(api)["id"]
    claim(database)
    losses = [1 / 3, 0.1 + 0.2, math.nan, math.inf]
    measure(database, job_id, losses)

    curve = api.get(f"/range-tests/{job_id}/curve").json()

    (run,) = curve["runs"]
    assert curve["complete"] is False
    assert run["loss"] == [1 / 3, 0.1 + 0.2, None, None]
    assert run["non_finite_from"] == 2
    assert run["step"] == [0, 1, 2, 3]
    assert run["held_out"]["accuracy"] == [None]


def test_a_curve_comes_as_csv_when_asked_for(api: TestClient, database: Database) -> None:
    job_id = create(api)["id"]
    claim(database)
    measure(database, job_id, [0.5, math.nan])

    by_accept = api.get(f"/range-tests/{job_id}/curve", headers={"Accept": "text/csv"})
    by_query = api.get(f"/range-tests/{job_id}/curve?format=csv")

    assert by_accept.text == by_query.text
    assert by_query.text.splitlines() == [
        "seed,sweep,series,step,lr,loss,accuracy",
        "0,1,train,0,0.001,0.5,",
        "0,1,train,1,0.002,nan,",
        "0,1,held_out,0,0.001,0.5,nan",
    ]


def test_a_thinned_curve_keeps_its_extremes(api: TestClient, database: Database) -> None:
    job_id = create(api)["id"]
    claim(database)
    losses = [math.sin(step / 9) for step in range(1000)]
    losses[123], losses[777] = 9.0, -9.0
    measure(database, job_id, losses)

    (run,) = api.get(f"/range-tests/{job_id}/curve?max_points=40").json()["runs"]

    assert len(run["step"]) <= 40
    assert {0, 123, 777, 999} <= set(run["step"])


def test_only_later_points_are_sent_when_asked(api: TestClient, database: Database) -> None:
    job_id = create(api)["id"]
    claim(database)
    measure(database, job_id, [0.5] * 10)

    (run,) = api.get(f"/range-tests/{job_id}/curve?after_step=7").json()["runs"]

    assert run["step"] == [8, 9]


@pytest.mark.parametrize("result", [None, BOUNDS, INCONCLUSIVE])
def test_the_picture_can_be_had_at_any_time(
    api: TestClient, database: Database, result: dict[str, Any] | None
) -> None:
    job_id = create(api)["id"]
    nothing_yet = api.get(f"/range-tests/{job_id}/plot.svg")
    claim(database)
    measure(database, job_id, [2.0 - step / 60 for step in range(100)])
    if result is not None:
        finish(database, job_id, "bounds_found" if result is BOUNDS else "inconclusive", result)

    svg, png = (api.get(f"/range-tests/{job_id}/plot.{format}") for format in ("svg", "png"))

    assert nothing_yet.status_code == 409
    assert svg.headers["Content-Type"] == "image/svg+xml"
    assert b"</svg>" in svg.content
    assert png.content.startswith(b"\x89PNG")


def test_cancelling_a_queued_job_ends_it_at_once(api: TestClient) -> None:
    job_id = create(api)["id"]

    first = api.post(f"/range-tests/{job_id}/cancel")
    again = api.post(f"/range-tests/{job_id}/cancel")

    assert (first.status_code, first.json()["status"]) == (200, "cancelled")
    assert (again.status_code, again.json()["status"]) == (200, "cancelled")
    assert api.get(f"/range-tests/{job_id}/bounds").json()["code"] == "job_cancelled"


def test_cancelling_a_running_job_is_accepted_and_a_finished_one_refused(
    api: TestClient, database: Database
) -> None:
    running, finished = create(api)["id"], create(api)["id"]
    claim(database)
    claim(database)
    finish(database, finished, "bounds_found", BOUNDS)

    accepted = api.post(f"/range-tests/{running}/cancel")
    refused = api.post(f"/range-tests/{finished}/cancel")

    assert (accepted.status_code, accepted.json()["status"]) == (202, "cancelling")
    assert refused.status_code == 409


def test_only_a_finished_job_can_be_deleted(api: TestClient) -> None:
    job_id = create(api)["id"]

    active = api.delete(f"/range-tests/{job_id}")
    api.post(f"/range-tests/{job_id}/cancel")
    gone = api.delete(f"/range-tests/{job_id}")

    assert (active.status_code, gone.status_code) == (409, 204)
    assert api.get(f"/range-tests/{job_id}").status_code == 404


def test_the_list_pages_through_every_job_once(api: TestClient) -> None:
    made = [create(api)["id"] for _ in range(7)]
    listed, token = [], None
    while True:
        page = api.get(
            "/range-tests", params={"page_size": 3} | ({"page_token": token} if token else {})
        ).json()
        listed += [job["id"] for job in page["items"]]
        token = page["next_page_token"]
        if token is None:
            break

    assert listed == made[::-1]


def test_the_list_filters_and_its_tokens_belong_to_their_filters(api: TestClient) -> None:
    wanted = [create(api, tags=["ci"])["id"] for _ in range(2)]
    create(api)

    page = api.get("/range-tests", params={"tag": "ci", "page_size": 1}).json()
    mixed = api.get("/range-tests", params={"tag": "other", "page_token": page["next_page_token"]})
    broken = api.get("/range-tests", params={"page_token": "zzz"})

    assert [job["id"] for job in page["items"]] == wanted[1:]
    assert (mixed.status_code, mixed.json()["code"]) == (400, "bad_page_token")
    assert broken.status_code == 400
    assert api.get("/range-tests", params={"status": "sleeping"}).status_code == 422
    assert api.get("/range-tests", params={"tag": "a\0"}).status_code == 422


def test_jobs_of_every_kind_can_be_polled_by_status(api: TestClient) -> None:
    made = create(api)

    (listed,) = api.get("/jobs").json()["items"]
    one = api.get(f"/jobs/{made['id']}")

    assert listed == one.json()
    assert "config" not in listed
    assert "Retry-After" in one.headers
