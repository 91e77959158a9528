"""The end of a comparison, of which webhooks are told once: noted by whoever looks after its last job has ended.

Two of its jobs may end at once in two transactions, neither of which sees the other; so it is none of theirs to note.
"""

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from store import webhooks
from store.comparison_status import is_open
from store.database import now
from store.models import Comparison

AT_ONCE = 20  # of one look


def find(session: Session) -> list[str]:
    """The ids of some comparisons that have ended, of which nobody was told."""
    ended = select(Comparison.id).where(Comparison.finished_at.is_(None), ~is_open())
    return list(session.scalars(ended.limit(AT_ONCE)))


def note(session: Session, comparison_id: str) -> None:
    """Note that it has ended and have its project's webhooks called; nothing while it goes on, or a second time."""
    ended = (Comparison.id == comparison_id, Comparison.finished_at.is_(None), ~is_open())
    noted = session.execute(
        update(Comparison).where(*ended).values(finished_at=now()).returning(Comparison.id),
        execution_options={"synchronize_session": False},
    )
    if noted.first() is not None:
        webhooks.tell(session, webhooks.Event.FINISHED, comparison_id=comparison_id)
