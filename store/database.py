"""One engine and two kinds of transaction, the same on SQLite and Postgres.

Writers on SQLite begin IMMEDIATE: a deferred transaction that reads first and writes later fails with
`database is locked` whatever the timeout. All times come from the database's clock, as unix seconds.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from sqlite3 import OperationalError
from threading import Thread
from typing import Any

from sqlalchemy import URL, Connection, Engine, Float, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from store import counters
from store.callers import Caller, CallerSession, open_for
from store.holds import Holds

API_THREADS = 40  # what FastAPI's thread pool may ask for at once; the pool must not be smaller
COUNT_S = 1.0
POLL_S = (
    0.003  # between two looks whether SQLite's write lock is free; SQLite's own looks are up to 0.1 s apart
)
LOCK_S = 15.0  # to wait for it


class now(FunctionElement[float]):
    """The database's wall clock, unix seconds with fractions."""

    type = Float()
    inherit_cache = True


@compiles(now, "postgresql")
def _postgres_now(element: object, compiler: object, **_: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


@compiles(now, "sqlite")
def _sqlite_now(element: object, compiler: object, **_: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


def insert_for(session: Session) -> Any:
    """The INSERT of this database, which knows ON CONFLICT."""
    return {"postgresql": postgresql.insert, "sqlite": sqlite.insert}[session.get_bind().dialect.name]


def upsert(session: Session, table: Any, key: Sequence[str], row: dict[str, Any]) -> None:
    """Insert a row, or replace the one of the same key; processes that do so at once do not fail."""
    others = {name: value for name, value in row.items() if name not in key}
    new = insert_for(session)(table).values(row)
    session.execute(new.on_conflict_do_update(index_elements=key, set_=others))


class Database:
    """Opens transactions; safe to share between threads, not between processes."""

    def __init__(self, url: str | URL) -> None:
        """`url`: `sqlite:///PATH` or `postgresql+psycopg://...`; a path of the system's only as SQLAlchemy's URL."""
        self._caller: Caller | None = None
        backend = make_url(url).get_backend_name()
        options = _CONNECT_OPTIONS[backend]
        self._reader = create_engine(
            url, pool_size=5, max_overflow=API_THREADS, pool_pre_ping=True, connect_args=options
        )
        self._writer = self._reader.execution_options(writes=True)
        self.holds = Holds()
        if backend == "sqlite":
            event.listen(self._reader, "connect", _prepare_sqlite)
            event.listen(self._reader, "begin", _begin_sqlite)
        else:
            event.listen(self._reader, "before_cursor_execute", _ask_for_binary)

    def within(self, caller: Caller) -> "Database":
        """The same as this caller may see it (store/callers.py); it shares the connections."""
        other = copy(self)
        other._caller = caller
        return other

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads."""
        with self._open(self._reader) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that writes; commits at the end, rolls back on an exception.

        On SQLite no other one begins until its end: read, plan and compute before.
        """
        with self._open(self._writer) as session:
            with session.begin():
                session.connection()
                began = time.perf_counter()
                yield session
                counters.write(session)
            self.holds.observe(time.perf_counter() - began)

    def _open(self, engine: Engine) -> Session:
        return CallerSession(engine, expire_on_commit=False, info=open_for(self._caller))

    def count(self, name: str, label: str = "", *, by: float = 1) -> None:
        """Count in a transaction of its own, one of `counters`; what cannot be counted in a second may not be."""

        def write() -> None:
            with suppress(SQLAlchemyError), self.write() as session:
                counters.add(session, name, label, by=by)

        counting = Thread(target=write, name="counting", daemon=True)
        counting.start()
        counting.join(COUNT_S)

    def close(self) -> None:
        """Give every connection back."""
        self._reader.dispose()


_CONNECT_OPTIONS: dict[str, dict[str, Any]] = {
    "sqlite": {"timeout": LOCK_S},
    "postgresql": {
        "connect_timeout": 5,
        "keepalives_idle": 10,  # a host that is cut off is known as lost within half a minute
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
        "options": "-c statement_timeout=30000 -c idle_in_transaction_session_timeout=60000",
    },
}


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver must not begin by itself; _begin_sqlite does
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _ask_for_binary(_: object, cursor: Any, *about: Any) -> None:
    """Have a query with the option `binary` answered so: bytes spelled as text are twice as long, and slow to read."""
    _statement, _parameters, context, _many = about
    if context.execution_options.get("binary"):
        from psycopg.pq import Format  # noqa: PLC0415 - who uses SQLite needs no psycopg

        cursor.format = Format.BINARY


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    if writes and _take_lock(connection.connection.dbapi_connection):
        return
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _take_lock(sqlite: Any) -> bool:
    """Begin to write as soon as nobody else does; whether that was so within `LOCK_S`."""
    gives_up_at = time.monotonic() + LOCK_S
    sqlite.execute("PRAGMA busy_timeout = 0")
    try:
        while time.monotonic() < gives_up_at:
            with suppress(OperationalError):
                sqlite.execute("BEGIN IMMEDIATE")
                return True
            time.sleep(POLL_S)
        return False
    finally:
        sqlite.execute(f"PRAGMA busy_timeout = {int(1000 * LOCK_S)}")
