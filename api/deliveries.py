"""What calls webhooks: a thread of every API process. Signed as Standard Webhooks says."""

import hashlib
import hmac
import json
import logging
import time
from base64 import b64decode, b64encode
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event as Flag
from threading import Thread

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.comparison_views import ComparisonStatus, describe_status
from api.jobs import JobStatus
from api.outgoing import post
from api.requests.body import moment
from store import comparison_ends, comparisons, webhooks
from store.database import Database
from store.models import Comparison, Delivery, Job, Webhook
from store.settings import Settings
from store.status import ASKED, Chore

log = logging.getLogger(__name__)

LOOK_S = 1.0


class Deliverer:
    """Sends what is due, one a webhook at a time; a webhook waits for itself alone, however slow another is."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings
        self._stopping, self._woken = Flag(), Flag()
        self._calls: dict[str, Future[None]] = {}  # by webhook; those of the thread's own making
        self._thread = Thread(target=self._keep_delivering, name="deliverer", daemon=True)

    def start(self) -> None:
        """Begin the thread."""
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """End the thread, waiting a little; what is not settled then is sent again by another."""
        self._stopping.set()
        self._woken.set()
        self._thread.join(timeout_s)

    def _keep_delivering(self) -> None:
        with ThreadPoolExecutor(webhooks.MOST_HOOKS, thread_name_prefix="delivery") as senders:
            while not self._stopping.is_set():
                self._woken.clear()
                try:
                    self._find_ended()
                    self._deliver(senders)
                except SQLAlchemyError as error:
                    log.warning("could not look for deliveries: %s", error)
                except Exception:
                    log.exception("could not deliver")
                self._woken.wait(LOOK_S)

    def _find_ended(self) -> None:
        """Note which comparisons have ended."""
        with self._database.read() as session:
            ended = comparison_ends.find(session)
        for comparison_id in ended:
            with self._database.write() as session:
                comparison_ends.note(session, comparison_id)

    def _deliver(self, senders: ThreadPoolExecutor) -> None:
        """Begin to send what is due, of webhooks that no call of ours is on its way to."""
        for webhook_id in [webhook_id for webhook_id, call in self._calls.items() if call.done()]:
            self._calls.pop(webhook_id).result()
        with self._database.read() as session:
            if not webhooks.is_due(session, but=self._calls):
                return
        with self._database.write() as session:
            due = webhooks.claim(session, but=self._calls)
            for _, delivery in due:
                delivery.body = delivery.body or write_body(session, delivery)
        for webhook, delivery in due:
            call = self._calls[webhook.id] = senders.submit(self._send, webhook, delivery)
            call.add_done_callback(lambda _: self._woken.set())

    def _send(self, webhook: Webhook, delivery: Delivery) -> None:
        body = delivery.body or ""
        headers = sign(webhook.secret, delivery.id, int(time.time()), body)
        status: int | None = None
        try:
            answer = post(webhook.url, body.encode(), headers, private=self._settings.webhook_private)
            status, message = answer.status, answer.text
        except (OSError, ValueError) as error:
            message = str(error)[:500] or type(error).__name__
        with self._database.write() as session:
            webhooks.settle(session, delivery.id, delivery.attempts, answer=status, message=message)


def write_body(session: Session, delivery: Delivery) -> str:
    """What is to be sent; of what was deleted meanwhile its id alone."""
    view = _view_comparison(session, delivery.comparison_id) or _view_job(session, delivery.job_id)
    data = {"id": delivery.comparison_id or delivery.job_id} if view is None else view.model_dump(mode="json")
    happened = moment(delivery.created_at)
    assert happened is not None
    return json.dumps({"type": delivery.event, "timestamp": happened.isoformat(), "data": data})


def _view_job(session: Session, job_id: str | None) -> JobStatus | None:
    job = session.get(Job, job_id) if job_id else None
    return JobStatus.of(job) if job is not None and job.kind in ASKED else None


def _view_comparison(session: Session, comparison_id: str | None) -> ComparisonStatus | None:
    comparison = session.get(Comparison, comparison_id) if comparison_id else None
    if comparison is None or comparison.chore == Chore.DELETE:
        return None
    counts = comparisons.count_jobs(session, [comparison.id])[comparison.id]
    return ComparisonStatus(**describe_status(comparison, counts))


def sign(secret: str, id: str, timestamp: int, body: str) -> dict[str, str]:
    """The headers of a call."""
    key = b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{id}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "User-Agent": "clr-tuner",
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{b64encode(digest).decode()}",
    }
