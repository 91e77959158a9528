"""What was measured, one JSON object a line, so that a stopped run goes on: data/quality/."""

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
        if not self._file.exists():
            return
        with self._file.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    yield json.loads(line)
                except json.JSONDecodeError:
                    continue

    def add(self, record: dict[str, Any]) -> None:
        """Append it."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, separators=(",", ":")) + "\n")
