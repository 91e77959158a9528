"""What holds for every route."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from api.app import create_app
from store.settings import Settings


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("PUT", "/range-tests", 405), ("GET", "/workloads/nope", 404)],
)
def test_every_error_is_a_problem(api: TestClient, method: str, path: str, status: int) -> None:
    answer = api.request(method, path)

    problem = answer.json()
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["code"]
    assert problem["instance"] == path


def test_a_request_id_is_kept_if_it_is_sane(api: TestClient) -> None:
    kept = api.get("/healthz", headers={"X-Request-ID": "trace-1"})
    replaced = api.get("/healthz", headers={"X-Request-ID": "x" * 500})

    assert kept.headers["X-Request-ID"] == "trace-1"
    assert len(replaced.headers["X-Request-ID"]) == 36


def test_the_service_is_ready_once_a_catalogue_is_there(
    api: TestClient, request: pytest.FixtureRequest
) -> None:
    early = api.get("/readyz")
    too_early = api.post("/range-tests", json={"workload": "digits"})
    request.getfixturevalue("catalogue")

    assert api.get("/healthz").status_code == 200
    assert (early.status_code, early.json()["code"]) == (503, "catalogue_empty")
    assert (too_early.status_code, too_early.headers["Retry-After"]) == (503, "2")
    assert api.get("/readyz").status_code == 200


@pytest.mark.usefixtures("catalogue")
def test_the_catalogue_and_the_workers_are_listed(api: TestClient) -> None:
    (workload,) = api.get("/workloads").json()["items"]
    (worker,) = api.get("/workers").json()["items"]

    assert api.get("/workloads/digits").json() == workload
    assert workload["params_schema"]["properties"]["width"]["maximum"] == 64
    assert (worker["id"], worker["workloads"]) == ("w", ["digits"])


@pytest.mark.usefixtures("catalogue")
def test_a_configured_key_is_needed_for_all_but_health(api_settings: Settings) -> None:
    settings = api_settings.model_copy(update={"api_keys": [SecretStr("secret")]})
    with TestClient(create_app(settings)) as api:
        without = api.get("/range-tests")
        wrong = api.get("/range-tests", headers={"Authorization": "Bearer wrong"})
        right = api.get("/range-tests", headers={"Authorization": "Bearer secret"})
        health = api.get("/healthz")

    assert (without.status_code, without.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert wrong.status_code == 401
    assert (right.status_code, health.status_code) == (200, 200)


def test_a_database_that_does_not_answer_is_a_503_with_retry_after(broker_url: str, tmp_path: Path) -> None:
    nobody = "postgresql+psycopg://nobody@127.0.0.1:9/nothing"
    settings = Settings(database_url=nobody, broker_url=broker_url, data_dir=tmp_path)
    with TestClient(create_app(settings), raise_server_exceptions=False) as api:
        answer = api.post("/range-tests", json={"workload": "digits"})

    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert "Retry-After" in answer.headers


@pytest.mark.usefixtures("catalogue")
def test_a_dead_broker_does_not_keep_a_job_from_being_accepted(api_settings: Settings) -> None:
    settings = api_settings.model_copy(update={"broker_url": "redis://127.0.0.1:9/0"})
    with TestClient(create_app(settings)) as api:
        answer = api.post("/range-tests", json={"workload": "digits"})

    assert answer.status_code == 202


def test_the_openapi_document_describes_every_route_and_its_problems(api: TestClient) -> None:
    document = api.get("/openapi.json").json()

    create = document["paths"]["/range-tests"]["post"]
    assert {"202", "401", "413", "422", "503"} <= set(create["responses"])
    problem = create["responses"]["422"]["content"]["application/problem+json"]
    assert (
        problem["schema"]["$ref"].removeprefix("#/components/schemas/") in document["components"]["schemas"]
    )
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert all(operation.get("description") for operation in operations)
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
