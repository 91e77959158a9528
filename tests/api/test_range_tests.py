"""Range tests over HTTP, on both databases."""

import json
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store.database import Database
from tests.api.early import SETTLED_EARLY
from tests.api.lifecycle import BOUNDS, claim, create, finish

pytestmark = pytest.mark.usefixtures("catalogue")


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
        "for": None,
        "timeout_s": 3600.0,
        "priority": "normal",
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


@SETTLED_EARLY
@pytest.mark.parametrize(
    ("field", "value", "pointer", "says"),
    [
        ("workload", "nope", "/workload", "known: digits"),
        ("workload", 3, "/workload", "string"),
        ("workload", "a\0b", "/workload", "NUL"),
        ("params", {"widht": 3}, "/params/widht", "did you mean width?"),
        ("params", [], "/params", "dictionary"),
        ("params", {"width": 65}, "/params/width", "64"),
        ("params", {"width": "8"}, "/params/width", "integer"),
        ("params", {"width": True}, "/params/width", "integer"),
        ("nun_seeds", 3, "/nun_seeds", "num_seeds"),
        ("params", {"width": "y" * 5000}, "/params/width", "yyy"),
        ("a/b~c", 1, "/a~1b~0c", "allowed: workload, params"),
        ("optimizer", "SGD", "/optimizer", "object"),
        ("optimizer", {}, "/optimizer/name", "Adam"),
        ("optimizer", {"name": "sgdd"}, "/optimizer/name", "Adam"),
        ("optimizer", {"name": ["SGD"]}, "/optimizer/name", "Adam"),
        ("optimizer", {"name": "SGD", "lr": 1}, "/optimizer/lr", "sweeps the rate from start_lr to end_lr"),
        ("optimizer", {"name": "SGD", "momentun": 1}, "/optimizer/momentun", "did you mean momentum?"),
        ("optimizer", {"name": "SGD", "momentum": -1}, "/optimizer/momentum", "greater"),
        ("optimizer", {"name": "SGD", "momentum": "0.9"}, "/optimizer/momentum", "number"),
        ("optimizer", {"name": "SGD", "nesterov": True}, "/optimizer", "momentum"),
        ("optimizer", {"name": "Adam", "betas": [0.9]}, "/optimizer/betas/1", "required"),
        ("optimizer", {"name": "Adam", "betas": [0.9, 1]}, "/optimizer/betas/1", "less"),
        ("num_seeds", 0, "/num_seeds", "1"),
        ("num_seeds", 21, "/num_seeds", "20"),
        ("num_seeds", True, "/num_seeds", "integer"),
        ("num_seeds", 1.5, "/num_seeds", "integer"),
        ("num_steps", 11, "/num_steps", "12"),
        ("num_steps", 10**9, "/num_steps", "allows 10000 steps"),
        ("num_steps", 10**400, "/num_steps", "64 bits"),
        ("batch_size", 0, "/batch_size", "1"),
        ("seed", -1, "/seed", "0"),
        ("seed", 2_000_000_001, "/seed", "2000000000"),
        ("start_lr", 0, "/start_lr", "greater"),
        ("start_lr", 1e-320, "/start_lr", "greater"),
        ("start_lr", True, "/start_lr", "number"),
        ("start_lr", 10, "/start_lr", "where no end_lr is given"),
        ("end_lr", 1e-6, "/end_lr", "where no start_lr is given"),
        ("start_lr", "0.1", "/start_lr", "number"),
        ("end_lr", 1e7, "/end_lr", "1000000"),
        ("effort", "heroic", "/effort", "quick"),
        ("timeout_s", 0, "/timeout_s", "greater"),
        ("timeout_s", 604_801, "/timeout_s", "604800"),
        ("priority", "urgent", "/priority", "must be one of low, normal, high"),
        ("priority", 1, "/priority", "must be one of low, normal, high"),
        ("for", {"policy": "one_cycle"}, "/for", "give num_steps or num_epochs"),
        ("for", {"num_steps": 10, "num_epochs": 3}, "/for", "one of them"),
        ("for", {"policy": "zigzag", "num_steps": 10}, "/for/policy", "must be one of"),
        ("for", {"policy": "one_cycle", "num_steps": 1}, "/for/policy", "num_steps"),
        ("for", {"num_epochs": 0}, "/for/num_epochs", "greater"),
        ("for", {"budget": 3}, "/for/budget", "allowed: policy, num_steps, num_epochs"),
        ("for_", {"num_steps": 10}, "/for_", "did you mean for?"),
        ("name", "x" * 201, "/name", "200"),
        ("tags", ["x"] * 21, "/tags", "20"),
        ("tags", [""], "/tags/0", "1"),
        ("tags", ["x", "x" * 65], "/tags/1", "64"),
        ("tags", "ci", "/tags", "list"),
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
    assert len(error["message"]) <= 500


@SETTLED_EARLY
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


def test_a_quick_test_has_one_seed(api: TestClient) -> None:
    quick = {"workload": "digits", "effort": "quick"}

    assert api.post("/range-tests", json=quick).json()["config"]["num_seeds"] == 1
    refused = api.post("/range-tests", json=quick | {"num_seeds": 2}).json()
    assert refused["errors"] == [
        {"pointer": "/num_seeds", "message": "must be 1, or left out, with effort quick"}
    ]


FIELDS = [
    "params",
    "optimizer",
    "batch_size",
    "seed",
    "num_seeds",
    "start_lr",
    "end_lr",
    "num_steps",
    "effort",
]
NUMBERS = st.integers() | st.floats() | st.sampled_from([12, 0.1, 1])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    fields=st.dictionaries(
        st.sampled_from([*FIELDS, "timeout_s", "name", "tags"]) | st.text(), JSON | NUMBERS
    )
)
def test_no_body_is_an_error_of_ours(api: TestClient, fields: dict[str, object]) -> None:
    content = json.dumps({"workload": "digits"} | fields)

    answer = api.post("/range-tests", content=content, headers={"Content-Type": "application/json"})

    assert answer.status_code in (202, 422), answer.text
    if answer.status_code == 422:
        assert all(error["message"] for error in answer.json()["errors"])


def test_every_wrong_field_is_named_at_once(api: TestClient) -> None:
    answer = api.post("/range-tests", json={"seed": -1, "num_seeds": 0, "effort": "heroic"})

    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert pointers == ["/workload", "/seed", "/num_seeds", "/effort"]


@SETTLED_EARLY
@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"workload": "\xff"}', "application/json", 400),
        (b'{"workload": "\\ud800"}', "application/json", 422),
        (b'{"seed": ' + b"9" * 5000 + b"}", "application/json", 400),
        (b"[" * 99_999, "application/json", 400),
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
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers


