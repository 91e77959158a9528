"""How a comparison stands: told of one as lists find it, on both databases."""

from itertools import product

from sqlalchemy import update

from store import chores, comparisons
from store.comparison_status import status_of
from store.database import Database
from store.models import Comparison, Job
from store.status import Status
from tests.jobs import compare


def test_a_list_by_status_holds_what_is_told_to_stand_so(database: Database) -> None:
    comparison_id = compare(database, trainings=2)
    chores.finish(database, comparison_id)
    told: set[Status] = set()
    with database.write() as session:
        test, *trainings = [job.id for job in comparisons.jobs_of(session, comparison_id)]
        session.execute(update(Job).where(Job.id == test).values(status=Status.SUCCEEDED))
        for first, second, (chore, plan) in product(
            Status,
            (Status.QUEUED, Status.CANCELLING, Status.SUCCEEDED, Status.FAILED),
            ((None, None), ("queue", {"jobs": []}), ("cancel", None)),
        ):
            for job_id, status in zip(trainings, (first, second), strict=True):
                session.execute(update(Job).where(Job.id == job_id).values(status=status))
            num_jobs = 3 if plan is None else 4
            session.execute(update(Comparison).values(chore=chore, plan=plan, num_jobs=num_jobs))

            listed = [status for status in Status for _ in comparisons.find(session, limit=2, status=status)]

            [comparison] = comparisons.find(session, limit=2)
            session.refresh(comparison)
            counts = comparisons.count_jobs(session, [comparison_id])[comparison_id]
            told.add(status_of(comparison, counts))
            assert listed == [status_of(comparison, counts)], (first, second, chore)
    assert told == set(Status) - {Status.QUEUED}


def test_one_whose_jobs_are_not_there_yet_is_queued(database: Database) -> None:
    comparison_id = compare(database, trainings=1)

    with database.read() as session:
        assert [row.id for row in comparisons.find(session, limit=9, status=Status.QUEUED)] == [comparison_id]
