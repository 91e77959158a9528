"""One ring answered: claim the best job that this worker can run, run it, and end it with a reason.

Runs in a pool child. Exceptions become (reason, message) here and nowhere else.
"""

import logging
import os
import traceback
from collections.abc import Mapping

import torch
from kombu.exceptions import OperationalError as BrokerError
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from torch import OutOfMemoryError

from clr.problem import DatasetMissing, Untrainable
from clr.range_test import RangeTestConfig
from clr.training.setup import Setup
from clr.training_job import BudgetRefused, TrainingConfig
from clr.workload import Workload
from store import claims, counters, jobs, logs
from store.artifacts import find_artifacts
from store.database import Database
from store.doorbell import Doorbell
from store.errors import ClaimLost
from store.models import Job
from store.settings import Settings
from store.status import Kind, Reason
from worker.ahead import Ahead
from worker.checkpoints import Checkpoints
from worker.lease import Lease
from worker.measuring import measure_ahead, read_plan
from worker.prerequisite import NoBounds, read_recommended
from worker.range_tests import run_range_test
from worker.recorder import Cancelled, Recorder
from worker.training_jobs import run_training_job

log = logging.getLogger(__name__)

TRACEBACK_TAIL = 20  # lines of the user's traceback kept in the message


def answer_ring(
    database: Database,
    settings: Settings,
    workloads: Mapping[str, Workload],
    *,
    worker_id: str,
    ring_id: str,
    device: str,
) -> None:
    """Claim and run one job, if there is one."""
    with database.write() as session:
        job = claims.claim(
            session,
            workloads=workloads.keys(),
            worker_id=worker_id,
            ring_id=ring_id,
            pid=os.getpid(),
            lease_s=settings.lease_s,
        )
    if job is None:
        return
    recorder = Recorder(database, job.id, job.attempt)
    with (
        logs.running(job.id, job.attempt),
        Lease(database, job.id, job.attempt, lease_s=settings.lease_s),
    ):
        log.info("running %s", job.workload)
        try:
            _run(job, workloads[job.workload], recorder, settings, device=device)
        except ClaimLost:
            log.warning("this attempt is over: its job is no longer ours")
            database.count(counters.FENCED_WRITES)
    _ring_for_followers(database, settings, job.id)


def _ring_for_followers(database: Database, settings: Settings, job_id: str) -> None:
    """Have the jobs that waited for this one claimed now; where that fails the ringer rings later."""
    try:
        with database.read() as session:
            queued = jobs.followers(session, job_id)
        if queued:
            Doorbell(settings.broker_url).ring(queued, queued=queued)
    except (BrokerError, SQLAlchemyError) as error:
        log.warning("could not ring for the jobs that waited: %s", error)


def _run(job: Job, workload: Workload, recorder: Recorder, settings: Settings, *, device: str) -> None:
    try:
        setup = Setup.of(job.config, workload, device=device)
        RUNNERS[Kind(job.kind)](job, setup, recorder, settings)
    except ClaimLost:
        raise
    except Cancelled:
        log.info("cancelled")
        recorder.stop()
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        reason, message = explain(error)
        log.info("%s: %s", reason, message)
        recorder.fail(reason, message, max_attempts=settings.max_attempts)


def _run_range_test(job: Job, setup: Setup, recorder: Recorder, settings: Settings) -> None:
    if (
        "torch_threads" not in job.config
    ):  # whoever measures of it has as many: they change the last bits of a sum
        job.config = {**job.config, "torch_threads": torch.get_num_threads()}
        recorder.fix(job.config)
    torch.set_num_threads(job.config["torch_threads"])
    run_range_test(
        RangeTestConfig.from_dict(job.config),
        setup,
        recorder,
        Ahead(job, recorder, settings),
        training=job.config.get("for"),
    )


def _run_sweep(job: Job, setup: Setup, recorder: Recorder, settings: Settings) -> None:
    torch.set_num_threads(job.config["torch_threads"])
    measure_ahead(read_plan(job.config["plan"]), setup, recorder)


def _run_training_job(job: Job, setup: Setup, recorder: Recorder, settings: Settings) -> None:
    run_training_job(
        TrainingConfig.from_dict(job.config),
        setup,
        recorder,
        Checkpoints(find_artifacts(settings), job.id, job.attempt, recorder),
        recommended=read_recommended(recorder, job.after_job) if job.after_job else None,
        checkpoint_s=settings.checkpoint_s,
        max_steps=settings.max_steps,
    )


RUNNERS = {
    Kind.RANGE_TEST: _run_range_test,
    Kind.TRAINING_JOB: _run_training_job,
    Kind.SWEEP: _run_sweep,
}


def explain(error: BaseException) -> tuple[Reason, str]:
    """The stable code and the human message of what ended a job."""
    match error:
        case NoBounds():
            return Reason.NO_BOUNDS, str(error)
        case BudgetRefused():
            return Reason.INVALID_BUDGET, str(error)
        case DatasetMissing():
            return Reason.DATASET_MISSING, str(error)
        case OutOfMemoryError() | MemoryError():
            return Reason.OUT_OF_MEMORY, f"out of memory: {error}; try a smaller batch_size or model"
        case Untrainable():
            return Reason.INVALID_WORKLOAD, str(error)
        case ValidationError():
            return Reason.INVALID_WORKLOAD, f"this worker's workload refused the request: {error}"
    return Reason.WORKLOAD_ERROR, _tail(error)


def _tail(error: BaseException) -> str:
    lines = "".join(traceback.format_exception(error)).splitlines()
    return "\n".join(lines[-TRACEBACK_TAIL:])
