"""A range test whose sweeps several slots measure, one of which is killed."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from clr_tuner.range_test import RangeTest
from store import ahead
from store.models import Attempt
from tests.chaos.stack import Stack, assert_one_sound_result, running_stack
from tests.e2e.service import wait_for

pytestmark = pytest.mark.chaos
SLOW = {"num_steps": 280, "num_seeds": 3, "end_lr": 1.0}  # at 20 ms a step: long enough to be handed out


def submit(stack: Stack) -> RangeTest:
    job = stack.submit("slow_dropout", **SLOW)
    assert isinstance(job, RangeTest)
    return job


def helpers(stack: Stack, job: RangeTest) -> list[Attempt]:
    """The attempts that measure ahead for the job now."""
    with stack.database.read() as session:
        offered = ahead.list_offers(session, job.id)
        attempts = [session.get(Attempt, (offer.id, offer.attempt)) for offer in offered if offer.progress]
    return [attempt for attempt in attempts if attempt is not None and attempt.ended is None]


def found(job: RangeTest) -> tuple[dict[str, Any], dict[str, Any]]:
    answer = {name: value for name, value in job.bounds().to_dict().items() if name != "cost"}
    return answer, job.curve()


@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
@pytest.mark.parametrize("victim", ["helper", "leader"])
def test_a_killed_slot_costs_its_sweep_and_changes_no_number(
    backend: str, victim: str, tmp_path: Path
) -> None:
    (tmp_path / "alone").mkdir()
    with running_stack(backend, tmp_path / "alone") as stack:
        job = submit(stack)
        assert_one_sound_result(stack.database, job)
        alone = found(job)

    (tmp_path / "together").mkdir()
    with running_stack(backend, tmp_path / "together", worker_slots=2) as stack:
        job = submit(stack)
        wait_for(lambda: helpers(stack, job))
        [helper] = helpers(stack, job)
        os.kill(helper.pid if victim == "helper" else stack.attempts(job)[-1].pid, signal.SIGKILL)
        assert_one_sound_result(stack.database, job)

        assert len(stack.attempts(job)) == (1 if victim == "helper" else 2)
        assert found(job) == alone
