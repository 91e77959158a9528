"""Answers that can never change have an ETag; who has one already is told so (304) instead of being answered again."""

import hashlib
from importlib.metadata import version

from fastapi import Request, Response

from api.openapi import Responses
from store.models import Base, Job
from store.status import FINAL

VERSION = version("clr-tuner")
NO_CHANGE: Responses = {304: {"description": "what is final, and as If-None-Match has it"}}


def tag(request: Request, *rows: Base) -> str:
    """The ETag of the answer to this request that these rows, all final, decide."""
    asked = (VERSION, request.url.path, request.url.query, request.headers.get("Accept", ""))
    held = [
        [row.__dict__.get(column.key) for column in row.__table__.columns] for row in rows
    ]  # what was read
    return f'"{hashlib.sha256(repr((asked, held)).encode()).hexdigest()[:32]}"'


def tag_if_final(request: Request, job: Job) -> str | None:
    """The ETag of an answer that the job decides; None while it may change."""
    return tag(request, job) if job.status in FINAL else None


def has_it(request: Request, tag: str) -> bool:
    """Whether the caller has the answer of this ETag."""
    known = [part.strip().removeprefix("W/") for part in request.headers.get("If-None-Match", "").split(",")]
    return tag in known or known == ["*"]


def headers_of(tag: str | None) -> dict[str, str]:
    """What tells the caller to keep an answer, and to ask whether it may be shown again; none of one that changes."""
    return {} if tag is None else {"ETag": tag, "Cache-Control": "private, no-cache"}


def unchanged(tag: str) -> Response:
    """The answer to who has it."""
    return Response(status_code=304, headers=headers_of(tag))
