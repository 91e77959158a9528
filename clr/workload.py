"""What a workload is: the contract between the engine and everybody's models.

A workload is declared by subclassing `Workload` and found by its name through the entry-point group
`clr_tuner.workloads`. Everything here is free of torch, so that schemas can be read without it.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from clr.problem import Problem

GROUP = "clr_tuner.workloads"  # of entry points


class NoParams(BaseModel):
    """The params of a workload that has none."""

    model_config = ConfigDict(extra="forbid")


class Workload(ABC):
    """A named model + data + loss + default optimizer.

    Subclasses set the class variables and write `build`. `Params` is published as JSON Schema,
    so that a request is checked before it is queued; it should forbid extra fields.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    Params: ClassVar[type[BaseModel]] = NoParams
    default_optimizer: ClassVar[dict[str, Any]] = {"name": "SGD", "momentum": 0.9}
    default_batch_size: ClassVar[int] = 64

    @abstractmethod
    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """The problem for one seed: initial weights and batch order follow from `seed` alone.

        Raises `DatasetMissing` where the data is not on this machine.
        """
