"""Lists of jobs, and jobs by status alone, on both databases."""

import base64

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from store.database import Database
from store.models import Job
from tests.api.caller import begin
from tests.api.early import SETTLED_EARLY
from tests.api.lifecycle import claim, create

pytestmark = pytest.mark.usefixtures("catalogue")


def pages(api: TestClient, **query: object) -> list[list[str]]:
    """The ids of every page of a list."""
    listed, token = [], None
    while True:
        page = api.get("/range-tests", params=query | ({"page_token": token} if token else {})).json()
        listed.append([job["id"] for job in page["items"]])
        token = page["next_page_token"]
        if token is None:
            return listed


def test_the_list_pages_through_every_job_once_newest_first(api: TestClient) -> None:
    made = [create(api)["id"] for _ in range(7)]

    assert pages(api, page_size=3) == [made[:3:-1], made[3:0:-1], made[:1]]


def test_jobs_made_at_the_same_instant_are_listed_once_each(api: TestClient, database: Database) -> None:
    made = [create(api)["id"] for _ in range(7)]
    with database.write() as session:
        session.execute(update(Job).values(created_at=1.0))

    listed = pages(api, page_size=2)

    assert sorted(job_id for page in listed for job_id in page) == sorted(made)
    assert [len(page) for page in listed] == [2, 2, 2, 1]
    assert api.get(f"/jobs/{made[0]}").json()["created_at"] == "1970-01-01T00:00:01.000000Z"


def test_a_job_that_arrives_between_two_pages_moves_nothing(api: TestClient) -> None:
    made = [create(api)["id"] for _ in range(4)]
    first = api.get("/range-tests", params={"page_size": 2}).json()
    create(api)

    second = api.get("/range-tests", params={"page_size": 2, "page_token": first["next_page_token"]}).json()

    assert [job["id"] for job in first["items"] + second["items"]] == made[::-1]


def test_a_page_is_no_longer_than_the_service_likes(api: TestClient) -> None:
    create(api)

    assert api.get("/range-tests", params={"page_size": 10**6}).status_code == 200
    assert api.get("/range-tests", params={"page_size": 0}).status_code == 422


def test_the_list_filters_by_tag_status_and_workload(api: TestClient, database: Database) -> None:
    wanted = [create(api, tags=["ci", "gpu"])["id"] for _ in range(2)]
    other = create(api, tags=["cigar"])["id"]
    claim(database)

    assert pages(api, tag="ci", page_size=1) == [wanted[1:], wanted[:1]]
    assert pages(api, status="running") == [wanted[:1]]
    assert pages(api, workload="digits") == [[other, *wanted[::-1]]]
    assert pages(api, workload="nope") == [[]]


def test_the_list_tells_what_callers_measure_from_what_workers_do(api: TestClient) -> None:
    by_worker, by_client = create(api)["id"], begin(api).rpartition("/")[2]

    assert pages(api, driver="client") == [[by_client]]
    assert pages(api, driver="worker") == [[by_worker]]
    listed = api.get("/jobs", params={"driver": "client"}).json()["items"]
    assert [job["id"] for job in listed] == [by_client]


@SETTLED_EARLY
@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"status": "sleeping"}, "query:status"),
        ({"driver": "me"}, "query:driver"),
        ({"tag": "a\0"}, "query:tag"),
        ({"workload": "x" * 201}, "query:workload"),
        ({"page_size": "many"}, "query:page_size"),
        ({"stat": "queued"}, "query:stat"),
    ],
)
def test_a_wrong_filter_is_refused_by_name(api: TestClient, query: dict[str, str], pointer: str) -> None:
    for path in ("/range-tests", "/jobs"):
        answer = api.get(path, params=query)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == pointer


def test_a_page_token_belongs_to_its_filters(api: TestClient) -> None:
    for _ in range(2):
        create(api, tags=["ci"])
    token = api.get("/range-tests", params={"tag": "ci", "page_size": 1}).json()["next_page_token"]

    mixed = api.get("/range-tests", params={"tag": "other", "page_token": token})

    assert (mixed.status_code, mixed.json()["code"]) == (400, "bad_page_token")


@SETTLED_EARLY
@pytest.mark.parametrize(
    "inside",
    [
        "no JSON",
        "3",
        "{}",
        "[]",
        "[" * 30_000,
        '[1, "no id", null, null, null]',
        '[1, "a\\u0000b", null, null, null]',
        "[1, 7, null, null, null]",
        '[NaN, "8f14e45f-ceea-467f-9d5c-2a6d7d3b9c11", null, null, null]',
        '["x", "8f14e45f-ceea-467f-9d5c-2a6d7d3b9c11", null, null, null]',
        f'[1{"0" * 400}, "8f14e45f-ceea-467f-9d5c-2a6d7d3b9c11", null, null, null]',
    ],
)
def test_a_page_token_that_is_not_ours_is_refused(api: TestClient, inside: str) -> None:
    token = base64.urlsafe_b64encode(inside.encode()).decode()

    for given in (token, inside[:100], token[:-1] + "!"):
        answer = api.get("/range-tests", params={"page_token": given})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_page_token")


def test_jobs_of_every_kind_can_be_polled_by_status(api: TestClient) -> None:
    made = create(api)

    (listed,) = api.get("/jobs").json()["items"]
    one = api.get(f"/jobs/{made['id']}")

    assert listed == one.json()
    assert "config" not in listed
    assert "Retry-After" in one.headers


@pytest.mark.parametrize("job_id", ["nonsense", "%00", "8f14e45f-ceea-467f-9d5c-2a6d7d3b9c11"])
def test_a_status_of_no_job_is_not_found(api: TestClient, job_id: str) -> None:
    assert api.get(f"/jobs/{job_id}").status_code == 404
