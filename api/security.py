"""Bearer keys (RFC 6750): none configured means loopback only, which `clr-tuner serve` and `api` hold to."""

import hmac
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.errors import Problem
from api.resources import ResourcesDep

BEARER = HTTPBearer(auto_error=False, description="one of CLR_API_KEYS, where the service has any")


def require_key(
    resources: ResourcesDep,
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
) -> None:
    """Refuse a request without a configured key, and one with a key where none is configured."""
    keys, header = resources.settings.api_keys, request.headers.get("Authorization")
    if not keys and (
        header is None or header.lower().startswith("basic ")
    ):  # which a proxy before us asked for
        return
    if not keys:
        raise _refuse("this service has no keys: leave the Authorization header out, or set its CLR_API_KEYS")
    if credentials is None:
        what = "send" if header is None else "the Authorization header is not `Bearer KEY`: send"
        raise _refuse(f"{what} one of the service's keys: Authorization: Bearer KEY")
    secret = credentials.credentials.encode("latin-1")  # as it came: headers are read so
    if not any([hmac.compare_digest(secret, key.get_secret_value().encode()) for key in keys]):
        raise _refuse(
            "the key is none of the service's: Authorization: Bearer KEY takes one of its CLR_API_KEYS"
        )


def _refuse(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})
