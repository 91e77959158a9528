"""A key as a cookie, for pages: a picture and an event stream cannot send a header, and no script can read it."""

from typing import Annotated, Self

from fastapi import APIRouter, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import BaseModel, Field

from api.errors import Problem
from api.openapi import carrying, responses
from api.requests.body import Moment, moment
from api.root import rooted
from api.security import BEARER, COOKIE, COOKIE_NAME, ResourcesDep
from store import key_sessions, keys
from store.callers import Caller, Scope

SESSION_S = 12 * 3600.0

router = APIRouter(prefix="/session", tags=["keys"])


class CallerView(BaseModel):
    """Who asks, and what they may do."""

    key: str | None = Field(description="how its key is shown")
    name: str | None
    project: str
    scope: Scope
    expires_at: Moment | None = Field(description="of the session if a cookie was sent, or of its key")

    @classmethod
    def of(cls, caller: Caller, expires_at: float | None) -> Self:
        """The answer for a caller. expires_at: of the session."""
        ends = [time for time in (caller.expires_at, expires_at) if time is not None]
        names = ("name", "project", "scope")
        about = {name: getattr(caller, name) for name in names}
        return cls(**about, key=caller.shown, expires_at=moment(min(ends, default=None)))


@router.get("")
def get_session(resources: ResourcesDep) -> CallerView:
    """Whose key or session this request brought; `key` and `name` are null where the service has no keys."""
    caller, expires_at = resources.caller, None
    if caller.session is not None:
        with resources.database.read() as session:
            expires_at = key_sessions.ends_at(session, caller.session)
    return CallerView.of(caller, expires_at)


@router.post("", responses=responses(409, _200=carrying("Set-Cookie")))
def begin_session(
    resources: ResourcesDep,
    request: Request,
    response: Response,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
) -> CallerView:
    """Turn the key of the Authorization header into a cookie that browsers send by themselves, for twelve hours.

    It is HttpOnly and SameSite=Strict, and Secure where the request came by https. Pages of another
    origin change nothing with it. 409 `no_keys` where the service has none.
    """
    if resources.caller.key_id is None:
        raise Problem(409, "no_keys", "this service has no keys: whoever reaches it needs no session")
    if credentials is None:
        detail = "the cookie of a session begins no other: send Authorization: Bearer KEY"
        raise Problem(409, "no_key", detail)
    secret = credentials.credentials.encode("latin-1").decode(errors="replace")
    with resources.database.write() as session:
        key, _ = keys.find(session, secret)
        token, expires_at = key_sessions.begin(session, key=key, secret=secret, for_s=SESSION_S)
    response.set_cookie(
        COOKIE_NAME,
        token,
        max_age=int(SESSION_S),
        path=rooted("") or "/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return CallerView.of(resources.caller, expires_at)


@router.delete("", status_code=204)
def end_session(
    resources: ResourcesDep,
    response: Response,
    cookie: Annotated[str | None, Security(COOKIE)],
) -> None:
    """End the session of the cookie; without one nothing is done."""
    if cookie is not None:
        with resources.database.write() as session:
            key_sessions.end(session, cookie)
    response.delete_cookie(COOKIE_NAME, path=rooted("") or "/")
