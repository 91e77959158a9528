"""The processes below this one: a slot's child, a DataLoader's workers, programs of a workload's own."""

import time
from contextlib import suppress

import psutil

DEATH_S = 2.0


def is_running(pid: int) -> bool:
    """Whether a process below this one runs under this pid."""
    return _below(pid) is not None


def kill(pid: int) -> bool:
    """SIGKILL a process below this one with all that it started; any other pid is left alone.

    Waits for its end, but not for long: it may be held in the kernel. Answers whether there was one.
    """
    process = _below(pid)
    if process is None:
        return False
    kill_descendants(pid)
    with suppress(psutil.NoSuchProcess):  # its parent was quicker to reap it
        process.kill()
    deadline = time.monotonic() + DEATH_S
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return True


def kill_descendants(pid: int) -> None:
    """SIGKILL every process below this one, which is best done while it still runs: afterwards nobody knows them."""
    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def _below(pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        above = process.parents()
        alive = process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if alive and psutil.Process() in above else None
