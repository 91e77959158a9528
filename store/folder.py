"""Files in a folder of this host, which others may share."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from store.paths import inside


class Folder:
    """Artifacts below `root`."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def check(self) -> None:
        """Write a file and remove it. Raises OSError with a sentence that tells what is wrong."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise OSError(f"cannot write to {self.root}: {error.strerror}") from None

    def find(self, path: str) -> Path:
        """Where it lies. Raises FileNotFoundError for a path that leads out of the root."""
        return self.root / inside(path)

    def write(self, path: str, fill: Callable[[IO[bytes]], object]) -> int:
        """Have a file filled, which is then there whole or not at all; answers its bytes."""
        file = self.find(path)
        unfinished = file.with_suffix(".unfinished")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as written:
                fill(written)
                written.flush()
                os.fsync(written.fileno())
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)
        return file.stat().st_size

    def open(self, path: str) -> IO[bytes]:
        """The file from its beginning. Raises FileNotFoundError where it is not here."""
        return self.find(path).open("rb")

    def files(self, folder: str) -> list[str]:
        """The paths of all files below."""
        below = self._look_in(folder).rglob("*")
        return [file.relative_to(self.root).as_posix() for file in below if file.is_file()]

    def folders(self, folder: str) -> list[str]:
        """The names of the folders in it."""
        there = self._look_in(folder)
        return [each.name for each in there.iterdir()] if there.is_dir() else []

    def remove(self, path: str) -> None:
        """Remove the file, if it is there."""
        self.find(path).unlink(missing_ok=True)

    def remove_folder(self, folder: str) -> None:
        """Remove all files below."""
        shutil.rmtree(self.find(folder), ignore_errors=True)

    def _look_in(self, folder: str) -> Path:
        return self.find(folder) if folder else self.root