def test_the_same_request_spelled_in_another_order_is_the_same(api: TestClient) -> None:
    made = {
        create(api, key="one key", **fields)["id"]
        for fields in ({"seed": 1, "tags": ["a"]}, {"tags": ["a"], "seed": 1})
    }

    assert len(made) == 1


@SETTLED_EARLY
@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9"])
def test_a_key_that_is_no_short_printable_text_is_refused(api: TestClient, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    answer = api.post("/range-tests", json={"workload": "digits"}, headers=headers)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "header:idempotency-key"


def test_the_same_key_with_another_body_is_refused(api: TestClient) -> None:
    key = {"Idempotency-Key": "once"}
    api.post("/range-tests", json={"workload": "digits"}, headers=key)

    answer = api.post("/range-tests", json={"workload": "digits", "seed": 1}, headers=key)

    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_key_reused"


def test_two_posts_racing_with_one_key_make_one_job(api: TestClient) -> None:
    def post(_: int) -> tuple[str, bool]:
        answer = api.post("/range-tests", json={"workload": "digits"}, headers={"Idempotency-Key": "race"})
        assert answer.status_code == 202
        return answer.json()["id"], "Idempotent-Replayed" in answer.headers

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(16)))

    assert len({job_id for job_id, _ in answers}) == 1
    assert sum(replayed for _, replayed in answers) == 15
    assert len(api.get("/range-tests").json()["items"]) == 1


def test_the_priority_is_told_and_what_is_urgent_is_claimed_first(
    api: TestClient, database: Database
) -> None:
    create(api)
    urgent = create(api, priority="high")

    assert urgent["priority"] == urgent["config"]["priority"] == "high"
    assert claim(database) == urgent["id"]


def test_two_jobs_without_a_key_are_two_jobs(api: TestClient) -> None:
    assert create(api)["id"] != create(api)["id"]


@pytest.mark.parametrize("job_id", ["nonsense", str(UUID(int=7)), "%00", "../etc"])
def test_an_id_of_no_job_is_not_found(api: TestClient, job_id: str) -> None:
    asked = [("GET", path) for path in ("", "/bounds", "/curve", "/plot.svg")]
    for method, path in [*asked, ("DELETE", ""), ("POST", "/cancel")]:
        answer = api.request(method, f"/range-tests/{job_id}{path}")
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
        answer = waiting.result(timeout=45)

    assert answer.json()["status"] == "succeeded"


def test_more_long_polls_than_threads_hold_up_nobody(api: TestClient, database: Database) -> None:
    job_id = create(api)["id"]
    claim(database)

    with ThreadPoolExecutor(60) as pool:
        waiting = [pool.submit(api.get, f"/range-tests/{job_id}", params={"wait_s": 50}) for _ in range(60)]
        between = api.get("/range-tests")
        finish(database, job_id, "bounds_found", BOUNDS)
        answers = [one.result(timeout=45).json()["status"] for one in waiting]

    assert between.status_code == 200
    assert answers == ["succeeded"] * 60


@SETTLED_EARLY
@pytest.mark.parametrize("wait_s", ["nan", "inf", "-1", "61", "soon"])
def test_a_wait_must_be_a_sane_number_of_seconds(api: TestClient, wait_s: str) -> None:
    answer = api.get(f"/range-tests/{create(api)['id']}", params={"wait_s": wait_s})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "query:wait_s"


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
