"""Sessions of browsers: a random token in a cookie stands for a key, until it expires or the key is over."""

import hashlib
import hmac
from collections.abc import Collection, Iterable
from secrets import token_urlsafe

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from store.database import now
from store.keys import hash_secret, live
from store.models import Key, KeySession

TOKEN_BYTES = 32


def begin(session: Session, *, key: Key | None, secret: str, for_s: float) -> tuple[str, float]:
    """(The token of a new session of this key, when it expires); key: None of one that a setting holds.

    Sessions that are over go.
    """
    session.execute(delete(KeySession).where(KeySession.expires_at < now()))
    token = token_urlsafe(TOKEN_BYTES)
    expires_at = (session.scalar(select(now())) or 0.0) + for_s
    key_id = None if key is None else key.id
    proof = _prove(token, secret)
    row = KeySession(token_hash=hash_secret(token), key_id=key_id, proof=proof, expires_at=expires_at)
    session.add(row)
    session.flush()
    return token, expires_at


def find(session: Session, token: str, settings_secrets: Iterable[str]) -> Key | str | None:
    """What the session of this token stands for: a key, or one of the secrets in the settings; None of neither."""
    found = (KeySession.token_hash == hash_secret(token), KeySession.expires_at > now())
    row = session.scalar(select(KeySession).where(*found))
    if row is None:
        return None
    if row.key_id is not None:
        return session.scalar(select(Key).where(Key.id == row.key_id, live()))
    proofs = {secret: _prove(token, secret) for secret in settings_secrets}
    return next((secret for secret, proof in proofs.items() if hmac.compare_digest(proof, row.proof)), None)


def find_live(session: Session, token_hashes: Collection[str]) -> set[str]:
    """Which of the sessions with these hashes of their tokens have not ended."""
    going_on = (KeySession.token_hash.in_(token_hashes), KeySession.expires_at > now())
    return set(session.scalars(select(KeySession.token_hash).where(*going_on)))


def ends_at(session: Session, token_hash: str) -> float | None:
    """When the session with this hash of its token expires; None of one that is over."""
    return session.scalar(select(KeySession.expires_at).where(KeySession.token_hash == token_hash))


def end(session: Session, token: str) -> None:
    """Have the token stand for nothing."""
    session.execute(delete(KeySession).where(KeySession.token_hash == hash_secret(token)))


def _prove(token: str, secret: str) -> str:
    return hmac.new(token.encode(), secret.encode(), hashlib.sha256).hexdigest()
