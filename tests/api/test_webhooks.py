"""Webhooks against a real receiver, on both databases: signed, told again, never lost, never to a private address."""

import json
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from standardwebhooks import Webhook as Reference

from api import outgoing
from api.app import create_app
from api.deliveries import write_body
from api.outgoing import may_be_called
from store import chores, comparison_ends, comparisons, jobs, webhooks
from store.database import Database, now
from store.jobs import NewJob
from store.models import Delivery
from store.settings import Settings
from store.status import Kind
from tests import certificates
from tests.api.early import SETTLED_EARLY
from tests.api.lifecycle import BOUNDS, claim, create, finish
from tests.api.receiver import PATIENCE_S, Receiver, receiving
from tests.jobs import compare

pytestmark = pytest.mark.usefixtures("catalogue")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def api_settings(api_settings: Settings) -> Settings:
    return api_settings.model_copy(update={"webhook_private": True})


def hook(api: TestClient, url: str, **fields: Any) -> dict[str, Any]:
    answer = api.post("/webhooks", json={"url": url} | fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def settled(api: TestClient, made: dict[str, Any], *, attempts: int = 1) -> dict[str, Any]:
    """The newest delivery, once so many attempts have been noted."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        [newest, *_] = api.get(made["links"]["deliveries"]).json()["items"]
        if newest["attempts"] == attempts and newest["message"] is not None:
            return dict(newest)
        time.sleep(0.05)
    raise AssertionError(newest)


def test_a_job_that_ended_is_told_and_the_signature_holds(
    api: TestClient, database: Database, receiver: Receiver
) -> None:
    made = hook(api, receiver.url, events=["job.succeeded"])
    api.post(f"/range-tests/{create(api)['id']}/cancel")
    job_id = create(api)["id"]
    claim(database)
    finish(database, job_id, "bounds_found", BOUNDS)

    headers, body = receiver.next()

    assert Reference(made["secret"]).verify(body, headers)["data"] == api.get(f"/jobs/{job_id}").json()
    assert json.loads(body)["type"] == "job.succeeded"
    delivery = settled(api, made)
    assert (delivery["status"], delivery["answer"]) == ("delivered", 204)
    assert headers["webhook-id"] == delivery["id"]
    assert receiver.calls.empty()
    assert made["secret"] not in api.get("/webhooks").text + api.get(made["links"]["self"]).text


def test_a_refused_call_is_made_again_with_the_same_id_and_body(
    api: TestClient, database: Database, receiver: Receiver
) -> None:
    receiver.answers.put(302)
    made = hook(api, receiver.url)
    api.post(f"/range-tests/{create(api)['id']}/cancel")
    first = receiver.next()
    waiting = settled(api, made)
    assert (waiting["status"], waiting["answer"]) == ("pending", 302)

    with database.write() as session:
        session.execute(update(Delivery).values(next_attempt_at=now()))

    second = receiver.next()
    assert (first[0]["webhook-id"], first[1]) == (second[0]["webhook-id"], second[1])
    assert settled(api, made, attempts=2)["status"] == "delivered"


def test_a_receiver_that_never_answers_holds_up_no_other(
    api: TestClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has three calls to hear."""
    monkeypatch.setattr(outgoing, "TIMEOUT_S", 3 * PATIENCE_S)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        hook(api, f"http://127.0.0.1:{deaf.getsockname()[1]}/")
        hook(api, receiver.url)
        ended = {create(api)["id"] for _ in range(3)}
        for job_id in ended:
            api.post(f"/range-tests/{job_id}/cancel")

        told = {json.loads(receiver.next()[1])["data"]["id"] for _ in ended}

    assert told == ended


def test_it_is_given_up_after_the_last_pause(database: Database) -> None:
    with database.write() as session:
        made = webhooks.create(session, url="https://example.org", events=[])
        delivery = webhooks.add(session, made.id, "webhook.test")
    attempts = len(webhooks.PAUSES_S) + 1

    for attempt in range(1, attempts + 1):
        with database.write() as session:
            session.execute(update(Delivery).values(next_attempt_at=now()))
            [(_, taken)] = webhooks.claim(session)
            assert webhooks.claim(session) == []
        with database.write() as session:
            webhooks.settle(session, taken.id, attempt, answer=500, message="")

    with database.read() as session:
        [row] = webhooks.deliveries_of(session, made.id)
        assert (row.id, row.status, row.attempts) == (delivery.id, "failed", attempts)
        assert not webhooks.is_due(session)


def test_what_ended_while_no_service_ran_is_told_by_the_next(
    api_settings: Settings, database: Database, receiver: Receiver
) -> None:
    """The row that tells of it is written with the end itself, so a kill between the two loses nothing."""
    with database.write() as session:
        webhooks.create(session, url=receiver.url, events=["job.cancelled"])
        job, _ = jobs.create(session, NewJob(kind=Kind.RANGE_TEST, workload="digits", config={}))
        jobs.request_cancel(session, job.id)
        taken = webhooks.claim(session)  # by a process that was killed before it sent anything
        session.execute(update(Delivery).values(next_attempt_at=now()))
    assert len(taken) == 1

    with TestClient(create_app(api_settings)):
        _, body = receiver.next()

    assert json.loads(body)["data"]["id"] == job.id


def test_of_a_job_that_was_deleted_meanwhile_its_id_is_told(
    api_settings: Settings, database: Database, receiver: Receiver, log_lines: Any
) -> None:
    """Its rows are still there, as they are freed later."""
    with database.write() as session:
        webhooks.create(session, url=receiver.url, events=["job.cancelled"])
        job, _ = jobs.create(session, NewJob(kind=Kind.RANGE_TEST, workload="digits", config={}))
        jobs.request_cancel(session, job.id)
        jobs.remove(session, job.id)

    with TestClient(create_app(api_settings)):
        _, body = receiver.next()

    assert json.loads(body)["data"] == {"id": job.id}
    assert not [line for line in log_lines() if line["level"] == "ERROR"]


def test_a_comparison_is_told_once_after_its_last_job(
    api_settings: Settings, database: Database, receiver: Receiver
) -> None:
    """Whoever ended that job was killed, and no service ran: the next one looks."""
    comparison_id = compare(database, trainings=2)
    chores.finish(database, comparison_id)
    with database.write() as session:
        made = webhooks.create(session, url=receiver.url, events=["comparison.finished"])
        first, *others = comparisons.jobs_of(session, comparison_id)
        jobs.request_cancel(session, first.id)
        comparison_ends.note(session, comparison_id)
        assert webhooks.deliveries_of(session, made.id) == []
        for job in others:
            jobs.request_cancel(session, job.id)

    with TestClient(create_app(api_settings)) as api:
        told = json.loads(receiver.next()[1])

        assert told["type"] == "comparison.finished"
        assert told["data"] == api.get("/comparisons").json()["items"][0]
        assert told["data"]["status"] == "cancelled"
        assert find_ended(database) == []
        [delivery] = api.get(f"/webhooks/{made.id}/deliveries").json()["items"]
        assert (delivery["comparison_id"], delivery["job_id"]) == (comparison_id, None)


def test_a_comparison_that_is_deleted_at_once_is_told_by_its_id(database: Database) -> None:
    comparison_id = compare(database, trainings=1)
    with database.write() as session:
        made = webhooks.create(session, url="https://example.org", events=["comparison.finished"])
        comparisons.request_cancel(session, comparison_id)
    chores.finish(database, comparison_id)

    with database.write() as session:
        comparisons.remove(session, comparison_id)

    with database.read() as session:
        [delivery] = webhooks.deliveries_of(session, made.id)
        assert json.loads(write_body(session, delivery))["data"] == {"id": comparison_id}


def find_ended(database: Database) -> list[str]:
    with database.read() as session:
        return comparison_ends.find(session)


def test_a_move_that_is_rolled_back_is_not_told(database: Database) -> None:
    with database.write() as session:
        made = webhooks.create(session, url="https://example.org", events=["job.cancelled"])
        job, _ = jobs.create(session, NewJob(kind=Kind.RANGE_TEST, workload="digits", config={}))

    def cancel_and_break() -> None:
        with database.write() as session:
            jobs.request_cancel(session, job.id)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cancel_and_break()

    with database.read() as session:
        assert webhooks.deliveries_of(session, made.id) == []


def test_a_test_call_says_how_it_went_and_a_deleted_webhook_is_gone(
    api: TestClient, receiver: Receiver
) -> None:
    made = hook(api, receiver.url)

    asked = api.post(f"{made['links']['self']}/test")

    assert (asked.status_code, asked.json()["event"]) == (202, "webhook.test")
    assert json.loads(receiver.next()[1])["data"] == {"id": None}
    assert settled(api, made)["status"] == "delivered"
    assert api.delete(made["links"]["self"]).status_code == 204
    assert api.get(made["links"]["deliveries"]).status_code == 404


def test_a_private_address_is_not_called_unless_that_is_allowed(
    api_settings: Settings, receiver: Receiver
) -> None:
    strict = api_settings.model_copy(update={"webhook_private": False})
    port = receiver.server.server_port
    with TestClient(create_app(strict)) as api:
        for url in ("http://example.org/x", "https://127.0.0.1/x", "https://[::ffff:169.254.169.254]/"):
            refused = api.post("/webhooks", json={"url": url})
            assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/url")
        made = hook(api, f"https://localhost:{port}/x")  # where a name leads is seen at each call
        api.post(f"{made['links']['self']}/test")
        delivery = settled(api, made)

    assert (delivery["status"], delivery["answer"]) == ("pending", None)
    assert "private" in delivery["message"]
    assert receiver.calls.empty()


def test_a_receiver_of_an_unknown_authority_hears_nothing_and_the_log_says_why(
    api: TestClient, tmp_path: Path
) -> None:
    certificates.make(tmp_path, "localhost")
    with receiving(tmp_path) as receiver:
        made = hook(api, receiver.url)
        api.post(f"{made['links']['self']}/test")
        delivery = settled(api, made)

    assert (delivery["status"], delivery["answer"]) == ("pending", None)
    assert "certificate verify failed: self-signed certificate" in delivery["message"]
    assert receiver.calls.empty()


@SETTLED_EARLY
@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "::1", "fe80::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "ff0e::1",
     "::10.0.0.1", "::ffff:0:a00:1", "64:ff9b:1::a00:1", "fec0::1"],
)  # fmt: skip
def test_these_addresses_are_private(address: str) -> None:
    assert not may_be_called(ip_address(address))


def test_public_addresses_may_be_called() -> None:
    assert may_be_called(ip_address("93.184.216.34"))
    assert may_be_called(ip_address("2606:2800:220:1:248:1893:25c8:1946"))
