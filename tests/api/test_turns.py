"""Turns: who is next where several callers wait, and who is let in where all places are taken."""

import asyncio

import pytest

from api.turns import TooMany, Turns


class Queue:
    """Callers who wait, in the order in which they came, for the one turn that somebody holds."""

    def __init__(self, *, places: int = 9) -> None:
        self.turns = Turns(size=1, places=places)
        self.told: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._end = asyncio.Event()

    async def come(self, whose: str, *, begun: bool = False) -> asyncio.Task[None]:
        self.tasks.append(asyncio.create_task(self._wait(whose, begun)))
        await asyncio.sleep(0)
        return self.tasks[-1]

    async def _wait(self, whose: str, begun: bool) -> None:
        try:
            async with self.turns.take(whose, begun=begun):
                self.told.append(whose)
                await self._end.wait()
        except TooMany:
            self.told.append(f"no {whose}")

    async def end(self) -> list[str]:
        """What they were told, in that order: a turn each, or that too many wait."""
        self._end.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        return self.told


@pytest.mark.parametrize(
    ("come", "told"),
    [("AAAB", "ABAA"), ("ABBBCC", "ABCBCB"), ("AABCABC", "ABCABCA")],
)
def test_callers_take_turns(come: str, told: str) -> None:
    async def work() -> list[str]:
        queue = Queue()
        for whose in come:
            await queue.come(whose)
        return await queue.end()

    assert "".join(asyncio.run(work())) == told


def test_who_holds_fewer_turns_is_next() -> None:
    async def work() -> list[str]:
        turns, told = Turns(size=2, places=9), []

        async def take(whose: str) -> None:
            async with turns.take(whose):
                told.append(whose)

        async with turns.take("A"):
            async with turns.take("B"):
                waiting = [asyncio.create_task(take(whose)) for whose in "ABC"]
                await asyncio.sleep(0)
            await asyncio.gather(*waiting)
        return told

    assert asyncio.run(work()) == ["C", "B", "A"]


def test_who_has_most_places_gives_the_last_one_to_who_has_fewer() -> None:
    async def work() -> list[str]:
        queue = Queue(places=3)
        for whose in "AAAABBC":
            await queue.come(whose)
        return await queue.end()

    assert asyncio.run(work()) == ["A", "no A", "no A", "no A", "B", "C", "B"]


def test_who_has_a_share_of_the_places_is_refused_at_once() -> None:
    async def work() -> list[str]:
        queue = Queue(places=2)
        for whose in "AAAA":
            await queue.come(whose)
        return await queue.end()

    assert asyncio.run(work()) == ["A", "no A", "A", "A"]


def test_the_next_part_of_an_answer_needs_no_place_and_loses_none() -> None:
    async def work() -> list[str]:
        queue = Queue(places=1)
        await queue.come("A")
        for _ in range(3):
            await queue.come("A", begun=True)
        await queue.come("B")
        return await queue.end()

    assert asyncio.run(work()) == ["A", "B", "A", "A", "A"]


def test_who_leaves_while_waiting_costs_nobody_a_turn() -> None:
    async def work() -> list[str]:
        queue = Queue(places=2)
        await queue.come("A")
        leaving = [await queue.come("B"), await queue.come("C")]
        leaving[0].cancel()
        queue._end.set()
        leaving[1].cancel()
        await asyncio.gather(*queue.tasks, return_exceptions=True)
        await queue.come("D")
        return await queue.end()

    assert asyncio.run(work()) == ["A", "D"]


def test_who_leaves_as_the_turn_comes_hands_it_on() -> None:
    async def work() -> list[str]:
        queue = Queue()
        async with queue.turns.take("A"):
            leaving = await queue.come("B")
            await queue.come("C")
        leaving.cancel()
        return await queue.end()

    assert asyncio.run(work()) == ["C"]
