"""Where batches come from: tensors that lie on the device, or any source that can begin again."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import torch

from clr.problem import Batch, Untrainable
from clr.training.nested import gathered, moved, tensors

Item = TypeVar("Item")

NO_BATCHES = "batches are empty; a DataLoader with drop_last has none where a batch is larger than the data"
ENDED = (
    "batches end and cannot begin again, as they are an iterator; put its loop into `while True:`, or hand over "
    "a list or a DataLoader"
)


class StagedBatches:
    """Endless batches of tensors that lie on the device: a fresh permutation each epoch, gathered by index.

    inputs: (n, ...), targets: (n, ...), or several such tensors in tuples, lists and mappings. The last partial
    batch of an epoch is dropped; a batch larger than the data is the whole data. The same seed gives the same order.
    """

    def __init__(self, inputs: Any, targets: Any, *, batch_size: int, seed: int) -> None:
        self.inputs, self.targets = inputs, targets
        self._first = next(tensors(inputs))
        self.batch_size = min(batch_size, len(self._first))
        self.generator = torch.Generator().manual_seed(seed)
        self._epoch, self._drawn, self._skipped = self.generator.get_state(), 0, 0

    def __iter__(self) -> Iterator[Batch]:
        num_examples = len(self._first)
        while True:
            self._epoch = self.generator.get_state()
            order = torch.randperm(num_examples, generator=self.generator).to(self._first.device)
            whole = [indices for indices in order.split(self.batch_size) if len(indices) == self.batch_size]
            self._drawn, self._skipped = self._skipped, 0
            for indices in whole[self._drawn :]:
                self._drawn += 1
                yield gathered(self.inputs, indices), gathered(self.targets, indices)

    def state_dict(self) -> dict[str, Any]:
        """Where the last iterator stands: the generator as its epoch began, and the batches drawn since."""
        return {"epoch": self._epoch, "drawn": self._drawn}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Have the next iterator go on where `state` was taken."""
        self.generator.set_state(state["epoch"])
        self._epoch, self._drawn, self._skipped = state["epoch"], state["drawn"], state["drawn"]


def endless(batches: Iterable[Item]) -> Iterator[Item]:
    """Begin again whenever the batches end. Raises ValueError where there are none, or none again."""
    has_begun = False
    while True:
        empty = True
        for batch in batches:
            empty = False
            yield batch
        if empty:
            raise Untrainable(ENDED if has_begun else NO_BATCHES)
        has_begun = True


def move_all(batches: Iterable[Batch], device: str) -> Iterator[Batch]:
    """The batches on this device."""
    for inputs, targets in batches:
        yield moved(inputs, device), moved(targets, device)
