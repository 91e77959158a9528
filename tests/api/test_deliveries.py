"""Deliveries outlive the process that makes them, and are not kept for ever."""

import json
import signal
from pathlib import Path

import httpx2
from sqlalchemy import update

from store import jobs, webhooks
from store.database import Database, now
from store.models import Delivery
from tests.api.receiver import receiving
from tests.api.service import Service
from tests.conftest import fresh_database
from tests.jobs import queue


def test_a_service_that_is_killed_before_a_delivery_makes_it_once_it_is_back(
    tmp_path: Path, request: object
) -> None:
    """One call was being made, another was still to be made, and a third job ended while no service ran."""
    with fresh_database("sqlite", tmp_path, request) as url, receiving() as receiver:  # type: ignore[arg-type]
        service = Service(url, tmp_path, webhook_private="true")
        made = httpx2.post(f"{service.url}/webhooks", json={"url": receiver.url}).json()
        waiting = [queue(service.database).id for _ in range(3)]

        def end(job_id: str) -> None:
            with service.database.write() as session:
                jobs.request_cancel(session, job_id)

        receiver.silent.set()
        for job_id in waiting[:2]:
            end(job_id)
        begun = receiver.next()
        service.process.stop(signal.SIGKILL)
        end(waiting[2])
        with service.database.write() as session:
            jobs.get(session, waiting[0]).name = "renamed"  # what is told again is what was told
            session.execute(update(Delivery).values(next_attempt_at=now()))
        receiver.silent.clear()
        service.process.start()
        told = [receiver.next() for _ in waiting]

        ids = {headers["webhook-id"] for headers, _ in told}
        again = {headers["webhook-id"]: body for headers, body in told}
        assert {json.loads(body)["data"]["id"] for _, body in told} == set(waiting)
        assert again[begun[0]["webhook-id"]] == begun[1]
        with service.database.read() as session:
            assert ids == {delivery.id for delivery in webhooks.deliveries_of(session, made["id"])}
        service.close()


def test_what_was_delivered_long_ago_is_forgotten_and_what_is_pending_is_not(database: Database) -> None:
    with database.write() as session:
        made = webhooks.create(session, url="https://example.org", events=[])
        old, new, pending = (webhooks.add(session, made.id, "webhook.test") for _ in range(3))
        for delivery, days in ((old, webhooks.KEPT_DAYS + 1), (new, webhooks.KEPT_DAYS - 1)):
            ended = {"status": "delivered", "finished_at": now() - days * 86_400, "next_attempt_at": None}
            session.execute(update(Delivery).where(Delivery.id == delivery.id).values(ended))

    with database.write() as session:
        assert webhooks.forget_some(session)
        assert not webhooks.forget_some(session)

    with database.read() as session:
        kept = {delivery.id for delivery in webhooks.deliveries_of(session, made.id)}
    assert kept == {new.id, pending.id}
