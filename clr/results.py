"""Numbers that somebody else measured, checked: what is wrong is told with the place where it stands."""

import math
from collections.abc import Sequence
from typing import Any


class BadResults(ValueError):
    """A curve that is none. path: where, as ("held_out", "step", 3)."""

    def __init__(self, message: str, *path: str | int) -> None:
        self.message, self.path = message, path
        super().__init__(f"{'.'.join(map(str, path))}: {message}")


def numbers(name: str, values: Any, *path: str) -> list[float]:
    """Whatever can be read as numbers, tensors of one number too."""
    try:
        listed = list(values)
    except TypeError:
        raise BadResults(f"must be a list of numbers, not {type(values).__name__}", *path, name) from None
    read = []
    for index, value in enumerate(listed):
        try:
            read.append(float(value))
        except (TypeError, ValueError, RuntimeError):
            shown = type(value).__name__
            raise BadResults(f"must be a number, not {shown}", *path, name, index) from None
    return read


def find_end(losses: Sequence[float]) -> tuple[int, int]:
    """(The first step whose loss is not finite, or else the last; how many finite losses come after it)."""
    end = next((step for step, loss in enumerate(losses) if not math.isfinite(loss)), len(losses) - 1)
    return end, sum(map(math.isfinite, losses[end + 1 :]))


def require_rising(name: str, values: Sequence[float], *path: str, lowest: float) -> None:
    """Refuse what is not finite, lies below `lowest` or does not rise."""
    before = -math.inf
    for index, value in enumerate(values):
        if not math.isfinite(value) or value < lowest:
            raise BadResults(f"must be finite and >= {lowest:g}, not {value:g}", *path, name, index)
        if value <= before:
            raise BadResults(
                f"must rise from step to step, but {value:g} follows {before:g}", *path, name, index
            )
        before = value
