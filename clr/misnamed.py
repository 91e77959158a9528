"""A policy, an optimizer or a parameter of one by a name that there is not: refused with the one that was meant."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from clr.spelling import did_you_mean


def refuse_misnamed(
    spec: Any,
    *,
    kind: str,
    tag: str,
    models: Mapping[str, type[BaseModel]],
    hint: Callable[[type[BaseModel], str], str | None] = lambda model, name: None,
    path: tuple[Any, ...] = (),
) -> None:
    """Raise pydantic's ValidationError for {tag: NAME, its parameters} where no model, or no parameter, is so called.

    kind: what the models are. hint: what to say of a parameter that a model lacks, where there is more to say than
    what it has. path: to `spec`.
    """
    if not isinstance(spec, Mapping):
        return
    named = spec.get(tag)
    model = models.get(str(named))
    if model is None:
        message = f"{did_you_mean(named, models)}must be one of {', '.join(models)}"
        raise _misnamed(kind, (*path, tag), spec, message)
    known = [field for field in model.model_fields if field != tag]
    for name in spec:
        if name not in model.model_fields:
            more = hint(model, str(name)) or f"{did_you_mean(name, known)}allowed: {', '.join(known)}"
            message = f"{named} has no parameter of this name; {more}"
            raise _misnamed(kind, (*path, named, name), spec, message)


def _misnamed(kind: str, where: tuple[Any, ...], spec: Any, message: str) -> ValidationError:
    error = PydanticCustomError("misnamed", "{message}", {"message": message})
    return ValidationError.from_exception_data(kind, [{"type": error, "loc": where, "input": spec}])
