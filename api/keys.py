"""Keys over HTTP, for admins: made, listed, revoked. The secret is in the answer that made it, and nowhere else."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from api.errors import Problem
from api.jobs import JobId
from api.openapi import responses
from api.paging import Page, Paging
from api.requests.body import Body, Moment, Text, moment, require_json
from api.security import ResourcesDep, has_keys
from store import audit, keys
from store.audit import Action
from store.callers import DEFAULT, Scope
from store.keys import NewKey
from store.models import Key

DAY_S = 86_400
LIMIT = "; 0: as many as it likes, null: as the service's setting says"
LIMITS = ("queued_jobs", "steps_a_day", "requests_a_minute")
Most = Annotated[StrictInt | None, Field(ge=0, le=2**31 - 1)]

router = APIRouter(prefix="/keys", tags=["keys"])


class KeyRequest(Body):
    """Whose the key is, and what it may do."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "nightly CI", "project": "vision", "expires_in_days": 90}]}
    )

    name: Text = Field(min_length=1, max_length=200, description="whose it is, as the audit trail names it")
    project: str = Field(
        default=DEFAULT,
        pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$",
        description="it begins with its first key; a key sees the jobs of its project alone, but for admins",
    )
    scope: Scope = Field(
        default=Scope.SUBMIT, description="read; submit: what read may, and jobs; admin: all, and keys"
    )
    expires_in_days: float | None = Field(default=None, gt=0, le=36_500, description="null: never")
    queued_jobs: Most = Field(default=None, description=f"jobs that it may have queued{LIMIT}")
    steps_a_day: Most = Field(default=None, description=f"of the jobs that it asks for in 24 hours{LIMIT}")
    requests_a_minute: Most = Field(default=None, description=f"to one process of the API{LIMIT}")


class KeyView(BaseModel):
    """A key, without its secret."""

    id: str
    name: str
    project: str
    scope: Scope
    prefix: str = Field(description="how its secret begins; the log and the audit trail name it so")
    queued_jobs: int | None
    steps_a_day: int | None
    requests_a_minute: int | None
    created_at: Moment
    created_by: str | None = Field(description="the name of the key that made it")
    expires_at: Moment | None
    revoked_at: Moment | None


class NewKeyView(KeyView):
    """A key that was just made."""

    secret: str = Field(description="shown this once: send it as Authorization: Bearer SECRET")


@router.post(
    "", status_code=201, dependencies=[Depends(require_json)], responses=responses(400, 409, 413, 415, 422)
)
def create_key(resources: ResourcesDep, body: KeyRequest) -> NewKeyView:
    """Make a key. Of a service that had none, the first must be an admin's: from then on every caller needs one.

    409 `first_key_not_admin` where it is not.
    """
    if body.scope != Scope.ADMIN and not has_keys(resources):
        detail = "the first key closes the service to all who have none: make one of the scope admin first"
        raise Problem(409, "first_key_not_admin", detail)
    new = NewKey(
        name=body.name,
        project=body.project,
        scope=body.scope,
        expires_in_s=None if body.expires_in_days is None else body.expires_in_days * DAY_S,
        **{name: getattr(body, name) for name in LIMITS},
    )
    with resources.database.write() as session:
        key, secret = keys.create(session, new, created_by=resources.caller.name)
        audit.record(session, Action.KEY_MADE, key.id, project=key.project)
    return NewKeyView(**_fields(key), secret=secret)


@router.get("", responses=responses(400, 422))
def list_keys(resources: ResourcesDep, paging: Annotated[Paging, Query()]) -> Page[KeyView]:
    """Those of every project, also the revoked, newest first; not those that settings hold."""
    with resources.database.read() as session:
        rows = keys.find_page(session, limit=paging.limit + 1, after=paging.after())
    page, token = paging.page(rows)
    return Page(items=[KeyView(**_fields(key)) for key in page], next_page_token=token)


@router.delete("/{id}", responses=responses(404))
def revoke_key(resources: ResourcesDep, key_id: JobId) -> KeyView:
    """Have a key open nothing any more, at once; its sessions end with it, its jobs stay."""
    with resources.database.write() as session:
        key = keys.revoke(session, key_id)
        audit.record(session, Action.KEY_REVOKED, key.id, project=key.project)
    return KeyView(**_fields(key))


def _fields(key: Key) -> dict[str, Any]:
    times = ("created_at", "expires_at", "revoked_at")
    values: dict[str, Any] = {name: getattr(key, name) for name in KeyView.model_fields}
    return values | {name: moment(values[name]) for name in times}
