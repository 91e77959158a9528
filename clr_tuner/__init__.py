"""Which learning rates should a training cycle between? `import clr_tuner as ct`; everything public is here.

Each name is loaded when it is first used: the import alone loads neither torch nor matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clr.analysis import read_bounds
    from clr.bounds import Bounds, Inconclusive
    from clr.optimizer_plugin import OptimizerPlugin
    from clr.policies import parse_schedule
    from clr.problem import DatasetMissing, ParameterGroup, Problem
    from clr.schedule_check import check_schedule
    from clr.scheduler import Scheduler, as_lambda_lr
    from clr.sweep import Sweep
    from clr.training.batches import StagedBatches
    from clr.training.lr_finder import LRFinder
    from clr.training.model_bounds import find_bounds
    from clr.training.muon import MuonAndAdamW
    from clr.training.seeding import seeded
    from clr.workload import Workload
    from clr_tuner.client import Client

__all__ = [
    "Bounds",
    "Client",
    "DatasetMissing",
    "Inconclusive",
    "LRFinder",
    "MuonAndAdamW",
    "OptimizerPlugin",
    "ParameterGroup",
    "Problem",
    "Scheduler",
    "StagedBatches",
    "Sweep",
    "Workload",
    "as_lambda_lr",
    "check_schedule",
    "find_bounds",
    "parse_schedule",
    "read_bounds",
    "seeded",
]

_HOMES = {
    "clr_tuner.client": ("Client",),
    "clr.bounds": ("Bounds", "Inconclusive"),
    "clr.analysis": ("read_bounds",),
    "clr.training.lr_finder": ("LRFinder",),
    "clr.training.model_bounds": ("find_bounds",),
    "clr.training.muon": ("MuonAndAdamW",),
    "clr.optimizer_plugin": ("OptimizerPlugin",),
    "clr.policies": ("parse_schedule",),
    "clr.sweep": ("Sweep",),
    "clr.schedule_check": ("check_schedule",),
    "clr.scheduler": ("Scheduler", "as_lambda_lr"),
    "clr.training.batches": ("StagedBatches",),
    "clr.training.seeding": ("seeded",),
    "clr.problem": ("DatasetMissing", "ParameterGroup", "Problem"),
    "clr.workload": ("Workload",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
