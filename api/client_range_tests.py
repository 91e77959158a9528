"""A range test that its caller's own process measures: which sweep comes next, and the bounds at its end.

The science runs between transactions; whoever writes looks first whether another was faster.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from api.analyses import tell_outcome
from api.client_runs import Lease, add_client_run_routes, hold_open
from api.errors import Problem
from api.jobs import JobId, get
from api.openapi import responses
from api.requests.body import require_json
from api.requests.client_run import AskSweepRequest
from api.resources import Resources
from api.security import ResourcesDep
from clr.analysis import read_bounds
from clr.bounds import Bounds, Inconclusive
from clr.first_losses import list_unlike
from clr.momentum import momentum_of
from clr.probe import plan_probe_for
from clr.range_test import RangeTestConfig, next_sweep, planned_steps
from clr.report import describe_plan
from clr.sweep import Shape, Sweep, SweepPlan, read_sweeps
from store import client_runs, runs
from store.models import ClientRun, Job
from store.status import FINAL, Driver, Kind, Status

router = APIRouter(prefix="/range-tests", tags=["range tests"])


class SweepToMeasure(BaseModel):
    """One upward pass of the rate, from the initial weights of its seed, with a fresh optimizer.

    The held-out set is looked at after step 0, after every `look_every` steps (when step + 1 is a multiple of it),
    and after the last.
    """

    number: int = Field(description="in the paths of its reports")
    sweep: int = Field(description="of which range: the same for every seed of it")
    seed: int
    phase: str
    shape: Shape
    start_lr: float
    end_lr: float
    num_steps: int
    look_every: int
    lr: list[float] = Field(description="of each step, exactly")

    @classmethod
    def of(cls, number: int, plan: SweepPlan) -> "SweepToMeasure":
        """The answer for a plan."""
        lrs = [plan.lr(step) for step in range(plan.num_steps)]
        return cls(number=number, lr=lrs, **describe_plan(plan))


class AskedSweep(BaseModel):
    """What to measure now; or `done`, with what became of the job."""

    done: bool
    status: Status
    outcome: str | None
    sweep: SweepToMeasure | None = None
    lease: Lease | None = None
    received_up_to: int | None = Field(default=None, description="go on with this step, or restart")


@dataclass(frozen=True, slots=True)
class Next:
    """What follows from `count` runs: a sweep to measure, or the answer."""

    count: int
    completed: int
    plan: SweepPlan | None
    total: int
    answer: Bounds | Inconclusive | None


@router.post(
    "/{id}/ask",
    name="ask_sweep",
    dependencies=[Depends(require_json)],
    responses=responses(400, 404, 409, 413, 415, 422),
)
def ask(resources: ResourcesDep, job_id: JobId, body: AskSweepRequest) -> AskedSweep:
    """The sweep to measure next, under a lease; who has one open gets it again, with `received_up_to`.

    409 `sweep_held` while another caller holds it; 409 `plan_differs` where another one comes next than was measured.
    """
    while True:
        ahead = _look_ahead(resources, job_id)
        with resources.database.write() as session:
            job = client_runs.lock(session, job_id)
            if job.status in FINAL:
                return AskedSweep(done=True, status=Status(job.status), outcome=job.outcome)
            run = client_runs.find_open(session, job_id)
            if run is None and (ahead is None or ahead.count != client_runs.count(session, job_id)):
                continue  # somebody was faster
            if run is None and ahead is not None:
                run = _give(session, job, ahead, body, resources.settings.client_lease_s)
            elif run is not None:
                _hold(session, job, run, body, resources.settings.client_lease_s)
            if run is not None:
                plan = _load_plan(session, run)
                break
    return _answer(run, plan, resources.settings.client_lease_s)  # of a rate a step: nobody waits for it


def _give(session: Session, job: Job, ahead: Next, body: AskSweepRequest, lease_s: float) -> ClientRun | None:
    """Give out what comes next; None where nothing does, which ends the job."""
    if ahead.plan is None:
        _end(session, job, ahead)
        return None
    if body.plan is not None:
        _require_same(ahead.count, ahead.plan, body.plan)
    return client_runs.give(
        session,
        job,
        asdict(ahead.plan),
        client_id=body.client_id,
        lease_s=lease_s,
        completed=ahead.completed,
        total=ahead.total,
    )


def _hold(session: Session, job: Job, run: ClientRun, body: AskSweepRequest, lease_s: float) -> None:
    """Let the caller go on with an open run, from its start where its weights are gone."""
    if body.plan is not None:
        _require_same(run.number, _load_plan(session, run), body.plan)
    was_anothers = hold_open(session, job, run, body, lease_s=lease_s)
    if was_anothers or body.restart:
        client_runs.void(session, job, run)


def _answer(run: ClientRun, plan: SweepPlan, lease_s: float) -> AskedSweep:
    return AskedSweep(
        done=False,
        status=Status.RUNNING,
        outcome=None,
        sweep=SweepToMeasure.of(run.number, plan),
        lease=Lease(token=run.token, seconds=lease_s),
        received_up_to=run.received_up_to,
    )


def _load_plan(session: Session, run: ClientRun) -> SweepPlan:
    return SweepPlan(**runs.get_plan(session, run.job_id, sweep=run.sweep, seed=run.seed))


def _require_same(number: int, plan: SweepPlan, measured: dict[str, Any]) -> None:
    """Refuse rows of another sweep than the one that comes next."""
    own = describe_plan(plan)
    for name in own:
        if name in measured and measured[name] != own[name]:
            detail = f"the sweep that comes next has {name} {own[name]!r}, not {measured[name]!r}"
            raise Problem(409, "plan_differs", detail, sweep={"number": number, **own})


def _look_ahead(resources: Resources, job_id: str) -> Next | None:
    """What follows, by the sweeps that are finished; None where one is open, or nothing is left to ask."""
    with resources.database.read() as session:
        job = get(session, job_id, kind=Kind.RANGE_TEST)
        if job.driver != Driver.CLIENT or job.status in FINAL or client_runs.find_open(session, job_id):
            return None
        count, stored = client_runs.count(session, job_id), runs.load(session, job_id)
    config, finished = RangeTestConfig.from_dict(job.config), read_sweeps(stored)
    completed = sum(len(sweep.points) for sweep in finished)
    plan, training = next_sweep(config, finished), job.config["for"]
    answer = _read(job, finished) if plan is None or (finished and training) else None
    probe = plan_probe_for(answer, training) if isinstance(answer, Bounds) else None
    left = probe.num_steps if probe else 0
    if plan is not None:
        return Next(count, completed, plan, planned_steps(config, finished) + left, None)
    return Next(count, completed, probe, completed + left, answer)


def _read(job: Job, finished: Sequence[Sweep]) -> Bounds | Inconclusive:
    return read_bounds(
        finished,
        steps_per_epoch=job.config["steps_per_epoch"],
        optimizer=job.config["optimizer"]["name"],
        momentum=momentum_of(job.config["optimizer"]),
        warnings=list_unlike(finished),
    )


def _end(session: Session, job: Job, ahead: Next) -> None:
    assert ahead.answer is not None
    client_runs.succeed(session, job, outcome=tell_outcome(ahead.answer), result=ahead.answer.to_dict())


def _end_if_over(resources: Resources, job_id: str) -> Job:
    """End the job where its last sweep was finished."""
    ahead = _look_ahead(resources, job_id)
    with resources.database.write() as session:
        job = client_runs.lock(session, job_id)
        over = ahead is not None and ahead.plan is None and ahead.count == client_runs.count(session, job_id)
        if ahead is not None and over and job.status not in FINAL:
            _end(session, job, ahead)
        return job


add_client_run_routes(router, kind=Kind.RANGE_TEST, after_finish=_end_if_over)
