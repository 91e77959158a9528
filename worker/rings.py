"""What the worker takes off the broker's queue: rings, and nothing else.

Whoever reaches the broker can push anything. Celery ends its worker over most of what it cannot read (no JSON, a
header of another type, arguments that do not fit), or puts it back for the next worker. So whatever is no ring of ours
is dropped here with a line in the log, and of a ring nothing but its id is passed on.
"""

import base64
import json
import logging
import re
from typing import Any
from uuid import uuid4

from kombu.transport import TRANSPORT_ALIASES, _transport_cache, redis

from store.doorbell import QUEUE, TASK

log = logging.getLogger(__name__)

ID = re.compile(r"[\w-]{1,64}", re.ASCII)
BODY = base64.b64encode(json.dumps([[], {}, {}]).encode()).decode()
SHOWN = 100  # characters of what was dropped


class Channel(redis.Channel):
    """Reads the queue."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except (ValueError, RecursionError) as error:  # it is no JSON
            _drop(error)
            return True


class Transport(redis.Transport):
    """Delivers rings."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:
        if queue != QUEUE:
            super()._deliver(message, queue)  # type: ignore[no-untyped-call]
        elif (ring_id := _find_id(message)) is None:
            _drop(message)
        else:
            super()._deliver(_make_ring(ring_id), queue)  # type: ignore[no-untyped-call]


def take_rings_only() -> None:
    """Have Celery read Redis and Valkey in this way from now on, in this process."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
        _transport_cache.pop(scheme, None)  # the check of the setting looked it up


def _find_id(message: Any) -> str | None:
    """The id of a ring; None where the message is something else."""
    try:
        task, ring_id = message["headers"]["task"], message["headers"]["id"]
        arguments = json.loads(base64.b64decode(message["body"]))[:2]
        is_ring = task == TASK and arguments == [[], {}] and ID.fullmatch(ring_id)
    except (TypeError, LookupError, ValueError, RecursionError):
        return None
    return ring_id if is_ring else None


def _make_ring(ring_id: str) -> dict[str, Any]:
    return {
        "body": BODY,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "py", "task": TASK, "id": ring_id, "root_id": ring_id, "ignore_result": True},
        "properties": {
            "body_encoding": "base64",
            "delivery_info": {"exchange": "", "routing_key": QUEUE},
            "delivery_tag": str(uuid4()),
            "priority": 0,
        },
    }


def _drop(what: object) -> None:
    log.warning("dropped a message that is no ring: %s", repr(what)[:SHOWN])
