"""A workload's class, found by its import path in this environment."""

import inspect
from importlib import import_module

from clr.spelling import did_you_mean
from clr.workload import Workload

EXAMPLE = "my_package:MyWorkload"


def load_workload(path: str) -> Workload:
    """The workload that `module:Class` names. Raises ValueError for what is none; what its module raises passes."""
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise ValueError(f"must look like {EXAMPLE}, not {path!r}")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ValueError(
            f"there is no module {error.name} here: install its package, or run this in the folder that holds it"
        ) from None
    kind = getattr(module, name, None)
    if kind is None:
        classes = [other for other, value in vars(module).items() if _is_workload(value)]
        here = f"it has {', '.join(classes)}" if classes else "it has no workload at all"
        raise ValueError(f"{module_name} has no {name}: {did_you_mean(name, classes)}{here}")
    if not _is_workload(kind):
        raise ValueError(f"{path} must be a subclass of clr_tuner.Workload, as docs/plugins.md has it")
    if missing := sorted(kind.__abstractmethods__) + [
        field for field in ("name", "description") if not isinstance(getattr(kind, field, None), str)
    ]:
        raise ValueError(f"{path} lacks {', '.join(missing)}: docs/plugins.md has the contract")
    workload: Workload = kind()
    return workload


def _is_workload(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, Workload) and value is not Workload
