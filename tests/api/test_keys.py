"""Keys: made by admins, shown once, over when they expire or are revoked, held to their limits, and audited."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from api.app import create_app
from api.turns import Turns
from store import claims
from store.database import Database
from store.models import Key
from store.settings import Settings
from tests.api.lifecycle import claim, create
from tests.conftest import fresh_database

pytestmark = pytest.mark.usefixtures("catalogue")

ADMIN_KEY = "the first admin's key"
ON_BOTH = pytest.mark.parametrize("backend", ["sqlite", "postgres"])
FIXED = {"schedule": {"policy": "fixed", "lr": 0.1}}


@pytest.fixture
def backend() -> str:
    """Most of this does not depend on the database."""
    return "sqlite"


@pytest.fixture
def database_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A freshly migrated database."""
    with fresh_database(backend, tmp_path, request) as url:
        yield url


@pytest.fixture
def admin(api_settings: Settings, document: dict[str, Any]) -> Iterator[TestClient]:
    """A client of a service with an admin's key, that brings it."""
    settings = api_settings.model_copy(
        update={
            "admin_key": SecretStr(ADMIN_KEY),
            "api_keys": [SecretStr("an old key")],
            "failed_keys_a_minute": 3,
        }
    )
    app = create_app(settings)
    app.openapi = lambda: document  # type: ignore[method-assign]
    with TestClient(app, raise_server_exceptions=False, headers=bearing(ADMIN_KEY)) as client:
        yield client


def bearing(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def make(admin: TestClient, **fields: Any) -> dict[str, Any]:
    answer = admin.post("/keys", json={"name": "me"} | fields)
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.json()
    return key


def test_a_secret_is_shown_once_and_kept_as_its_hash(admin: TestClient, database: Database) -> None:
    key = make(admin, project="vision")

    [listed] = admin.get("/keys").json()["items"]
    with database.read() as session:
        row = session.get(Key, key["id"])
    assert "secret" not in listed
    assert listed == {name: value for name, value in key.items() if name != "secret"}
    assert len(key["secret"]) == 4 + 43
    assert key["secret"].startswith(listed["prefix"])
    assert row is not None
    assert key["secret"] not in (row.secret_hash, row.prefix, row.name)


@ON_BOTH
def test_a_revoked_key_opens_nothing_from_then_on(admin: TestClient) -> None:
    key = make(admin)
    before = admin.get("/jobs", headers=bearing(key["secret"]))

    revoked = admin.delete(f"/keys/{key['id']}")
    again = admin.delete(f"/keys/{key['id']}")

    after = admin.get("/jobs", headers=bearing(key["secret"]))
    assert (before.status_code, after.status_code) == (200, 401)
    assert "was revoked: an admin can make another" in after.json()["detail"]
    assert revoked.json() == again.json()


def test_old_keys_of_a_setting_go_on(admin: TestClient) -> None:
    old = bearing("an old key")

    job = admin.post("/range-tests", json={"workload": "digits"}, headers=old).json()

    assert job["project"] == "default"
    assert admin.post(f"/range-tests/{job['id']}/cancel", headers=old).status_code == 200
    assert admin.delete(f"/range-tests/{job['id']}", headers=old).status_code == 204
    assert admin.get("/keys", headers=old).json()["code"] == "scope_too_small"


def test_the_first_key_of_an_open_service_must_be_an_admin_s_and_closes_it(api: TestClient) -> None:
    refused = api.post("/keys", json={"name": "me"})
    first = make(api, scope="admin")

    assert (refused.status_code, refused.json()["code"]) == (409, "first_key_not_admin")
    assert api.get("/jobs").status_code == 401
    assert api.delete(f"/keys/{first['id']}", headers=bearing(first["secret"])).status_code == 200
    assert api.get("/jobs").status_code == 401  # a revoked key does not open it again


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"project": "Vision 2"}, "/project"),
        ({"scope": "root"}, "/scope"),
        ({"expires_in_days": 0}, "/expires_in_days"),
        ({"queued_jobs": -1}, "/queued_jobs"),
    ],
)
def test_a_wrong_request_for_a_key_is_told_what_is_wrong(
    admin: TestClient, fields: dict[str, Any], pointer: str
) -> None:
    answer = admin.post("/keys", json={"name": "me"} | fields)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_there_is_no_key_of_an_unknown_id(admin: TestClient) -> None:
    assert "GET /keys lists them" in admin.delete(f"/keys/{UUID(int=7)}").json()["detail"]


@ON_BOTH
def test_a_key_may_have_so_many_jobs_queued(admin: TestClient, database: Database) -> None:
    mine = bearing(make(admin, queued_jobs=2)["secret"])
    body = {"workload": "digits"}
    [first, second, third] = [admin.post("/range-tests", json=body, headers=mine) for _ in range(3)]
    entries = [{**FIXED, "label": str(number)} for number in range(3)]
    compared = admin.post("/comparisons", json=body | {"entries": entries, "num_seeds": 1}, headers=mine)

    assert [answer.status_code for answer in (first, second, third, compared)] == [202, 202, 429, 429]
    assert (third.json()["limit"], third.json()["allowed"]) == ("queued_jobs", 2)
    assert int(third.headers["Retry-After"]) > 0
    assert len(admin.get("/jobs").json()["items"]) == 2
    assert admin.get("/comparisons").json()["items"] == []
    claim(database)
    assert admin.post("/range-tests", json=body, headers=mine).status_code == 202


