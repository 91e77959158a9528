"""The workloads of this worker: found through entry points, described without being built."""

import logging
from importlib.metadata import entry_points
from typing import Any

from clr.optimizers import parse_optimizer
from clr.workload import Workload

log = logging.getLogger(__name__)

GROUP = "clr_tuner.workloads"


def load_workloads() -> dict[str, Workload]:
    """Every workload that is installed here, by name; one that cannot be loaded is logged and left out."""
    found: dict[str, Workload] = {}
    for entry in entry_points(group=GROUP):
        try:
            workload = entry.load()()
            describe(workload)
        except Exception:  # a plugin may raise anything; the others must still run
            log.exception("workload %s (%s) cannot be loaded and is left out", entry.name, entry.value)
            continue
        if entry.name != workload.name:
            log.error(
                "entry point %s names a workload that calls itself %s; left out", entry.name, workload.name
            )
            continue
        found[workload.name] = workload
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
