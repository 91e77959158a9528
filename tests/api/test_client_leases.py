"""Leases of runs that callers measure, once they lapse, on both databases."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from store.database import Database
from store.models import ClientRun
from tests.api.caller import ask, begin, measure, plan_of, report
from tests.api.test_client_training_jobs import ask as ask_rates
from tests.api.test_client_training_jobs import create, finish


def lapse(database: Database) -> None:
    """Have every lease end in the past."""
    with database.write() as session:
        session.execute(update(ClientRun).values(lease_expires_at=0.0))


def test_after_its_lease_a_token_is_good_until_another_caller_comes(
    api: TestClient, database: Database
) -> None:
    path = begin(api)
    asked = ask(api, path)
    rows = list(measure(plan_of(asked["sweep"])))
    lapse(database)

    assert report(api, path, asked, rows[:40]).status_code == 200
    assert api.post(f"{path}/ask", json={"client_id": "another"}).json()["code"] == "sweep_held"


def test_another_caller_begins_a_lapsed_sweep_afresh(api: TestClient, database: Database) -> None:
    path = begin(api)
    asked = ask(api, path)
    rows = list(measure(plan_of(asked["sweep"])))
    report(api, path, asked, rows[:40])
    lapse(database)

    taken = ask(api, path, client_id="another")

    assert (taken["sweep"], taken["received_up_to"]) == (asked["sweep"], 0)
    assert report(api, path, asked, rows[:40]).json()["code"] == "lease_lost"


def test_the_same_caller_goes_on_after_its_lease(api: TestClient, database: Database) -> None:
    path = begin(api)
    asked = ask(api, path)
    report(api, path, asked, list(measure(plan_of(asked["sweep"])))[:1])
    lapse(database)

    again = ask(api, path)

    assert (again["lease"]["token"], again["received_up_to"]) == (asked["lease"]["token"], 1)


def test_a_caller_that_is_gone_for_sure_is_not_waited_for(api: TestClient) -> None:
    path = begin(api)
    asked = ask(api, path)
    report(api, path, asked, list(measure(plan_of(asked["sweep"])))[:40])

    held = api.post(f"{path}/ask", json={"client_id": "mine anew", "instead_of": "somebody else"}).json()
    taken = ask(api, path, client_id="mine anew", instead_of=held["held_by"])

    assert (held["code"], held["held_by"]) == ("sweep_held", "me")
    assert (taken["sweep"], taken["received_up_to"]) == (asked["sweep"], 0)


def test_of_two_processes_under_one_name_the_one_that_lost_the_training_is_told_so(api: TestClient) -> None:
    path = create(api)
    first = ask_rates(api, path)["lease"]["token"]
    api.put(f"{path}/sweeps/0/points", json={"token": first, "from_step": 0, "loss": [2.3, 2.2, 2.1]})
    ask_rates(api, path, from_step=1)

    lost = api.put(f"{path}/sweeps/0/points", json={"token": first, "from_step": 3, "loss": [2.0]})

    assert (lost.status_code, lost.json()["code"]) == (409, "lease_lost")
    assert "processes that measure at once need a client_id each" in lost.json()["detail"]


@pytest.mark.parametrize(("last", "outcome"), [(2.0, "trained"), (None, "diverged")])
def test_another_caller_goes_on_with_a_lapsed_training_as_it_was(
    api: TestClient, database: Database, last: float | None, outcome: str
) -> None:
    path = create(api)
    body = {"token": ask_rates(api, path)["lease"]["token"], "from_step": 0, "loss": [2.3, 2.2, last]}
    api.put(f"{path}/sweeps/0/points", json=body)
    lapse(database)

    taken = ask_rates(api, path, client_id="another")

    assert taken["received_up_to"] == 3
    assert finish(api, path, taken)["outcome"] == outcome
