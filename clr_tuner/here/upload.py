"""What a process measured, and how much of that the service has: sent piece by piece, in whatever state either is.

Everything here may be repeated: the service knows the job by its Idempotency-Key and each row by its step.
"""

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from clr.sweep import HeldOut, Measured, Point
from clr_tuner.connection import Connection, read_json
from clr_tuner.errors import ClientError, Refused
from clr_tuner.here.caller import is_gone

FORMAT = 1  # of the file
PATHS = ("/range-tests", "/training-jobs")
MOST_ROWS = 1000  # in one report
LONGEST_NAME = 200


@dataclass(slots=True)
class Run:
    """A sweep or a training that may still grow, and what was sent of it.

    plan: the fields of a sweep's, as `ask` compares them; None of a training.
    """

    measured: Measured[Any]
    plan: Mapping[str, Any] | None = None
    finished: bool = False
    steps_per_epoch: float | None = None
    number: int = 0
    token: str | None = None
    sent_points: int = 0
    sent_looks: int = 0
    done: bool = False

    @property
    def is_left(self) -> bool:
        """Whether it was not finished, and all of it was sent."""
        sent = self.sent_points == len(self.measured.points) and self.sent_looks == len(
            self.measured.held_out
        )
        return not self.finished and sent


@dataclass(slots=True)
class Upload:
    """A job that this process measures. path: /range-tests or /training-jobs. body: of the request that makes it."""

    connection: Connection
    path: str
    body: dict[str, Any]
    client_id: str
    key: str = field(default_factory=lambda: str(uuid4()))
    job: dict[str, Any] | None = None
    runs: list[Run] = field(default_factory=list)
    is_from_file: bool = False
    restarts: bool = False  # what is open at the service was measured by a process that is gone
    cancelled: bool = False
    lease_s: float = 0.0
    spoke_at: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether the service has all that was measured, of a sweep that was left early too."""
        return self.job is not None and all(run.done or run.is_left for run in self.runs)

    def push(self) -> None:
        """Send what the service lacks. Raises `Refused` or `Unreachable`; then try again, or give up."""
        if self.job is None:
            headers = {"Idempotency-Key": self.key}
            self.job = read_json(self.connection.request("POST", self.path, body=self.body, headers=headers))
        for run in self.runs:
            if self.cancelled:
                return
            if run.token is None and not run.done:
                if run.plan is None and not run.measured.points and not run.finished:
                    return  # a training says first where it begins
                self._ask(run)
            if not run.done:
                self._send(run)
            if not run.done:
                return  # the next one is asked for when this one is over

    def cancel(self) -> None:
        """Have the job end as cancelled: what was measured stays."""
        if self.job is not None:
            self.connection.post(f"{self._path_of_job}/cancel")

    @property
    def _path_of_job(self) -> str:
        assert self.job is not None
        return f"{self.path}/{self.job['id']}"

    def _ask(self, run: Run) -> None:
        body: dict[str, Any] = {"client_id": self.client_id, "restart": self.restarts}
        if run.plan is None:
            self._require_news(run)
            body["from_step"] = run.measured.points[0].step if run.measured.points else None
        else:
            body["plan"] = run.plan
        answer = self._ask_for(body)
        self.restarts = False
        if answer["done"]:
            self.cancelled = True
            return
        run.token, self.lease_s = answer["lease"]["token"], answer["lease"]["seconds"]
        run.number = (answer.get("sweep") or answer["rates"])["number"]

    def _require_news(self, run: Run) -> None:
        """Refuse to send what was kept of a training where the service has more: going on drops what follows."""
        if not self.is_from_file or not run.measured.points:
            return
        progress = self.connection.get(self._path_of_job)["progress"] or {"completed": 0}
        received, end = progress["completed"], run.measured.points[-1].step + 1
        if received > end:
            raise ClientError(
                f"the service has {received} steps of this training, and this file ends after {end}: it is older, and "
                "nothing of it was sent"
            )

    def _ask_for(self, body: dict[str, Any]) -> Any:
        """What `ask` answers; a caller that is gone for sure is not waited for."""
        path = f"{self._path_of_job}/ask"
        try:
            return self.connection.post(path, body)
        except Refused as refused:
            holder = str(refused.problem.get("held_by", ""))
            if not is_gone(holder):
                raise
            return self.connection.post(path, body | {"instead_of": holder})

    def _send(self, run: Run) -> None:
        """The rows that there are now, and the end if it has come; what comes meanwhile is for the next time."""
        finished, looks = run.finished, run.measured.held_out[run.sent_looks :]  # read before the points
        points = run.measured.points[run.sent_points :]
        step = run.measured.points[0].step + run.sent_points if run.measured.points else 0
        silent = not finished and self._is_long_silent()
        while (points or looks or silent) and not self.cancelled and run.token is not None:
            rows, points = points[:MOST_ROWS], points[MOST_ROWS:]
            due = [look for look in looks[:MOST_ROWS] if look.step < step + len(rows)]
            self._put(run, step, rows, due)
            step, looks, silent = step + len(rows), looks[len(due) :], False
        if finished and not self.cancelled and run.token is not None:
            body = {"token": run.token, "steps_per_epoch": run.steps_per_epoch}
            self.connection.post(f"{self._path_of_job}/sweeps/{run.number}/finish", body)
            run.done = True

    def _is_long_silent(self) -> bool:
        """Whether the lease needs a word, though there is nothing to tell."""
        return time.monotonic() - self.spoke_at > self.lease_s / 4

    def _put(self, run: Run, from_step: int, points: Sequence[Point], looks: Sequence[HeldOut]) -> None:
        body = {"token": run.token, "from_step": from_step, **_columns(points, looks)}
        path = f"{self._path_of_job}/sweeps/{run.number}/points"
        answer = read_json(self.connection.request("PUT", path, body=body))
        self.spoke_at = time.monotonic()
        run.sent_points += len(points)
        run.sent_looks += len(looks)
        self.cancelled = answer["stop"] == "cancelled"

    def keep(self, folder: Path) -> Path:
        """Keep everything in a file of this folder that is called by the job's name."""
        name = re.sub(r"[^A-Za-z0-9]+", "-", str(self.body["name"])).strip("-")[:40] or "measured"
        file = folder / f"{name}-{self.key[:8]}.clr.json"
        self.write(file)
        return file

    def write(self, file: Path) -> None:
        """Keep everything in a file that `read` reads."""
        kept = {name: getattr(self, name) for name in ("path", "body", "client_id", "key", "job")}
        runs = [
            {
                "plan": run.plan,
                "finished": run.finished,
                "steps_per_epoch": run.steps_per_epoch,
                "first_step": run.measured.points[0].step if run.measured.points else 0,
                **_columns(run.measured.points, run.measured.held_out),
            }
            for run in self.runs
        ]
        part = file.with_suffix(".part")
        part.write_text(json.dumps({"format": FORMAT, **kept, "runs": runs}))
        part.replace(file)

    @classmethod
    def read(cls, file: Path, connection: Connection) -> Self:
        """What `write` kept. Raises `ClientError` for anything else."""
        try:
            kept = json.loads(file.read_text())
            if kept.pop("format") != FORMAT:
                raise ClientError(f"{file} was written by another version of clr-tuner")
            runs = [_read_run(run) for run in kept.pop("runs")]
            job, texts = kept["job"], (kept["client_id"], kept["key"], kept["body"]["name"])
            if kept["path"] not in PATHS:  # whoever wrote it: nothing is sent elsewhere
                raise ValueError(kept["path"])
            if not all(isinstance(text, str) for text in (*texts, "" if job is None else job["id"])):
                raise TypeError
            return cls(connection, **kept, runs=runs, is_from_file=True)
        except (OSError, UnicodeError) as error:
            raise ClientError(f"{file} cannot be read: {error}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ClientError(f"{file} is no file of measurements that clr-tuner kept") from None


def check_name(name: str) -> str:
    """The name, if a job can have it. Raises ValueError."""
    if not 0 < len(name) <= LONGEST_NAME:
        raise ValueError(f"name must have 1 to {LONGEST_NAME} characters: what is tuned, as bert on sst2")
    return name


def _columns(points: Sequence[Point], looks: Sequence[HeldOut]) -> dict[str, Any]:
    """As a report has them; null for what is not finite."""
    columns: dict[str, Any] = {"loss": [_finite(float(point.loss)) for point in points]}
    if looks:
        columns["held_out"] = {
            "step": [look.step for look in looks],
            "loss": [_finite(look.loss) for look in looks],
            "accuracy": [look.accuracy for look in looks],
        }
    return columns


def _read_run(kept: dict[str, Any]) -> Run:
    first = kept["first_step"]
    measured: Measured[Any] = Measured(kept["plan"])
    measured.points.extend(Point(first + step, 0.0, _number(loss)) for step, loss in enumerate(kept["loss"]))
    looks = kept.get("held_out") or {"step": [], "loss": [], "accuracy": []}
    rows = zip(looks["step"], looks["loss"], looks["accuracy"], strict=True)
    measured.held_out.extend(HeldOut(step, 0.0, _number(loss), share) for step, loss, share in rows)
    return Run(measured, kept["plan"], kept["finished"], kept["steps_per_epoch"])


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
