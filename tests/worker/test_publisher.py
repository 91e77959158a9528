"""A worker stays announced."""

import pytest

from store import workers
from store.database import Database
from worker.publisher import Publisher


@pytest.fixture
def announced(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    """A worker `me` that has published its workloads."""
    monkeypatch.setenv("CLR_DATABASE_URL", database_url)
    publisher = Publisher("me")
    publisher.wait()
    return publisher


def living(database: Database) -> list[str]:
    with database.read() as session:
        return [worker.id for worker in workers.living(session)]


def test_a_worker_that_was_forgotten_is_published_again(database: Database, announced: Publisher) -> None:
    before = living(database)
    with database.write() as session:
        workers.forget(session, unseen_for_s=-1)

    announced.tend(known=False)
    announced.wait()

    assert before == living(database) == ["me"]


def test_a_worker_that_is_known_is_left_alone(database: Database, announced: Publisher) -> None:
    with database.write() as session:
        workers.forget(session, unseen_for_s=-1)

    announced.tend(known=True)
    announced.wait()

    assert living(database) == []
