"""A stored curve read again, as its caller sees it."""

from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Analysis:
    """What one version of one rule says.

    analyzer: rule@version. outcome: of our rule bounds_found or inconclusive, with `result` as a range test has it; of
    another finder's lr_found or no_lr, with {"lr", "note"}.
    """

    analyzer: str
    outcome: str
    result: dict[str, Any]
    created_at: str

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read an item of `GET /range-tests/{id}/analyses`."""
        return cls(data["analyzer"], data["outcome"], data["result"], data["created_at"])
