"""Whose turn it is where few may work at once: callers take turns, so that none of them can keep the others out.

A free turn goes to the caller who holds fewest; among equals to the one who has been without one for longest.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager, suppress


class TooMany(Exception):
    """As many wait as may, and this caller has its share of them."""


class Turns:
    """`size` turns at once, and `places` for who waits for one; where all are taken, the caller who has most of
    them gives its last one to who has fewer."""

    def __init__(self, *, size: int, places: int) -> None:
        self._free, self._places = size, places
        self._held: Counter[Hashable] = Counter()
        self._waiting: dict[Hashable, list[asyncio.Future[None]]] = {}  # of callers as they come next
        self._placeless: set[asyncio.Future[None]] = set()

    @asynccontextmanager
    async def take(self, whose: Hashable, *, begun: bool = False) -> AsyncIterator[None]:
        """Hold a turn of this caller. Raises `TooMany` at once, or when others need the place.

        begun: for the next part of an answer, which waits for its turn without a place.
        """
        if self._free:
            self._free -= 1
            self._held[whose] += 1
        else:
            await self._wait(whose, begun=begun)
        try:
            yield
        finally:
            self._hand_on(whose)

    async def _wait(self, whose: Hashable, *, begun: bool) -> None:
        if not begun:
            self._find_place(whose)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(whose, []).append(turn)
        if begun:
            self._placeless.add(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.exception() is None:
                self._hand_on(whose)  # the turn came as its caller left
            raise
        finally:
            self._placeless.discard(turn)
            self._drop(whose, turn)

    def _find_place(self, whose: Hashable) -> None:
        taken = {
            other: [turn for turn in turns if turn not in self._placeless and not turn.done()]
            for other, turns in self._waiting.items()
        }
        if sum(map(len, taken.values())) < self._places:
            return
        most = max(
            filter(taken.get, taken), key=lambda other: len(taken[other]) + self._held[other], default=whose
        )
        if len(taken.get(most, ())) + self._held[most] <= len(taken.get(whose, ())) + self._held[whose] + 1:
            raise TooMany
        last = taken[most][-1]
        last.set_exception(TooMany())
        self._drop(most, last)

    def _hand_on(self, whose: Hashable) -> None:
        """A turn of this caller ends, and the next one begins."""
        self._held -= Counter([whose])
        if whose in self._waiting:
            self._waiting[whose] = self._waiting.pop(whose)
        while self._waiting:
            following = min(self._waiting, key=self._held.__getitem__)
            turns = self._waiting.pop(following)
            turn = turns.pop(0)
            if turns:
                self._waiting[following] = turns
            if not turn.done():
                turn.set_result(None)
                self._held[following] += 1
                return
        self._free += 1

    def _drop(self, whose: Hashable, turn: asyncio.Future[None]) -> None:
        with suppress(KeyError, ValueError):
            self._waiting[whose].remove(turn)
            if not self._waiting[whose]:
                del self._waiting[whose]
