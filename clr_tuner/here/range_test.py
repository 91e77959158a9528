"""A range test that this process measures and a service plans along with, stores, judges and shows.

`LRFinder(model, optimizer, report_to=client.range_test_here("bert on sst2"))`.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clr.range_test import RangeTestConfig, next_sweep
from clr.report import describe_plan
from clr.sweep import Sweep, read_columns
from clr_tuner.connection import Connection
from clr_tuner.errors import ClientError
from clr_tuner.here.caller import name_this_process
from clr_tuner.here.sender import Keeper, Sender
from clr_tuner.here.upload import Run, Upload, check_name
from clr_tuner.range_test import RangeTest

log = logging.getLogger(__name__)

PATH = "/range-tests"


class RangeTestHere:
    """Hand it to `report_to=`; once the loop is over, `job` is the range test as the service has it."""

    def __init__(
        self,
        connection: Connection,
        about: Mapping[str, Any],
        *,
        id: str | None,
        client_id: str | None,
        folder: Path,
        reporter: Callable[..., Sender | Keeper] = Sender,
    ) -> None:
        check_name(about["name"])
        self._connection, self._about, self._id = connection, about, id
        self._client_id, self._folder = client_id or name_this_process(), folder
        self._reporter = reporter
        self._upload: Upload | None = None
        self._sender: Sender | Keeper | None = None
        self.file: Path | None = None  # that keeps what could not be sent
        self.steps_per_epoch: float | None = None  # of the sweeps that the job had when it was gone on with

    @property
    def job(self) -> RangeTest:
        """The range test at the service. Raises `ClientError` where it has none yet."""
        if self._upload is None or self._upload.job is None:
            kept = f"; {self.file} keeps it" if self.file else ""
            raise ClientError(f"nothing was reported yet{kept}")
        return RangeTest(self._connection, self._upload.job).refresh()

    @property
    def was_made(self) -> bool:
        """Whether the service has a job for it."""
        return self._upload is not None and self._upload.job is not None

    @property
    def cancelled(self) -> bool:
        """Whether the job was cancelled at the service."""
        return self._upload is not None and self._upload.cancelled

    def begin(
        self, config: RangeTestConfig, *, optimizer: Mapping[str, Any], training: Mapping[str, Any] | None
    ) -> Sequence[Sweep]:
        """Begin, or go on with the job that was named: the sweeps that it has.

        Raises ValueError where that was begun otherwise, or one begun here has not ended, and `ClientError`.
        """
        if self._sender is not None:
            raise ValueError("this report has a range test already: go through `finder.batches(loader)` once")
        asked = {name: getattr(config, name) for name in RangeTestConfig.__dataclass_fields__}
        body = {"driver": "client", **self._about, "optimizer": dict(optimizer), **asked}
        if training is not None:
            body["for"] = dict(training)
        body = {name: value for name, value in body.items() if value is not None}
        self._upload = Upload(self._connection.once(), PATH, body, self._client_id)
        finished = self._go_on(config, training) if self._id is not None else []
        self._sender = self._reporter(self._upload, folder=self._folder)
        return finished

    def _go_on(self, config: RangeTestConfig, training: Mapping[str, Any] | None) -> list[Sweep]:
        assert self._upload is not None
        job = RangeTest(self._connection, self._connection.get(f"{PATH}/{self._id}"))
        if job.is_final:
            raise ValueError(f"range test {job.id} is {job.status}: nothing of it is left to measure")
        if (stored := RangeTestConfig.from_dict(job.config)) != config:
            raise ValueError(
                f"range test {job.id} was begun with {stored}, not with {config}: give it the same"
            )
        told = training and {"num_steps": None, "num_epochs": None, **training}
        if (stored_training := job.config.get("for")) != told:
            raise ValueError(
                f"range test {job.id} was begun for {_say(stored_training)}, not for {_say(told)}: give it the same"
            )
        self.steps_per_epoch = job.config.get("steps_per_epoch")
        self._upload.job, self._upload.restarts = job.data, True
        return _read_sweeps(config, job.curve())

    def begin_sweep(self, sweep: Sweep) -> None:
        """Report this sweep as it grows."""
        assert self._upload is not None
        self._upload.runs.append(Run(sweep, describe_plan(sweep.plan)))

    def end_sweep(self, *, steps_per_epoch: float | None) -> None:
        """The sweep is over."""
        assert self._upload is not None
        run = self._upload.runs[-1]
        run.steps_per_epoch, run.finished = steps_per_epoch, True

    def end(self, *, whole: bool) -> None:
        """Send the rest. A test that was left early is cancelled: what it measured stays."""
        if self._sender is None or self._upload is None:
            return
        self.file, self._sender = self._sender.close(), None
        if not whole and self.file is None and not self._upload.cancelled:
            try:
                self._upload.cancel()
            except ClientError as error:
                log.warning("could not cancel the range test that was left early: %s", error)


def _say(training: Mapping[str, Any] | None) -> str:
    """What bounds are for."""
    if training is None:
        return "any training"
    steps, epochs = training["num_steps"], training["num_epochs"]
    return f"{training['policy']} of {f'{steps} steps' if epochs is None else f'{epochs:g} epochs'}"


def _read_sweeps(config: RangeTestConfig, curve: Mapping[str, Any]) -> list[Sweep]:
    """The finished sweeps of a stored curve in the order in which they were asked for, which is the plan's."""
    stored = {(run["sweep"], run["seed"]): run for run in curve["runs"] if run["finished"]}
    sweeps: list[Sweep] = []
    while (plan := next_sweep(config, sweeps)) is not None:
        run = stored.get((plan.sweep, plan.seed))
        if run is None:
            break
        sweeps.append(
            Sweep(plan, *read_columns({"train": _columns(run), "held_out": _columns(run["held_out"])}))
        )
    return sweeps


def _columns(series: Mapping[str, Any]) -> dict[str, list[float]]:
    """Those of a stored curve, whose null is not finite, or no accuracy."""
    names = [name for name in ("step", "lr", "loss", "accuracy") if name in series]
    return {name: [math.nan if value is None else value for value in series[name]] for name in names}
