"""Work that takes long is done by a few processes of its own: pictures, curves, previews of many rows.

They begin when they are needed and end when nobody asks for a while, so that what they held is free again. Whoever
leaves has his work dropped: what waits is not begun, and the process of what is under way is killed.
"""

import asyncio
import logging
import os
import pickle
import sys
from collections.abc import Callable, Coroutine
from copy import copy
from typing import Any, Concatenate, ParamSpec, TypeVar

from starlette.requests import Request

from api import memory
from api.errors import Problem
from api.turns import TooMany, Turns
from api.waiting import leave
from store.database import Database

log = logging.getLogger(__name__)

RETRY_S = 5  # what Retry-After suggests
LONGEST_S = 60.0  # that one piece of work may take
IDLE_S = 30.0  # after which a process ends
MOST_WORK = 500  # pieces, after which a process makes room for a fresh one
LENGTH = 8  # bytes that say how long a message is

P = ParamSpec("P")
T = TypeVar("T")
Work = Callable[Concatenate[Database, P], T]  # a module's own function, as a process finds it by its name


class ProcessDied(Exception):
    """A process of the pool ended in the middle of its work."""


class Pool:
    """At most `size` processes, and `queue` requests that wait for one; whose turn it is, api/turns.py says."""

    def __init__(self, database_url: str, *, size: int, queue: int) -> None:
        self._database_url, self._queue = database_url, queue
        self._turns = Turns(size=size, places=queue)
        self._whose = ""
        self._idle: list[_Child] = []
        self._children: set[_Child] = set()

    def within(self, whose: str) -> "Pool":
        """The same for this caller, whose share of it is that of any other."""
        other = copy(self)
        other._whose = whose
        return other

    async def run(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` answers, given a `Database` and the arguments. Raises a 503 problem where too many wait."""
        answer: T = await self._run((work, args, kwargs), begun=False)
        return answer

    async def go_on(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for the next part of an answer that was begun: however many wait, it waits too."""
        answer: T = await self._run((work, args, kwargs), begun=True)
        return answer

    async def _run(self, message: Any, *, begun: bool) -> Any:
        try:
            async with self._turns.take(self._whose, begun=begun), asyncio.timeout(LONGEST_S):
                return await self._ask(message)
        except TooMany:
            raise _busy(f"{self._queue} requests wait for a picture, a curve or a preview already") from None
        except TimeoutError:
            raise _busy(f"this took longer than {LONGEST_S:.0f} s") from None

    async def _ask(self, message: Any) -> Any:
        living = [child for child in self._idle if not child.is_over]
        child = living[-1] if living else await self._start()
        self._idle[:] = living[:-1]
        try:
            succeeded, answer = await child.ask(message)
        except BaseException:
            child.end()
            raise
        if child.work < MOST_WORK:
            self._idle.append(child)
            child.end_later()
        else:
            child.end()
        if not succeeded:
            raise answer
        return answer

    async def _start(self) -> "_Child":
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        _, child = await asyncio.get_running_loop().subprocess_exec(
            lambda: _Child(self._tidy),
            *(sys.executable, "-P", "-m", "api.pool_process"),
            stderr=None,
            env=os.environ | {"PYTHONPATH": path},
        )
        self._children -= {other for other in self._children if other.ended.is_set()}
        self._children.add(child)
        child.tell(self._database_url)
        return child

    def _tidy(self) -> None:
        """A process has ended: after the last one nobody asks for what is long any more."""
        if all(child.ended.is_set() for child in self._children):
            memory.give_back()

    async def close(self) -> None:
        """End every process."""
        for child in self._children:
            child.end()
            await child.ended.wait()


class _Child(asyncio.SubprocessProtocol):
    """One process (api/pool_process.py), asked and answering through its pipes."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self.work = 0
        self.is_over = False
        self.ended = asyncio.Event()
        self._received = bytearray()
        self._answer: asyncio.Future[tuple[bool, Any]] | None = None
        self._ending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._received += data
        end = LENGTH + int.from_bytes(self._received[:LENGTH], "little")
        if len(self._received) >= max(end, LENGTH + 1) and self._answer and not self._answer.done():
            self._answer.set_result(pickle.loads(memoryview(self._received)[LENGTH:end]))
            self._received = bytearray()

    def process_exited(self) -> None:
        self.is_over = True
        if self._answer and not self._answer.done():
            code = self._transport.get_returncode()
            self._answer.set_exception(ProcessDied(f"a process of the pool ended by {code}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()
        self._on_end()

    async def ask(self, message: Any) -> tuple[bool, Any]:
        if self._ending:
            self._ending.cancel()
        self.work += 1
        self._answer = asyncio.get_running_loop().create_future()
        if self._transport.get_returncode() is None:
            self.tell(message)
        else:
            self.process_exited()
        try:
            return await self._answer
        finally:
            self._answer = None

    def tell(self, message: Any) -> None:
        """Send it; what it needs to be understood is loaded there."""
        packed = pickle.dumps(message)
        pipe = self._transport.get_pipe_transport(0)
        assert isinstance(pipe, asyncio.WriteTransport)
        pipe.write(len(packed).to_bytes(LENGTH, "little") + packed)

    def end_later(self) -> None:
        """End the process unless it is asked again soon."""
        self._ending = asyncio.get_running_loop().call_later(IDLE_S, self.end)

    def end(self) -> None:
        """Kill it: it holds nothing that anybody would miss."""
        if self._ending:
            self._ending.cancel()
        self.is_over = True
        self._transport.close()


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What the work comes to; it is cancelled as soon as the caller leaves."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(leave(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Problem(408, "caller_left", "the caller left before there was an answer")
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


def _busy(why: str) -> Problem:
    return Problem(503, "busy", f"{why}: try again", headers={"Retry-After": str(RETRY_S)})
