"""The processes that a workload started: a DataLoader's workers, programs of its own. They end with it."""

from contextlib import suppress

import psutil


def kill_descendants(pid: int) -> None:
    """SIGKILL every process below this one, which is best done while it still runs: afterwards nobody knows them."""
    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.kill()
