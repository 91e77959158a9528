"""Jobs of every kind as the API shows them; `GET /jobs` for those who only poll."""

import base64
import json
import math
from collections.abc import Sequence
from typing import Annotated, Any, Generic, Self, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from api.errors import Problem, responses
from api.requests.body import Moment, Text, moment
from api.resources import Opened, State
from store import jobs
from store.errors import NotFound
from store.models import Comparison, Job
from store.status import FINAL, Kind, Status

PATHS: dict[str, str] = {Kind.RANGE_TEST: "/range-tests", Kind.TRAINING_JOB: "/training-jobs"}  # of each kind
LINKS: dict[str, tuple[str, ...]] = {
    Kind.RANGE_TEST: ("bounds", "curve", "plot.svg", "plot.png", "plot.pdf", "cancel"),
    Kind.TRAINING_JOB: ("curve", "plot.svg", "plot.png", "plot.pdf", "checkpoints", "cancel", "resume"),
}
EXAMPLE_ID = "0d9c6a52-3f0e-4b8e-9a57-6a1c1c0f6f0e"
POLL_S = 1  # what Retry-After suggests
PAGE_SIZE, MAX_PAGE_SIZE = 50, 500

router = APIRouter(tags=["jobs"])
Item = TypeVar("Item")
Row = TypeVar("Row", Job, Comparison)


class Progress(BaseModel):
    """How far a job is; `total` may grow while a range test learns what to measure."""

    phase: str
    completed: int
    total: int | None
    unit: str
    updated_at: Moment | None


class JobStatus(BaseModel):
    """How a job stands."""

    id: str
    kind: str
    name: str | None
    tags: list[str]
    workload: str
    status: Status
    outcome: str | None = Field(description="of a succeeded job: what the science says")
    reason: str | None = Field(description="of a failed job: a stable code")
    message: str | None
    progress: Progress | None
    attempt: int = Field(description="how often a worker took it")
    after_job: str | None = Field(description="the job that this one waits for, or waited for")
    comparison_id: str | None = Field(description="of the comparison that it is part of")
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    links: dict[str, str]

    @classmethod
    def of(cls, job: Job) -> Self:
        """The answer for a row."""
        return cls(**_fields(job))


class JobView(JobStatus):
    """A job with its request, every default resolved."""

    config: dict[str, Any]

    @classmethod
    def of(cls, job: Job) -> Self:
        """The answer for a row."""
        return cls(**_fields(job), config=job.config)


def _fields(job: Job) -> dict[str, Any]:
    path = f"{PATHS[job.kind]}/{job.id}"
    before = {"range_test": f"{PATHS[Kind.RANGE_TEST]}/{job.after_job}"} if job.after_job else {}
    names = ("id", "kind", "name", "tags", "workload", "status", "outcome", "reason", "message", "attempt")
    return {name: getattr(job, name) for name in (*names, "after_job", "comparison_id")} | {
        "progress": job.progress and {**job.progress, "updated_at": moment(job.progressed_at)},
        "created_at": moment(job.created_at),
        "started_at": moment(job.started_at),
        "finished_at": moment(job.finished_at),
        "links": {"self": path} | {name: f"{path}/{name}" for name in LINKS[job.kind]} | before,
    }


def _job_id(id: Annotated[str, Path(description="of a job; anything else is 404")]) -> str:
    try:
        return str(UUID(id))
    except ValueError:
        raise NotFound(f"{id[:100]!r} is no id: those look like {EXAMPLE_ID}") from None


JobId = Annotated[str, Depends(_job_id)]


def find(state: State, job_id: str, *, kind: Kind | None = None) -> Job:
    """The job as it stands now. Raises `NotFound`."""
    with state.database.read() as session:
        return get(session, job_id, kind=kind)


def get(session: Session, job_id: str, *, kind: Kind | None = None) -> Job:
    """The job, of this kind if one is given. Raises `NotFound`, with what else has this id."""
    try:
        return jobs.get(session, job_id, kind=kind)
    except NotFound:
        raise NotFound(whose(session, job_id)) from None


