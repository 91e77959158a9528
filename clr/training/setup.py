"""A workload with everything that a job, or a process of the user's own, fixed about it."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clr.analysis import read_bounds
from clr.bounds import Bounds, Inconclusive
from clr.momentum import momentum_of
from clr.optimizers import AnyOptimizer, parse_any
from clr.probe import plan_probe_for
from clr.problem import Problem
from clr.sweep import Sweep, SweepPlan
from clr.training.nested import content, tensors
from clr.training.trainer import materialise
from clr.workload import Workload


@dataclass(frozen=True, slots=True)
class Setup:
    """What to train, before a seed is chosen."""

    workload: Workload
    params: Any
    optimizer: AnyOptimizer
    batch_size: int
    device: str

    @classmethod
    def of(cls, config: dict[str, Any], workload: Workload, *, device: str) -> "Setup":
        """Read a job's config. Raises pydantic's ValidationError where this worker's workload differs from
        the one that the request was checked against."""
        return cls(
            workload,
            workload.Params.model_validate(config["params"]),
            parse_any(config["optimizer"]),
            config["batch_size"],
            device,
        )

    def build(self, seed: int) -> Problem:
        """What the workload answers for one seed."""
        return self.workload.build(self.params, seed=seed, batch_size=self.batch_size, device=self.device)

    def problem(self, seed: int) -> Problem:
        """The workload built for one seed, with lazy layers made whole. Raises `Untrainable` where they cannot be."""
        problem = self.build(seed)
        materialise(problem, device=self.device, seed=seed)
        return problem

    def read(self, sweeps: Sequence[Sweep], problem: Problem) -> Bounds | Inconclusive:
        """What the sweeps of a range test say. problem: that of any seed, which tells how long an epoch is."""
        answer = read_bounds(
            sweeps,
            steps_per_epoch=steps_an_epoch(problem, self.batch_size),
            optimizer=self.optimizer.name,
            momentum=momentum_of(self.optimizer.model_dump()),
        )
        if isinstance(answer, Bounds) and self.batch_size > (problem.train_size or math.inf):
            few = f"batch_size {self.batch_size} is more than the {problem.train_size} training examples"
            answer = replace(answer, warnings=(*answer.warnings, few))
        return answer

    def plan_probe(
        self, sweeps: Sequence[Sweep], problem: Problem, training: Mapping[str, Any] | None
    ) -> SweepPlan | None:
        """The probe for a training by what these sweeps say; None where none is due, or no training was told."""
        if training is None or not sweeps:
            return None
        answer = self.read(sweeps, problem)
        return plan_probe_for(answer, training) if isinstance(answer, Bounds) else None


def steps_an_epoch(problem: Problem, examples_a_step: int) -> int | None:
    """How often one pass updates, the last partial batch dropped; None for a stream, whose length nobody knows."""
    return None if problem.train_size is None else max(1, problem.train_size // examples_a_step)


def fingerprint(problem: Problem) -> str:
    """What tells data sets apart: a hash of the held-out examples and of how many there are to train on."""
    seen = hashlib.sha256(str(problem.train_size).encode())
    for tensor in tensors(problem.held_out):
        seen.update(content(tensor))
    return f"sha256:{seen.hexdigest()}"
