"""A worker stays announced."""

import pytest

from store import workers, workloads
from store.database import Database
from store.doorbell import make_celery
from tests.e2e.service import PLUGINS
from tests.jobs import queue
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


def test_what_lies_in_the_current_folder_is_not_installed(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLR_DATABASE_URL", database_url)
    monkeypatch.chdir(PLUGINS)

    Publisher("me").wait()

    with database.read() as session:
        names = {workload.name for workload in workloads.find_all(session)}
    assert "digits-mlp" in names
    assert "hostile" not in names


def test_the_optimizers_of_installed_packages_are_published_with_each_workload(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLR_DATABASE_URL", database_url)
    monkeypatch.setenv("PYTHONPATH", str(PLUGINS / "steppers"))

    Publisher("me").wait()

    with database.read() as session:
        offered = [workload.optimizers or {} for workload in workloads.find_all(session)]
    assert {tuple(optimizers) for optimizers in offered} == {("modal", "by-loss", "by-closure", "scaled")}


def test_what_waited_for_a_worker_is_rung_for(
    database: Database, database_url: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLR_DATABASE_URL", database_url)
    monkeypatch.setenv("CLR_BROKER_URL", broker_url)
    queue(database, workload="digits-mlp")
    app = make_celery(broker_url)
    app.control.purge()

    Publisher("me").wait()

    assert app.control.purge() == 1
    app.close()


def test_a_publisher_that_is_stopped_publishes_nothing(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLR_DATABASE_URL", database_url)
    publisher = Publisher("me")

    publisher.stop()

    assert living(database) == []
