"""What a comparison or a deleted job still needs done, in batches: by who was asked, or else by any reaper.

A comparison is kept first, with its plan, and its jobs are queued after that. Its cancel is noted first, and from
then on none of its jobs is claimed; its delete is, and from then on it is found by nobody.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from store import comparisons, removal
from store.batches import in_batches
from store.database import Database
from store.models import Comparison
from store.status import Chore

STEPS = {
    Chore.QUEUE: comparisons.queue_some,
    Chore.CANCEL: comparisons.cancel_some,
    Chore.DELETE: comparisons.bury_some,
}


def finish(database: Database, comparison_id: str) -> None:
    """Do what is still to be done for it; others may be at the same."""

    def step(session: Session) -> bool:
        comparison = session.get(Comparison, comparison_id, with_for_update=True)
        if comparison is None or comparison.chore is None:
            return False
        STEPS[Chore(comparison.chore)](session, comparison)
        return True

    in_batches(database, step)


def free(database: Database) -> None:
    """Free the rows of every job that was deleted."""
    in_batches(database, removal.free_some)


class LeftOver:
    """Finds what nobody finishes: it is there at two looks running."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def finish(self, database: Database) -> None:
        """Look, and do what was there at the last look already."""
        with database.read() as session:
            unfinished = set(session.scalars(select(Comparison.id).where(Comparison.chore.is_not(None))))
            dead = removal.first_buried(session)
        left = self._seen & unfinished
        for comparison_id in left:
            finish(database, comparison_id)
        if dead in self._seen:
            free(database)
        self._seen = unfinished | {dead or ""}
