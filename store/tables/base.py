"""What all tables have in common."""

from typing import Any

from sqlalchemy import JSON, Float
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """The metadata that migrations are compared with."""

    type_annotation_map = {dict[str, Any]: JSON(none_as_null=True), list[str]: JSON, float: Float(53)}  # noqa: RUF012
