"""The workloads that requests are checked against before they are queued, and what these fill in."""

from collections.abc import Iterable
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError as SchemaError
from sqlalchemy.orm import Session

from api.errors import Problem, invalid, invalid_fields
from api.pointers import pointer_to
from api.requests.body import refuse_unknown
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
    schema = workload.params_schema
    properties = schema.get("properties", {})
    if schema.get("additionalProperties") is False:
        refuse_unknown(params, properties, "params")
    errors = list(Draft202012Validator(schema).iter_errors(params))
    if errors:
        raise invalid_fields((pointer_to("params", *error.absolute_path), _say(error)) for error in errors)
    return {
        name: definition["default"] for name, definition in properties.items() if "default" in definition
    } | params


def _say(error: SchemaError) -> str:
    options: Any = error.validator_value if error.validator == "enum" else ()
    return (
        did_you_mean(error.instance, [option for option in options if isinstance(option, str)])
        + error.message
    )
