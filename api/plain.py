"""JSON as every database and every reader can hold it: finite numbers, sane text, little nesting, UTC times."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Annotated, Any

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer, model_validator

from api.errors import Problem, invalid, pointer_to

MAX_DEPTH = 16
NOT_TEXT = "must be text without NUL characters or lone surrogates"


def check(value: Any, *path: object) -> None:
    """Raise a 422 problem that points at the first value which is not plain; `path` leads to `value`."""
    if len(path) > MAX_DEPTH:
        raise invalid(pointer_to(*path), f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, float) and not math.isfinite(value):
        raise invalid(pointer_to(*path), "must be a finite number")
    if isinstance(value, int) and abs(value) > 2**63 - 1:
        raise invalid(pointer_to(*path), "must fit into 64 bits")
    if isinstance(value, str) and not is_text(value):
        raise invalid(pointer_to(*path), NOT_TEXT)
    if isinstance(value, dict):
        for key, item in value.items():
            check(key, *path)
            check(item, *path, key)
    if isinstance(value, list):
        for index, item in enumerate(value):
            check(item, *path, index)


def refuse_unknown(names: Iterable[str], allowed: Iterable[str], *path: object) -> None:
    """Raise a 422 problem for the first name that is not allowed in the object at `path`."""
    known = list(allowed)
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            listed = ", ".join(known) or "none"
            raise invalid(pointer_to(*path, name), f"unknown field; {hint}allowed: {listed}")


def is_text(value: str) -> bool:
    """Whether every database can store it."""
    return "\0" not in value and value.encode(errors="replace").decode() == value


def _text(value: str) -> str:
    if not is_text(value):
        raise ValueError(NOT_TEXT)
    return value


Text = Annotated[str, AfterValidator(_text)]


def _rfc3339(time: datetime) -> str:
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")


Moment = Annotated[datetime, PlainSerializer(_rfc3339, when_used="json")]


def moment(seconds: float | None) -> datetime | None:
    """A time of the store, unix seconds, as the API gives it."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


class Body(BaseModel):
    """A request body: plain JSON, no unknown fields."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        check(data)
        if isinstance(data, dict):
            refuse_unknown(data, cls.model_fields)
        return data


def require_json(request: Request) -> None:
    """Refuse a body that does not call itself JSON."""
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(415, "unsupported_media_type", "send the body as Content-Type: application/json")
