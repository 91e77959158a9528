"""What a request for a comparison may say: its entries, their labels, an equal budget for all of them."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StrictInt, field_validator, model_validator

from api.errors import invalid
from api.examples.comparisons import COMPARISON_REQUESTS
from api.pointers import pointer_to
from api.requests.body import Text, refuse_unknown
from api.requests.training_job import Budget, TrainingOptions, check_schedule
from api.requests.workload import LAST_SEED, Priority, Seed, WorkloadRequest, check_optimizer
from clr.optimizers import AnyOptimizer
from clr.presets import PRESETS, Preset
from clr.range_test import MOST_SEEDS
from clr.training_job import LENGTHS

MOST_ENTRIES = 30


class Entry(BaseModel):
    """One of those that are compared."""

    model_config = ConfigDict(extra="forbid")

    schedule: dict[str, Any] = Field(description="as for a training job; rates may be left out")
    optimizer: AnyOptimizer | None = Field(
        default=None, union_mode="left_to_right", description="default: that of the comparison"
    )
    label: Text | None = Field(
        default=None, min_length=1, max_length=100, description="default: optimizer and policy"
    )


class ComparisonRequest(TrainingOptions, WorkloadRequest):
    """A comparison: a preset, or entries, or both; each entry is trained with every seed."""

    model_config = ConfigDict(json_schema_extra={"examples": COMPARISON_REQUESTS})

    preset: Preset | None = Field(
        default=None,
        description="paper: its policies and controls; adaptive: five optimizers, fixed and cycled",
    )
    entries: list[Entry] = Field(default=[], max_length=MOST_ENTRIES)
    seed: Seed = 0
    num_seeds: StrictInt = Field(
        default=3, ge=1, le=MOST_SEEDS, description="seeds seed .. seed + num_seeds - 1"
    )
    target: FiniteFloat | None = Field(
        default=None,
        strict=True,
        description="steps are counted until it is reached: an accuracy in [0, 1], or a loss where there are no "
        "classes; default: the mean final value of the first entry",
    )

    @field_validator("entries", mode="before")
    @classmethod
    def _check_entries(cls, entries: Any) -> Any:
        for index, entry in enumerate(entries if isinstance(entries, list) else []):
            if isinstance(entry, dict):
                _check_entry(entry, "entries", index)
        return entries

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if not self.entries and self.preset is None:
            raise invalid("/entries", f"must be given, or a preset: {', '.join(PRESETS)}")
        if self.seed + self.num_seeds - 1 > LAST_SEED:
            raise invalid("/seed", f"the last seed must be at most {LAST_SEED}")
        in_cycles = self.num_steps is None and self.num_epochs is None
        for index, entry in enumerate(self.entries):
            lengths = [name for name in LENGTHS if name in entry.schedule]
            if in_cycles and lengths:
                raise invalid(
                    pointer_to("entries", index, "schedule", lengths[0]),
                    "cycles of its own would make its budget another: give num_steps or num_epochs",
                )
        labels = [entry.label for _, entry in self.labelled()]
        if doubled := [label for label in labels if labels.count(label) > 1]:
            raise invalid("/entries", f"{doubled[0]!r} is there twice: give each a label of its own")
        return self

    def labelled(self) -> list[tuple[str, Entry]]:
        """Each entry with its label, after the JSON pointer to its schedule; those of the preset first."""
        preset = [Entry(**entry) for entry in PRESETS[self.preset]] if self.preset else []
        entries = [("/preset", entry) for entry in preset]
        entries += [(f"/entries/{index}/schedule", entry) for index, entry in enumerate(self.entries)]
        return [(pointer, _label(entry)) for pointer, entry in entries]


def _check_entry(entry: dict[str, Any], *path: object) -> None:
    refuse_unknown(entry, Entry.model_fields, *path)
    check_optimizer(entry.get("optimizer"), *path, "optimizer")
    if isinstance(entry.get("schedule"), dict):
        check_schedule(entry["schedule"], *path, "schedule")


def _label(entry: Entry) -> Entry:
    """The entry under the label that it was given, or else its optimizer and policy."""
    policy = str(entry.schedule["policy"])
    default = policy if entry.optimizer is None else f"{entry.optimizer.name} {policy}"
    return entry.model_copy(update={"label": entry.label or default})


class ConfirmationRequest(Budget):
    """How long and how often to train; default: two cycles, three seeds that the range test did not use."""

    num_seeds: StrictInt = Field(default=3, ge=2, le=MOST_SEEDS)
    priority: Priority = "normal"
