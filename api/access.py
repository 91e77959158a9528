"""Whether those who wait and listen still may: one look a second for the keys and sessions of all of them.

A key is asked for once a request, and a stream is one request for days.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from anyio import CapacityLimiter, to_thread

from api.waiting import AWAY
from store import key_sessions, keys
from store.callers import Caller
from store.database import Database

log = logging.getLogger(__name__)

LOOK_S = 1.0


class Hold:
    """One that waits in a caller's name. over: it may no longer."""

    def __init__(self, caller: Caller, end: Callable[[], None]) -> None:
        self.caller, self.over = caller, False
        self._end = end

    def end(self) -> None:
        """Let it go."""
        self.over = True
        self._end()


class Access:
    """Looks at keys and sessions while anyone waits. It lives in the event loop."""

    def __init__(self, database: Database, *, of_settings: Collection[str]) -> None:
        """of_settings: the ids of keys that settings hold, which open as long as the process lives."""
        self._database, self._of_settings = database, frozenset(of_settings)
        self._thread = CapacityLimiter(1)
        self._holds: set[Hold] = set()
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def hold(self, caller: Caller, end: Callable[[], None]) -> Iterator[Hold]:
        """While the context is open, have `end` called as soon as the caller's key or session is over."""
        hold = Hold(caller, end)
        self._holds.add(hold)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        try:
            yield hold
        finally:
            self._holds.discard(hold)

    async def _look(self) -> None:
        while self._holds:
            callers = {hold.caller for hold in self._holds}
            try:
                over = await to_thread.run_sync(self._find_over, callers, limiter=self._thread)
            except AWAY:
                log.warning("the database does not answer: %d keys are looked for", len(callers))
            except Exception:  # nobody else looks
                log.exception("a look for %d keys failed", len(callers))
            else:
                for hold in [hold for hold in self._holds if hold.caller in over]:
                    hold.end()
                    self._holds.discard(hold)
            await asyncio.sleep(LOOK_S)
        self._looking = None

    def _find_over(self, callers: set[Caller]) -> set[Caller]:
        """Whose key was revoked or has expired, whose session ended, and who has none now that one is needed."""
        made = {caller.key_id for caller in callers if caller.key_id} - self._of_settings
        sessions = {caller.session for caller in callers if caller.session}
        with self._database.read() as session:
            live = keys.find_live(session, made) if made else set()
            going_on = key_sessions.find_live(session, sessions) if sessions else set()
            is_closed = any(caller.key_id is None for caller in callers) and keys.any_made(session)
        return {
            caller
            for caller in callers
            if caller.key_id in made - live
            or caller.session in sessions - going_on
            or (caller.key_id is None and is_closed)
        }
