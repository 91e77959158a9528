"""The routes of runs that a caller's own process measures, whatever the kind of job: report rows, end a run."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from api.errors import Problem, invalid
from api.jobs import JobId, find
from api.openapi import responses
from api.requests.body import require_json
from api.requests.client_run import AskRequest, FinishRequest, PointsRequest
from api.resources import Resources
from api.security import ResourcesDep
from clr.report import Planned, Received, Report, ReportRefused, find_news
from clr.sweep import is_sweep, read_looks
from store import client_runs, runs
from store.client_runs import Held, Rows, TokenSpent, WrongToken
from store.models import ClientRun, Job
from store.status import FINAL, Kind, Status

Number = Annotated[int, Path(ge=0, le=2**31 - 1, description="of the run, as `ask` gave it")]


class Lease(BaseModel):
    """The right to report of a run. Any word of its holder renews it."""

    token: str
    seconds: float = Field(description="of silence, after which another caller may take the run")


class Reported(BaseModel):
    """How much of a run was received, and whether to go on."""

    received_up_to: int = Field(description="the step that comes next")
    stop: Literal["diverged", "cancelled"] | None


class Finished(BaseModel):
    """What became of the job."""

    received_up_to: int
    done: bool = Field(description="nothing is left to measure")
    status: Status
    outcome: str | None


Finish = Callable[[Resources, str], Job]


@dataclass(frozen=True, slots=True)
class Past:
    """Losses of a run that a report may repeat, read before anything is locked.

    of: token and next step of the run, which tell whether it has others by now.
    """

    of: tuple[str, int]
    planned: Planned
    losses: dict[int, float]


def add_client_run_routes(router: APIRouter, *, kind: Kind, after_finish: Finish) -> None:
    """Give the router, which has the path of this kind, both; after_finish: what comes of a finished run."""

    @router.put(
        "/{id}/sweeps/{number}/points",
        name=f"put_{kind}_points",
        dependencies=[Depends(require_json)],
        responses=responses(400, 403, 404, 409, 413, 415, 422),
    )
    def put_points(resources: ResourcesDep, job_id: JobId, number: Number, body: PointsRequest) -> Reported:
        """Rows of a run; the same rows again change nothing.

        403 `wrong_token`; 409, with `received_up_to` and `step`: `gap`, `values_differ`, `rates_differ`,
        `beyond_plan`, `look_ahead`, `look_too_late`; 409 `lease_lost` once another caller holds the run.
        """
        find(resources, job_id, kind=kind)
        while True:
            past = _load_past(resources, job_id, number, body)
            with resources.database.write() as session:
                job = client_runs.lock(session, job_id)
                run = _hold(session, job, number, body.token)
                if job.status == Status.CANCELLED:  # whatever the rows are: nothing of them is kept
                    return Reported(received_up_to=run.received_up_to, stop="cancelled")
                if past is None or past.of != (run.token, run.received_up_to):
                    continue  # another report was faster
                if job.status not in FINAL and run.finished_at is None:
                    client_runs.renew(session, job, run, lease_s=resources.settings.client_lease_s)
                _receive(session, job, run, body, past)
                return Reported(received_up_to=run.received_up_to, stop="diverged" if run.diverged else None)

    @router.post(
        "/{id}/sweeps/{number}/finish",
        name=f"finish_{kind}_run",
        dependencies=[Depends(require_json)],
        responses=responses(400, 403, 404, 409, 413, 415, 422),
    )
    def finish(resources: ResourcesDep, job_id: JobId, number: Number, body: FinishRequest) -> Finished:
        """A run is over; ending it again changes nothing. 409 `incomplete` while steps of its plan are missing."""
        find(resources, job_id, kind=kind)
        if kind == Kind.TRAINING_JOB and body.steps_per_epoch is not None:
            raise invalid("/steps_per_epoch", "a training was told it when it began: leave it out")
        with resources.database.write() as session:
            job = client_runs.lock(session, job_id)
            run = _hold(session, job, number, body.token)
            if run.finished_at is None and job.status not in FINAL:
                _require_whole(run, _load_plan(session, run))
                if body.steps_per_epoch is not None:
                    job.config = {**job.config, "steps_per_epoch": body.steps_per_epoch}
                client_runs.finish(session, run)
        job = after_finish(resources, job_id)
        return Finished(
            received_up_to=run.received_up_to,
            done=job.status in FINAL,
            status=Status(job.status),
            outcome=job.outcome,
        )


def _hold(session: Session, job: Job, number: int, token: str) -> ClientRun:
    """The run that this token holds. Raises a 403 or 409 problem."""
    try:
        return client_runs.find_held(session, job.id, number, token)
    except WrongToken as error:
        raise Problem(403, "wrong_token", str(error)) from None
    except TokenSpent as error:
        raise Problem(409, "lease_lost", str(error)) from None


def hold_open(session: Session, job: Job, run: ClientRun, body: AskRequest, *, lease_s: float) -> bool:
    """Let a caller go on with an open run; whether it was another's. Raises a 409 problem while another holds it."""
    try:
        return client_runs.hold(
            session, job, run, client_id=body.client_id, instead_of=body.instead_of, lease_s=lease_s
        )
    except Held as error:
        retry = {"Retry-After": str(math.ceil(error.left_s))}
        held: dict[str, Any] = {"held_by": error.client_id, "lease_left_s": error.left_s}
        raise Problem(409, "sweep_held", str(error), headers=retry, **held) from None


