"""A loader that is begun again and again: what shuffles by the number of an epoch is told a new one each time."""

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")

SEEDS, PASSES = (
    1000,
    1000,
)  # told apart by their numbers, which stay small: some add them to a seed of 32 bits


class Passes(Generic[Item]):
    """Each `iter` is the loader's, with the next epoch of this seed.

    set_epochs: those of a DistributedSampler and others, which without are the same order each time, for every seed.
    """

    def __init__(
        self, loader: Iterable[Item], set_epochs: list[Callable[[int], object]], *, seed: int
    ) -> None:
        self._loader, self._set_epochs = loader, set_epochs
        self._next = seed % SEEDS * PASSES

    def __iter__(self) -> Iterator[Item]:
        for set_epoch in self._set_epochs:
            set_epoch(self._next)
        self._next += 1
        return iter(self._loader)
