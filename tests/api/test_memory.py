"""What a process has freed goes back to the system."""

import asyncio
import os
from pathlib import Path

import pytest

from api.pool import Pool
from store.database import Database

HELD = 64_000_000  # bytes
BLOCK = 64_000  # smaller than what the C library takes from the system each by itself


def read_held() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def work(_: Database) -> None:
    pass


@pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="glibc's")
def test_memory_is_given_back_with_the_last_process_of_the_pool() -> None:
    async def use() -> tuple[int, int]:
        pool = Pool("sqlite:///unopened.sqlite3", size=1, queue=1)
        await pool.run(work)
        blocks = [bytearray(b"x" * BLOCK) for _ in range(HELD // BLOCK)]
        del blocks[:-1]
        before = read_held()
        await pool.close()
        return before, read_held()

    before, after = asyncio.run(use())

    assert before - after > HELD / 2
