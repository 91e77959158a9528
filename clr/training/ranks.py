"""The processes of one distributed training: what each measures is averaged, so that all of them plan and end alike."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar, get_args

import torch
from torch import distributed, nn

from clr.range_test import RangeTestConfig
from clr.sweep import Effort, HeldOut

Answer = TypeVar("Answer")


class Ranks:
    """Those of torch.distributed where it runs, and this process alone elsewhere: then nothing is exchanged.

    With more than one, all of them have to call the same methods in the same order.
    """

    def __init__(self, model: nn.Module) -> None:
        running = distributed.is_available() and distributed.is_initialized()
        self._count = distributed.get_world_size() if running else 1
        self._parameter = next(model.parameters(), None)

    def average(self, loss: float) -> float:
        """The mean over the ranks, the same number on each; not finite where one is not."""
        return loss if self._count == 1 else self._mean(loss)

    def average_look(self, look: HeldOut) -> HeldOut:
        """As `average`, of what each rank saw of the held-out set; without accuracy where one has none."""
        if self._count == 1:
            return look
        classes = self._mean(float(look.accuracy is not None)) == 1
        loss, accuracy = self._mean(look.loss), self._mean(look.accuracy or 0.0)
        return replace(look, loss=loss, accuracy=accuracy if classes else None)

    def agree(self, config: RangeTestConfig, num_epochs: float | None, num_batches: int) -> int:
        """The fewest batches of a rank's loader. Raises ValueError on each where they ask for different tests."""
        if self._count == 1:
            return num_batches
        asked = (config.seed, config.num_seeds, config.start_lr, config.end_lr, config.num_steps, num_epochs)
        numbers = [
            float(value or 0) for value in (num_batches, get_args(Effort).index(config.effort), *asked)
        ]
        rows = self._gather(numbers)
        if any(row[1:] != rows[0][1:] for row in rows):
            raise ValueError(
                "the ranks ask for different range tests: give each the same config and num_epochs"
            )
        return int(min(row[0] for row in rows))

    @property
    def is_first(self) -> bool:
        """Whether this rank speaks for all."""
        return self._count == 1 or distributed.get_rank() == 0

    def ask_first(self, question: Callable[[], Answer]) -> Answer:
        """What the first rank answers, on each of them; also what it raises."""
        if self._count == 1:
            return question()
        told: list[Any] = [None, None]
        if self.is_first:
            try:
                told[0] = question()
            except Exception as error:  # whatever it is, the others wait for it
                told[1] = error
        distributed.broadcast_object_list(told, src=0)
        if told[1] is not None:
            raise told[1]
        return told[0]  # type: ignore[no-any-return]

    def _mean(self, value: float) -> float:
        return sum(number for [number] in self._gather([value])) / self._count

    def _gather(self, numbers: Sequence[float]) -> list[list[float]]:
        """Those of every rank, by rank. Gathered and not reduced, as each then adds them up in the same order."""
        device = None if self._parameter is None else self._parameter.device
        mine = torch.tensor(numbers, dtype=torch.float64, device=device)
        everyone = [torch.empty_like(mine) for _ in range(self._count)]
        distributed.all_gather(everyone, mine)
        return [theirs.tolist() for theirs in everyone]
