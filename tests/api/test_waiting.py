"""Those who wait are asked for together, hold nothing, and leave nothing behind."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from api.app import create_app
from api.waiting import MOST_PENDING, Change, Feed, Watcher
from store.database import Database
from store.models import Job
from store.settings import Settings
from tests.jobs import queue

WAITING = 45  # more than there are threads


class Caller:
    """Somebody who asks the application and hears its answer in pieces, until he leaves."""

    def __init__(self, app: Any, path: str, query: str = "", **headers: str) -> None:
        self.status = 0
        self.heard = asyncio.Event()
        self._left = asyncio.Event()
        self._begun = False
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (name.encode(), value.encode()) for name, value in ({"host": "localhost"} | headers).items()
            ],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }
        self.answering = asyncio.create_task(app(scope, self._receive, self._send))

    async def leave(self) -> None:
        self._left.set()
        await self.answering

    async def _receive(self) -> dict[str, Any]:
        if not self._begun:
            self._begun = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        self.status = message.get("status", self.status)
        if b"event: status" in message.get("body", b""):
            self.heard.set()


@asynccontextmanager
async def serving(settings: Settings, document: dict[str, Any]) -> AsyncIterator[tuple[Any, Watcher]]:
    app = create_app(settings)
    app.openapi = lambda: document  # type: ignore[method-assign]
    async with app.router.lifespan_context(app):
        yield app, app.state.resources.watcher


@pytest.fixture
def looks() -> Iterator[list[str]]:
    """The queries of the watcher so far."""
    asked: list[str] = []

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT jobs.id, jobs.version, jobs.status, jobs.progressed_at"):
            asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield asked
    event.remove(Engine, "before_cursor_execute", note)


async def turn(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_caller_who_leaves_leaves_nothing_behind(
    api_settings: Settings, database: Database, document: dict[str, Any]
) -> None:
    job = queue(database)

    async def leave_all() -> tuple[int, bool, bool]:
        async with serving(api_settings, document) as (app, watcher):
            callers = [Caller(app, f"/jobs/{job.id}/events"), Caller(app, "/events")]
            callers += [Caller(app, f"/range-tests/{job.id}", "wait_s=60") for _ in range(WAITING)]
            await callers[0].heard.wait()
            await turn(lambda: len(watcher._watched[job.id]) == WAITING + 1 and watcher._feeds)
            for caller in callers:
                await caller.leave()
            left = bool(watcher._watched), bool(watcher._feeds)
            await turn(lambda: watcher._looking is None)
            return len(callers), *left

    assert asyncio.run(leave_all()) == (WAITING + 2, False, False)


def test_one_query_is_asked_for_all_who_wait(
    api_settings: Settings, database: Database, document: dict[str, Any], looks: list[str]
) -> None:
    jobs = [queue(database).id for _ in range(3)]

    async def wait() -> float:
        async with serving(api_settings, document) as (app, watcher):
            callers = [Caller(app, f"/range-tests/{id}", "wait_s=60") for id in jobs * (WAITING // 3)]
            await turn(lambda: sum(map(len, watcher._watched.values())) == WAITING)
            asked, began = len(looks), asyncio.get_running_loop().time()
            await turn(lambda: len(looks) >= asked + 3)
            took_s = asyncio.get_running_loop().time() - began
            for caller in callers:
                await caller.leave()
            return took_s

    assert asyncio.run(wait()) > 0.35  # two pauses between three looks


def test_a_reader_who_is_too_slow_is_let_go() -> None:
    """What waits for him is bounded: he comes back with his last id."""
    feed = Feed()

    feed.tell(
        [Change(Job(id=str(number)), progress_alone=False, until=1.0) for number in range(MOST_PENDING)]
    )
    assert not feed.ended
    feed.tell([Change(Job(id="one more"), progress_alone=False, until=2.0)])

    assert feed.ended
