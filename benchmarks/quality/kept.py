"""What was measured, so that a stopped run goes on: lines in data/quality/, whole results in the repository."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from store.settings import get_settings


class Kept:
    """One file of records; several processes may append to it."""

    def __init__(self, name: str) -> None:
        self._file: Path = get_settings().data_dir / "quality" / f"{name}.jsonl"

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Every whole record; the last line of a killed process is none."""
        return self._read("")

    def of(self, task: str) -> Iterator[dict[str, Any]]:
        """Every whole record of this task; the others are not parsed."""
        return self._read(_write({"task": task})[1:-1])

    def _read(self, marked: str) -> Iterator[dict[str, Any]]:
        if not self._file.exists():
            return
        with self._file.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    if marked in line:
                        yield json.loads(line)
                except json.JSONDecodeError:
                    continue

    def add(self, record: dict[str, Any]) -> None:
        """Append it."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(_write(record) + "\n")


def _write(record: dict[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":"))


class Committed:
    """One file of the repository: an entry a line, by name."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> dict[str, Any]:
        """Every entry; none where there is no file."""
        stored: dict[str, Any] = json.loads(self._file.read_text()) if self._file.exists() else {}
        return stored

    def write(self, name: str, entry: Any) -> None:
        """Add it, or put it in the place of its like."""
        stored = dict(sorted((self.read() | {name: entry}).items()))
        lines = [f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in stored.items()]
        scratch = self._file.with_suffix(".new")
        scratch.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        scratch.rename(self._file)
