"""A POST that may be repeated: known again by its Idempotency-Key, answered like the first."""

import hashlib
import json
from typing import Annotated, TypedDict

from fastapi import Header, Response
from pydantic import BaseModel

from api.jobs import POLL_S

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x20-\x7e]+$",
        description="any text of yours: a POST repeated with it answers what the first one made",
    ),
]


class Key(TypedDict):
    """What a new row keeps to be known again."""

    idempotency_key: str | None
    request_hash: str | None


def identify(idempotency_key: str | None, body: BaseModel, *path: str) -> Key:
    """The key with a hash that tells two bodies apart; `path`: what the path said beside the body."""
    text = json.dumps([body.model_dump(mode="json", exclude_unset=True), *path], sort_keys=True)
    return {
        "idempotency_key": idempotency_key,
        "request_hash": hashlib.sha256(text.encode()).hexdigest(),
    }


def accept(response: Response, location: str, *, replayed: bool) -> None:
    """Put the headers of a 202 on the response."""
    response.headers["Location"] = location
    response.headers["Retry-After"] = str(POLL_S)
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
