"""The range test that a training job waited for, and what it recommends."""

from sqlalchemy.orm import Session

from clr.recommended_cycle import RecommendedCycle
from store import jobs
from store.errors import NotFound
from store.models import Job
from store.status import Outcome
from worker.recorder import Recorder


class NoBounds(Exception):
    """The range test that this job waited for found none."""


def read_recommended(recorder: Recorder, range_test: str) -> RecommendedCycle:
    """What a final range test recommends. Raises `NoBounds`."""

    def read(session: Session) -> RecommendedCycle:
        try:
            job = jobs.get(session, range_test)
        except NotFound:
            raise NoBounds(f"the range test {range_test} was deleted") from None
        if job.outcome != Outcome.BOUNDS_FOUND or job.result is None:
            raise NoBounds(f"the range test {range_test} found none: it is {_how_it_ended(job)}")
        return RecommendedCycle.from_dict(job.result)

    return recorder.look(read)


def _how_it_ended(job: Job) -> str:
    why = (job.result or {}).get("why") or job.reason
    return f"{job.outcome or job.status} ({why})" if why else str(job.outcome or job.status)
