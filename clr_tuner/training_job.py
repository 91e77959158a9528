"""A training job as its caller sees it: what was trained, how well, and the checkpoints to go on from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from clr.training_result import TrainingResult
from clr_tuner.connection import path_of
from clr_tuner.job import Job
from clr_tuner.range_test import RangeTest


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is kept of the training after `step`. cycle: the one that ended there, if one did."""

    step: int
    cycle: int | None
    best: bool
    size_bytes: int
    created_at: str

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read an item of `GET /training-jobs/{id}/checkpoints`."""
        return cls(data["step"], data["cycle"], data["best"], data["size_bytes"], data["created_at"])


class TrainingJob(Job):
    """One training run under a schedule."""

    @property
    def result(self) -> TrainingResult | None:
        """What came of it; None until it succeeded."""
        result = self.data.get("result")
        return TrainingResult.from_dict(result) if result else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may not be as it was meant, as a budget that was rounded to whole cycles."""
        return tuple(self.data.get("warnings") or ())

    def range_test(self) -> RangeTest | None:
        """The range test that finds its rates; None where it needs none. Raises `Refused` (404) if deleted."""
        path = self.data["links"].get("range_test")
        return RangeTest(self._connection, self._connection.get(path)) if path else None

    def checkpoints(self) -> list[Checkpoint]:
        """The checkpoints that are kept, newest first: the newest, and the best cycle end."""
        return [
            Checkpoint.from_dict(item) for item in self._connection.get(self._path("/checkpoints"))["items"]
        ]

    def download(self, step: int, file: str | Path) -> None:
        """Write the checkpoint after `step` to `file`; `torch.load(file, weights_only=True)` reads it.

        The file is there when it is whole, and not before.
        """
        self._connection.download(self._path(path_of("checkpoints", str(step))), Path(file))

    def resume(
        self,
        num_cycles: int | None = None,
        num_steps: int | None = None,
        num_epochs: float | None = None,
        **fields: Any,
    ) -> "TrainingJob":
        """Queue a new job that goes on where this one stopped, under the same schedule, for so much longer.

        fields: any other field of the request (`timeout_s`, `priority`, `name`, `tags`). Raises `Refused` (409) where
        there is nothing to go on from.
        """
        fields |= {"num_cycles": num_cycles, "num_steps": num_steps, "num_epochs": num_epochs}
        return TrainingJob(self._connection, self._connection.create(self._path("/resume"), fields))

    def _in_progress(self) -> Job:
        range_test = self.range_test() if self.status == "queued" else None
        return self if range_test is None or range_test.is_final else range_test
