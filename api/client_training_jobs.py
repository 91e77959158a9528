"""A training that its caller's own process runs: the rates of its schedule in blocks, and its result at the end.

A lapsed lease voids nothing: the caller goes on from a checkpoint of its own by naming the step.
"""

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from api.client_runs import Lease, add_client_run_routes, hold_open
from api.errors import invalid
from api.jobs import JobId, get
from api.openapi import responses
from api.requests.body import require_json
from api.requests.client_run import AskTrainingRequest
from api.resources import Resources
from api.security import ResourcesDep
from clr.sweep import read_looks
from clr.training_job import TrainingConfig, TrainingPlan, plan_training
from clr.training_result import CycleEnds, TrainingResult, list_ends
from store import client_runs, runs
from store.models import ClientRun, Job
from store.status import FINAL, Kind, Outcome, Status

BLOCK = 10_000  # rates in one answer

router = APIRouter(prefix="/training-jobs", tags=["training jobs"])


class Rates(BaseModel):
    """The rates of the steps from `from_step` on, at most 10,000, and when to look at the held-out set."""

    number: int = Field(description="in the paths of the reports")
    seed: int
    num_steps: int = Field(description="of the whole training")
    from_step: int
    lr: list[float]
    look_after: list[int] = Field(description="steps of this block: look after their update")


class AskedRates(BaseModel):
    """What to train next; or `done`, with what became of the job."""

    done: bool
    status: Status
    outcome: str | None
    rates: Rates | None = None
    lease: Lease | None = None
    received_up_to: int | None = None


@router.post(
    "/{id}/ask",
    name="ask_rates",
    dependencies=[Depends(require_json)],
    responses=responses(400, 404, 409, 413, 415, 422),
)
def ask(resources: ResourcesDep, job_id: JobId, body: AskTrainingRequest) -> AskedRates:
    """The rates of a block of steps, under a lease.

    `from_step` before what was received drops the rows from there on, as of a caller that goes on from its checkpoint;
    `restart` drops them all. 409 `sweep_held` while another caller holds the training.
    """
    with resources.database.write() as session:
        get(session, job_id, kind=Kind.TRAINING_JOB)
        job = client_runs.lock(session, job_id)
        if job.status in FINAL:
            return AskedRates(done=True, status=Status(job.status), outcome=job.outcome)
        plan = _read_plan(job)
        run = _hold(session, job, plan, body, resources.settings.client_lease_s)
        from_step = run.received_up_to if body.from_step is None else body.from_step
        return AskedRates(
            done=False,
            status=Status.RUNNING,
            outcome=None,
            rates=_list_rates(plan, run, from_step),
            lease=Lease(token=run.token, seconds=resources.settings.client_lease_s),
            received_up_to=run.received_up_to,
        )


def _read_plan(job: Job) -> TrainingPlan:
    epoch = job.config["steps_per_epoch"]
    return plan_training(
        TrainingConfig.from_dict(job.config),
        steps_per_epoch=None if epoch is None else max(1, round(epoch)),
        to_whole_cycles=False,
    )


def _hold(
    session: Session, job: Job, plan: TrainingPlan, body: AskTrainingRequest, lease_s: float
) -> ClientRun:
    if body.from_step is not None and body.from_step > plan.num_steps:
        raise invalid("/from_step", f"the training has {plan.num_steps} steps")
    run = client_runs.find_open(session, job.id)
    if run is None:
        stored = plan.to_dict() | {"sweep": 0, "seed": job.config["seed"]}
        about = {"completed": 0, "total": plan.num_steps}
        return client_runs.give(session, job, stored, client_id=body.client_id, lease_s=lease_s, **about)
    was_anothers = hold_open(session, job, run, body, lease_s=lease_s)
    go_on = 0 if body.restart else run.received_up_to if body.from_step is None else body.from_step
    go_on = min(go_on, run.received_up_to)
    if was_anothers or body.restart or go_on < run.received_up_to:
        client_runs.void(session, job, run, after_step=go_on - 1)
    return run


def _list_rates(plan: TrainingPlan, run: ClientRun, from_step: int) -> Rates:
    steps = range(from_step, min(plan.num_steps, from_step + BLOCK))
    ends = {cycle[-1] for _, cycle in plan.cycles()}
    return Rates(
        number=run.number,
        seed=run.seed,
        num_steps=plan.num_steps,
        from_step=from_step,
        lr=[plan.schedule(step) for step in steps],
        look_after=[step for step in steps if step in ends or (step + 1) % plan.eval_every == 0],
    )


def _end(resources: Resources, job_id: str) -> Job:
    """End the job with what its looks say of its cycles."""
    with resources.database.write() as session:
        job = client_runs.lock(session, job_id)
        if job.status in FINAL:
            return job
        plan = _read_plan(job)
        run = client_runs.get(session, job_id, number=0)
        held_out = runs.load_series(session, job_id, sweep=run.sweep, seed=run.seed, series="held_out")
        ends = CycleEnds()
        for end in list_ends(plan, read_looks(held_out)):
            ends.add(end)
        result = TrainingResult.of(plan, ends, stopped_early=run.received_up_to < plan.num_steps)
        outcome = Outcome.DIVERGED if run.diverged else Outcome.TRAINED
        client_runs.succeed(session, job, outcome=outcome, result=result.to_dict())
        return job


add_client_run_routes(router, kind=Kind.TRAINING_JOB, after_finish=_end)
