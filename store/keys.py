"""Keys: made, found by their secret, listed, revoked. A key that was made is never deleted, so that a service that
had one is never open again."""

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass
from secrets import token_urlsafe
from uuid import uuid4

from sqlalchemy import ColumnElement, or_, select, tuple_, update
from sqlalchemy.orm import Session

from store.callers import Scope
from store.database import insert_for, now
from store.errors import NotFound
from store.models import Key, Project

MARK = "clr_"  # how every secret begins: a scanner of sources finds one that was committed
SECRET_BYTES = 32
SHOWN = len(MARK) + 8  # characters of a secret that are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """What a request asks for. Limits that are None are the service's."""

    name: str
    project: str
    scope: Scope
    expires_in_s: float | None = None
    queued_jobs: int | None = None
    steps_a_day: int | None = None
    requests_a_minute: int | None = None


def create(session: Session, new: NewKey, *, created_by: str | None) -> tuple[Key, str]:
    """(The key, its secret, which is kept nowhere). Its project begins, if it is the first of it."""
    secret = MARK + token_urlsafe(SECRET_BYTES)
    known = insert_for(session)(Project).values(name=new.project, claims=0)
    session.execute(known.on_conflict_do_nothing(index_elements=["name"]))
    made_at = session.scalar(select(now())) or 0.0
    key = Key(
        id=str(uuid4()),
        name=new.name,
        project=new.project,
        scope=new.scope,
        prefix=secret[:SHOWN],
        secret_hash=hash_secret(secret),
        queued_jobs=new.queued_jobs,
        steps_a_day=new.steps_a_day,
        requests_a_minute=new.requests_a_minute,
        created_at=made_at,
        created_by=created_by,
        expires_at=None if new.expires_in_s is None else made_at + new.expires_in_s,
        revoked_at=None,
    )
    session.add(key)
    session.flush()
    return key, secret


def hash_secret(secret: str) -> str:
    """What is kept of a secret: no dictionary holds 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def find(session: Session, secret: str) -> tuple[Key | None, bool]:
    """(The key of this secret, whether it opens anything): one that is over is found too."""
    row = session.execute(select(Key, live()).where(Key.prefix == secret[:SHOWN])).one_or_none()
    if row is None or not hmac.compare_digest(row[0].secret_hash, hash_secret(secret)):
        return None, False
    return row[0], bool(row[1])


def live() -> ColumnElement[bool]:
    """What is true of a key that opens something."""
    return Key.revoked_at.is_(None) & or_(Key.expires_at.is_(None), Key.expires_at > now())


def find_live(session: Session, key_ids: Collection[str]) -> set[str]:
    """Which of these keys open something."""
    return set(session.scalars(select(Key.id).where(Key.id.in_(key_ids), live())))


def any_made(session: Session) -> bool:
    """Whether there was ever a key."""
    return session.scalar(select(Key.id).limit(1)) is not None


def find_page(session: Session, *, limit: int, after: tuple[float, str] | None = None) -> list[Key]:
    """At most `limit` keys, newest first; `after`: (created_at, id) of the last of the page before."""
    query = select(Key).order_by(Key.created_at.desc(), Key.id.desc()).limit(limit)
    if after is not None:
        query = query.where(tuple_(Key.created_at, Key.id) < after)
    return list(session.scalars(query))


def revoke(session: Session, key_id: str) -> Key:
    """Have a key open nothing any more; again changes nothing. Raises `NotFound`."""
    session.execute(update(Key).where(Key.id == key_id, Key.revoked_at.is_(None)).values(revoked_at=now()))
    key = session.get(Key, key_id)
    if key is None:
        raise NotFound("there is no key of this id: GET /keys lists them")
    return key
