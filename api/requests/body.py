"""JSON as every database and every reader can hold it: finite numbers, sane text, little nesting, UTC times."""

import math
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer, model_validator

from api.errors import Problem, invalid
from api.pointers import pointer_to
from api.routes import list_query_names
from clr import json_text
from clr.spelling import did_you_mean

MAX_DEPTH = 16
NOT_TEXT = "must be text without NUL characters or lone surrogates"
NOT_A_LINE = "must be one line of text, without control characters or changes of direction"
TURNS = frozenset(
    "\u2028\u2029\u200e\u200f\u061c" + "\u202a\u202b\u202c\u202d\u202e" + "\u2066\u2067\u2068\u2069"
)


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
    allowed_names = list(allowed)
    for name in names:
        if name not in allowed_names:
            alternatives = ", ".join(allowed_names) or "none"
            message = f"unknown field; {did_you_mean(name, allowed_names)}allowed: {alternatives}"
            raise invalid(pointer_to(*path, name), message)


async def refuse_unknown_query(request: Request) -> None:
    """Raise a 422 problem for a query parameter that the route does not have, or that is given twice."""
    names = [name for name, _ in request.query_params.multi_items()]
    allowed = list_query_names(request) if names else []
    for name in names:
        if name not in allowed:
            advice = f"allowed: {', '.join(allowed)}" if allowed else "there are none here"
            message = f"unknown query parameter; {did_you_mean(name, allowed)}{advice}"
            raise invalid(f"query:{name}", message)
        if names.count(name) > 1:
            raise invalid(f"query:{name}", "is given more than once: give it once")


def is_text(value: str) -> bool:
    """Whether every database can store it."""
    return "\0" not in value and value.encode(errors="replace").decode() == value


def _compose(value: object) -> object:
    """Text whose accents are one with their letters (NFC), so that what looks alike is alike."""
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


def _check_text(value: str) -> str:
    if not is_text(value):
        raise ValueError(NOT_TEXT)
    if any(unicodedata.category(character) == "Cc" or character in TURNS for character in value):
        raise ValueError(NOT_A_LINE)
    return value


Text = Annotated[str, BeforeValidator(_compose), AfterValidator(_check_text)]


def _format_time(time: datetime) -> str:
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")


Moment = Annotated[datetime, PlainSerializer(_format_time, when_used="json")]


def moment(seconds: float | None) -> datetime | None:
    """A time of the store, unix seconds, as the API gives it."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


class Body(BaseModel):
    """A request body: plain JSON, no unknown fields."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _check_plain(cls, data: Any) -> Any:
        check(data)
        if isinstance(data, dict):
            refuse_unknown(data, [field.alias or name for name, field in cls.model_fields.items()])
        return data


async def require_json(request: Request) -> None:
    """Refuse a body that does not call itself JSON, is no object, or has a key twice."""
    body = await request.body()
    if not body:
        raise invalid("", "is empty: send a JSON object, at least {}")
    content_type = request.headers.get("Content-Type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        fault = (
            f"the body came as {content_type[:100]}"
            if content_type
            else "the body came without a Content-Type"
        )
        advice = "send it as Content-Type: application/json"
        raise Problem(415, "unsupported_media_type", f"{fault}: {advice}")
    try:
        document = json_text.read(body)
    except json_text.Broken as broken:
        raise Problem(400, "malformed_json", f"the body is not JSON: {broken}") from None
    if not isinstance(document, dict):
        raise invalid("", f"must be a JSON object, not {json_text.kind(document)}")
