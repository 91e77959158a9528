"""What holds for every route."""

from pathlib import Path
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from api.app import create_app
from store.settings import Settings
from tests.api.early import SETTLED_EARLY


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("PUT", "/range-tests", 405),
        ("GET", "/workloads/nope", 404),
        ("GET", "/workloads/%00", 404),
    ],
)
def test_every_error_is_a_problem(api: TestClient, method: str, path: str, status: int) -> None:
    answer = api.request(method, path)

    problem = answer.json()
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["code"]
    assert problem["request_id"] == answer.headers["X-Request-ID"]


def test_an_error_of_ours_is_a_problem_that_tells_nothing_but_where_to_look(api_settings: Settings) -> None:
    app = create_app(api_settings)

    @app.get("/boom")
    def boom() -> None:
        raise RuntimeError("a secret")

    with TestClient(app, raise_server_exceptions=False) as api:
        answer = api.get("/boom", headers={"X-Request-ID": "trace-1"})

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"] == "trace-1"
    assert "secret" not in answer.text


def test_a_request_id_is_kept_if_it_is_sane(api: TestClient) -> None:
    kept = api.get("/healthz", headers={"X-Request-ID": "trace-1"})
    replaced = [
        api.get("/healthz", headers={"X-Request-ID": given}) for given in ("x" * 500, "a b", "<script>", "")
    ]

    assert kept.headers["X-Request-ID"] == "trace-1"
    assert [len(answer.headers["X-Request-ID"]) for answer in replaced] == [36] * 4


def test_the_service_is_ready_once_a_catalogue_is_there(
    api: TestClient, request: pytest.FixtureRequest
) -> None:
    early = api.get("/readyz")
    too_early = api.post("/range-tests", json={"workload": "digits"})
    request.getfixturevalue("catalogue")

    assert api.get("/healthz").status_code == 200
    assert (early.status_code, early.json()["code"]) == (503, "catalogue_empty")
    assert early.headers["Retry-After"] == "2"
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


def test_a_database_that_was_not_migrated_is_refused_with_the_cure(broker_url: str, tmp_path: Path) -> None:
    empty = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    app = create_app(Settings(database_url=empty, broker_url=broker_url, data_dir=tmp_path))

    with pytest.raises(RuntimeError, match="clr-tuner migrate"), TestClient(app):
        pass


@SETTLED_EARLY
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/range-tests", "GET, HEAD, POST"),
        (f"/range-tests/{UUID(int=7)}", "DELETE, GET, HEAD"),
        ("/jobs", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_every_right_one(api: TestClient, path: str, allowed: str) -> None:
    answer = api.put(path)

    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


def test_what_can_be_got_has_a_head(api: TestClient) -> None:
    answer = api.head("/healthz")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("Bearer wrong", "the key is none of the service's"),
        ("Bearer", "the Authorization header is not `Bearer KEY`"),
        ("secret", "the Authorization header is not `Bearer KEY`"),
        ("Basic dTpw", "the Authorization header is not `Bearer KEY`"),
        (None, "send one of the service's keys"),
    ],
)
def test_a_wrong_key_is_told_what_is_wrong_with_it(
    api_settings: Settings, header: str | None, told: str
) -> None:
    settings = api_settings.model_copy(update={"api_keys": [SecretStr("secret")]})
    with TestClient(create_app(settings)) as api:
        answer = api.get("/jobs", headers={"Authorization": header} if header else {})

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert told in answer.json()["detail"]


def test_a_key_that_is_not_ascii_opens_as_it_is_sent(api_settings: Settings) -> None:
    settings = api_settings.model_copy(update={"api_keys": [SecretStr("schlüssel")]})
    with TestClient(create_app(settings)) as api:
        answer = api.get("/jobs", headers={"Authorization": "Bearer schlüssel".encode()})

    assert answer.status_code == 200


def test_a_password_for_the_proxy_before_a_service_without_keys_is_left_alone(api: TestClient) -> None:
    assert api.get("/jobs", headers={"Authorization": "Basic bWU6cHc="}).status_code == 200


@SETTLED_EARLY
@pytest.mark.parametrize("header", ["Bearer anything", "Bearer", "anything", ""])
def test_a_key_is_not_silently_taken_where_there_are_none(api: TestClient, header: str) -> None:
    answer = api.get("/jobs", headers={"Authorization": header})

    assert answer.status_code == 401
    assert "this service has no keys: leave the Authorization header out" in answer.json()["detail"]


@SETTLED_EARLY
@pytest.mark.parametrize("host", ["localhost:8000", "LOCALHOST", "127.0.0.1", "127.1.2.3:9", "[::1]:8000"])
def test_a_service_without_keys_is_reached_by_loopback(api: TestClient, host: str) -> None:
    assert api.get("/jobs", headers={"Host": host}).status_code == 200


@SETTLED_EARLY
@pytest.mark.parametrize("host", ["evil.com", "localhost.evil.com", "127.0.0.1.evil.com", "10.0.0.7:8000"])
def test_a_service_without_keys_refuses_the_name_of_another(api: TestClient, host: str) -> None:
    answer = api.get("/jobs", headers={"Host": host})

    assert (answer.status_code, answer.json()["code"]) == (421, "unknown_host")


@SETTLED_EARLY
@pytest.mark.parametrize(
    "host", ["", "localhost@evil.com", "evil.com@localhost", "[::1", "evil.com:x", "localhost/", "a b", "::1"]
)
def test_a_service_without_keys_refuses_a_name_that_cannot_be_read(api: TestClient, host: str) -> None:
    answer = api.get("/jobs", headers={"Host": host})

    assert (answer.status_code, answer.json()["code"]) == (421, "unknown_host")


def test_a_service_with_keys_may_have_any_name(api_settings: Settings) -> None:
    settings = api_settings.model_copy(update={"api_keys": [SecretStr("a-long-secret")]})

    with TestClient(create_app(settings)) as api:
        answer = api.get("/jobs", headers={"Host": "tuner.example", "Authorization": "Bearer a-long-secret"})

    assert answer.status_code == 200


def test_a_name_that_the_operator_gives_is_known(api_settings: Settings) -> None:
    settings = api_settings.model_copy(update={"hosts": ["tuner.example"]})

    with TestClient(create_app(settings)) as api:
        assert api.get("/jobs", headers={"Host": "tuner.example:80"}).status_code == 200
