"""Server-sent events of the service, heard to the end: a connection that breaks is made again where it broke."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from clr_tuner.connection import Connection
from clr_tuner.errors import Unreachable

SILENCE_S = 45.0  # three heartbeats
PAUSE_S = 0.5  # before a connection is made again


@dataclass(frozen=True, slots=True)
class Event:
    """One event. name: status, progress, points, reset, result or end. id: to go on after it, in another process."""

    name: str
    data: dict[str, Any]
    id: str


def read_events(pieces: Iterable[bytes]) -> Iterator[Event]:
    """The events in a stream's bytes as our service writes them; an id that comes alone is one without a name."""
    rest = b""
    for piece in pieces:
        *blocks, rest = (rest + piece).split(b"\n\n")
        for block in blocks:
            fields = dict(line.partition(b": ")[::2] for line in block.split(b"\n"))
            if b"id" in fields:
                name, data = fields.get(b"event", b"").decode(), json.loads(fields.get(b"data", b"{}"))
                yield Event(name, data, fields[b"id"].decode())


def follow(
    connection: Connection, path: str, *, query: Mapping[str, Any], last_event_id: str | None
) -> Iterator[Event]:
    """Every event after this one until `end`, through restarts of the service. Raises `Refused`, `Unreachable`."""
    last = last_event_id
    while True:
        headers, opened = {"Last-Event-ID": last} if last else {}, False
        try:
            with connection.stream(path, query=query, headers=headers, silence_s=SILENCE_S) as answer:
                opened = True
                if answer.status_code == 204:
                    return
                for event in read_events(answer.iter_bytes()):
                    last = event.id
                    if event.name:
                        yield event
                    if event.name == "end":
                        return
        except Unreachable:
            if not opened:  # for as long as every request is repeated
                raise
        time.sleep(PAUSE_S)
