"""A workload that misbehaves on demand, installed as a plugin: put this folder on PYTHONPATH."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from threading import Thread
from typing import Any, ClassVar, Literal

import killer  # noqa: F401 - puts its points in place where a test asks for it
import torch
from pydantic import BaseModel, ConfigDict, Field
from sklearn.datasets import load_digits
from torch import Tensor, nn

from clr.problem import DatasetMissing, Problem
from clr.training.batches import StagedBatches
from clr.workload import Workload

Fault = Literal[
    "none",
    "raise",
    "raise_unprintable",
    "raise_markup",
    "exit",
    "quit",
    "segfault",
    "kill",
    "memory",
    "hang",
    "sleep",
    "nan",
    "flat",
    "missing",
    "patient",
    "dropout",
    "slow_dropout",
    "talk",
    "program",
]


class Params(BaseModel):
    """What goes wrong, and when."""

    model_config = ConfigDict(extra="forbid")

    fault: Fault = "none"
    at_step: int = Field(default=20, ge=0)


def _raise() -> None:
    raise ArithmeticError("the workload's own mistake")


def _raise_unprintable() -> None:
    raise ArithmeticError("a NUL \0 and a lone surrogate \ud800")


def _raise_markup() -> None:
    raise ArithmeticError("<img src=x onerror=alert(1)> \u202e turned round " + "W" * 300)


def _memory() -> None:
    raise MemoryError("asked for 1 TiB")


def _talk() -> None:
    log = logging.getLogger("hostile")
    log.warning("two\nlines", extra={"loss": float("nan"), "thing": object(), "pair": {(1, 2): 3}})
    log.warning("%d", "no number")
    for say in (lambda: log.warning("from a thread"), lambda: {}["nothing"]):
        thread = Thread(target=say)
        thread.start()
        thread.join()
    warnings.warn("a warning", stacklevel=1)
    print("printed")  # noqa: T201


def _sleep() -> None:
    logging.getLogger("hostile").warning("falling asleep")
    time.sleep(600)


def _program() -> None:
    subprocess.run(["sleep", "600"], check=False)


FAULTS: dict[str, Callable[[], object]] = {
    "raise": _raise,
    "raise_unprintable": _raise_unprintable,
    "raise_markup": _raise_markup,
    "memory": _memory,
    "talk": _talk,
    "exit": lambda: sys.exit(3),
    "quit": lambda: os._exit(0),
    "segfault": lambda: ctypes.string_at(0),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda: ctypes.PyDLL(None).sleep(600),  # PyDLL keeps the GIL: no thread of this process runs
    "sleep": _sleep,
    "program": _program,
}


class Misbehaving(nn.Module):
    """Cross entropy until the step comes."""

    def __init__(self, params: Params) -> None:
        super().__init__()
        self.params, self.step = params, 0

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss, or the fault."""
        loss = nn.functional.cross_entropy(outputs, targets)
        fault = self.params.fault
        if not torch.is_grad_enabled():
            return loss
        self.step += 1
        if fault in ("patient", "slow_dropout"):
            time.sleep(0.02)
        if fault == "nan":
            return loss * float("nan")
        if fault == "flat":
            return loss * 0.0 + 1.0
        if self.step > self.params.at_step and fault in FAULTS:
            FAULTS[fault]()
        return loss


class Hostile(Workload):
    """Linear regression of digits, with a fault."""

    name: ClassVar[str] = "hostile"
    description: ClassVar[str] = "misbehaves on demand"
    Params: ClassVar[type[BaseModel]] = Params
    default_batch_size: ClassVar[int] = 32

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """A linear classifier of scikit-learn's digits."""
        if params.fault == "missing":
            raise DatasetMissing("the data is not here; install it with: apt-get install data")
        digits = load_digits()
        inputs = torch.tensor(digits.data / 16, dtype=torch.float32, device=device)
        targets = torch.tensor(digits.target, device=device)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = nn.Linear(64, 10).to(device)
        if params.fault in ("dropout", "slow_dropout"):  # no fault, but random while it trains
            model = nn.Sequential(nn.Dropout(0.2), model)
        return Problem(
            model=model,
            loss=Misbehaving(params),
            batches=StagedBatches(inputs[:1500], targets[:1500], batch_size=batch_size, seed=seed),
            held_out=(inputs[1500:], targets[1500:]),
            train_size=1500,
        )
