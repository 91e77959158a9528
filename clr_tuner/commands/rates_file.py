"""The learning rates that a training logged, read from its file: CSV, or JSON as lists, rows or transformers' state."""

import csv
import json
import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import typer

NAMES = ("lr", "learning_rate")


def read_rates(file: Path, column: str | None, step_column: str) -> tuple[list[int] | None, list[float]]:
    """(the step of each rate, None where the file has no steps; the rates). Rows without a rate are passed over.

    column: that of the rates; default: the one that is called lr or learning_rate, or begins or ends so.
    Raises `typer.BadParameter` where there is none, or steps that do not rise.
    """
    try:
        rows = _read_rows(file)
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise typer.BadParameter(f"{file} is neither CSV with a header nor JSON: {error}") from None
    column = column or _find_column(file, rows)
    rows = [row for row in rows if row.get(column) not in (None, "")]
    if not rows:
        raise typer.BadParameter(f"{file} has no rates in column {column!r}")
    rates = [_number(file, row[column], column) for row in rows]
    if any(row.get(step_column) in (None, "") for row in rows):
        return None, rates
    steps = [int(_number(file, row[step_column], step_column)) for row in rows]
    for before, after in pairwise(steps):
        if after <= before:
            raise typer.BadParameter(
                f"{file}: column {step_column!r} must rise, but {after} follows {before}"
            )
    return steps, rates


def _read_rows(file: Path) -> list[Mapping[str, Any]]:
    text = file.read_text(encoding="utf-8-sig")
    if file.suffix.lower() != ".json":
        return list(csv.DictReader(text.splitlines()))
    data = json.loads(text)
    if isinstance(data, dict) and isinstance(
        data.get("log_history"), list
    ):  # transformers' trainer_state.json
        data = data["log_history"]
    if isinstance(data, dict):
        columns = {name: values for name, values in data.items() if isinstance(values, list)}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if not isinstance(data, list):
        raise ValueError("a list of rates, a list of rows or columns by name are read")
    return [row if isinstance(row, dict) else {"lr": row} for row in data]


def _find_column(file: Path, rows: Iterable[Mapping[str, Any]]) -> str:
    """The column of the rates, by its name."""
    known = list(dict.fromkeys(name for row in rows for name in row if isinstance(name, str)))
    found = [name for name in known if name in NAMES] or [
        name for name in known if name.lower().startswith(NAMES) or name.lower().endswith(NAMES)
    ]
    if len(found) != 1:
        what = "several columns" if found else "no column"
        names = ", ".join(found or known) or "none"
        raise typer.BadParameter(f"{file} has {what} of rates; say which with --lr-column: {names}")
    return found[0]


def _number(file: Path, value: Any, column: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise typer.BadParameter(f"{file}: {value!r} in column {column!r} is no finite number")
    return number
