"""The workloads of this worker: found through entry points, described without being built."""

import json
import logging
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import BaseModel, ValidationError

from clr import optimizer_plugin
from clr.optimizer_plugin import OptimizerPlugin
from clr.optimizers import parse_optimizer
from clr.workload import GROUP, Workload

log = logging.getLogger(__name__)


class BadDeclaration(Exception):
    """The class variables of a workload break the contract; `faults` says how, a sentence each."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("; ".join(faults))


def load_workloads() -> dict[str, Workload]:
    """Every workload that is installed here, by name; one that cannot be loaded is logged and left out."""
    found: dict[str, Workload] = {}
    for entry in entry_points(group=GROUP):
        try:
            found[entry.name] = load_workload(entry)
        except (Exception, SystemExit):  # a plugin may raise anything; the others must still run
            log.exception("workload %s (%s) cannot be loaded and is left out", entry.name, entry.value)
    return found


def load_workload(entry: EntryPoint) -> Workload:
    """The workload of an entry point. Raises `BadDeclaration`, and whatever its module raises."""
    workload = entry.load()()
    if not isinstance(workload, Workload):
        raise BadDeclaration([f"{entry.value} must be a subclass of clr_tuner.Workload"])
    if faults := list(_faults(workload, entry.name)):
        raise BadDeclaration(faults)
    return workload


def load_optimizers() -> dict[str, OptimizerPlugin]:
    """Every optimizer that is installed beside torch's, by name; one that cannot be loaded is logged and left out."""
    found: dict[str, OptimizerPlugin] = {}
    for entry in entry_points(group=optimizer_plugin.GROUP):
        try:
            found[entry.name] = optimizer_plugin.load_plugin(entry)
        except (Exception, SystemExit):  # as a workload's
            log.exception("optimizer %s (%s) cannot be loaded and is left out", entry.name, entry.value)
    return found


def describe(workload: Workload) -> dict[str, Any]:
    """What the catalogue says of a workload; its params as JSON Schema.

    Raises pydantic's ValidationError when the default optimizer is not one.
    """
    return {
        "name": workload.name,
        "description": workload.description,
        "params_schema": workload.Params.model_json_schema(),
        "default_optimizer": parse_optimizer(workload.default_optimizer).model_dump(mode="json"),
        "default_batch_size": workload.default_batch_size,
    }


def sentence(error: ValidationError) -> str:
    """What pydantic found, on one line."""
    return "; ".join(" ".join([*map(str, fault["loc"]), fault["msg"]]) for fault in error.errors())


def _faults(workload: Workload, name: str) -> Iterator[str]:
    """What would keep a workload out of the catalogue, or the catalogue out of the database."""
    called = getattr(workload, "name", None)
    if called != name:
        yield f"name is {called!r}, and its entry point is called {name!r}: they must be the same"
    description = getattr(workload, "description", None)
    if not isinstance(description, str):
        yield f"description must be a text, got {description!r}"
    batch_size = workload.default_batch_size
    if not isinstance(batch_size, int) or batch_size < 1:
        yield f"default_batch_size must be a whole number from 1, got {batch_size!r}"
    try:
        parse_optimizer(workload.default_optimizer)
    except ValidationError as error:
        yield f"default_optimizer {workload.default_optimizer!r} is none: {sentence(error)}"
    if not (isinstance(workload.Params, type) and issubclass(workload.Params, BaseModel)):
        yield f"Params must be a subclass of pydantic.BaseModel, got {workload.Params!r}"
        return
    try:
        json.dumps(workload.Params.model_json_schema(), allow_nan=False)
    except Exception as error:  # pydantic's own, the field's own, or a number that JSON lacks
        yield f"Params has no JSON Schema: {error}"
