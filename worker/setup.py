"""A job's workload with everything that the job fixed about it."""

import hashlib
from dataclasses import dataclass
from typing import Any

from clr.optimizers import OptimizerSpec, parse_optimizer
from clr.workload import Problem, Workload


@dataclass(frozen=True, slots=True)
class Setup:
    """What to train, before a seed is chosen."""

    workload: Workload
    params: Any
    optimizer: OptimizerSpec
    batch_size: int
    device: str

    @classmethod
    def of(cls, config: dict[str, Any], workload: Workload, *, device: str) -> "Setup":
        """Read a job's config. Raises pydantic's ValidationError where this worker's workload differs from
        the one that the request was checked against."""
        return cls(
            workload,
            workload.Params.model_validate(config["params"]),
            parse_optimizer(config["optimizer"]),
            config["batch_size"],
            device,
        )

    def problem(self, seed: int) -> Problem:
        """The workload built for one seed."""
        return self.workload.build(self.params, seed=seed, batch_size=self.batch_size, device=self.device)


def fingerprint(problem: Problem) -> str:
    """What tells data sets apart: a hash of the held-out examples and of how many there are to train on."""
    seen = hashlib.sha256(str(problem.train_size).encode())
    for tensor in problem.held_out:
        seen.update(tensor.cpu().contiguous().numpy().tobytes())
    return f"sha256:{seen.hexdigest()}"
