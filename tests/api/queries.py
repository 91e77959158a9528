"""The SQL statements of requests, counted: what one costs must not grow with what is stored."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, event

HANDLERS = "AnyIO worker thread"  # that routes run in; ringer and reaper have threads of their own


@contextmanager
def counted() -> Iterator[list[str]]:
    """The SELECT, INSERT, UPDATE and DELETE statements of the requests that are served meanwhile, in their order."""
    statements: list[str] = []

    def note(connection: Connection, cursor: object, statement: str, *_: object) -> None:
        of_request = threading.current_thread().name == HANDLERS
        if of_request and statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield statements
    event.remove(Engine, "before_cursor_execute", note)
