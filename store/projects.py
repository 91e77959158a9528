"""Projects take turns: whose job a free slot takes next. Within a project its own order holds (store/claims.py)."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from store.callers import DEFAULT
from store.database import insert_for, now
from store.models import Job, Project


def in_turn(session: Session) -> list[Project]:
    """Every project: the one that fewest workers run jobs of comes first, then the one whose last claim is oldest."""
    projects = list(session.scalars(select(Project)))
    if all(project.name != DEFAULT for project in projects):  # its row is made with its first claim
        projects.append(Project(name=DEFAULT, claims=0))
    if len(projects) == 1:
        return projects
    held = select(Job.project, func.count()).where(Job.lease_expires_at.is_not(None)).group_by(Job.project)
    running: dict[str, int] = {name: number for name, number in session.execute(held)}
    return sorted(projects, key=lambda each: (running.get(each.name, 0), each.claimed_at or 0.0, each.name))


def note_claim(session: Session, name: str) -> None:
    """A job of this project was claimed."""
    first = insert_for(session)(Project.__table__).values(name=name, claims=1, claimed_at=now())
    again = {"claims": Project.claims + 1, "claimed_at": now()}
    session.execute(first.on_conflict_do_update(index_elements=["name"], set_=again))
