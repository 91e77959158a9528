"""The data directory, which one embedded service has to itself."""

import fcntl
import os
from pathlib import Path
from typing import IO

from clr_tuner.errors import CannotServe


def lock(data_dir: Path) -> IO[str]:
    """Hold the data directory until the file is closed; raises `CannotServe` while another process does."""
    file = (data_dir / "serve.lock").open("a+")
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
