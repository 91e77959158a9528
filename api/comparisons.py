"""Comparisons over HTTP: several schedules on one workload at an equal budget, their table and their picture."""

import logging
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StrictInt, field_validator, model_validator
from sqlalchemy.orm import Session

from api.comparison_views import ComparisonStatus, ComparisonView, runs_of, standing_of, view_of
from api.errors import carrying, invalid, pointer_to, responses
from api.examples import COMPARISON_REQUESTS
from api.jobs import POLL_S, JobId, Page, Paging, whose
from api.pictures import PICTURES, Format, picture
from api.requests.body import Text, refuse_unknown, require_json
from api.requests.training_job import TrainingJobRequest, TrainingOptions, check_schedule
from api.requests.workload import LAST_SEED, Seed, WorkloadRequest, check_optimizer
from api.resources import Opened, State
from api.submissions import IdempotencyKey, accept, request_hash
from api.training_jobs import forget_files, queue_training
from api.workloads import find_workload
from clr.comparison import compare
from clr.optimizers import OptimizerSpec
from clr.partial_schedules import lacks_rates
from clr.plots.comparison import comparison_figure
from clr.presets import PRESETS, Preset
from clr.range_test import MOST_SEEDS
from clr.training_job import LENGTHS
from store import comparisons
from store.comparisons import NewComparison
from store.errors import NotFound
from store.models import Comparison
from store.status import FINAL

log = logging.getLogger(__name__)

MOST_ENTRIES = 30

router = APIRouter(prefix="/comparisons", tags=["comparisons"])


class Entry(BaseModel):
    """One of those that are compared."""

    model_config = ConfigDict(extra="forbid")

    schedule: dict[str, Any] = Field(description="as for a training job; rates may be left out")
    optimizer: OptimizerSpec | None = Field(default=None, description="default: that of the comparison")
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
    def _can_be_right(cls, given: Any) -> Any:
        for index, entry in enumerate(given if isinstance(given, list) else []):
            if isinstance(entry, dict):
                _check_entry(entry, "entries", index)
        return given

    @model_validator(mode="after")
    def _comparable(self) -> Self:
        if not self.entries and self.preset is None:
            raise invalid("/entries", f"must be given, or a preset: {', '.join(PRESETS)}")
        if self.seed + self.num_seeds - 1 > LAST_SEED:
            raise invalid("/seed", f"the last seed must be at most {LAST_SEED}")
        in_cycles = self.num_steps is None and self.num_epochs is None
        for index, entry in enumerate(self.entries):
            own = [name for name in LENGTHS if name in entry.schedule]
            if in_cycles and own:
                raise invalid(
                    pointer_to("entries", index, "schedule", own[0]),
                    "cycles of its own would make its budget another: give num_steps or num_epochs",
                )
        labels = [label for label, _ in self.labelled()]
        if doubled := [label for label in labels if labels.count(label) > 1]:
            raise invalid("/entries", f"{doubled[0]!r} is there twice: give each a label of its own")
        return self

    def labelled(self) -> list[tuple[str, Entry]]:
        """Every entry, those of the preset first, with its label."""
        preset = [Entry(**entry) for entry in PRESETS[self.preset]] if self.preset else []
        return [(entry.label or _label(entry), entry) for entry in [*preset, *self.entries]]


def _check_entry(given: dict[str, Any], *path: object) -> None:
    refuse_unknown(given, Entry.model_fields, *path)
    check_optimizer(given.get("optimizer"), *path, "optimizer")
    if isinstance(given.get("schedule"), dict):
        check_schedule(given["schedule"], *path, "schedule")


def _label(entry: Entry) -> str:
    policy = str(entry.schedule["policy"])
    return policy if entry.optimizer is None else f"{entry.optimizer.name} {policy}"


@router.post(
    "",
    status_code=202,
    dependencies=[Depends(require_json)],
    responses=responses(400, 413, 415, 422, _202=carrying("Location", "Retry-After")),
)
def create_comparison(
    state: Opened, body: ComparisonRequest, response: Response, idempotency_key: IdempotencyKey = None
) -> ComparisonView:
    """Queue a training job for each entry and seed, and a range test for each optimizer that needs rates."""
    about = {"idempotency_key": idempotency_key, "request_hash": request_hash(body)}
    with state.database.write() as session:
        comparison, replayed = queue_comparison(session, state, body, **about)
        view = view_of(session, comparison)
    state.ringer.ring()
    accept(response, view.links["self"], replayed=replayed)
    return view


