"""The data directory, which one embedded service has to itself, and which is its user's alone."""

import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO

from clr_tuner.embedded.processes import open_private
from clr_tuner.errors import CannotServe

OURS = frozenset(
    {"clr.sqlite3", "serve.lock", "checkpoints", "datasets"}
)  # one of them: the folder is a service's
OPEN = stat.S_IRWXG | stat.S_IRWXO


def close_to_others(data_dir: Path, *, say: Callable[[str], None]) -> None:
    """Take the data directory, if it is there, from everybody but its user: curves, checkpoints, logs.

    `say` hears a line where that changes something, or where it cannot be: the folder is somebody else's, or
    holds things that are not a service's.
    """
    try:
        mode, names = data_dir.stat(), {path.name for path in data_dir.iterdir()}
    except OSError:
        return  # there is none, or none that we can use: who wants to tells
    if not mode.st_mode & OPEN:
        return
    permissions = stat.S_IMODE(mode.st_mode)
    if mode.st_uid != os.geteuid() or (names and not names & OURS):
        if names:
            say(
                f"warning: others than this user may look into the data directory {data_dir} (mode "
                f"{permissions:o}), which is not a service's alone: choose one of its own with CLR_DATA_DIR"
            )
        return
    data_dir.chmod(permissions & ~OPEN)
    if names:
        say(f"the data directory {data_dir} was open to others (mode {permissions:o}); it no longer is")
    for file in data_dir.glob("clr.sqlite3*"):  # as SQLite gives what it keeps beside a file the file's mode
        if file.is_file() and not file.is_symlink():
            file.chmod(0o600)


def lock(data_dir: Path) -> IO[str]:
    """Hold the data directory until the file is closed; raises `CannotServe` while another process does."""
    file = open(data_dir / "serve.lock", "a+", opener=open_private)  # noqa: SIM115 - held
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise CannotServe(
            f"another service (process {owner}) already runs on the data directory {data_dir}.\n"
            "Use that one, stop it, or choose another directory with CLR_DATA_DIR."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
