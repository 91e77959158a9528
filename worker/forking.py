"""Whether a process may be forked: what would go wrong in its children is looked for, not guessed."""

import os
import sys
import warnings
from pathlib import Path

GPUS = ("/dev/nvidia", "/dev/kfd")  # what CUDA and ROCm open; a fork of theirs cannot use a GPU


def hindrance() -> str | None:
    """Why this process must not be forked to run a job, None if it may be."""
    if sys.platform != "linux":
        return "only Linux is known to fork well"
    if any(link.startswith(GPUS) for link in _open_files()):
        return "a GPU was asked while workloads were imported"
    if threads := _threads():
        return f"threads were started while workloads were imported: {', '.join(threads)}"
    return None


def _open_files() -> list[str]:
    links = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(descriptor.readlink()))
        except FileNotFoundError:  # that of the listing itself
            continue
    return links


def _threads() -> list[str]:
    """The names of the threads that go on beside this one. Those that know of forks, as OpenBLAS', end at one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads beside a fork, from Python 3.12 on
        if (pid := os.fork()) == 0:
            os._exit(0)
    os.waitpid(pid, 0)
    tasks = Path("/proc/self/task")
    return [
        (tasks / task / "comm").read_text().strip() for task in os.listdir(tasks) if int(task) != os.getpid()
    ]
