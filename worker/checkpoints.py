"""Checkpoints on this worker's disk: written whole or not at all, one folder a job and a subfolder an attempt.

A zombie writes under its own attempt, and only the claim that holds the job can publish what it wrote.
"""

import logging
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import torch

from store.checkpoints import FOLDER, NewCheckpoint
from store.models import Checkpoint
from worker.recorder import Recorder

log = logging.getLogger(__name__)


class Checkpoints:
    """Those of one attempt of a training job."""

    def __init__(self, data_dir: Path, job_id: str, attempt: int, recorder: Recorder) -> None:
        self._data_dir = data_dir.resolve()
        self._of_jobs = self._data_dir / FOLDER
        self._of_job = self._of_jobs / job_id
        self._folder = self._of_job / str(attempt)
        self._recorder = recorder

    def newest(self, job_id: str | None = None) -> tuple[int, dict[str, Any]] | None:
        """(step, state) of the newest one of this job, or of another, that lies here and can be read."""
        for row in self._recorder.checkpoints(job_id):
            if (state := self._read(row)) is not None:
                return row.step, state
        return None

    def save(self, step: int, state: dict[str, Any], *, cycle: int | None, best: bool) -> str | None:
        """Write the state after `step` and publish it; what it replaces goes.

        Answers why it could not be written, if it could not: those before it are as they were then.
        """
        file = self._folder / f"step-{step}.pt"
        try:
            self._write(file, state)
        except (OSError, RuntimeError) as error:  # torch makes a RuntimeError of a disk that is full
            log.warning("no checkpoint after step %d: %s", step, error)
            return f"the checkpoint after step {step} could not be written: {error}"
        dropped = self._recorder.publish(
            NewCheckpoint(
                step=step,
                path=str(file.relative_to(self._data_dir)),
                size_bytes=file.stat().st_size,
                hostname=socket.gethostname(),
                cycle=cycle,
                best=best,
            )
        )
        for path in dropped:
            (self._data_dir / path).unlink(missing_ok=True)
        return None

    def tidy(self) -> None:
        """Remove what nothing needs: files of this job that were never published, folders of deleted jobs."""
        if not self._of_jobs.is_dir():
            return
        known = {self._data_dir / row.path for row in self._recorder.checkpoints()}
        for file in self._of_job.glob("*/*"):
            if file not in known:
                file.unlink(missing_ok=True)
        for job_id in self._recorder.gone([folder.name for folder in self._of_jobs.iterdir()]):
            shutil.rmtree(self._of_jobs / job_id, ignore_errors=True)

    def _write(self, file: Path, state: dict[str, Any]) -> None:
        unfinished = file.with_suffix(".unfinished")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as written:
                torch.save(state, written)
                written.flush()
                os.fsync(written.fileno())
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)

    def _read(self, row: Checkpoint) -> dict[str, Any] | None:
        file = self._data_dir / row.path
        if not file.is_file():
            return None
        try:
            state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError) as error:
            log.warning("the checkpoint %s cannot be read: %s", file, error)
            return None
        return state
