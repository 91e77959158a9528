"""How long a test may wait here: what it would on an idle machine, times how slow this one is, measured once a run.

A deadline tells a hang from a wait, so it costs nothing while all is well. What tests wait for is mostly a process that
loads torch; so that is what is timed, on every core at once, as other work on the machine leaves them.
"""

import os
import subprocess
import sys
import time

IDLE_S = 2.5  # two processes at once that load torch, on the 2 idle cores that every deadline was chosen on
SPARE = 3  # other work may begin after the measurement
VARIABLE = "CLR_TEST_SLOWNESS"  # hands the factor to the processes of pytest-xdist


def measure() -> None:
    """Time it, unless a parent process has."""
    if VARIABLE in os.environ:
        return
    began = time.monotonic()
    loading = [subprocess.Popen([sys.executable, "-c", "import torch"]) for _ in range(2)]
    for process in loading:
        process.wait()
    os.environ[VARIABLE] = str(max(1.0, (time.monotonic() - began) / IDLE_S))


def slowed(idle_s: float) -> float:
    """Seconds that take up `idle_s` on an idle machine take here: for leases and limits that a test waits out."""
    measure()
    return float(os.environ[VARIABLE]) * idle_s


def patience(idle_s: float) -> float:
    """Seconds to wait for what takes up to `idle_s` on an idle machine, before it counts as hanging."""
    return SPARE * slowed(idle_s)
