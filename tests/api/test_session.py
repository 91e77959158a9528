"""A key as a cookie: whatever the key opens, until the session ends, and nothing for pages of others."""

from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import select, update

from api.app import create_app
from store.database import Database
from store.models import KeySession
from store.settings import Settings
from tests.conftest import fresh_database

pytestmark = pytest.mark.usefixtures("catalogue")

ADMIN = {"Authorization": "Bearer the first admin's key"}
OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Nothing here depends on the database."""
    with fresh_database("sqlite", tmp_path, request) as url:
        yield url


@pytest.fixture
def page(api_settings: Settings, document: dict[str, Any]) -> Iterator[TestClient]:
    """A browser: it keeps cookies, and brings no key by itself."""
    settings = api_settings.model_copy(update={"admin_key": SecretStr("the first admin's key")})
    app = create_app(settings)
    app.openapi = lambda: document  # type: ignore[method-assign]
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def make_key(page: TestClient, **fields: Any) -> dict[str, Any]:
    key: dict[str, Any] = page.post("/keys", json={"name": "me"} | fields, headers=ADMIN).json()
    return key


def sign_in(page: TestClient, secret: str) -> Any:
    answer = page.post("/session", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200, answer.text
    return answer


def test_a_key_and_its_session_are_told_whose_they_are(page: TestClient) -> None:
    key = make_key(page, scope="read", project="vision", expires_in_days=1)
    known = {name: key[name] for name in ("name", "project", "scope")} | {"key": key["prefix"]}

    by_key = page.get("/session", headers={"Authorization": f"Bearer {key['secret']}"}).json()
    begun = sign_in(page, key["secret"]).json()
    by_cookie = page.get("/session").json()

    assert by_key == known | {"expires_at": key["expires_at"]}
    assert by_cookie == begun
    assert by_cookie["expires_at"] < key["expires_at"]


def test_a_service_without_keys_knows_nobody(api: TestClient) -> None:
    assert api.get("/session").json() == {
        "key": None, "name": None, "project": "default", "scope": "admin", "expires_at": None,
    }  # fmt: skip


def test_the_cookie_opens_what_the_key_opens(page: TestClient, database: Database) -> None:
    key = make_key(page, scope="submit", project="vision")
    assert page.get("/jobs").status_code == 401

    answer = sign_in(page, key["secret"])

    assert answer.json()["key"] == key["prefix"]
    assert (answer.json()["project"], answer.json()["scope"]) == ("vision", "submit")
    assert page.get("/jobs").status_code == 200
    made = page.post("/range-tests", json={"workload": "digits"}, headers=OURS)
    assert made.json()["project"] == "vision"
    assert page.get("/keys").status_code == 403
    with database.read() as session:
        [row] = session.scalars(select(KeySession))
    assert page.cookies["clr_session"] not in (row.token_hash, row.proof)
    assert key["secret"] not in (row.token_hash, row.proof)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_script_and_no_other_site_has_the_cookie(page: TestClient, scheme: str) -> None:
    answer = page.post(f"{scheme}://testserver/session", headers=ADMIN)

    [cookie] = SimpleCookie(answer.headers["Set-Cookie"]).values()
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "strict", "/")
    assert bool(cookie["secure"]) == (scheme == "https")
    assert int(cookie["max-age"]) == 12 * 3600


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),  # every browser says whose page it is: this is a program
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://testserver"}, 403),
        ({"Origin": "http://testserver"}, 202),
        ({"Origin": "https://testserver"}, 202),  # a proxy before us speaks TLS
        (OURS, 202),
        (ADMIN, 202),  # a key in the header needs no page
    ],
)
def test_a_page_of_others_changes_nothing(page: TestClient, headers: dict[str, str], status: int) -> None:
    sign_in(page, "the first admin's key")

    answer = page.post("/range-tests", json={"workload": "digits"}, headers=headers)

    assert answer.status_code == status
    assert status != 403 or answer.json()["code"] == "foreign_origin"


def test_a_session_ends_when_its_page_says_so(page: TestClient) -> None:
    sign_in(page, "the first admin's key")
    token = page.cookies["clr_session"]

    assert page.delete("/session", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert page.delete("/session", headers=OURS).status_code == 204

    assert "clr_session" not in page.cookies
    kept = page.get("/jobs", headers={"Cookie": f"clr_session={token}"})
    assert (kept.status_code, "the session has ended" in kept.json()["detail"]) == (401, True)


def test_a_session_ends_with_its_key(page: TestClient) -> None:
    key = make_key(page)
    sign_in(page, key["secret"])

    page.delete(f"/keys/{key['id']}", headers=ADMIN)

    assert page.get("/jobs").status_code == 401


def test_a_session_expires_and_is_forgotten(page: TestClient, database: Database) -> None:
    sign_in(page, "the first admin's key")
    with database.write() as session:
        session.execute(update(KeySession).values(expires_at=0))

    assert page.get("/jobs").status_code == 401
    sign_in(page, "the first admin's key")
    with database.read() as session:
        assert len(session.scalars(select(KeySession)).all()) == 1


def test_a_session_of_a_setting_s_key_ends_when_that_is_another(
    page: TestClient, api_settings: Settings
) -> None:
    sign_in(page, "the first admin's key")
    token = {"Cookie": f"clr_session={page.cookies['clr_session']}"}
    settings = api_settings.model_copy(update={"admin_key": SecretStr("the second admin's key")})

    with TestClient(create_app(settings)) as restarted:
        assert restarted.get("/jobs", headers=token).status_code == 401


def test_a_service_without_keys_has_no_sessions(api: TestClient) -> None:
    answer = api.post("/session")

    assert (answer.status_code, answer.json()["code"]) == (409, "no_keys")


def test_a_cookie_begins_no_session(page: TestClient) -> None:
    sign_in(page, "the first admin's key")

    answer = page.post("/session", headers=OURS)

    assert (answer.status_code, answer.json()["code"]) == (409, "no_key")
