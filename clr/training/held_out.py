"""The held-out examples that a caller hands over: a loader, a data set or a pair, whole or a sample; and the score."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
)

from clr.problem import Untrainable
from clr.range_test import TEST_STEPS, RangeTestConfig, look_every
from clr.training.accuracy import share_right
from clr.training.batch_loss import Criterion, TrainingStep, call_model, find_device, read_pair
from clr.training.looks import HELD_OUT_CHUNK, sample, sample_pair
from clr.training.nested import moved, num_examples, sliced

Score = tuple[int, float, float | None]  # of a batch: its examples, their mean loss, the share that is right

AS_MODULE: dict[Any, nn.Module] = {  # whose rule of accuracy a function has
    functional.cross_entropy: nn.CrossEntropyLoss(),
    functional.nll_loss: nn.NLLLoss(),
    functional.binary_cross_entropy_with_logits: nn.BCEWithLogitsLoss(),
    functional.binary_cross_entropy: nn.BCELoss(),
}


def make_evaluation(
    model: nn.Module, criterion: Criterion | None, step: TrainingStep, held_out: Any
) -> Callable[[], tuple[float, float | None]]:
    """What `LRFinder` calls: (loss, accuracy) over the held-out set, each batch by its examples."""
    if callable(held_out):
        return held_out  # type: ignore[no-any-return]

    def score(batch: Any) -> Score:
        batch = moved(batch, find_device(model))
        many = num_examples(batch)
        if criterion is None:
            return many, float(step(batch)), None
        inputs, targets = read_pair(batch)
        outputs = call_model(model, inputs)
        return many, float(criterion(outputs, targets)), _read_accuracy(criterion, outputs, targets)

    return lambda: pool_scores(map(score, _list_batches(held_out)), of="held_out")


def pool_scores(scores: Iterable[Score], *, of: str) -> tuple[float, float | None]:
    """(loss, accuracy) over batches, each by its examples; no accuracy where a batch has none.

    Raises ValueError where there are no examples. of: what they are called by whoever gave them.
    """
    examples, loss, right = 0, 0.0, 0.0
    for many, mean, share in scores:
        examples, loss = examples + many, loss + many * mean
        right += many * (float("nan") if share is None else share)
    if not examples:
        raise ValueError(f"{of} has no examples")
    return loss / examples, None if math.isnan(right) else right / examples


def sample_looks(held_out: Any, loader: Any, accumulation_steps: int, config: RangeTestConfig) -> Any:
    """As much of the held-out set as looks may take, where its examples and the size of a batch are known."""
    batch_size = getattr(loader, "batch_size", None)
    if batch_size is None:
        return held_out
    paid = {
        "batch_size": batch_size * accumulation_steps,
        "eval_every": look_every(config.num_steps or TEST_STEPS),
    }
    if _is_pair(held_out):
        return sample_pair(held_out, **paid)
    data = held_out.dataset if _is_plain(held_out) else held_out
    if not is_map(data) or (indices := sample(len(data), **paid)) is None:
        return held_out
    few = Subset(data, indices.tolist())
    if data is held_out:
        return few
    return DataLoader(
        few,
        batch_size=held_out.batch_size,
        collate_fn=held_out.collate_fn,
        num_workers=held_out.num_workers,
        worker_init_fn=held_out.worker_init_fn,
        multiprocessing_context=held_out.multiprocessing_context,
    )


def _list_batches(held_out: Any) -> Iterable[Any]:
    if is_map(held_out):
        return DataLoader(held_out, batch_size=HELD_OUT_CHUNK)
    if _is_pair(held_out):
        starts = range(0, num_examples(held_out), HELD_OUT_CHUNK)
        return (sliced(held_out, start, start + HELD_OUT_CHUNK) for start in starts)
    return held_out  # type: ignore[no-any-return]


def _is_plain(loader: Any) -> bool:
    """Whether it is a DataLoader that gives each example of a data set once, in batches of one size."""
    if type(loader) is not DataLoader or loader.batch_size is None or loader.drop_last:
        return False
    sampler = loader.sampler
    if isinstance(sampler, RandomSampler):
        return not sampler.replacement and sampler.num_samples == len(sampler.data_source)
    return isinstance(sampler, SequentialSampler)


def _is_pair(data: Any) -> bool:
    """Whether it is (inputs, targets) as tensors."""
    return isinstance(data, tuple | list) and len(data) == 2 and isinstance(data[1], Tensor)


def is_map(data: Any) -> bool:
    """Whether it is a data set of single examples; a stream may well give batches."""
    return isinstance(data, Dataset) and not isinstance(data, IterableDataset)


def _read_accuracy(criterion: Criterion, outputs: Any, targets: Any) -> float | None:
    """The share of the targets that are met; None where they are nothing to be met, as in a regression."""
    try:
        return share_right(AS_MODULE.get(criterion, criterion), outputs, targets).item()  # type: ignore[arg-type]
    except Untrainable:
        return None
