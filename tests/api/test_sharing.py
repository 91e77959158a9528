"""Followers at the same place have one read together."""

import asyncio

import pytest

from api.sharing import Reads

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """That of uvicorn."""
    return "asyncio"


class Database:
    """Answers when it is told to, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()

    async def read(self) -> int:
        self.asked += 1
        await self.may_answer.wait()
        if self.asked > 2:
            raise ConnectionError
        return self.asked


async def begin(reads: Reads, database: Database, *keys: str) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(reads.share(key, database.read)) for key in keys]
    await asyncio.sleep(0)
    return tasks


async def test_those_who_ask_meanwhile_share_one_read_and_who_comes_later_reads_anew() -> None:
    reads, database = Reads(), Database()
    waiting = await begin(reads, database, *["here"] * 50)
    database.may_answer.set()

    assert [await one for one in waiting] == [1] * 50
    assert await reads.share("here", database.read) == 2


async def test_those_at_another_place_read_for_themselves() -> None:
    reads, database = Reads(), Database()
    waiting = await begin(reads, database, "here", "there")
    database.may_answer.set()
    await asyncio.gather(*waiting)

    assert database.asked == 2


async def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    reads, database = Reads(), Database()
    first, second = await begin(reads, database, "here", "here")
    first.cancel()
    await asyncio.sleep(0)
    database.may_answer.set()

    assert await second == 1


async def test_a_read_that_fails_fails_for_all_and_is_made_again() -> None:
    reads, database = Reads(), Database()
    database.asked = 2
    waiting = await begin(reads, database, "here", "here")
    database.may_answer.set()
    for one in waiting:
        with pytest.raises(ConnectionError):
            await one
    database.asked = 0

    assert await reads.share("here", database.read) == 1
