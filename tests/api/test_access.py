"""Who waits is let go when the key or the session ends, also after a look that failed, on both databases."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.orm import Session

from store import key_sessions, keys
from store.callers import Scope
from store.database import Database, now
from store.keys import NewKey
from store.models import Job, Key
from store.settings import Settings
from tests.api.test_waiting import Caller, serving, turn
from tests.jobs import queue
from tests.machine import patience


def make_key(database: Database) -> tuple[str, str]:
    """(Id, secret)."""
    with database.write() as session:
        key, secret = keys.create(
            session, NewKey(name="k", project="default", scope=Scope.READ), created_by=None
        )
    return key.id, secret


def begin_session(database: Database, secret: str) -> str:
    with database.write() as session:
        key, _ = keys.find(session, secret)
        return key_sessions.begin(session, key=key, secret=secret, for_s=60)[0]


def bearing(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def revoke(key_id: str) -> Callable[[Session], Any]:
    return lambda session: keys.revoke(session, key_id)


def expire(key_id: str) -> Callable[[Session], Any]:
    return lambda session: session.execute(update(Key).where(Key.id == key_id).values(expires_at=now() - 1))


def end(token: str) -> Callable[[Session], Any]:
    return lambda session: key_sessions.end(session, token)


def test_who_waits_is_let_go_with_the_key_or_the_session_and_nobody_else(
    api_settings: Settings, database: Database, document: dict[str, Any]
) -> None:
    job = queue(database)
    stream, wait = f"/jobs/{job.id}/events", (f"/range-tests/{job.id}", "wait_s=60")
    (revoked, its_secret), (expired, other_secret), (_, kept) = (make_key(database) for _ in range(3))
    token = begin_session(database, kept)
    cookie = {"cookie": f"clr_session={token}"}

    async def listen() -> list[list[int]]:
        async with serving(api_settings, document) as (app, _):
            ending = [
                (
                    [Caller(app, stream, **bearing(its_secret)), Caller(app, *wait, **bearing(its_secret))],
                    revoke(revoked),
                ),
                (
                    [
                        Caller(app, "/events", **bearing(other_secret)),
                        Caller(app, *wait, **bearing(other_secret)),
                    ],
                    expire(expired),
                ),
                ([Caller(app, stream, **cookie), Caller(app, *wait, **cookie)], end(token)),
            ]
            staying = [Caller(app, stream, **bearing(kept)), Caller(app, *wait, **bearing(kept))]
            held = app.state.resources.access._holds
            statuses = []
            async with asyncio.timeout(patience(30)):
                while len(held) < 8:
                    await asyncio.sleep(0.01)
                for callers, over in ending:
                    with database.write() as session:
                        over(session)
                    await asyncio.gather(*(caller.answering for caller in callers))
                    statuses.append([caller.status for caller in callers])
            assert len(held) == len(staying)
            for caller in staying:
                await caller.leave()
            return statuses

    assert asyncio.run(listen()) == [[200, 401]] * 3


@pytest.mark.parametrize("table", ["keys", "jobs"])
def test_a_look_that_fails_is_not_the_last(
    table: str,
    api_settings: Settings,
    database: Database,
    document: dict[str, Any],
    log_lines: Callable[[], list[dict[str, Any]]],
) -> None:
    """A missing table is no database that is away, on Postgres."""
    job, (key_id, secret) = queue(database), make_key(database)
    over = {"keys": revoke(key_id), "jobs": lambda session: session.execute(delete(Job))}[table]

    def failed() -> bool:
        return any(line["logger"] in ("api.access", "api.waiting") for line in log_lines())

    async def listen() -> None:
        async with serving(api_settings, document) as (app, _):
            caller = Caller(app, f"/jobs/{job.id}/events", **bearing(secret))
            await caller.heard.wait()
            rename(database, table, "hidden")
            await turn(failed)
            rename(database, "hidden", table)
            with database.write() as session:
                over(session)
            async with asyncio.timeout(patience(30)):
                await caller.answering

    asyncio.run(listen())


def rename(database: Database, table: str, name: str) -> None:
    with database.write() as session:
        session.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))
