"""Server-sent events: one job followed to its end, or the jobs that the caller may read as they change.

A stream holds no thread and no connection while nothing happens, and is read no faster than its caller takes it. It
ends within seconds of its caller's key or session.
"""

import re
from collections.abc import AsyncIterator, Callable
from typing import Annotated, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from api.cursor import END, Cursor
from api.errors import invalid
from api.following import RETRY_MS, Look, Place, look, tell_progress, tell_result, write
from api.jobs import JobId, JobStatus, find
from api.openapi import responses
from api.resources import Resources
from api.security import ResourcesDep
from api.waiting import AWAY, COMMIT_S, Change
from store import changes
from store.callers import Scope
from store.models import Job
from store.status import Kind

HEARTBEAT_S = 15.0
AWAY_S = 1.0  # until a database that did not answer is asked again
PAGE = 500  # jobs at once, for who comes back
TIME = re.compile(r"\d{1,12}\.\d{6}")
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # nginx would hold events back
READERS = CapacityLimiter(2)  # threads; those of the handlers are never taken

Answer = TypeVar("Answer")
router = APIRouter(tags=["events"])


class EventStream(StreamingResponse):
    """Events as they are written. FastAPI's own class takes generators alone, which cannot answer 204 or 404."""

    media_type = "text/event-stream"


LastHeader = Annotated[
    str | None, Header(alias="Last-Event-ID", description="the id of the last event that was heard")
]
LastQuery = Annotated[
    str | None, Query(description="the same, for an EventSource that is made anew; the header wins")
]
Shown = Annotated[Kind | None, Query(description="only jobs of this kind: range_test or training_job")]


def _describe(text: str, example: str) -> dict[str, object]:
    return {
        "description": text,
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": example}},
    }


OF_JOB = _describe(
    "`status` (as GET /jobs/{id}), `progress`, `points` (as a run of /curve, its new rows alone), `reset` "
    "(rows of `run` from `from_step` on are void), `result`, `end`",
    'event: progress\ndata: {"id":"0d9c6a52-3f0e-4b8e-9a57-6a1c1c0f6f0e","progress":null}\nid: 3~1.0.0.640.640\n\n',
)
OF_ALL = _describe(
    "`status` (as GET /jobs/{id}), `progress` and `result` of every job as it changes",
    'event: progress\ndata: {"id":"0d9c6a52-3f0e-4b8e-9a57-6a1c1c0f6f0e","progress":null}\nid: 1732795113.250000\n\n',
)


@router.get(
    "/jobs/{id}/events",
    response_class=EventStream,
    responses=responses(
        404, 422, _200=OF_JOB, _204={"description": "Everything was told: an EventSource stops"}
    ),
)
async def get_job_events(
    resources: ResourcesDep,
    job_id: JobId,
    request: Request,
    last_event_id: LastQuery = None,
    last_id: LastHeader = None,
) -> Response:
    """A job as it goes on, until it is final. Who comes back with the last id has no point twice, and misses none."""
    await request.body()
    await _read(find, resources, job_id)
    last = _pick_last(last_id, last_event_id)
    if last == END:
        return Response(status_code=204)
    cursor = Cursor() if last is None else Cursor.parse(last)
    if cursor is None:
        raise _not_ours(last_id)
    return EventStream(_follow(resources, job_id, cursor), headers=HEADERS)


@router.get("/events", response_class=EventStream, responses=responses(422, _200=OF_ALL))
async def get_events(
    resources: ResourcesDep,
    request: Request,
    kind: Shown = None,
    last_event_id: LastQuery = None,
    last_id: LastHeader = None,
) -> Response:
    """Every job as it changes, from now on or from the last id on; a change may come twice, and none is missed."""
    await request.body()
    if kind == Kind.SWEEP:
        raise invalid("query:kind", "must be range_test or training_job")
    last = _pick_last(last_id, last_event_id)
    if last is not None and not TIME.fullmatch(last):
        raise _not_ours(last_id)
    since = await _read(_ask_clock, resources) if last is None else float(last) - COMMIT_S

    def may_see(job: Job) -> bool:
        """Whether the caller may read this job, and asked for it: the watcher looks at every project's."""
        caller = resources.caller
        is_theirs = caller.scope == Scope.ADMIN or job.project == caller.project
        return is_theirs and kind in (None, job.kind)

    return EventStream(_follow_all(resources, since, may_see), headers=HEADERS)


def _pick_last(header: str | None, query: str | None) -> str | None:
    return header or query or None


def _not_ours(header: str | None) -> Exception:
    pointer = "header:Last-Event-ID" if header else "query:last_event_id"
    return invalid(
        pointer, "is not the id of an event of this stream: leave it out to hear it from the beginning"
    )


async def _read(ask: Callable[..., Answer], *arguments: object) -> Answer:
    return await to_thread.run_sync(ask, *arguments, limiter=READERS)


def _ask_clock(resources: Resources) -> float:
    with resources.database.read() as session:
        return changes.clock(session)


async def _follow(resources: Resources, job_id: str, cursor: Cursor) -> AsyncIterator[bytes]:
    place = Place(cursor)
    yield format_sse_event(retry=RETRY_MS)
    with (
        resources.watcher.watch(job_id) as watched,
        resources.access.hold(resources.caller, watched.stop),
    ):
        while not watched.stopped:
            try:
                found = await _look(resources, job_id, place)
            except AWAY:
                yield KEEPALIVE_COMMENT
                await watched.differs(watched.mark, within_s=AWAY_S)
                continue
            place = found.place
            for event in found.events:
                yield event
            if found.ended:
                return
            while not found.more and not await watched.differs(place.mark, within_s=HEARTBEAT_S):
                if watched.stopped:
                    return
                yield KEEPALIVE_COMMENT


async def _look(resources: Resources, job_id: str, place: Place) -> Look:
    """What is new, in one read for all who are at the same place."""
    key = (job_id, str(place.cursor), place.mark, place.read)
    return await resources.reads.share(key, lambda: _read(look, resources.database, job_id, place))


async def _follow_all(
    resources: Resources, since: float, may_see: Callable[[Job], bool]
) -> AsyncIterator[bytes]:
    yield format_sse_event(retry=RETRY_MS, id=_spell(since))
    with resources.watcher.feed() as feed, resources.access.hold(resources.caller, feed.end):
        await feed.begun.wait()
        after, until = None, since
        while not feed.ended and (page := await _read(_find_changed, resources, since, after)):
            after = page[-1].changed_at, page[-1].id
            for job in filter(may_see, page):
                until = max(until, job.changed_at)
                for event in _tell(Change(job, False, until)):
                    yield event
        while not feed.ended:
            changed = await feed.take(within_s=HEARTBEAT_S)
            if not changed:
                yield KEEPALIVE_COMMENT
            for change in changed:
                if may_see(change.job):
                    for event in _tell(change):
                        yield event


def _find_changed(resources: Resources, since: float, after: tuple[float, str] | None) -> list[Job]:
    with resources.database.read() as session:
        return changes.jobs_since(session, since, after=after, limit=PAGE)


def _tell(change: Change) -> list[bytes]:
    job, cursor = change.job, _spell(change.until)
    if change.progress_alone:
        return [write(name, told, cursor) for name, told in tell_progress(job)]
    results = [write("result", told, cursor) for told in tell_result(job)]
    return [write("status", JobStatus.of(job), cursor), *results]


def _spell(time: float) -> str:
    return f"{max(0.0, time):.6f}"
