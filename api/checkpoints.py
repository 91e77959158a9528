"""The checkpoints of a training job: what there is, and the files where this process can reach them."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel

from api.errors import Problem
from api.jobs import JobId, find
from api.openapi import responses
from api.requests.body import Moment, moment
from api.resources import Resources
from api.root import rooted
from api.security import ResourcesDep
from store import checkpoints
from store.artifacts import Artifacts
from store.errors import NotFound
from store.folder import Folder
from store.models import Checkpoint
from store.status import Kind

ARTIFACTS_RETRY_S = 5
BYTES = "application/octet-stream"

router = APIRouter(prefix="/training-jobs/{id}/checkpoints", tags=["training jobs"])


class CheckpointView(BaseModel):
    """Model, optimizer, generators and data position after `step`; `torch.load(..., weights_only=True)` reads it."""

    step: int
    cycle: int | None
    best: bool
    size_bytes: int
    hostname: str
    created_at: Moment
    links: dict[str, str]


class CheckpointList(BaseModel):
    """Those that are kept, newest first: the newest, and the best cycle end."""

    items: list[CheckpointView]


@router.get("", responses=responses(404))
def list_checkpoints(resources: ResourcesDep, job_id: JobId) -> CheckpointList:
    """What there is to download or to go on from."""
    job = find(resources, job_id, kind=Kind.TRAINING_JOB)
    with resources.database.read() as session:
        return CheckpointList(items=[_view(row) for row in checkpoints.of_job(session, job.id)])


@router.get(
    "/{step}",
    response_class=FileResponse,
    responses=responses(404, 409, _200={"content": {BYTES: {}}}),
)
def download_checkpoint(
    resources: ResourcesDep, job_id: JobId, step: Annotated[int, Path(ge=0, le=2**63 - 1)]
) -> Response:
    """The file; 409 `checkpoint_elsewhere` where it lies on a worker's disk that this process cannot see.

    Where checkpoints lie in a bucket that does not answer: 503 `artifacts_unavailable`.
    """
    find(resources, job_id, kind=Kind.TRAINING_JOB)
    with resources.database.read() as session:
        by_step = {row.step: row for row in checkpoints.of_job(session, job_id)}
    if step not in by_step:
        raise NotFound(f"there is no checkpoint after step {step}")
    checkpoint = by_step[step]
    try:
        return _send(resources.artifacts, checkpoint.path, f"{job_id}-step-{step}.pt")
    except FileNotFoundError:
        where = f"it lies where the worker on {checkpoint.hostname} keeps its checkpoints: {checkpoint.path}"
        raise Problem(
            409, "checkpoint_elsewhere", where, hostname=checkpoint.hostname, path=checkpoint.path
        ) from None
    except OSError as error:
        retry = {"Retry-After": str(ARTIFACTS_RETRY_S)}
        raise Problem(
            503, "artifacts_unavailable", f"the checkpoint cannot be read now: {error}", headers=retry
        ) from None


def _send(artifacts: Artifacts, path: str, name: str) -> Response:
    """The file under a name of its own. Raises OSError."""
    if isinstance(artifacts, Folder):
        artifacts.open(path).close()
        return FileResponse(artifacts.find(path), media_type=BYTES, filename=name)
    size_bytes, chunks = artifacts.stream(path)
    headers = {"Content-Length": str(size_bytes), "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(chunks, media_type=BYTES, headers=headers)


def forget_files(resources: Resources, job_id: str) -> None:
    """Remove the checkpoints of a job that was deleted."""
    checkpoints.forget_files(resources.artifacts, job_id)


def _view(row: Checkpoint) -> CheckpointView:
    names = ("step", "cycle", "best", "size_bytes", "hostname")
    return CheckpointView(
        **{name: getattr(row, name) for name in names}
        | {
            "created_at": moment(row.created_at),
            "links": {"self": rooted(f"/training-jobs/{row.job_id}/checkpoints/{row.step}")},
        }
    )
