"""A training that this process runs and a service stores and shows, live like any other.

with client.training_here("bert on sst2", num_steps=3000) as report:
    scheduler = ct.Scheduler(optimizer, bounds.schedule("one_cycle", num_steps=3000), report_to=report)
    for ...:
        optimizer.step()
        scheduler.step(loss)
    report.look(valid_loss, accuracy)
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from clr.sweep import HeldOut, Measured, Point
from clr_tuner.connection import Connection
from clr_tuner.errors import ClientError
from clr_tuner.here.caller import name_this_process
from clr_tuner.here.sender import Sender
from clr_tuner.here.upload import Run, Upload, check_name
from clr_tuner.training_job import TrainingJob

if TYPE_CHECKING:
    from clr.policies import Schedule

log = logging.getLogger(__name__)

PATH = "/training-jobs"


class TrainingHere:
    """Hand it to `report_to=`; when the `with` block is left, also by an exception, the rest is sent.

    After an exception the job stays open: go on from a checkpoint with `training_here(id=job.id)`.
    """

    def __init__(
        self,
        connection: Connection,
        about: Mapping[str, Any],
        *,
        num_steps: int | None,
        id: str | None,
        client_id: str | None,
        folder: Path,
    ) -> None:
        check_name(about["name"])
        self._connection, self._about, self._id = connection, about, id
        self._num_steps, self._folder = num_steps, folder
        self._client_id = client_id or name_this_process()
        self._upload: Upload | None = None
        self._sender: Sender | None = None
        self._measured: Measured[Any] = Measured(None)
        self.file: Path | None = None  # that keeps what could not be sent

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._upload is not None and self._sender is not None:
            self._upload.runs[0].finished = kind is None
            self.file, self._sender = self._sender.close(), None

    @property
    def job(self) -> TrainingJob:
        """The training job at the service. Raises `ClientError` where it has none yet."""
        if self._upload is None or self._upload.job is None:
            kept = f"; {self.file} keeps it" if self.file else ""
            raise ClientError(f"nothing was reported yet{kept}")
        return TrainingJob(self._connection, self._upload.job).refresh()

    @property
    def cancelled(self) -> bool:
        """Whether the job was cancelled at the service: a loop may look, nothing stops it."""
        return self._upload is not None and self._upload.cancelled

    def begin(self, schedule: "Schedule", *, optimizer: Mapping[str, Any]) -> None:
        """Begin, or go on with the job that was named. Raises ValueError where nobody knows how long it is."""
        if self._upload is not None:
            raise ValueError("this report has a training already: make another one for another scheduler")
        num_steps = self._num_steps = self._num_steps or getattr(schedule, "num_steps", None)
        if num_steps is None:
            raise ValueError(f"training_here needs num_steps: {schedule.policy} says nothing of its length")
        body = {"driver": "client", **self._about, "optimizer": dict(optimizer)}
        body |= {"schedule": schedule.model_dump(mode="json", exclude_none=True), "num_steps": num_steps}
        body = {name: value for name, value in body.items() if value is not None}
        self._upload = Upload(self._connection.once(), PATH, body, self._client_id)
        if self._id is not None:
            self._upload.job = self._connection.get(f"{PATH}/{self._id}")
        self._upload.runs.append(Run(self._measured))
        self._sender = Sender(self._upload, folder=self._folder)

    def add(self, step: int, lr: float, loss: Any) -> None:
        """One update; a tensor is read by the thread that sends it. What comes after `num_steps` is not reported.

        Raises ValueError for a loss that is no single number.
        """
        loss = _check_loss(loss)
        if self._num_steps is None or step < self._num_steps:
            self._measured.points.append(Point(step, lr, loss))
        elif step == self._num_steps:
            log.warning("%d steps were to be trained: those after them are not reported", step)

    def look(self, loss: float, accuracy: float | None = None) -> None:
        """The held-out set after the update that was reported last. accuracy: in [0, 1], None without classes.

        Of several after one update the first is kept.
        Raises ValueError before the first update, and for what is no look.
        """
        if not self._measured.points:
            raise ValueError("a look comes after an update: first scheduler.step(loss)")
        last = self._measured.points[-1]
        look, earlier = HeldOut.from_answer(last.step, last.lr, (loss, accuracy)), self._measured.held_out
        if not earlier or earlier[-1].step < look.step:
            earlier.append(look)


def _check_loss(loss: Any) -> Any:
    """A tensor of one number as it is, which a GPU may still compute; the number of anything else."""
    if hasattr(loss, "detach") and loss.numel() == 1:
        return loss.detach()
    try:
        return float(loss)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"step takes the batch's loss, a single number; got {loss!r:.100}") from None