@ON_BOTH
def test_a_key_may_have_so_many_steps_a_day(admin: TestClient, database: Database) -> None:
    mine = bearing(make(admin, steps_a_day=100)["secret"])
    job_id = admin.post("/range-tests", json={"workload": "digits"}, headers=mine).json()["id"]
    claim(database)
    with database.write() as session:
        claims.report(session, job_id, 1, {"phase": "p", "completed": 100, "total": 200, "unit": "steps"})

    refused = admin.post("/range-tests", json={"workload": "digits"}, headers=mine)

    assert (refused.status_code, refused.json()["limit"]) == (429, "steps_a_day")
    assert 86_000 < int(refused.headers["Retry-After"]) <= 86_401
    assert create(admin)["project"] == "default"  # another key's limits are its own


def test_a_key_may_ask_so_often_a_minute(admin: TestClient) -> None:
    mine = bearing(make(admin, requests_a_minute=2)["secret"])

    answers = [admin.get("/workers", headers=mine) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["limit"] == "requests_a_minute"
    assert 0 < int(answers[2].headers["Retry-After"]) <= 60


def test_an_address_may_send_so_many_wrong_keys_a_minute(admin: TestClient) -> None:
    made = make(admin)["secret"]

    answers = [admin.get("/jobs", headers=bearing(f"wrong {number}")) for number in range(4)]

    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert answers[3].json()["limit"] == "failed_keys_a_minute"
    assert admin.get("/jobs", headers=bearing("an old key")).status_code == 429  # which may be guessed
    assert admin.get("/jobs", headers=bearing(made)).status_code == 200  # which may not


@ON_BOTH
def test_what_cannot_be_undone_is_audited(admin: TestClient) -> None:
    key = make(admin, name="nightly", project="vision")
    mine = bearing(key["secret"])
    job = admin.post("/range-tests", json={"workload": "digits"}, headers=mine).json()["id"]
    compared = admin.post(
        "/comparisons", json={"workload": "digits", "entries": [FIXED], "num_seeds": 1}, headers=mine
    ).json()["id"]
    for path in (f"/range-tests/{job}", f"/comparisons/{compared}"):
        assert admin.post(f"{path}/cancel", headers=mine).status_code == 200
        assert admin.delete(path, headers=mine).status_code == 204
    admin.delete(f"/keys/{key['id']}")

    first = admin.get("/audit?page_size=4").json()
    rest = admin.get("/audit", params={"page_token": first["next_page_token"]}).json()

    entries = [*first["items"], *rest["items"]]
    by_me = (key["prefix"], "nightly")
    by_admin = ("CLR_ADMIN_KEY", "CLR_ADMIN_KEY")
    assert [(row["action"], row["subject"], (row["key"], row["key_name"])) for row in entries] == [
        ("key_revoked", key["id"], by_admin),
        ("comparison_deleted", compared, by_me),
        ("comparison_cancelled", compared, by_me),
        ("job_deleted", job, by_me),
        ("job_cancelled", job, by_me),
        ("key_made", key["id"], by_admin),
    ]
    assert {row["project"] for row in entries} == {"vision"}


def test_the_log_names_address_and_key_and_no_secret(
    admin: TestClient, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    key = make(admin)
    admin.get("/jobs", headers=bearing(key["secret"]))

    lines = [line for line in log_lines() if line["logger"] == "api.middleware"]
    assert (lines[-1]["client"], lines[-1]["key"]) == ("testclient", key["prefix"])
    assert lines[-1]["message"].endswith(f"for testclient with the key {key['prefix']}")
    assert not [
        line for line in log_lines() if key["secret"] in str(line) or ADMIN_KEY in str(line["message"])
    ]


def test_each_key_has_a_share_of_the_pool(admin: TestClient) -> None:
    """A caller who fills it keeps nobody else out; tests/api/test_turns.py has the shares."""
    turns = Full()
    app = admin.app
    assert isinstance(app, FastAPI)
    app.state.resources.pool._turns = turns
    key = make(admin)
    preview = {"num_steps": 5_000, "schedule": {"policy": "fixed", "lr": 0.1}}

    answers = [
        admin.post("/schedules/preview", json=preview, headers=bearing(secret))
        for secret in (ADMIN_KEY, key["secret"])
    ]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert turns.asked == ["CLR_ADMIN_KEY", key["id"]]


class Full(Turns):
    """Turns of which there are none; who asked for one."""

    def __init__(self) -> None:
        super().__init__(size=0, places=0)
        self.asked: list[Hashable] = []

    def take(self, whose: Hashable, *, begun: bool = False) -> AbstractAsyncContextManager[None]:
        self.asked.append(whose)
        return super().take(whose, begun=begun)
