"""digits-mlp that notes when it has taken its first step: what `benchmarks.latency` installs as a plugin and times."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from clr.workload import Problem
from worker.workloads.digits import DigitsMLP

FILE = "CLR_STAMPS"  # the variable that names the file of the stamps, unix seconds, one a line


class _Stamp(nn.Module):
    """A loss that is asked for the second time in training once the first update is done."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss, self.asked = loss, 0

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        self.asked += torch.is_grad_enabled()
        if self.asked == 2:
            self.asked += 1
            with Path(os.environ[FILE]).open("a") as stamps:
                stamps.write(f"{time.time()}\n")
        loss: Tensor = self.loss(outputs, targets)
        return loss


class Stamped(DigitsMLP):
    """The workload of the entry point."""

    name: ClassVar[str] = "stamped"

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """As digits-mlp."""
        problem = super().build(params, seed=seed, batch_size=batch_size, device=device)
        return replace(problem, loss=_Stamp(problem.loss))
