"""A key as a cookie, for pages: a picture and an event stream cannot send a header, and no script can read it."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import BaseModel, Field

from api.errors import Problem
from api.openapi import carrying, responses
from api.requests.body import Moment, moment
from api.root import rooted
from api.security import BEARER, COOKIE, COOKIE_NAME, ResourcesDep
from store import key_sessions, keys
from store.callers import Scope

SESSION_S = 12 * 3600.0

router = APIRouter(prefix="/session", tags=["keys"])


class SessionView(BaseModel):
    """Whose session it is, and what it may do."""

    key: str | None = Field(description="how its key is shown")
    name: str | None
    project: str
    scope: Scope
    expires_at: Moment


@router.post("", responses=responses(409, _200=carrying("Set-Cookie")))
def begin_session(
    resources: ResourcesDep,
    request: Request,
    response: Response,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
) -> SessionView:
    """Turn the key of the Authorization header into a cookie that browsers send by themselves, for twelve hours.

    It is HttpOnly and SameSite=Strict, and Secure where the request came by https. What changes something needs a
    page of the same origin with it. 409 `no_keys` where the service has none.
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
    caller = resources.caller
    ends_at: datetime | None = moment(min(expires_at, caller.expires_at or expires_at))
    assert ends_at is not None
    return SessionView(
        key=caller.shown, name=caller.name, project=caller.project, scope=caller.scope, expires_at=ends_at
    )


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
