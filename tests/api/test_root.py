"""A service that a proxy shows below a path: what it says of itself begins with it."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from api.app import create_app
from store import checkpoints
from store.checkpoints import NewCheckpoint
from store.database import Database
from store.settings import Settings
from tests.api.lifecycle import claim

ROOT = "/clr"
ADMIN = "an-admin-key-of-the-tests-0123456789"
CLR = {"schedule": {"policy": "triangular", "base_lr": 0.01, "max_lr": 0.1}}

pytestmark = [
    pytest.mark.usefixtures("catalogue"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.fixture
def below(api_settings: Settings) -> Iterator[TestClient]:
    """A client of a service below `/clr`."""
    app = create_app(api_settings.model_copy(update={"root_path": ROOT}))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def links_in(body: Any) -> list[str]:
    """Every link of an answer, however deep."""
    if isinstance(body, list):
        return [link for item in body for link in links_in(item)]
    if not isinstance(body, dict):
        return []
    return [*body.get("links", {}).values(), *links_in([*body.values()])]


@pytest.mark.parametrize("before", ["", ROOT])
def test_links_begin_with_the_root_whether_the_proxy_takes_it_off_or_not(
    below: TestClient, before: str
) -> None:
    waiting = {"workload": "digits", "num_cycles": 2, "schedule": {"policy": "triangular"}}
    bodies = {
        "/range-tests": {"workload": "digits"},
        "/training-jobs": waiting,
        "/comparisons": {"workload": "digits", "entries": [CLR]},
    }

    for path, body in bodies.items():
        made = below.post(before + path, json=body)
        assert made.status_code == 202, made.text
        assert made.headers["Location"] == made.json()["links"]["self"]
        assert below.get(made.headers["Location"]).json()["id"] == made.json()["id"]
        found = [*links_in(made.json()), *links_in(below.get(before + path).json())]
        assert found
        assert [link for link in found if not link.startswith(f"{ROOT}/")] == []


def test_a_checkpoints_link_begins_with_the_root(below: TestClient, database: Database) -> None:
    made = below.post("/training-jobs", json={"workload": "digits", "num_cycles": 2} | CLR).json()
    claim(database)
    new = NewCheckpoint(step=7, path="p", size_bytes=4, hostname="h", cycle=None, best=False)
    with database.write() as session:
        checkpoints.publish(session, made["id"], 1, new)

    listed = below.get(made["links"]["checkpoints"]).json()

    assert links_in(listed) == [f"{made['links']['checkpoints']}/7"]


def test_a_session_and_a_webhook_lie_below_the_root(api_settings: Settings) -> None:
    keyed = api_settings.model_copy(update={"root_path": ROOT, "admin_key": SecretStr(ADMIN)})
    with TestClient(create_app(keyed), headers={"Authorization": f"Bearer {ADMIN}"}) as client:
        begun = client.post("/session")
        hook = client.post("/webhooks", json={"url": "https://example.com/"})

    assert f"Path={ROOT};" in begun.headers["Set-Cookie"]
    assert hook.headers["Location"] == hook.json()["links"]["self"] == f"{ROOT}/webhooks/{hook.json()['id']}"


def test_problems_name_paths_as_the_caller_sees_them(below: TestClient) -> None:
    for path in ("/range-test", f"{ROOT}/range-test"):
        problem = below.get(path).json()

        assert problem["instance"] == f"{ROOT}/range-test"
        assert problem["detail"] == f"there is nothing at {ROOT}/range-test; did you mean {ROOT}/range-tests?"
    assert "/clr/docs lists" in below.get("/nothing/of/the/kind").json()["detail"]
    assert below.get("/clrs/range-tests").status_code == 404


def test_the_document_says_where_the_service_is(below: TestClient) -> None:
    assert below.get(f"{ROOT}/openapi.json").json()["servers"] == [{"url": ROOT}]
    for page in ("docs", "docs/start.js", "healthz"):
        assert below.get(f"{ROOT}/{page}").status_code == 200


@pytest.mark.parametrize("path", ["clr", "/clr/", "https://host/clr", "/a b"])
def test_a_root_is_a_path_without_its_last_slash(path: str, database_url: str) -> None:
    with pytest.raises(ValueError, match="root_path"):
        Settings(root_path=path)
