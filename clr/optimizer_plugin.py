"""An optimizer that torch has not: declared by a package, found by its name through `clr_tuner.optimizers`.

As with workloads, what is declared here is free of torch, and published by the workers for the API to check requests.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Literal, get_args

from pydantic import BaseModel

from clr.optimizers import find_torchs
from clr.problem import Untrainable
from clr.workload import NoParams

GROUP = "clr_tuner.optimizers"  # of entry points
LrMeaning = Literal["rate", "multiplier"]
StepTakes = Literal["nothing", "loss", "closure"]


class OptimizerPlugin(ABC):
    """A named optimizer with its parameters.

    Params: published as JSON Schema; every field has a default, other fields are forbidden. lr_meaning: "multiplier"
    where the optimizer finds its rate by itself and lr only scales it: then there is nothing to test.
    has_modes: it has `train()` and `eval()`, and is to be in the one or the other with the model. step_takes: what its
    `step` is called with: nothing, `loss=` the batch's loss, or a closure that trains forwards and backwards and
    answers the loss.
    """

    name: ClassVar[str]
    Params: ClassVar[type[BaseModel]] = NoParams
    lr_meaning: ClassVar[LrMeaning] = "rate"
    has_modes: ClassVar[bool] = False
    step_takes: ClassVar[StepTakes] = "nothing"

    @abstractmethod
    def build(self, groups: list[dict[str, Any]], params: Any) -> Any:
        """The optimizer: one of torch's kind, with these param groups. Its lr is set before each step."""


class BadPlugin(ValueError):
    """What is declared breaks the contract; the message says how."""


def load_plugin(entry: EntryPoint) -> OptimizerPlugin:
    """The optimizer of an entry point. Raises `BadPlugin`, and whatever its module raises."""
    plugin = entry.load()()
    if not isinstance(plugin, OptimizerPlugin):
        raise BadPlugin(f"{entry.value} must be a subclass of clr_tuner.OptimizerPlugin")
    if faults := list(_faults(plugin, entry.name)):
        raise BadPlugin("; ".join(faults))
    return plugin


def find_plugin(name: str) -> OptimizerPlugin:
    """The optimizer that is installed here under this name. Raises `Untrainable` where none is, or none that works."""
    for entry in entry_points(group=GROUP, name=name):
        try:
            return load_plugin(entry)
        except (ImportError, AttributeError, TypeError, BadPlugin) as error:
            raise Untrainable(f"the optimizer {name} ({entry.value}) cannot be loaded: {error}") from error
    raise Untrainable(f"no optimizer {name} is installed on this worker: install its package there")


def describe_plugin(plugin: OptimizerPlugin) -> dict[str, Any]:
    """What the catalogue says of it."""
    return {"params_schema": plugin.Params.model_json_schema(), "lr_meaning": plugin.lr_meaning}


def _faults(plugin: OptimizerPlugin, name: str) -> Iterator[str]:
    called = getattr(plugin, "name", None)
    if called != name:
        yield f"name is {called!r}, and its entry point is called {name!r}: they must be the same"
    if find_torchs(name):
        yield f"{name} is torch's own: call it otherwise"
    if plugin.lr_meaning not in get_args(LrMeaning):
        yield f"lr_meaning must be one of {', '.join(get_args(LrMeaning))}, not {plugin.lr_meaning!r}"
    if plugin.step_takes not in get_args(StepTakes):
        yield f"step_takes must be one of {', '.join(get_args(StepTakes))}, not {plugin.step_takes!r}"
    if not (isinstance(plugin.Params, type) and issubclass(plugin.Params, BaseModel)):
        yield f"Params must be a subclass of pydantic.BaseModel, got {plugin.Params!r}"
        return
    try:
        schema = plugin.Params.model_json_schema()
        json.dumps(schema, allow_nan=False)
    except Exception as error:  # pydantic's own, the field's own, or a number that JSON lacks
        yield f"Params has no JSON Schema: {error}"
        return
    if "name" in schema.get("properties", {}):
        yield "Params has a field `name`, which is the optimizer's own"
    if schema.get("additionalProperties") is not False:
        yield 'Params takes any field, so a misspelt one is lost; add model_config = ConfigDict(extra="forbid")'
    if required := ", ".join(schema.get("required", [])):
        yield f"Params has no default for {required}"
