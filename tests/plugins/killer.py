"""Kills a worker at one exact point of a job, once, where `CLR_CHAOS_DIR` holds a file of the point's name.

The text of the file is the victim: `child`, `slot` for the pool's process that forked it, or `parent` for the Celery
worker above. The plugin `hostile` imports this, so that it is there in every slot before the first claim.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from store import claims
from worker.checkpoints import Checkpoints
from worker.lease import Lease
from worker.recorder import Recorder

MID = 30  # steps


def kill_at(point: str) -> None:
    """Kill, if a test asked for this point."""
    order = Path(os.environ["CLR_CHAOS_DIR"]) / point
    try:
        victim = order.read_text()
        order.unlink()
    except FileNotFoundError:
        return
    pids = {"child": os.getpid(), "slot": os.getppid(), "parent": int(os.environ["CLR_WORKER_PID"])}
    os.kill(pids[victim], signal.SIGKILL)
    time.sleep(60)  # a child dies with those above it


def _around(owner: Any, name: str, *, before: str | None = None, after: str | None = None) -> None:
    plain: Callable[..., Any] = getattr(owner, name)

    def wrapped(*arguments: Any, **options: Any) -> Any:
        if before is not None:
            kill_at(before)
        answer = plain(*arguments, **options)
        if after is not None:
            kill_at(after)
        return answer

    setattr(owner, name, wrapped)


def arm() -> None:
    """Put the points in place."""
    _around(claims, "claim", after="claiming")  # not committed yet
    _around(Lease, "__enter__", before="claimed")
    _around(Checkpoints, "_write", after="checkpoint_written")  # and not yet published
    _around(Recorder, "publish", after="checkpoint_published")
    _around(Recorder, "finish", before="last_point", after="sweep_finished")
    _around(Recorder, "succeed", before="before_result", after="after_result")
    plain = Recorder.add

    def add(self: Recorder, measured: Any) -> None:
        plain(self, measured)
        if measured.step == 0:
            kill_at("first_point")
        if measured.step == MID:
            self._flush()
            kill_at("mid_curve")

    Recorder.add = add  # type: ignore[method-assign]


POINTS = (
    "claiming",
    "claimed",
    "first_point",
    "mid_curve",
    "last_point",
    "sweep_finished",
    "before_result",
    "after_result",
)
OF_TRAINING = (*POINTS[:4], "checkpoint_written", "checkpoint_published", *POINTS[4:])
if "CLR_CHAOS_DIR" in os.environ:
    arm()
