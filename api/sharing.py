"""Reads that are being made: who asks for one meanwhile has the same answer, so that fifty followers cost as one."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Reads:
    """Those of one event loop, by what they answer."""

    def __init__(self) -> None:
        self._made: dict[Hashable, asyncio.Future[Any]] = {}

    async def share(self, key: Hashable, read: Callable[[], Awaitable[Answer]]) -> Answer:
        """What this read answers, or the one with the same key that is being made."""
        made: asyncio.Future[Answer] | None = self._made.get(key)
        if made is None:
            made = self._made[key] = asyncio.ensure_future(read())
            made.add_done_callback(lambda _: self._made.pop(key))
        return await asyncio.shield(made)  # which goes on for the others when one of them leaves
