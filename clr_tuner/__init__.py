"""Which learning rates should a training cycle between? `import clr_tuner as ct`; everything public is here.

Each name is loaded when it is first used: the import alone loads neither torch nor matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from client.client import Client
    from clr.bounds import Bounds, Inconclusive
    from clr.lr_finder import LRFinder
    from clr.model_bounds import find_bounds
    from clr.policies import parse_schedule
    from clr.range_test import Sweep
    from clr.reading import read_bounds
    from clr.scheduler import Scheduler, as_lambda_lr
    from clr.training import StagedBatches, seeded
    from clr.workload import DatasetMissing, ParameterGroup, Problem, Workload

__all__ = [
    "Bounds",
    "Client",
    "DatasetMissing",
    "Inconclusive",
    "LRFinder",
    "ParameterGroup",
    "Problem",
    "Scheduler",
    "StagedBatches",
    "Sweep",
    "Workload",
    "as_lambda_lr",
    "find_bounds",
    "parse_schedule",
    "read_bounds",
    "seeded",
]

_HOMES = {
    "client.client": ("Client",),
    "clr.bounds": ("Bounds", "Inconclusive"),
    "clr.reading": ("read_bounds",),
    "clr.lr_finder": ("LRFinder",),
    "clr.model_bounds": ("find_bounds",),
    "clr.policies": ("parse_schedule",),
    "clr.range_test": ("Sweep",),
    "clr.scheduler": ("Scheduler", "as_lambda_lr"),
    "clr.training": ("StagedBatches", "seeded"),
    "clr.workload": ("DatasetMissing", "ParameterGroup", "Problem", "Workload"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