def whose(session: Session, id: str) -> str:
    """What has this id, and where, in a sentence for who looked elsewhere."""
    if job := session.get(Job, id):
        return f"{id} is a {job.kind.replace('_', ' ')}: look at {PATHS[job.kind]}/{id}"
    if session.get(Comparison, id):
        return f"{id} is a comparison: look at /comparisons/{id}"
    return f"there is nothing of the id {id}: it was deleted, or never here"


def suggest_polling(response: Response, job: Job) -> None:
    """Say when to look again, unless nothing will change."""
    if job.status not in FINAL:
        response.headers["Retry-After"] = str(POLL_S)


class Page(BaseModel, Generic[Item]):
    """Some of the items, newest first; `next_page_token` is null on the last page."""

    items: list[Item]
    next_page_token: str | None


class Paging(BaseModel):
    """Which page of a list."""

    page_size: int = Field(default=PAGE_SIZE, ge=1, description=f"capped at {MAX_PAGE_SIZE}")
    page_token: str | None = Field(default=None, description="`next_page_token` of the page before")

    @property
    def limit(self) -> int:
        """The most items of a page."""
        return min(self.page_size, MAX_PAGE_SIZE)

    def _narrowing(self) -> list[str | None]:
        return []

    def after(self) -> tuple[float, str] | None:
        """The last (created_at, id) of the page before. Raises a 400 problem for a token that is not ours."""
        if self.page_token is None:
            return None
        try:
            created_at, job_id, *narrowing = json.loads(base64.urlsafe_b64decode(self.page_token))
            after = float(created_at), str(UUID(job_id))
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise _bad_token("is not one that this service gave") from error
        if not math.isfinite(after[0]):
            raise _bad_token("is not one that this service gave")
        if narrowing != self._narrowing():
            raise _bad_token("belongs to a list with other filters")
        return after

    def page(self, found: Sequence[Row]) -> tuple[list[Row], str | None]:
        """Of up to `limit + 1` rows those of this page, and the token of the next one."""
        page = list(found[: self.limit])
        if len(found) <= self.limit:
            return page, None
        key = json.dumps([page[-1].created_at, page[-1].id, *self._narrowing()])
        return page, base64.urlsafe_b64encode(key.encode()).decode()


class Filters(Paging):
    """What a list is narrowed to, and which page of it."""

    status: Status | None = None
    workload: Text | None = Field(default=None, max_length=200)
    tag: Text | None = Field(default=None, max_length=64)

    def _narrowing(self) -> list[str | None]:
        return [self.status, self.workload, self.tag]


def _bad_token(why: str) -> Problem:
    return Problem(400, "bad_page_token", f"page_token {why}")


Filtered = Annotated[Filters, Query()]


def list_jobs(state: State, filters: Filters, *, kind: Kind | None) -> tuple[list[Job], str | None]:
    """One page of jobs and the next page's token."""
    with state.database.read() as session:
        found = jobs.find(
            session,
            limit=filters.limit + 1,
            kind=kind,
            status=filters.status,
            workload=filters.workload,
            tag=filters.tag,
            after=filters.after(),
        )
    return filters.page(found)


@router.get("/jobs", responses=responses(400, 422))
def list_all_jobs(state: Opened, filters: Filtered) -> Page[JobStatus]:
    """Jobs of every kind, newest first."""
    page, token = list_jobs(state, filters, kind=None)
    return Page(items=[JobStatus.of(job) for job in page], next_page_token=token)


@router.get("/jobs/{id}", responses=responses(404))
def get_job(state: Opened, job_id: JobId, response: Response) -> JobStatus:
    """How one job stands, whatever its kind; `Retry-After` until it is final."""
    job = find(state, job_id)
    suggest_polling(response, job)
    return JobStatus.of(job)
