"""Checkpoints of training jobs: written whole or not at all, one folder a job and a subfolder an attempt.

A zombie writes under its own attempt, and only the claim that holds the job can publish what it wrote.
"""

import logging
import socket
from typing import Any

import torch

from store.artifacts import Artifacts
from store.checkpoints import FOLDER, NewCheckpoint
from store.folder import Folder
from store.models import Checkpoint
from worker.recorder import Recorder

log = logging.getLogger(__name__)


class Checkpoints:
    """Those of one attempt of a training job."""

    def __init__(self, artifacts: Artifacts, job_id: str, attempt: int, recorder: Recorder) -> None:
        self._artifacts = artifacts
        self._of_job = f"{FOLDER}/{job_id}"
        self._attempt = attempt
        self._recorder = recorder

    def newest(self, job_id: str | None = None) -> tuple[int, dict[str, Any]] | None:
        """(step, state) of the newest one of this job, or of another, that can be read here."""
        for row in self._recorder.checkpoints(job_id):
            if (state := self._read(row)) is not None:
                return row.step, state
        return None

    def save(self, step: int, state: dict[str, Any], *, cycle: int | None, best: bool) -> str | None:
        """Write the state after `step` and publish it; what it replaces goes.

        Answers why it could not be written, if it could not: those before it are as they were then.
        """
        path = f"{self._of_job}/{self._attempt}/step-{step}.pt"
        try:
            size_bytes = self._write(path, state)
        except (OSError, RuntimeError) as error:  # torch makes a RuntimeError of a disk that is full
            log.warning("no checkpoint after step %d: %s", step, error)
            return f"the checkpoint after step {step} could not be written: {error}"
        dropped = self._recorder.publish(
            NewCheckpoint(
                step=step,
                path=path,
                size_bytes=size_bytes,
                hostname=socket.gethostname(),
                cycle=cycle,
                best=best,
            )
        )
        for needless in dropped:
            self._remove(needless)
        return None

    def tidy(self) -> None:
        """Remove what nothing needs: files of earlier attempts that were never published, folders of deleted jobs.

        Those of later attempts stay: they have the job, if this one sleeps here.
        """
        known = {row.path for row in self._recorder.checkpoints()}
        try:
            left = set(self._artifacts.files(self._of_job)) - known
        except OSError as error:
            log.warning("what earlier attempts left of checkpoints stays: %s", error)
            return
        for path in left:
            attempt = path.split("/")[2]
            if attempt.isdecimal() and int(attempt) < self._attempt:
                self._remove(path)
        if isinstance(self._artifacts, Folder):  # the API reaches every bucket, and empties it itself
            for job_id in self._recorder.gone(self._artifacts.folders(FOLDER)):
                self._artifacts.remove_folder(f"{FOLDER}/{job_id}")

    def _write(self, path: str, state: dict[str, Any]) -> int:
        return self._artifacts.write(path, lambda file: torch.save(state, file))

    def _remove(self, path: str) -> None:
        try:
            self._artifacts.remove(path)
        except OSError as error:
            log.warning("the checkpoint %s stays, though nothing needs it: %s", path, error)

    def _read(self, row: Checkpoint) -> dict[str, Any] | None:
        try:
            with self._artifacts.open(row.path) as file:
                state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError, EOFError) as error:
            log.warning("the checkpoint %s cannot be read: %s", row.path, error)
            return None
        return state
