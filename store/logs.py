"""Log lines, the same from every process: text for people, or one JSON object a line for machines.

Each names the request or the attempt that it belongs to, whoever logged it, a library or a workload too: the handler
adds the ids, not the call.
"""

import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pythonjsonlogger.defaults import unknown_default
from pythonjsonlogger.json import JsonFormatter

from store.settings import Settings

log = logging.getLogger(__name__)

IDS = ("request_id", "job_id", "attempt")
WITH_HANDLERS = ("uvicorn", "uvicorn.access")  # loggers that would not ask the root

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_attempt: dict[str, Any] = {}  # of this process: a workload's own threads share it, unlike a context


@contextmanager
def running(job_id: str, attempt: int) -> Iterator[None]:
    """Name this attempt in every line of this process."""
    _attempt.update(job_id=job_id, attempt=attempt)
    try:
        yield
    finally:
        _attempt.clear()


def set_up(settings: Settings) -> None:
    """Have this process log to stderr; changes nothing where the process's owner has set up logging already."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    handler.addFilter(complete)
    root.addHandler(handler)
    root.setLevel(settings.log_level)
    for name in WITH_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda died: _log_uncaught(died.exc_type, died.exc_value, died.exc_traceback)


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: Any) -> None:
    if issubclass(kind, Exception):
        log.critical("uncaught: %s", kind.__name__, exc_info=(kind, error or kind(), trace))


def complete(record: logging.LogRecord) -> bool:
    """Give a record the ids that its call did not give, and a message where its arguments do not fit."""
    for name, value in ({"request_id": request_id.get()} | _attempt).items():
        if value is not None:
            record.__dict__.setdefault(name, value)
    try:
        record.getMessage()
    except Exception as error:
        record.msg, record.args = f"{unknown_default((record.msg, record.args))}: {error!r}", ()
    return True


def escape(text: str) -> str:
    """Text that begins no line of its own and steers no terminal: what is neither printed nor a space, spelled out."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


class TextLines(logging.Formatter):
    """For people: the ids in brackets, a traceback below its line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s%(ids)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line."""
        ids = [f"{name}={record.__dict__[name]}" for name in IDS if name in record.__dict__]
        record.ids = f" [{' '.join(ids)}]" if ids else ""
        record.message = escape(record.message)
        return super().formatMessage(record)


class JsonLines(JsonFormatter):
    """For machines: whatever was logged is one line of JSON, a traceback in its `traceback`."""

    def __init__(self) -> None:
        super().__init__(
            ["asctime", "levelname", "name", "process", "message"],
            rename_fields={
                "asctime": "time",
                "levelname": "level",
                "name": "logger",
                "process": "pid",
                "exc_info": "traceback",
            },
            json_serializer=partial(json.dumps, allow_nan=False),
        )

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """RFC 3339 in UTC."""
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def jsonify_log_record(self, log_data: dict[Any, Any]) -> str:
        """The line; what JSON does not have (NaN, a cycle, a key that is no text) is spelled out."""
        try:
            return super().jsonify_log_record(log_data)
        except Exception:
            plain = {
                str(key): value if isinstance(value, str | int) else unknown_default(value)
                for key, value in log_data.items()
            }
            return super().jsonify_log_record(plain)
