"""The SQLite file of the embedded service as a file: made whole when nobody has it open, copied while it is in use.

Beside it lie `-wal` and `-shm` while it is open, or after a process that held it was killed: what they hold is not
in the file yet.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

BUSY_S = 5.0
LAST_BUSY_S = 1.0  # the end of `serve` waits no longer for a reader


def make_whole(database: Path) -> None:
    """Fold what a killed process left in `-wal` into the file, and take back what `-journal` says it left undone.

    The file then alone holds everything. Raises sqlite3's errors: the disk is full, another process has the file open.
    Does nothing without a file.
    """
    if database.is_file():
        with closing(sqlite3.connect(database, timeout=LAST_BUSY_S)) as connection:
            (version,) = connection.execute(
                "PRAGMA user_version"
            ).fetchone()  # a read takes back what is undone
            if database.with_name(
                f"{database.name}-journal"
            ).exists():  # of a write that never began in earnest
                connection.execute(f"PRAGMA user_version = {version}")  # the next write puts it away
            busy, logged, folded = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy and not 0 <= logged == folded:  # one that has it open but is up to date does not matter
                raise sqlite3.OperationalError("another process reads what was in it before")


def holds_keys(database: Path) -> bool:
    """Whether a key was ever made there, so that the service is closed to who has none."""
    if not database.is_file():
        return False
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            return connection.execute("SELECT 1 FROM keys LIMIT 1").fetchone() is not None
        except sqlite3.Error:  # it is of an older schema, which has no keys, or no database
            return False


def copy(database: Path, to: Path) -> None:
    """Copy a database that may be in use, as it is at one moment; `to` appears whole or not at all.

    Raises sqlite3's errors and OSError.
    """
    with _written_beside(to) as unfinished, closing(sqlite3.connect(unfinished)) as copied:
        with closing(sqlite3.connect(database, timeout=BUSY_S)) as source:
            source.backup(copied)
        copied.execute("PRAGMA journal_mode=DELETE")  # one file; a service that opens it changes that again
        integrity = copied.execute("PRAGMA integrity_check").fetchone()[0]
        if integrity != "ok":
            raise sqlite3.DatabaseError(f"the copy is damaged: {integrity}")
        shutil.copymode(database, unfinished)


def checkpoints_of(database: Path) -> list[str]:
    """The paths of the checkpoints that it knows, under the data directory. Raises sqlite3's errors."""
    with closing(sqlite3.connect(database, timeout=BUSY_S)) as connection:
        return [path for (path,) in connection.execute("SELECT path FROM checkpoints")]


@contextmanager
def _written_beside(file: Path) -> Iterator[Path]:
    """A file to write, which takes the name of `file` at the end, or goes."""
    handle, name = tempfile.mkstemp(prefix=".backup-", dir=file.parent)
    unfinished = Path(name)
    try:
        yield unfinished
        os.fsync(handle)
        unfinished.replace(file)
    finally:
        os.close(handle)
        unfinished.unlink(missing_ok=True)
