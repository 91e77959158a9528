"""The workloads that requests are checked against before they are queued, and what these fill in."""

from collections.abc import Iterable
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError as SchemaError
from sqlalchemy.orm import Session

from api.errors import Problem, invalid, invalid_fields
from api.pointers import pointer_to
from api.requests.body import refuse_unknown
from clr.optimizers import NAMES as TORCHS
from clr.optimizers import AnyOptimizer, Installed
from clr.spelling import did_you_mean
from store import workloads
from store.models import Workload


def no_catalogue() -> Problem:
    """503: no worker was here since anything was installed."""
    detail = "no worker has published its workloads yet; it does some seconds after its start: try again"
    return Problem(503, "catalogue_empty", detail, headers={"Retry-After": "2"})


def find_workload(session: Session, name: str) -> Workload:
    """The workload a request names. Raises a 422 problem for an unknown one, 503 before any was published."""
    by_name = {workload.name: workload for workload in workloads.find_all(session)}
    if not by_name:
        raise no_catalogue()
    if name not in by_name:
        raise invalid("/workload", explain_unknown(name, by_name))
    return by_name[name]


def explain_unknown(name: str, names: Iterable[str]) -> str:
    """What to say of a name that no workload has; `names`: of those that there are."""
    advice = f"{did_you_mean(name, names)}known: {', '.join(names) or 'none'}"
    return (
        f"unknown workload {name!r}; {advice}. One installed since is published when its worker is restarted"
    )


def resolve_params(workload: Workload, params: dict[str, Any]) -> dict[str, Any]:
    """The params with the schema's defaults. Raises a 422 problem that names each wrong one."""
    return _fill_in(workload.params_schema, params, "params")


def resolve_optimizer(workload: Workload, optimizer: AnyOptimizer, *path: str) -> dict[str, Any]:
    """The optimizer with every parameter, as its job keeps it. path: to what holds it in the body.

    Raises a 422 problem for one that is neither torch's nor installed where the workload is, and for each parameter
    that is wrong.
    """
    if not isinstance(optimizer, Installed):
        return optimizer.model_dump(mode="json")
    installed = workload.optimizers or {}
    if optimizer.name not in installed:
        names = [*TORCHS, *installed]
        near = did_you_mean(optimizer.name, names)
        raise invalid(
            pointer_to(*path, "optimizer", "name"),
            f"{near}must be one of {', '.join(names)}; others are installed beside the worker",
        )
    schema = installed[optimizer.name]["params_schema"]
    return {"name": optimizer.name} | _fill_in(schema, optimizer.params, *path, "optimizer")


def only_scales(workload: Workload, optimizer: dict[str, Any]) -> bool:
    """Whether its lr multiplies a rate that it finds by itself: then there is nothing to test."""
    installed = (workload.optimizers or {}).get(optimizer["name"], {})
    return bool(installed.get("lr_meaning") == "multiplier")


def _fill_in(schema: dict[str, Any], params: dict[str, Any], *path: str) -> dict[str, Any]:
    """The params with the schema's defaults; path: to them in the request."""
    properties = schema.get("properties", {})
    if schema.get("additionalProperties") is False:
        refuse_unknown(params, properties, *path)
    errors = list(Draft202012Validator(schema).iter_errors(params))
    if errors:
        raise invalid_fields((pointer_to(*path, *error.absolute_path), _say(error)) for error in errors)
    return {
        name: definition["default"] for name, definition in properties.items() if "default" in definition
    } | params


def _say(error: SchemaError) -> str:
    options: Any = error.validator_value if error.validator == "enum" else ()
    return (
        did_you_mean(error.instance, [option for option in options if isinstance(option, str)])
        + error.message
    )
