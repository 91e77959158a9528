"""Records as JSON holds them: what a newer version added is left out."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any


def pick_fields(record: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    """Of `data` the fields that this dataclass has."""
    return {field.name: data[field.name] for field in fields(record) if field.name in data}
