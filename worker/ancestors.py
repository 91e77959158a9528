"""What a process owes to those above it: it dies with its parent, and leaves their signals to them."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it ends (Linux); end at once if it has."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def leave_signals() -> None:
    """Ignore what systemd or a terminal sends to all processes: the Celery parent drains them.

    billiard's own way is SystemExit in the midst of the job, which then failed as the workload's fault.
    """
    here = os.getpid()

    def hear(number: int, _: object) -> None:
        if os.getpid() != here:  # forked by the workload, and its to end
            sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, hear)
