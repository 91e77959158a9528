"""What pydantic found wrong, in words for a person."""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError


def drop_consequences(errors: Iterable[Any]) -> list[Any]:
    """Of pydantic's errors those that say what is wrong, not those that follow from another.

    A default may wait for a wrong field, and a list whose items are wrong is then too short.
    """
    errors = list(errors)

    def follows(error: Any) -> bool:
        inside = (other["loc"] for other in errors if len(other["loc"]) > len(error["loc"]))
        return error["type"] == "default_factory_not_called" or (
            error["type"] == "too_short" and any(loc[: len(error["loc"])] == error["loc"] for loc in inside)
        )

    return [error for error in errors if not follows(error)]


def in_words(error: ValidationError) -> str:
    """Each field with what is wrong with it, on one line."""
    return "; ".join(
        f"{item['loc'][-1]}: {item['msg'].removeprefix('Value error, ')}" if item["loc"] else item["msg"]
        for item in drop_consequences(error.errors())
    )
