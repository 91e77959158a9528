"""Train loaders between Lightning and the finder: what the finder passes over, and what Lightning sees of it."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from clr_tuner.integrations.lightning_names import CombinedLoader, TunerExitException

ENDLESS = 10**9  # batches; Lightning fetches one ahead where a loader tells no length


def as_passes(loader: Any, limit: int | float) -> Any:
    """The loader, or what is passed over in its place. limit: as Trainer(limit_train_batches=) has it."""
    if isinstance(loader, list | tuple | dict | CombinedLoader):
        loader = _Together(loader)
    length = count_batches(loader)
    if isinstance(limit, int):
        return loader if length is not None and length <= limit else _Limited(loader, limit)
    return loader if length is None or limit == 1.0 else _Limited(loader, int(length * limit))


def count_batches(loader: Any) -> int | None:
    """The batches of a pass; None where unknown."""
    try:
        return len(loader)
    except (TypeError, NotImplementedError):
        return None


class _Together:
    """Several loaders, a batch of each at a time, until all were passed over."""

    def __init__(self, loaders: Any) -> None:
        combined = isinstance(loaders, CombinedLoader)
        self.loader = loaders if combined else CombinedLoader(loaders, "max_size_cycle")

    def __len__(self) -> int:
        iter(self.loader)  # without it there is no length
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        return (batch for batch, _, _ in self.loader)


class _Limited:
    """The first batches of each pass of a loader."""

    def __init__(self, loader: Any, length: int) -> None:
        self.loader, self.length = loader, length
        self.batch_size = getattr(loader, "batch_size", None)
        self.persistent_workers = getattr(loader, "persistent_workers", False)

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Any]:
        return islice(self.loader, self.length)


class Epochs:
    """The finder's batches, epoch by epoch: those of the loader, cut off where a sweep ends.

    test: has `batches`, and `tell`, to be called after each batch, which answers whether the sweep is over.
    """

    def __init__(self, test: Any, length: int | None) -> None:
        self.test, self.length = test, ENDLESS if length is None else length

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Any]:
        self.test.tell()  # of the last batch of the epoch before
        for _ in range(self.length):
            try:
                batch = next(self.test.batches)
            except StopIteration:
                raise TunerExitException from None  # Lightning's own way to end a `fit` that tunes
            yield batch
            if self.test.tell():
                return
