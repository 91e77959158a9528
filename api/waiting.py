"""Those who wait for something to happen to jobs: one watcher a process asks the database for all of them together.

A waiter is a coroutine: it holds no thread and no connection, and leaves nothing behind when its caller does.
"""

import asyncio
import logging
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import Request
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.orm import Session

from store import changes
from store.changes import Mark
from store.database import Database
from store.models import Job
from store.status import FINAL

log = logging.getLogger(__name__)

LOOK_S = 0.2  # between two looks while anyone waits
COMMIT_S = 10.0  # a change is seen by its time, which it has for so long at most before it is committed
MOST_PENDING = 10_000  # jobs that changed and whose reader did not take that
AWAY = (OperationalError, InterfaceError, NoConnection)  # what a database raises that does not answer
STOPS = (signal.SIGINT, signal.SIGTERM)


class Watched:
    """What the watcher knows of one job. mark: None of one that is gone. stopped: nobody waits for it any more."""

    def __init__(self) -> None:
        self.mark: Mark | None = None
        self._known = self.stopped = False
        self._news = asyncio.Event()

    def tell(self, mark: Mark | None) -> None:
        """The watcher has looked."""
        if not self._known or mark != self.mark:
            self._known, self.mark = True, mark
            self._news.set()

    def stop(self) -> None:
        """The service ends, or the caller may no longer."""
        self.stopped = True
        self._news.set()

    async def differs(self, mark: Mark | None, *, within_s: float) -> bool:
        """Wait until the job stands otherwise than so; False when it does not for so long, or it is stopped."""
        try:
            async with asyncio.timeout(within_s):
                while not self.stopped and (not self._known or self.mark == mark):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return not self.stopped

    async def ends(self, *, within_s: float) -> None:
        """Wait until the job is final or gone, for so long at most."""
        loop = asyncio.get_running_loop()
        deadline, mark = loop.time() + within_s, self.mark
        while not self._known or (mark is not None and mark.status not in FINAL):
            if not await self.differs(mark, within_s=deadline - loop.time()):
                return
            mark = self.mark


@dataclass(frozen=True, slots=True)
class Change:
    """A job that changed, or whose progress alone did. until: everything up to this time was told with it."""

    job: Job
    progress_alone: bool
    until: float


class Feed:
    """What changed of all jobs, for one reader who may be slow: of each job the newest."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()  # whatever is committed from now on comes here
        self.ended = False
        self._pending: dict[str, Change] = {}
        self._news = asyncio.Event()

    def tell(self, changed: list[Change]) -> None:
        """The watcher has looked."""
        self.begun.set()
        for change in changed:
            before = self._pending.pop(change.job.id, None)
            alone = change.progress_alone and (before is None or before.progress_alone)
            self._pending[change.job.id] = Change(change.job, alone, change.until)
        if len(self._pending) > MOST_PENDING:
            self.end()
        if changed:
            self._news.set()

    def end(self) -> None:
        """The service ends, the reader is too slow, or may no longer."""
        self.ended = True
        self._news.set()
        self.begun.set()

    async def take(self, *, within_s: float) -> list[Change]:
        """Wait for what changed; nothing where nothing does for so long, or the feed has ended."""
        try:
            async with asyncio.timeout(within_s):
                await self._news.wait()
        except TimeoutError:
            return []
        self._news.clear()
        taken, self._pending = list(self._pending.values()), {}
        return [] if self.ended else taken


class Watcher:
    """Asks how the jobs stand that somebody waits for, while anyone does. It lives in the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = CapacityLimiter(1)  # of its own: it never waits for those of the handlers
        self._watched: dict[str, set[Watched]] = defaultdict(set)
        self._feeds: set[Feed] = set()
        self._looking: asyncio.Task[None] | None = None
        self._recent: dict[str, Mark] | None = None  # those of the last look
        self._looked_at = 0.0  # by the database's clock
        self._until = 0.0  # the latest change that was told
        self.stopping = False

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Watched]:
        """What becomes of this job, as long as the context is open."""
        watched = Watched()
        if self.stopping:
            watched.stop()
        self._watched[job_id].add(watched)
        self._begin()
        try:
            yield watched
        finally:
            self._watched[job_id].discard(watched)
            if not self._watched[job_id]:
                del self._watched[job_id]

    @contextmanager
    def feed(self) -> Iterator[Feed]:
        """What changes of all jobs, as long as the context is open."""
        feed = Feed()
        if self.stopping:
            feed.end()
        self._feeds.add(feed)
        self._begin()
        try:
            yield feed
        finally:
            self._feeds.discard(feed)

    def stop(self) -> None:
        """Let every waiter go."""
        self.stopping = True
        for feed in self._feeds:
            feed.end()
        for waiting in self._watched.values():
            for watched in waiting:
                watched.stop()

    def _begin(self) -> None:
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while (self._watched or self._feeds) and not self.stopping:
            watched, feeds = list(self._watched), list(self._feeds)
            try:
                marks, changed = await to_thread.run_sync(
                    self._ask, watched, bool(feeds), limiter=self._thread
                )
            except AWAY:
                log.warning("the database does not answer: %d jobs are waited for", len(watched))
            except Exception:  # nobody else looks
                log.exception("a look for %d jobs failed", len(watched))
            else:
                for job_id in watched:
                    for one in self._watched.get(job_id, ()):
                        one.tell(marks.get(job_id))
                for feed in feeds:
                    feed.tell(changed)
            await asyncio.sleep(LOOK_S)
        self._looking = None

    def _ask(self, job_ids: list[str], feeds: bool) -> tuple[dict[str, Mark], list[Change]]:
        with self._database.read() as session:
            marks = changes.marks_of(session, job_ids)
            return marks, self._find_changed(session) if feeds else self._forget()

    def _find_changed(self, session: Session) -> list[Change]:
        """What changed since the last look, the earliest first; nothing at the first one."""
        before, clock = self._recent, changes.clock(session)
        since = clock if before is None else min(clock, self._looked_at)
        self._recent = recent = changes.marks_since(session, since - COMMIT_S)
        self._looked_at = clock
        if before is None:
            self._until = clock
            return []
        new = [job_id for job_id, mark in recent.items() if mark != before.get(job_id)]
        found = []
        for job in sorted(changes.jobs_of(session, new), key=lambda job: job.changed_at):
            self._until = max(self._until, job.changed_at)
            known = before.get(job.id)
            alone = known is not None and known.version == job.version
            found.append(Change(job, alone, self._until))
        return found

    def _forget(self) -> list[Change]:
        self._recent = None
        return []


async def while_there(request: Request, waiting: Coroutine[Any, Any, None]) -> None:
    """Wait so, but not for longer than the caller does."""
    await request.body()
    tasks = [asyncio.ensure_future(waiting), asyncio.ensure_future(leave(request))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def leave(request: Request) -> None:
    """Wait until the caller has left; what else it sends is dropped."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


@contextmanager
def on_stop(do: Callable[[], None]) -> Iterator[None]:
    """Do this in the event loop as soon as the server is asked to end: it waits for every answer before it ends us."""
    if threading.current_thread() is not threading.main_thread():  # tests; no signal comes there
        yield
        return
    loop = asyncio.get_running_loop()
    servers = {number: signal.getsignal(number) for number in STOPS}

    def hear(number: int, frame: Any) -> None:
        loop.call_soon_threadsafe(do)
        if callable(handler := servers[signal.Signals(number)]):
            handler(number, frame)

    for number in STOPS:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number, handler in servers.items():
            signal.signal(number, handler)
