"""A worker killed with SIGKILL at each point of a job's life."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from killer import OF_TRAINING, POINTS

from tests.chaos.stack import Stack, assert_one_sound_result, running_stack
from tests.e2e.service import wait_for
from tests.machine import patience

pytestmark = pytest.mark.chaos
NEVER_LOST = ("claiming", "after_result")  # the claim was not committed yet; the result was


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Stack, Path]]:
    """One stack per backend, and the folder for orders to kill."""
    folder, orders = tmp_path_factory.mktemp("stack"), tmp_path_factory.mktemp("orders")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLR_CHAOS_DIR", str(orders))
        with running_stack(request.param, folder) as running:
            yield running, orders


@pytest.mark.parametrize("victim", ["child", "slot", "parent"])
@pytest.mark.parametrize("point", POINTS)
def test_a_job_whose_worker_is_killed_at(stack: tuple[Stack, Path], point: str, victim: str) -> None:
    running, orders = stack
    (orders / point).write_text(victim)

    job = running.submit("none", num_steps=60)
    _end(running, orders / point, victim)

    assert_one_sound_result(running.database, job)
    assert len(running.attempts(job)) == (1 if point in NEVER_LOST else 2)


@pytest.mark.parametrize("victim", ["child", "slot", "parent"])
@pytest.mark.parametrize("point", OF_TRAINING)
def test_a_training_whose_worker_is_killed_at(stack: tuple[Stack, Path], point: str, victim: str) -> None:
    running, orders = stack
    whole = running.train("dropout", num_steps=80).wait(timeout_s=patience(60))
    (orders / point).write_text(victim)

    job = running.train("dropout", num_steps=80)
    _end(running, orders / point, victim)

    assert_one_sound_result(running.database, job)
    assert len(running.attempts(job)) == (1 if point in NEVER_LOST else 2)
    assert job.curve() == whole.curve()
    assert job.result == whole.result


def _end(running: Stack, order: Path, victim: str) -> None:
    """Wait for the kill; a parent is started again."""
    wait_for(lambda: not order.exists())
    if victim == "parent":
        running.service.processes["worker"].wait(patience(20))
        running.service.start("worker")
