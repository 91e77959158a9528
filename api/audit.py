"""The audit trail over HTTP, for admins: keys made and revoked, jobs and comparisons cancelled and deleted."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.openapi import responses
from api.paging import Page, Paging
from api.requests.body import Moment, moment
from api.security import ResourcesDep
from store import audit
from store.audit import Action
from store.models import AuditEntry

router = APIRouter(prefix="/audit", tags=["keys"])


class AuditView(BaseModel):
    """Who did what, and when."""

    id: str
    created_at: Moment
    action: Action
    subject: str = Field(description="the id of the key, the job or the comparison")
    project: str = Field(description="of the subject")
    key: str | None = Field(description="how the key is shown that did it; null where none was needed")
    key_name: str | None

    @classmethod
    def of(cls, entry: AuditEntry) -> "AuditView":
        """The answer for a row."""
        values = {name: getattr(entry, name) for name in cls.model_fields}
        return cls(**values | {"created_at": moment(entry.created_at)})


@router.get("", responses=responses(400, 422))
def list_audit(resources: ResourcesDep, paging: Annotated[Paging, Query()]) -> Page[AuditView]:
    """Of every project, newest first."""
    with resources.database.read() as session:
        rows = audit.find_page(session, limit=paging.limit + 1, after=paging.after())
    page, token = paging.page(rows)
    return Page(items=[AuditView.of(entry) for entry in page], next_page_token=token)
