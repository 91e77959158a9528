"""JSON as every database and every reader can hold it: finite numbers, sane text, little nesting."""

import math
from difflib import get_close_matches
from typing import Annotated, Any

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from api.errors import Problem, invalid

MAX_DEPTH = 16


def check(value: Any, pointer: str = "", depth: int = 0) -> None:
    """Raise a 422 problem that points at the first value which is not plain."""
    where = pointer or "/"
    if depth > MAX_DEPTH:
        raise invalid(where, f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, float) and not math.isfinite(value):
        raise invalid(where, "must be a finite number")
    if isinstance(value, int) and abs(value) > 2**63 - 1:
        raise invalid(where, "must fit into 64 bits")
    if isinstance(value, str) and not is_text(value):
        raise invalid(where, "must be text without NUL characters or lone surrogates")
    if isinstance(value, dict):
        for key, item in value.items():
            check(key, where, depth)
            check(item, f"{pointer}/{key}", depth + 1)
    if isinstance(value, list):
        for index, item in enumerate(value):
            check(item, f"{pointer}/{index}", depth + 1)


def is_text(value: str) -> bool:
    """Whether every database can store it."""
    return "\0" not in value and value.encode(errors="replace").decode() == value


def _text(value: str) -> str:
    if not is_text(value):
        raise ValueError("must be text without NUL characters or lone surrogates")
    return value


Text = Annotated[str, AfterValidator(_text)]


class Body(BaseModel):
    """A request body: plain JSON, no unknown fields."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        check(data)
        if isinstance(data, dict):
            cls._know(data)
        return data

    @classmethod
    def _know(cls, data: dict[str, Any]) -> None:
        for name in data:
            if name not in cls.model_fields:
                close = get_close_matches(name, cls.model_fields, n=1)
                hint = f"did you mean {close[0]}? " if close else ""
                raise invalid(f"/{name}", f"unknown field; {hint}allowed: {', '.join(cls.model_fields)}")


def require_json(request: Request) -> None:
    """Refuse a body that does not call itself JSON."""
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(415, "unsupported_media_type", "send the body as Content-Type: application/json")
