"""Names and tags change at any time, on both databases; lists follow."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from store import jobs
from store.database import Database
from tests.api.early import SETTLED_EARLY
from tests.api.lifecycle import BOUNDS, claim, create, finish

pytestmark = pytest.mark.usefixtures("catalogue")


def ids(api: TestClient, path: str, **query: str) -> list[str]:
    """What a list has, narrowed down."""
    return [item["id"] for item in api.get(path, params=query).json()["items"]]


def test_a_job_gets_another_name_and_other_tags(api: TestClient) -> None:
    job_id = create(api, name="nightly", tags=["ci"])["id"]

    answer = api.patch(f"/jobs/{job_id}", json={"name": "weekly", "tags": ["ci", "keep", "keep"]})

    assert (answer.status_code, answer.json()["name"]) == (200, "weekly")
    assert api.get(f"/range-tests/{job_id}").json()["tags"] == answer.json()["tags"] == ["ci", "keep", "keep"]
    assert ids(api, "/jobs", tag="ci") == ids(api, "/range-tests", tag="keep") == [job_id]


def test_what_is_left_out_stays_and_null_is_no_name(api: TestClient) -> None:
    job_id = create(api, name="nightly", tags=["ci"])["id"]

    assert api.patch(f"/jobs/{job_id}", json={"name": None}).json()["tags"] == ["ci"]
    assert api.patch(f"/jobs/{job_id}", json={}).json()["name"] is None
    assert api.patch(f"/jobs/{job_id}", json={"tags": []}).json()["tags"] == []
    assert ids(api, "/jobs", tag="ci") == []


def test_a_job_that_has_ended_can_be_named(api: TestClient, database: Database) -> None:
    job_id = create(api)["id"]
    claim(database)
    finish(database, job_id, "bounds_found", BOUNDS)

    assert api.patch(f"/jobs/{job_id}", json={"name": "the good one"}).json()["status"] == "succeeded"


def test_a_deleted_job_cannot_be_named_before_its_rows_are_freed(api: TestClient, database: Database) -> None:
    job_id = create(api, tags=["ci"])["id"]
    with database.write() as session:
        jobs.request_cancel(session, job_id)
        jobs.remove(session, job_id)

    assert api.patch(f"/jobs/{job_id}", json={"tags": ["kept"]}).status_code == 404
    assert ids(api, "/jobs", tag="ci") == ids(api, "/jobs", tag="kept") == []


def test_a_comparison_is_named_and_its_jobs_keep_their_names(api: TestClient) -> None:
    asked = {
        "workload": "digits",
        "entries": [{"schedule": {"policy": "fixed", "lr": 0.1}}],
        "num_seeds": 1,
        "tags": ["ci"],
    }
    made = api.post("/comparisons", json=asked).json()

    answer = api.patch(f"/comparisons/{made['id']}", json={"name": "paper", "tags": []})

    assert (answer.status_code, answer.json()["name"], answer.json()["tags"]) == (200, "paper", [])
    assert api.get(f"/comparisons/{made['id']}").json()["name"] == "paper"
    assert ids(api, "/comparisons", tag="ci") == []
    api.patch(f"/comparisons/{made['id']}", json={"tags": ["kept"]})
    assert ids(api, "/comparisons", tag="kept") == [made["id"]]
    [member] = made["rows"][0]["jobs"]
    assert api.get(f"/jobs/{member}").json()["tags"] == ["ci"]


@SETTLED_EARLY
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"nam": "x"}, "/nam"),
        ({"name": "x" * 201}, "/name"),
        ({"tags": None}, "/tags"),
        ({"tags": ["x"] * 21}, "/tags"),
        ({"tags": [""]}, "/tags/0"),
        ({"tags": ["a\0"]}, "/tags/0"),
    ],
)
def test_what_cannot_be_a_name_or_tag_is_refused(api: TestClient, body: dict[str, Any], pointer: str) -> None:
    answer = api.patch(f"/jobs/{create(api)['id']}", json=body)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_what_is_not_there_cannot_be_named(api: TestClient) -> None:
    job_id = create(api)["id"]

    refused = api.patch(f"/comparisons/{job_id}", json={"name": "x"})

    assert refused.status_code == 404
    assert f"look at /range-tests/{job_id}" in refused.json()["detail"]
