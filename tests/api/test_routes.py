"""What is asked for where nothing is, or with a query that a route does not have, is told what was meant."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from store.settings import Settings
from tests.api.lifecycle import create
from tests.conftest import fresh_database

ID = "0d9c6a52-3f0e-4b8e-9a57-6a1c1c0f6f0e"
OPERATIONS = [
    (method.upper(), path.format(id=ID, name="digits", format="svg", step=7, number=0))
    for path, methods in create_app(Settings()).openapi()["paths"].items()
    for method in methods
]


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Nothing here depends on the database."""
    with fresh_database("sqlite", tmp_path, request) as url:
        yield url


@pytest.mark.usefixtures("catalogue")
def test_every_route_refuses_a_query_parameter_that_it_does_not_have(api: TestClient) -> None:
    for method, path in OPERATIONS:
        answer = api.request(
            method, f"{path}?nonsense=1", json={} if method in ("PATCH", "POST", "PUT") else None
        )

        assert answer.status_code == 422, (method, path, answer.text)
        [error] = answer.json()["errors"]
        assert error["pointer"] == "query:nonsense"
        assert "unknown query parameter" in error["message"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (f"/range-tests/{ID}/bounds?num_epoch=40", "did you mean num_epochs? allowed: num_steps, num_epochs"),
        (
            "/jobs?stat=queued",
            "did you mean status? allowed: page_size, page_token, search, status, workload, tag",
        ),
        ("/jobs?page-size=3", "did you mean page_size?"),
        ("/workers?limit=3", "there are none here"),
        (f"/range-tests/{ID}/bounds?num_epochs=1&num_epochs=2", "query:num_epochs: is given more than once"),
        ("/jobs?status=suceeded", "query:status: did you mean succeeded? must be one of queued, running"),
        (f"/range-tests/{ID}/curve?format=cvs", "query:format: did you mean csv? must be one of json, csv"),
    ],
)
def test_a_query_is_told_what_was_meant(api: TestClient, asked: str, told: str) -> None:
    answer = api.get(asked)

    assert answer.status_code == 422
    assert told in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/range-tests/", "there is nothing at /range-tests/; did you mean /range-tests?"),
        ("/range-test", "did you mean /range-tests?"),
        ("/rangetests", "did you mean /range-tests?"),
        ("/Training_Jobs", "did you mean /training-jobs?"),
        ("/jobs/", "did you mean /jobs?"),
        ("/jobs//", "did you mean /jobs?"),
        ("/api/v1", "/docs lists what there is"),
        ("/v1/workloads", "did you mean /workloads?"),
        (f"/range-tests/{ID}/bound", f"did you mean /range-tests/{ID}/bounds?"),
        (f"/range-tests/{ID}/bounds/", f"did you mean /range-tests/{ID}/bounds?"),
        (f"/range-tests/{ID}/plot.jpg", f"did you mean /range-tests/{ID}/plot."),
        (
            f"/training-jobs/{ID}/checkpoints/last",
            "lists what there is (step: Input should be a valid integer",
        ),
        (f"/jobs/{ID}/bound", f"did you mean /range-tests/{ID}/bounds?"),
        (f"/jobs/{ID}/checkpoint", f"did you mean /training-jobs/{ID}/checkpoints?"),
        ("/health", "did you mean /healthz?"),
        ("/zzz/" + "z" * 3000, "/docs lists what there is"),
        ("/%00/%FF/%2F", "/docs lists what there is"),
    ],
)
def test_a_path_of_nothing_is_told_what_is_near(api: TestClient, path: str, told: str) -> None:
    answer = api.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert told in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("PUT", "/range-tests", "PUT is not allowed at /range-tests; allowed: GET, HEAD, POST"),
        ("OPTIONS", "/jobs", "OPTIONS is not allowed at /jobs; allowed: GET, HEAD"),
        (
            "GET",
            f"/range-tests/{ID}/cancel",
            f"GET is not allowed at /range-tests/{ID}/cancel; allowed: POST",
        ),
        ("HEAD", "/schedules/preview", ""),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(api: TestClient, method: str, path: str, told: str) -> None:
    answer = api.request(method, path)

    assert answer.status_code == 405
    assert answer.headers["Allow"]
    assert method == "HEAD" or answer.json()["detail"] == told


@pytest.mark.usefixtures("catalogue")
def test_an_id_is_told_what_has_it_or_that_it_is_none(api: TestClient) -> None:
    range_test = create(api)["id"]
    asked = {"workload": "digits", "schedule": {"policy": "fixed", "lr": 0.1}}
    training = api.post("/training-jobs", json=asked).json()["id"]
    compared = {
        "workload": "digits",
        "entries": [{"schedule": {"policy": "fixed", "lr": 0.1}}],
        "num_seeds": 1,
    }
    comparison = api.post("/comparisons", json=compared).json()["id"]

    for path, told in (
        (f"/range-tests/{training}", f"is a training job: look at /training-jobs/{training}"),
        (f"/range-tests/{training}/bounds", f"is a training job: look at /training-jobs/{training}"),
        (f"/training-jobs/{range_test}/curve", f"is a range test: look at /range-tests/{range_test}"),
        (f"/comparisons/{range_test}", f"is a range test: look at /range-tests/{range_test}"),
        (f"/jobs/{comparison}", f"is a comparison: look at /comparisons/{comparison}"),
        (f"/jobs/{UUID(int=7)}", f"there is nothing of the id {UUID(int=7)}"),
        ("/jobs/digits", "'digits' is no id"),
    ):
        answer = api.get(path)
        assert answer.status_code == 404
        assert told in answer.json()["detail"]
    told = f"is a range test: look at /range-tests/{range_test}"
    assert told in api.post(f"/comparisons/{range_test}/cancel").json()["detail"]
    assert told in api.delete(f"/training-jobs/{range_test}").json()["detail"]
    assert told in api.post(f"/training-jobs/{range_test}/resume", json={}).json()["detail"]