def queue_comparison(
    session: Session, state: State, body: ComparisonRequest, **about: Any
) -> tuple[Comparison, bool]:
    """Queue what is asked for; (the comparison, replayed). about: more fields of `NewComparison`."""
    workload = find_workload(session, str(body.workload))
    new = NewComparison(workload=workload.name, config=_config(body), name=body.name, tags=body.tags, **about)
    comparison, replayed = comparisons.create(session, new)
    if not replayed:
        _fan_out(session, state, body, comparison.id)
        log.info("queued a comparison on %s", workload.name, extra={"comparison_id": comparison.id})
    return comparison, replayed


def _config(body: ComparisonRequest) -> dict[str, Any]:
    entries = [
        {"label": label, **entry.model_dump(mode="json", include={"schedule", "optimizer"})}
        for label, entry in body.labelled()
    ]
    given = body.model_dump(mode="json", exclude={"workload", "name", "tags", "entries"})
    return given | {"entries": entries}


def _fan_out(session: Session, state: State, body: ComparisonRequest, comparison_id: str) -> None:
    shared = body.model_dump(
        include={*TrainingOptions.model_fields, "workload", "params", "batch_size", "name", "tags"}
    )
    range_tests: dict[str, str | None] = {}  # by optimizer
    for seed in range(body.seed, body.seed + body.num_seeds):
        for label, entry in body.labelled():
            optimizer = entry.optimizer or body.optimizer
            asked = TrainingJobRequest(
                **shared | {"optimizer": optimizer, "schedule": entry.schedule, "seed": seed}
            )
            after = range_tests.get(repr(optimizer)) if lacks_rates(entry.schedule) else None
            job, _ = queue_training(
                session, state, asked, label=label, after_job=after, comparison_id=comparison_id
            )
            if lacks_rates(entry.schedule):
                range_tests[repr(optimizer)] = job.after_job


def _get(session: Session, id: str) -> Comparison:
    try:
        return comparisons.get(session, id)
    except NotFound:
        raise NotFound(whose(session, id)) from None


@router.get("", responses=responses(400, 422))
def list_comparisons(state: Opened, paging: Annotated[Paging, Query()]) -> Page[ComparisonStatus]:
    """Newest first."""
    with state.database.read() as session:
        found = comparisons.find(session, limit=paging.limit + 1, after=paging.after())
        page, token = paging.page(found)
        items = [ComparisonStatus(**standing_of(one, comparisons.jobs_of(session, one.id))) for one in page]
    return Page(items=items, next_page_token=token)


@router.get("/{id}", responses=responses(404))
def get_comparison(state: Opened, job_id: JobId, response: Response) -> ComparisonView:
    """The table as far as it is known; `Retry-After` until every job is final."""
    with state.database.read() as session:
        view = view_of(session, _get(session, job_id))
    if view.status not in FINAL:
        response.headers["Retry-After"] = str(POLL_S)
    return view


@router.post("/{id}/cancel", responses=responses(404, 409))
def cancel_comparison(state: Opened, job_id: JobId) -> ComparisonView:
    """Cancel every job of it that is not final; what was measured stays."""
    with state.database.write() as session:
        comparison = _get(session, job_id)
        comparisons.request_cancel(session, job_id)
        return view_of(session, comparison)


@router.delete("/{id}", status_code=204, responses=responses(404, 409))
def delete_comparison(state: Opened, job_id: JobId) -> None:
    """Remove a finished comparison with its jobs and everything measured."""
    with state.database.write() as session:
        removed = comparisons.remove(session, _get(session, job_id).id)
    for one in removed:
        forget_files(state, one)


@router.get("/{id}/plot.{format}", name="get_comparison_plot", response_class=Response, responses=PICTURES)
def get_plot(state: Opened, job_id: JobId, format: Format) -> Response:
    """The held-out metric against the step: a line for each entry, its band one standard deviation over seeds."""
    with state.database.read() as session:
        comparison = _get(session, job_id)
        runs, metric = runs_of(session, comparison, comparisons.jobs_of(session, job_id))
    target, _ = compare(runs, metric=metric or "accuracy", target=comparison.config["target"])
    return picture(
        lambda: comparison_figure(
            runs, metric=metric or "accuracy", target=target, title=comparison.workload
        ),
        format,
    )
