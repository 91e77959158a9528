"""Where pydantic's errors lie in a body, as JSON pointers (RFC 6901), and what they say."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from clr.spelling import did_you_mean


def pointer_to(*parts: object) -> str:
    """The JSON pointer (RFC 6901) of these steps into the body."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def find_pointer(error: Mapping[str, Any], body: Any) -> str:
    """Where one of FastAPI's errors lies: a pointer into the body, `query:NAME` or `path:NAME` outside it."""
    source, *location = error["loc"]
    return pointer_to(*locate(error, location, body)) if source == "body" else f"{source}:{location[-1]}"


def locate(error: Mapping[str, Any], location: Sequence[Any], body: Any) -> list[Any]:
    """The steps into the body that lead to one of pydantic's errors.

    pydantic puts the names of union members into a location; a pointer has only what the body has.
    """
    parts, value = [], body
    absent = location[-1] if location and error["type"] in ("missing", "misnamed") else None
    for part in location:
        if isinstance(value, dict) and part not in value and part != absent:
            continue
        parts.append(part)
        value = _step(value, part)
    return parts


def _step(value: Any, part: Any) -> Any:
    if isinstance(value, dict):
        return value.get(part)
    return value[part] if isinstance(value, list) and isinstance(part, int) and part < len(value) else None


def say(error: Mapping[str, Any]) -> str:
    """Say one of pydantic's errors in the words of who sent JSON."""
    if error["type"] == "extra_forbidden":
        return "unknown parameter"
    if error["type"] == "model_attributes_type":
        return "must be a JSON object"
    if error["type"] in ("literal_error", "enum"):
        names = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        return f"{did_you_mean(error['input'], names)}must be one of {', '.join(names)}"
    return str(error["msg"]).removeprefix("Value error, ")
