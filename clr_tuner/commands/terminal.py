"""Everything that a command prints: what others wrote steers no terminal.

A name, a tag, a message of a workload or a problem of a service may hold an escape sequence. Whatever is printed goes
through `say`, whatever is logged through `log_printably`; a test holds the commands to that.
"""

import json
import logging
from collections.abc import Sequence
from typing import Any

import typer


def printable(text: str) -> str:
    """The text with whatever is not printed, but the ends of lines, spelled out."""
    return "\r\n".join("\n".join(map(_spell_out, part.split("\n"))) for part in text.split("\r\n"))


def _spell_out(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in line)


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print it, on stdout or on stderr."""
    typer.echo(printable(text), err=err, nl=nl)


def warn(line: str) -> None:
    """Print a line for a person, where it does not mix with what was asked for."""
    say(line, err=True)


def print_json(answer: Any) -> None:
    """Print an answer for a program to read."""
    say(json.dumps(answer, indent=2))


def columns(rows: Sequence[Sequence[object]]) -> str:
    """Rows as aligned text columns, each on one line; None is left blank."""
    cells = [["" if cell is None else _one_line(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def _one_line(cell: str) -> str:
    return printable(cell).replace("\n", "\\n")


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def log_printably() -> None:
    """Have warnings of the library that nobody handles printed so too."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Printable())
