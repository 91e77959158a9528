"""Webhooks and their deliveries: an outbox. What is to be told is written in the transaction that ends a job.

A delivery that a process took and did not settle within `HELD_S` is another's, so each is sent at least once.
"""

import secrets
from base64 import b64encode
from collections.abc import Collection, Sequence
from enum import StrEnum
from random import uniform
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from store.batches import ROWS
from store.callers import project_of
from store.database import now
from store.errors import Conflict, NotFound
from store.models import Comparison, Delivery, Job, Webhook

PAUSES_S = (5.0, 60.0, 300.0, 1_800.0, 7_200.0)  # between attempts; after the last of them it is given up
HELD_S = 60.0
MOST_HOOKS = 20
MOST_SHOWN = 100
KEPT_DAYS = 30.0  # deliveries that are over


class Event(StrEnum):
    """What a webhook may be told."""

    SUCCEEDED = "job.succeeded"
    FAILED = "job.failed"
    CANCELLED = "job.cancelled"
    FINISHED = "comparison.finished"
    TEST = "webhook.test"  #: asked for by itself


def create(session: Session, *, url: str, events: Sequence[str]) -> Webhook:
    """Keep one, with a new secret. Raises `Conflict` where there are too many."""
    if (session.scalar(select(func.count()).select_from(Webhook)) or 0) >= MOST_HOOKS:
        raise Conflict(f"there are {MOST_HOOKS} webhooks: delete one first")
    secret = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
    values = {
        "id": str(uuid4()),
        "project": project_of(session),
        "url": url,
        "events": list(events),
        "secret": secret,
        "created_at": now(),
    }
    return session.scalars(insert(Webhook).values(values).returning(Webhook)).one()


def find(session: Session) -> list[Webhook]:
    """All of them, oldest first."""
    return list(session.scalars(select(Webhook).order_by(Webhook.created_at, Webhook.id)))


def get(session: Session, webhook_id: str) -> Webhook:
    """The webhook. Raises `NotFound`."""
    webhook = session.get(Webhook, webhook_id)
    if webhook is None:
        raise NotFound("there is no such webhook")
    return webhook


def remove(session: Session, webhook_id: str) -> None:
    """Delete it with what was to be delivered. Raises `NotFound`."""
    get(session, webhook_id)
    session.execute(delete(Webhook).where(Webhook.id == webhook_id))


def tell(
    session: Session, event: str, *, job_id: str | None = None, comparison_id: str | None = None
) -> None:
    """Have every webhook of this event and of the project called; written with the transaction or not at all."""
    subject, its_id = (Job, job_id) if comparison_id is None else (Comparison, comparison_id)
    project = select(subject.project).where(subject.id == its_id).scalar_subquery()
    hooks = select(Webhook.id, Webhook.events).where(Webhook.project == project)
    for webhook_id, events in session.execute(hooks).all():
        if event in events:
            add(session, webhook_id, event, job_id=job_id, comparison_id=comparison_id)


def add(
    session: Session,
    webhook_id: str,
    event: str,
    *,
    job_id: str | None = None,
    comparison_id: str | None = None,
) -> Delivery:
    """Have one webhook called, of a job, of a comparison or of nothing."""
    row: dict[str, Any] = {
        "id": str(uuid4()),
        "webhook_id": webhook_id,
        "event": event,
        "job_id": job_id,
        "comparison_id": comparison_id,
        "status": "pending",
        "attempts": 0,
        "created_at": now(),
        "next_attempt_at": now(),
    }
    return session.scalars(insert(Delivery).values(row).returning(Delivery)).one()


def deliveries_of(session: Session, webhook_id: str) -> list[Delivery]:
    """The newest ones, newest first. Raises `NotFound`."""
    get(session, webhook_id)
    newest = select(Delivery).where(Delivery.webhook_id == webhook_id)
    return list(
        session.scalars(newest.order_by(Delivery.created_at.desc(), Delivery.id.desc()).limit(MOST_SHOWN))
    )


def is_due(session: Session, *, but: Collection[str] = ()) -> bool:
    """Whether anything is to be sent now, to other webhooks than these."""
    due = select(Delivery.id).where(Delivery.next_attempt_at <= now(), Delivery.webhook_id.not_in(but))
    return session.scalar(due.limit(1)) is not None


def claim(session: Session, *, but: Collection[str] = ()) -> list[tuple[Webhook, Delivery]]:
    """Take one delivery of each webhook that has a due one, but of these."""
    taken = []
    for webhook in find(session):
        if webhook.id in but:
            continue
        due = select(Delivery).where(Delivery.webhook_id == webhook.id, Delivery.next_attempt_at <= now())
        first = due.order_by(Delivery.next_attempt_at).limit(1).with_for_update(skip_locked=True)
        if (delivery := session.scalar(first)) is not None:
            delivery.attempts += 1
            delivery.answer = delivery.message = None  # of this attempt, once it is settled
            delivery.next_attempt_at = session.scalar(select(now() + HELD_S))
            taken.append((webhook, delivery))
    return taken


def settle(session: Session, delivery_id: str, attempt: int, *, answer: int | None, message: str) -> None:
    """Note how an attempt went: taken with any 2xx, tried again after a pause, or given up after the last."""
    delivery = session.get(Delivery, delivery_id, with_for_update=True)
    if delivery is None or delivery.attempts != attempt:  # its webhook was deleted, or another process has it
        return
    delivery.answer, delivery.message = answer, message
    taken = answer is not None and 200 <= answer < 300
    if taken or attempt > len(PAUSES_S):
        delivery.status = "delivered" if taken else "failed"
        delivery.next_attempt_at, delivery.finished_at = None, session.scalar(select(now()))
    else:
        pause_s = PAUSES_S[attempt - 1] * uniform(1.0, 1.2)
        delivery.next_attempt_at = session.scalar(select(now() + pause_s))


def forget_some(session: Session) -> bool:
    """Delete deliveries that ended long ago, as many as one transaction may; whether any were there."""
    old = select(Delivery.id).where(Delivery.finished_at < now() - KEPT_DAYS * 86_400.0).limit(ROWS)
    forgotten = delete(Delivery).where(Delivery.id.in_(old)).returning(Delivery.id)
    return bool(session.scalars(forgotten, execution_options={"synchronize_session": False}).all())
