"""Rings on a real broker: enough, and never more than there are jobs."""

from collections.abc import Iterator

import pytest
from kombu.entity import Queue

from store.doorbell import QUEUE, Doorbell, make_celery
from tests import services


@pytest.fixture
def quiet_broker() -> Iterator[str]:
    """A broker of its own, without rings."""
    with services.broker_server() as server:
        yield server.url


def rings(broker_url: str) -> int:
    with make_celery(broker_url).connection_for_write() as connection:
        count: int = Queue(QUEUE, channel=connection.default_channel).queue_declare().message_count
    return count


@pytest.mark.parametrize(
    ("asked", "expected"),
    [([(1, 1)], 1), ([(1, 1), (1, 1)], 1), ([(1, 1), (1, 2)], 2), ([(5, 3)], 3), ([(1, 0)], 0)],
)
def test_no_more_rings_wait_than_jobs_are_queued(
    quiet_broker: str, asked: list[tuple[int, int]], expected: int
) -> None:
    doorbell = Doorbell(quiet_broker)

    for times, queued in asked:
        doorbell.ring(times, queued=queued)
    doorbell.close()

    assert rings(quiet_broker) == expected
