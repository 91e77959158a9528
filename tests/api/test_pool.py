"""The pool: how many wait, who leaves, and what becomes of its processes."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.requests import Request
from starlette.types import Message

from api.errors import Problem
from api.pool import Pool, ProcessDied, unless_gone
from store.database import Database


def answer_pid(_: Database) -> int:
    return os.getpid()


def sleep(_: Database, seconds: float) -> None:
    time.sleep(seconds)


def fail(_: Database) -> None:
    raise ValueError("no")


def crash(_: Database) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@asynccontextmanager
async def opened(*, size: int = 1, queue: int = 8) -> AsyncIterator[Pool]:
    pool = Pool("sqlite:///unopened.sqlite3", size=size, queue=queue)
    yield pool
    await pool.close()


def test_a_process_works_on_and_ends_with_the_pool() -> None:
    async def work() -> list[int]:
        async with opened() as pool:
            return [await pool.run(answer_pid) for _ in range(3)]

    (pid,) = set(asyncio.run(work()))

    assert pid != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_the_work_raises_reaches_the_caller() -> None:
    async def work() -> None:
        async with opened() as pool:
            with pytest.raises(ValueError, match="no"):
                await pool.run(fail)

    asyncio.run(work())


def test_a_full_queue_is_answered_503() -> None:
    async def work() -> Problem:
        async with opened(queue=1) as pool:
            busy = [asyncio.ensure_future(pool.run(sleep, 60.0)) for _ in range(2)]
            await asyncio.sleep(0)
            with pytest.raises(Problem) as refused:
                await pool.run(answer_pid)
            for task in busy:
                task.cancel()
            await asyncio.gather(*busy, return_exceptions=True)
            return refused.value

    problem = asyncio.run(work())

    assert (problem.status, problem.code, problem.headers) == (503, "busy", {"Retry-After": "5"})


def test_who_leaves_frees_his_process_at_once() -> None:
    async def work() -> None:
        async with opened() as pool:
            before = await pool.run(answer_pid)
            leaving = asyncio.ensure_future(pool.run(sleep, 60.0))
            await asyncio.sleep(0)
            leaving.cancel()

            assert await pool.run(answer_pid) != before

    asyncio.run(asyncio.wait_for(work(), 30))


def test_a_caller_who_has_left_already_has_nothing_done() -> None:
    async def leave() -> Message:
        return {"type": "http.disconnect"}

    async def work() -> Problem:
        async with opened() as pool:
            request = Request({"type": "http", "method": "GET"}, leave)
            with pytest.raises(Problem) as refused:
                await unless_gone(request, pool.run(sleep, 60.0))
            assert await pool.run(answer_pid)
            return refused.value

    assert asyncio.run(asyncio.wait_for(work(), 30)).code == "caller_left"


def test_a_process_that_dies_costs_one_answer() -> None:
    async def work() -> None:
        async with opened() as pool:
            with pytest.raises(ProcessDied):
                await pool.run(crash)
            assert await pool.run(answer_pid)

    asyncio.run(work())