def _load_plan(session: Session, run: ClientRun) -> dict[str, Any]:
    return runs.get_plan(session, run.job_id, sweep=run.sweep, seed=run.seed)


def _load_past(resources: Resources, job_id: str, number: int, body: PointsRequest) -> Past | None:
    """None of a run that this token does not hold, which whoever locks it is told."""
    with resources.database.read() as session:
        run = session.get(ClientRun, (job_id, number))
        if run is None or run.token != body.token:
            return None
        kept = client_runs.kept(run)
        planned = Planned.of(_load_plan(session, run), kept=kept or ())
        replays = planned.divergence is not None and kept is None
        from_step = 0 if replays else body.from_step
        train = runs.load_series(
            session, job_id, sweep=run.sweep, seed=run.seed, series="train", from_step=from_step
        )
    losses = train["loss"].tolist()
    if replays:
        for loss in losses:
            planned.judge(loss)
    repeated = body.from_step - from_step
    steps = map(int, train["step"][repeated:])
    return Past((run.token, run.received_up_to), planned, dict(zip(steps, losses[repeated:], strict=True)))


def _receive(session: Session, job: Job, run: ClientRun, body: PointsRequest, past: Past) -> None:
    report = body.report()
    try:
        news = find_news(report, _load_received(session, run, report, past), past.planned)
    except ReportRefused as refused:
        members: dict[str, Any] = {"step": refused.step, "received_up_to": run.received_up_to}
        raise Problem(409, refused.code, str(refused), **members) from None
    if not news.points and not news.looks:
        return
    if job.status in FINAL or run.finished_at is not None:
        raise Problem(
            409, "sweep_finished", "this run is over: new rows of it are not taken", step=run.received_up_to
        )
    rows = Rows(
        train=[(point.step, point.lr, point.loss) for point in news.points],
        held_out=[
            (look.step, look.lr, look.loss, math.nan if look.accuracy is None else look.accuracy)
            for look in news.looks
        ],
    )
    kept = past.planned.divergence.keep() if past.planned.divergence else []
    client_runs.receive(session, job, run, rows, diverged=news.diverged, kept=kept)


def _load_received(session: Session, run: ClientRun, report: Report, past: Past) -> Received:
    """What the report may repeat."""
    first_look = report.looks[0][0] if report.looks else run.received_up_to
    held_out = runs.load_series(
        session, run.job_id, sweep=run.sweep, seed=run.seed, series="held_out", from_step=first_look
    )
    looks = {look.step: look for look in read_looks(held_out)}
    return Received(up_to=run.received_up_to, diverged=run.diverged, losses=past.losses, looks=looks)


def _require_whole(run: ClientRun, plan: dict[str, Any]) -> None:
    """Refuse to end a sweep before its plan does; a training may stop early."""
    if is_sweep(plan) and not run.diverged and run.received_up_to < plan["num_steps"]:
        detail = f"{run.received_up_to} of its {plan['num_steps']} steps were received: send the rest, or ask again"
        raise Problem(409, "incomplete", detail, received_up_to=run.received_up_to)
