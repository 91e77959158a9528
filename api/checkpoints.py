"""The checkpoints of a training job: what there is, and the files where this process can reach them."""

import shutil
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import FileResponse
from pydantic import BaseModel

from api.errors import Problem
from api.jobs import JobId, find
from api.openapi import responses
from api.requests.body import Moment, moment
from api.resources import Resources, ResourcesDep
from store import checkpoints
from store.errors import NotFound
from store.models import Checkpoint
from store.status import Kind

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
    responses=responses(404, 409, _200={"content": {"application/octet-stream": {}}}),
)
def download_checkpoint(
    resources: ResourcesDep, job_id: JobId, step: Annotated[int, Path(ge=0, le=2**63 - 1)]
) -> FileResponse:
    """The file; 409 `checkpoint_elsewhere` where it lies on a worker's disk that this process cannot see."""
    find(resources, job_id, kind=Kind.TRAINING_JOB)
    with resources.database.read() as session:
        kept = {row.step: row for row in checkpoints.of_job(session, job_id)}
    if step not in kept:
        raise NotFound(f"there is no checkpoint after step {step}")
    checkpoint = kept[step]
    file = resources.settings.data_dir / checkpoint.path
    if not file.is_file():
        where = f"it lies on {checkpoint.hostname}, in that worker's data directory: {checkpoint.path}"
        raise Problem(409, "checkpoint_elsewhere", where, hostname=checkpoint.hostname, path=checkpoint.path)
    return FileResponse(file, media_type="application/octet-stream", filename=f"{job_id}-step-{step}.pt")


def forget_files(resources: Resources, job_id: str) -> None:
    """Remove the checkpoints that lie here; a worker elsewhere tidies up before its next training job."""
    shutil.rmtree(resources.settings.data_dir / checkpoints.FOLDER / job_id, ignore_errors=True)


def _view(row: Checkpoint) -> CheckpointView:
    names = ("step", "cycle", "best", "size_bytes", "hostname")
    return CheckpointView(
        **{name: getattr(row, name) for name in names}
        | {
            "created_at": moment(row.created_at),
            "links": {"self": f"/training-jobs/{row.job_id}/checkpoints/{row.step}"},
        }
    )
