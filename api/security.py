"""Bearer keys (RFC 6750): none configured means loopback only, which `clr-tuner serve` and `api` hold to."""

import hmac
from typing import Annotated

from fastapi import Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.errors import Problem
from api.state import Opened

BEARER = HTTPBearer(auto_error=False, description="one of CLR_API_KEYS, where the service has any")


def require_key(
    state: Opened, given: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]
) -> None:
    """Refuse a request without a configured key."""
    keys = state.settings.api_keys
    if not keys:
        return
    sent = given.credentials.encode() if given else b""
    known = [hmac.compare_digest(sent, key.get_secret_value().encode()) for key in keys]
    if not sent or not any(known):
        raise Problem(
            401,
            "unauthorized",
            "send one of the service's keys: Authorization: Bearer KEY",
            headers={"WWW-Authenticate": "Bearer"},
        )
