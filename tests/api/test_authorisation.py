"""Every route of the OpenAPI document against every kind of caller: a route without a row here fails."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from api.app import create_app
from store import runs, workers, workloads
from store.database import Database
from store.settings import Settings
from store.workers import WorkerInfo
from tests.api.conftest import WORKLOAD
from tests.api.lifecycle import BOUNDS, PLAN, claim, finish
from tests.conftest import fresh_database

ADMIN_KEY = "the first admin's key"
TRAINING = {"workload": "digits", "schedule": {"policy": "fixed", "lr": 0.1}, "num_steps": 10}
COMPARED = {"workload": "digits", "entries": [{"schedule": {"policy": "fixed", "lr": 0.1}}], "num_seeds": 1}
OURS = {"driver": "client", "name": "ours", "optimizer": "SGD"}
ROWS = {"token": "none", "from_step": 0, "loss": [1.0]}
NOBODY = str(UUID(int=7))


@dataclass(frozen=True)
class Row:
    """What a route needs and how it answers who may. id: of the things of the project `vision` that it is asked about.

    elsewhere: what a key of another project is told, where that is not what its own is told.
    """

    needed: str
    status: int
    id: str | None = None
    body: dict[str, Any] = field(default_factory=dict)
    elsewhere: int | None = None


def about(needed: str, status: int, id: str, **body: Any) -> Row:
    """A route of something that is of a project."""
    return Row(needed, status, id, body, elsewhere=404)


OPEN = Row("nothing", 200)
TABLE = {
    "POST /range-tests": Row("submit", 202, body={"workload": "digits"}),
    "GET /range-tests": Row("read", 200),
    "GET /range-tests/{id}": about("read", 200, "tested"),
    "DELETE /range-tests/{id}": about("submit", 409, "queued"),
    "POST /range-tests/{id}/cancel": about("submit", 200, "queued"),
    "GET /range-tests/{id}/bounds": about("read", 200, "tested"),
    "POST /range-tests/{id}/analyses": about("submit", 409, "tested"),
    "GET /range-tests/{id}/analyses": about("read", 200, "tested"),
    "POST /range-tests/{id}/ask": about("submit", 200, "asked", client_id="me"),
    "PUT /range-tests/{id}/sweeps/{number}/points": about("submit", 404, "asked", **ROWS),
    "POST /range-tests/{id}/sweeps/{number}/finish": about("submit", 404, "asked", token="none"),
    "POST /range-tests/{id}/confirmations": about("submit", 202, "tested"),
    "GET /range-tests/{id}/confirmations": about("read", 200, "tested"),
    "GET /range-tests/{id}/curve": about("read", 200, "tested"),
    "GET /range-tests/{id}/plot.{format}": about("read", 409, "tested"),
    "POST /training-jobs": Row("submit", 202, body=TRAINING),
    "GET /training-jobs": Row("read", 200),
    "GET /training-jobs/{id}": about("read", 200, "training"),
    "DELETE /training-jobs/{id}": about("submit", 409, "training"),
    "POST /training-jobs/{id}/cancel": about("submit", 200, "training"),
    "POST /training-jobs/{id}/ask": about("submit", 200, "asked_training", client_id="me"),
    "PUT /training-jobs/{id}/sweeps/{number}/points": about("submit", 404, "asked_training", **ROWS),
    "POST /training-jobs/{id}/sweeps/{number}/finish": about("submit", 404, "asked_training", token="none"),
    "POST /training-jobs/{id}/resume": about("submit", 409, "training"),
    "GET /training-jobs/{id}/curve": about("read", 200, "training"),
    "GET /training-jobs/{id}/plot.{format}": about("read", 409, "training"),
    "GET /training-jobs/{id}/checkpoints": about("read", 200, "training"),
    "GET /training-jobs/{id}/checkpoints/{step}": about("read", 404, "training"),
    "POST /comparisons": Row("submit", 202, body=COMPARED),
    "GET /comparisons": Row("read", 200),
    "GET /comparisons/{id}": about("read", 200, "comparison"),
    "DELETE /comparisons/{id}": about("submit", 409, "comparison"),
    "POST /comparisons/{id}/cancel": about("submit", 409, "cancelled"),
    "GET /comparisons/{id}/plot.{format}": about("read", 200, "comparison"),
    "POST /analyses": Row("read", 422, body={"lr": [], "loss": []}),
    "POST /schedules/preview": Row("read", 200, body={"schedule": TRAINING["schedule"], "num_steps": 3}),
    "GET /jobs": Row("read", 200),
    "GET /jobs/{id}": about("read", 200, "tested"),
    "PATCH /jobs/{id}": about("submit", 200, "tested", name="another"),
    "GET /jobs/{id}/events": about("read", 200, "tested"),
    "GET /events": Row("read", 422),  # with an id that is none, or it would never end
    "PATCH /comparisons/{id}": about("submit", 200, "comparison", name="another"),
    "POST /webhooks": Row("admin", 201, body={"url": "https://example.org/clr"}),
    "GET /webhooks": Row("admin", 200),
    "GET /webhooks/{id}": Row("admin", 404, id="nobody"),
    "DELETE /webhooks/{id}": Row("admin", 404, id="nobody"),
    "POST /webhooks/{id}/test": Row("admin", 404, id="nobody"),
    "GET /webhooks/{id}/deliveries": Row("admin", 404, id="nobody"),
    "POST /keys": Row("admin", 201, body={"name": "another"}),
    "GET /keys": Row("admin", 200),
    "DELETE /keys/{id}": Row("admin", 404, id="nobody"),
    "GET /audit": Row("admin", 200),
    "GET /session": Row("read", 200),
    "POST /session": Row("read", 200),
    "DELETE /session": Row("read", 204),
    "GET /workloads": Row("read", 200),
    "GET /workloads/{name}": Row("read", 200),
    "GET /workers": Row("read", 200),
    "GET /metrics": Row("read", 200),
    "GET /healthz": OPEN,
    "GET /readyz": OPEN,
}
CALLERS = ("no key", "wrong", "expired", "other project", "read", "submit", "admin")
MAY = {"read": ("read",), "submit": ("read", "submit"), "admin": ("read", "submit", "admin")}


@dataclass(frozen=True)
class Service:
    """A running service with a key of every kind, and what the project `vision` has."""

    api: TestClient
    keys: dict[str, str | None]
    ids: dict[str, str]

    def ask(self, operation: str, caller: str) -> Any:
        """One request of this caller, about the things of `vision`."""
        method, path = operation.split(" ")
        row = TABLE[operation]
        filled = path.format(id=self.ids.get(row.id or ""), number=7, format="svg", step=7, name="digits")
        key = self.keys[caller]
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        query = {"params": {"last_event_id": "none"}} if operation == "GET /events" else {}
        body = (
            {"json": row.body} if method in ("POST", "PUT", "PATCH") and operation != "POST /session" else {}
        )
        self.api.cookies.clear()
        return self.api.request(method, filled, headers=headers, **body, **query)


@pytest.fixture(scope="module")
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, broker_url: str
) -> Iterator[Service]:
    """One service for the whole table, on SQLite."""
    folder = tmp_path_factory.mktemp("authorisation")
    with fresh_database("sqlite", folder, request) as url:
        settings = Settings(
            database_url=url,
            data_dir=folder,
            broker_url=broker_url,
            admin_key=SecretStr(ADMIN_KEY),
            failed_keys_a_minute=0,
        )
        database = Database(url)
        with database.write() as session:
            workloads.publish(session, [WORKLOAD])
            about_worker = WorkerInfo(id="w", hostname="host", pid=1, slots=1, device="cpu")
            workers.publish(session, about_worker, ["digits"])
        with TestClient(create_app(settings), raise_server_exceptions=False) as api:
            keys = {"no key": None, "wrong": "clr_wrong", "admin": ADMIN_KEY}
            keys |= {scope: _make(api, scope, "vision") for scope in ("read", "submit")}
            keys["other project"] = _make(api, "submit", "speech")
            keys["expired"] = _make(api, "admin", "vision", expires_in_days=1e-9)
            yield Service(api, keys, _fill(api, database, str(keys["submit"])))
        database.close()


def _make(api: TestClient, scope: str, project: str, **fields: Any) -> str:
    body = {"name": f"{scope} of {project}", "scope": scope, "project": project} | fields
    answer = api.post("/keys", json=body, headers={"Authorization": f"Bearer {ADMIN_KEY}"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["secret"])


def _fill(api: TestClient, database: Database, key: str) -> dict[str, str]:
    """The ids of what a caller with this key asked for."""

    def create(path: str, body: dict[str, Any]) -> str:
        answer = api.post(path, json=body, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    cancelled = create("/comparisons", COMPARED)
    api.post(f"/comparisons/{cancelled}/cancel", headers={"Authorization": f"Bearer {key}"})
    tested = create("/range-tests", {"workload": "digits"})
    assert claim(database) == tested
    with database.write() as session:
        runs.begin_run(session, tested, sweep=1, seed=0, plan=PLAN)
    finish(database, tested, "bounds_found", BOUNDS)
    return {
        "tested": tested,
        "queued": create("/range-tests", {"workload": "digits"}),
        "asked": create("/range-tests", OURS),
        "training": create("/training-jobs", TRAINING),
        "asked_training": create("/training-jobs", OURS | {"schedule": TRAINING["schedule"], "num_steps": 3}),
        "comparison": create("/comparisons", COMPARED),
        "cancelled": cancelled,
        "nobody": NOBODY,
    }


def test_every_route_has_a_row(service: Service) -> None:
    paths = service.api.app.openapi()["paths"]  # type: ignore[attr-defined]

    assert {
        f"{method.upper()} {path}" for path, methods in paths.items() for method in methods
    } == TABLE.keys()


@pytest.mark.parametrize("operation", TABLE)
def test_a_route_is_for_those_who_may(service: Service, operation: str) -> None:
    row = TABLE[operation]

    got = {caller: service.ask(operation, caller).status_code for caller in CALLERS}

    expected = {
        "no key": 401,
        "wrong": 401,
        "expired": 401,
        "other project": 403 if row.needed == "admin" else row.elsewhere or row.status,
        **{
            caller: row.status if row.needed in MAY[caller] else 403 for caller in ("read", "submit", "admin")
        },
    }
    if row.needed == "nothing":
        expected = dict.fromkeys(CALLERS, 200)
    assert got == expected


LISTS = ("/jobs", "/range-tests", "/training-jobs", "/comparisons")


def _get(service: Service, caller: str, path: str) -> Any:
    return service.api.get(path, headers={"Authorization": f"Bearer {service.keys[caller]}"})


@pytest.mark.parametrize("path", LISTS)
def test_a_list_has_the_rows_of_the_caller_s_project_alone(service: Service, path: str) -> None:
    for caller, projects in (
        ("read", {"vision"}),
        ("other project", {"speech"}),
        ("admin", {"vision", "speech"}),
    ):
        listed = {row["project"] for row in _get(service, caller, path).json()["items"]}

        assert listed <= projects | ({"default"} if caller == "admin" else set())
    assert _get(service, "read", path).json()["items"]


def test_what_is_another_project_s_is_told_as_what_is_not_there(service: Service) -> None:
    job_id = service.ids["tested"]

    theirs = _get(service, "other project", f"/range-tests/{job_id}").json()
    nothing = _get(service, "other project", f"/range-tests/{NOBODY}").json()

    assert theirs["detail"] == nothing["detail"].replace(NOBODY, job_id)


def test_a_job_of_another_project_cannot_be_referred_to(service: Service) -> None:
    body = {"range_test_id": service.ids["tested"]}
    headers = {"Authorization": f"Bearer {service.keys['other project']}"}

    answer = service.api.post("/training-jobs", json=body, headers=headers)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/range_test_id")
    assert "there is nothing of the id" in answer.json()["detail"]


def test_two_projects_may_have_the_same_idempotency_key(service: Service) -> None:
    made = [
        service.api.post(
            path,
            json=body,
            headers={"Authorization": f"Bearer {service.keys[caller]}", "Idempotency-Key": "nightly"},
        ).json()
        for path, body in (("/range-tests", {"workload": "digits"}), ("/comparisons", COMPARED))
        for caller in ("submit", "submit", "other project")
    ]

    for first, again, elsewhere in (made[:3], made[3:]):
        assert first["id"] == again["id"] != elsewhere["id"]
        assert (first["project"], elsewhere["project"]) == ("vision", "speech")
