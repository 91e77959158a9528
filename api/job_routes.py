"""The routes that jobs of every kind share: list them, follow one, its curve, cancel or delete it."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from api import curve_columns, curve_text, curves
from api.errors import invalid
from api.finality import NO_CHANGE, has_it, headers_of, tag_if_final, unchanged
from api.jobs import JobId, JobView, find, list_jobs, suggest_polling
from api.openapi import BUSY, carrying, responses
from api.paging import Filtered, FoundPage
from api.pool import Pool, unless_gone
from api.resources import Resources
from api.security import ResourcesDep, refuse
from api.waiting import while_there
from store import audit, chores, jobs
from store.audit import Action
from store.status import FINAL, Kind, Status

LONGEST_WAIT_S = 60.0
MAX_STEP = 2**53  # a step is stored as a float64
CURVE_FORMS = {
    "text/csv": {"schema": {"type": "string"}},
    curve_columns.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}},
}


def add_job_routes(
    router: APIRouter,
    *,
    kind: Kind,
    view: type[JobView],
    after_delete: Callable[[Resources, str], None] = lambda resources, job_id: None,
) -> None:
    """Give the router, which has the path of this kind, all of them; every answer of a job is a `view`."""
    _add_reading(router, kind, view)
    _add_curve(router, kind)
    _add_ending(router, kind, view, after_delete)


def _add_reading(router: APIRouter, kind: Kind, view: type[JobView]) -> None:
    @router.get("", name=f"list_{kind}s", response_model=FoundPage[view], responses=responses(400, 422))  # type: ignore[valid-type]
    def list_them(resources: ResourcesDep, filters: Filtered) -> Any:
        """Newest first."""
        return list_jobs(resources, filters, view.of, kind=kind)

    @router.get("/{id}", name=f"get_{kind}", response_model=view, responses=responses(404, 422) | NO_CHANGE)
    async def get_one(
        resources: ResourcesDep,
        job_id: JobId,
        request: Request,
        response: Response,
        wait_s: Annotated[
            float, Query(ge=0, le=LONGEST_WAIT_S, description="answer when final, or then")
        ] = 0.0,
    ) -> Any:
        """How one stands; `Retry-After` until it is final. With `wait_s` the answer waits for that."""
        job = await run_in_threadpool(find, resources, job_id, kind=kind)
        if wait_s and job.status not in FINAL:
            watching = resources.watcher.watch(job_id)
            with watching as watched, resources.access.hold(resources.caller, watched.stop) as hold:
                await while_there(request, watched.ends(within_s=wait_s))
            if hold.over:
                raise refuse("the key or the session ended while this request waited")
            job = await run_in_threadpool(find, resources, job_id, kind=kind)
        tag = tag_if_final(request, job)
        if tag is not None and has_it(request, tag):
            return unchanged(tag)
        response.headers.update(headers_of(tag))
        suggest_polling(response, job)
        return view.of(job)


def _add_curve(router: APIRouter, kind: Kind) -> None:
    @router.get(
        "/{id}/curve",
        name=f"get_{kind}_curve",
        response_model=curves.Curve,
        responses=responses(404, 422, _200={"content": CURVE_FORMS}) | NO_CHANGE | BUSY,
    )
    async def get_curve(
        resources: ResourcesDep,
        job_id: JobId,
        request: Request,
        max_points: Annotated[
            int | None, Query(ge=4, le=MAX_STEP, description="most rows of each series; the extremes stay")
        ] = None,
        after_step: Annotated[int, Query(ge=-1, le=MAX_STEP, description="only rows of later steps")] = -1,
        format: Annotated[
            Literal["json", "csv", "f32"] | None, Query(description="default: by Accept")
        ] = None,
        columns: Annotated[
            int | None,
            Query(
                ge=1,
                le=curve_columns.MOST_COLUMNS,
                description=f"of f32: pixel columns of each series; default {curve_columns.USUAL_COLUMNS}",
            ),
        ] = None,
        x: Annotated[
            curve_columns.Axis | None, Query(description="of f32: what the columns divide; default step")
        ] = None,
    ) -> Response:
        """The raw points of every seed and sweep, also while the job runs.

        `format=f32` tells the lowest, highest and last value of each pixel column: float32 arrays behind a JSON header.
        """
        _refuse_mixed(format, max_points=max_points, columns=columns, x=x)
        job = await run_in_threadpool(find, resources, job_id, kind=kind)
        tag = tag_if_final(request, job)
        if tag is not None and has_it(request, tag):
            return unchanged(tag)
        if format == "f32":
            packed = await unless_gone(
                request,
                resources.pool.run(
                    curve_columns.pack,
                    job_id,
                    kind=kind,
                    columns=columns or curve_columns.USUAL_COLUMNS,
                    x=x or "step",
                    after_step=after_step,
                ),
            )
            headers = {"Vary": "Accept"} | headers_of(tag)
            return Response(packed, headers=headers, media_type=curve_columns.MEDIA_TYPE)
        accepts = request.headers.get("Accept", "")
        as_csv = format == "csv" or (format is None and "text/csv" in accepts and "json" not in accepts)
        first = await unless_gone(
            request,
            resources.pool.run(
                curve_text.begin,
                job_id,
                kind=kind,
                as_csv=as_csv,
                after_step=after_step,
                max_points=max_points,
            ),
        )
        return StreamingResponse(
            _tell(resources.pool, first),
            headers={"Vary": "Accept"} | headers_of(tag),
            media_type="text/csv" if as_csv else "application/json",
        )


def _refuse_mixed(format: str | None, *, max_points: int | None, **of_f32: object) -> None:
    """Raise a 422 problem for what does not go with this format."""
    if format == "f32" and max_points is not None:
        raise invalid("query:max_points", "does not go with format=f32: say columns (1 to 10,000)")
    for name, value in of_f32.items():
        if format != "f32" and value is not None:
            raise invalid(f"query:{name}", "goes with format=f32 alone: add that, or leave this out")


async def _tell(pool: Pool, part: curve_text.Part) -> AsyncIterator[bytes]:
    """A curve's text; each part is written when the one before was taken."""
    text, outline, place = part
    yield text
    while place is not None:
        text, outline, place = await pool.go_on(curve_text.go_on, outline, place)
        yield text


def _add_ending(
    router: APIRouter, kind: Kind, view: type[JobView], after_delete: Callable[[Resources, str], None]
) -> None:
    cancelling = carrying("Retry-After") | {"model": view, "description": "cancelling"}

    @router.post(
        "/{id}/cancel",
        name=f"cancel_{kind}",
        response_model=view,
        responses=responses(404, 409, _202=cancelling),
    )
    def cancel(resources: ResourcesDep, job_id: JobId, response: Response) -> Any:
        """Stop a job: a queued one at once (200), a running one within seconds (202); its curve stays."""
        project = find(resources, job_id, kind=kind).project
        with resources.database.write() as session:
            job = jobs.request_cancel(session, job_id)
            audit.record(session, Action.JOB_CANCELLED, job_id, project=project)
        response.status_code = 202 if job.status == Status.CANCELLING else 200
        suggest_polling(response, job)
        return view.of(job)

    @router.delete("/{id}", name=f"delete_{kind}", status_code=204, responses=responses(404, 409))
    def delete(resources: ResourcesDep, job_id: JobId) -> None:
        """Remove a finished job with everything measured."""
        project = find(resources, job_id, kind=kind).project
        with resources.database.write() as session:
            jobs.remove(session, job_id)
            audit.record(session, Action.JOB_DELETED, job_id, project=project)
        chores.free(resources.database)
        after_delete(resources, job_id)
