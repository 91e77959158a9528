"""Projects take turns: whose job a free slot takes next. Within a project its own order holds (store/claims.py)."""

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from store.database import now
from store.models import Job, Project


def in_turn(session: Session) -> list[Project]:
    """Every project: the one that fewest workers run jobs of comes first, then the one whose last claim is oldest."""
    projects = list(session.scalars(select(Project)))
    if len(projects) < 2:
        return projects
    held = select(Job.project, func.count()).where(Job.lease_expires_at.is_not(None)).group_by(Job.project)
    running: dict[str, int] = {name: number for name, number in session.execute(held)}
    return sorted(projects, key=lambda each: (running.get(each.name, 0), each.claimed_at or 0.0, each.name))


def note_claim(session: Session, name: str) -> None:
    """A job of this project was claimed."""
    values = {"claims": Project.claims + 1, "claimed_at": now()}
    session.execute(
        update(Project)
        .where(Project.name == name)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
