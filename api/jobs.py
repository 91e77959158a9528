"""Jobs of every kind as the API shows them; `GET /jobs` for those who only poll."""

from collections.abc import Callable
from typing import Annotated, Any, Self, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from api.openapi import responses
from api.paging import Filtered, Filters, FoundPage
from api.requests.about import AboutRequest
from api.requests.body import Moment, moment, require_json
from api.resources import Resources
from api.root import rooted
from api.security import ResourcesDep
from store import about, jobs
from store.errors import NotFound
from store.models import Comparison, Job
from store.status import FINAL, Chore, Driver, Kind, Priority, Status

PATHS: dict[str, str] = {Kind.RANGE_TEST: "/range-tests", Kind.TRAINING_JOB: "/training-jobs"}  # of each kind
LINKS: dict[str, tuple[str, ...]] = {
    Kind.RANGE_TEST: ("bounds", "curve", "plot.svg", "plot.png", "plot.pdf", "cancel"),
    Kind.TRAINING_JOB: ("curve", "plot.svg", "plot.png", "plot.pdf", "checkpoints", "cancel", "resume"),
}
EXAMPLE_ID = "0d9c6a52-3f0e-4b8e-9a57-6a1c1c0f6f0e"
POLL_S = 1  # what Retry-After suggests

View = TypeVar("View")

router = APIRouter(tags=["jobs"])


class Progress(BaseModel):
    """How far a job is; `total` may grow while a range test learns what to measure."""

    phase: str
    completed: int
    total: int | None
    unit: str
    updated_at: Moment | None


class Summary(BaseModel):
    """What a job found, as far as a list shows it; null where it does not apply."""

    base_lr: float | None = None
    max_lr: float | None = None
    loss: float | None = Field(default=None, description="held out, after the last cycle of a training")
    accuracy: float | None = Field(default=None, description="held out, after the last cycle of a training")

    @classmethod
    def of(cls, job: Job) -> Self | None:
        """Of a job with a result that has any of it."""
        result = job.result or {}
        found = result.get("final") or result
        values = {name: found.get(name) for name in cls.model_fields}
        return cls(**values) if any(value is not None for value in values.values()) else None


class JobStatus(BaseModel):
    """How a job stands."""

    id: str
    project: str = Field(description="whose it is: callers see the jobs of their key's project")
    kind: str
    name: str | None
    tags: list[str]
    workload: str = Field(description="its name; of a job that its caller measures, what the caller calls it")
    measured_by: Driver = Field(description="a worker of the service, or the client that asked for the job")
    priority: str = Field(description="low, normal or high")
    status: Status
    outcome: str | None = Field(description="of a succeeded job: what the science says")
    reason: str | None = Field(description="of a job that failed or was abandoned: a stable code")
    message: str | None
    progress: Progress | None
    attempt: int = Field(description="how often a worker took it")
    after_job: str | None = Field(description="the job that this one waits for, or waited for")
    comparison_id: str | None = Field(description="of the comparison that it is part of")
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    links: dict[str, str]
    summary: Summary | None = Field(default=None, description="what it found, in short")

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
    path = rooted(f"{PATHS[job.kind]}/{job.id}")
    before = {"range_test": rooted(f"{PATHS[Kind.RANGE_TEST]}/{job.after_job}")} if job.after_job else {}
    names = (
        "id",
        "project",
        "kind",
        "name",
        "tags",
        "workload",
        "status",
        "outcome",
        "reason",
        "message",
        "attempt",
    )
    return {name: getattr(job, name) for name in (*names, "after_job", "comparison_id")} | {
        "measured_by": job.driver,
        "priority": Priority(job.priority).name.lower(),
        "progress": job.progress and {**job.progress, "updated_at": moment(job.progressed_at)},
        "created_at": moment(job.created_at),
        "started_at": moment(job.started_at),
        "finished_at": moment(job.finished_at),
        "links": {"self": path, "events": rooted(f"/jobs/{job.id}/events")}
        | {name: f"{path}/{name}" for name in LINKS[job.kind]}
        | before,
        "summary": Summary.of(job),
    }


async def _job_id(id: Annotated[str, Path(description="of a job; anything else is 404")]) -> str:
    try:
        return str(UUID(id))
    except ValueError:
        raise NotFound(f"{id[:100]!r} is no id: those look like {EXAMPLE_ID}") from None


JobId = Annotated[str, Depends(_job_id)]


def find(resources: Resources, job_id: str, *, kind: Kind | None = None) -> Job:
    """The job as it stands now. Raises `NotFound`."""
    with resources.database.read() as session:
        return get(session, job_id, kind=kind)


def get(session: Session, job_id: str, *, kind: Kind | None = None) -> Job:
    """The job, of this kind if one is given. Raises `NotFound`, with what else has this id."""
    try:
        return jobs.get(session, job_id, kind=kind)
    except NotFound:
        raise NotFound(whose(session, job_id)) from None


def whose(session: Session, id: str) -> str:
    """What has this id, and where, in a sentence for who looked elsewhere."""
    if (job := session.get(Job, id)) and job.kind in PATHS:
        return f"{id} is a {job.kind.replace('_', ' ')}: look at {rooted(PATHS[job.kind])}/{id}"
    if (comparison := session.get(Comparison, id)) and comparison.chore != Chore.DELETE:
        return f"{id} is a comparison: look at {rooted('/comparisons')}/{id}"
    return f"there is nothing of the id {id}: it was deleted, or never here"


def suggest_polling(response: Response, job: Job) -> None:
    """Say when to look again, unless nothing will change."""
    if job.status not in FINAL:
        response.headers["Retry-After"] = str(POLL_S)


def list_jobs(
    resources: Resources, filters: Filters, show: Callable[[Job], View], *, kind: Kind | None
) -> FoundPage[View]:
    """One page of jobs."""
    narrowing = filters.model_dump(include={"status", "workload", "tag", "driver"})
    asked: dict[str, Any] = narrowing | {"limit": filters.limit + 1, "kind": kind, "after": filters.after()}
    stopped_at = None
    with resources.database.read() as session:
        if filters.text:
            rows, stopped_at = jobs.search(session, filters.text, **asked)
        else:
            rows = jobs.find(session, **asked)
    return filters.found(rows, stopped_at, show)


@router.get("/jobs", responses=responses(400, 422))
def list_all_jobs(resources: ResourcesDep, filters: Filtered) -> FoundPage[JobStatus]:
    """Jobs of every kind, newest first."""
    return list_jobs(resources, filters, JobStatus.of, kind=None)


@router.get("/jobs/{id}", responses=responses(404))
def get_job(resources: ResourcesDep, job_id: JobId, response: Response) -> JobStatus:
    """How one job stands, whatever its kind; `Retry-After` until it is final."""
    job = find(resources, job_id)
    suggest_polling(response, job)
    return JobStatus.of(job)


@router.patch(
    "/jobs/{id}", dependencies=[Depends(require_json)], responses=responses(400, 404, 413, 415, 422)
)
def describe_job(resources: ResourcesDep, job_id: JobId, body: AboutRequest) -> JobStatus:
    """Change its name and tags, whatever its kind and status; what is left out stays."""
    with resources.database.write() as session:
        get(session, job_id)
        return JobStatus.of(about.describe_job(session, job_id, body.changes()))
